/* SPDX-License-Identifier: Apache-2.0 */
/* A database that cannot be read on from somewhere: what was read until there is never taken for all (played by interposition). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "ipc/directory.pb-c.h"
#include "lib/ipc/memfd.h"
#include "lib/room/timers.h"
#include "room/queue/queue.h"
#include "room/queue/schema.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <sys/socket.h>
#include <sys/syscall.h>

enum { MESSAGES = 300, CROWD = 300 };	/* messages with a recipient each; recipients of message 1 */

static int reads_until_eio;	/* -1: none fails */
static bool struck;

ssize_t pread64(int fd, void *p, size_t n, off_t at)
{
	if (reads_until_eio == 0) {
		errno = EIO;
		struck = true;
		return -1;
	}
	if (reads_until_eio > 0)
		reads_until_eio--;
	return syscall(SYS_pread64, fd, p, n, at);
}

/* No room is started here. */
const struct room_ops *room_ops_of(enum role role)
{
	return NULL;
}

static char dir[64];
static uv_loop_t loop;
static struct room room = { .loop = &loop };
static struct queue *q;

static void put(int64_t message, int64_t n)
{
	static uint8_t text[600];

	char key[64];
	memset(text, 'x', sizeof(text));
	for (int64_t i = 0; i < n; i++) {
		size_t k = (size_t)snprintf(key, sizeof(key), "mx d%d-%d.test", (int)message, (int)i);
		assert_int_equal(sql_run(q->db, "INSERT INTO recipient (message, address, original, orcpt, domain, notify,"
						" destination, route, host, port, tls, due_ms, created_ms, text)"
						" VALUES (?1, x'61', x'', x'', ?2, 0, ?2, 2, x'', 0, 0, 1, 1, ?3)",
					 "ibb", message, slice_of(key, k), slice_of(text, sizeof(text))), 1);
	}
}

static void fill(void)
{
	assert_int_equal(sql_begin(q->db), 0);
	for (int64_t i = 1; i <= MESSAGES; i++) {
		assert_int_equal(sql_run(q->db, "INSERT INTO message VALUES (?1, x'', x'', 0, 0, 0, 0, 1, 10, 1, 0, 10, 0, 0)",
					 "i", i), 1);
		put(i, i == 1 ? CROWD : 1);
	}
	assert_int_equal(sql_run(q->db, "INSERT INTO recipient SELECT id + 10000, message, address, original, orcpt, domain, notify,"
					" CAST('parked' AS BLOB), route, host, port, tls, account, quota, due_ms, created_ms, attempts, steps,"
					" delay_told, code, enhanced, text, server, tried_ms, mailbox, refuse, multidrop"
					" FROM recipient WHERE message = 1", ""), CROWD);
	assert_int_equal(sql_commit(q->db), 0);
}

/* Nothing of it is in memory. */
static void open_cold(void)
{
	struck = false;
	reads_until_eio = -1;
	sql_close(&q->db);
	assert_int_equal(sql_open("queue.db", queue_migrations, queue_n_migrations, &q->db), 0);
}

static int set_up(void **state)
{
	static const char name[] = "/tmp/test_unread.XXXXXX";

	memcpy(dir, name, sizeof(name));
	if (!mkdtemp(dir) || chdir(dir) || uv_loop_init(&loop))
		return -1;
	reads_until_eio = -1;
	room.conf = conf_defaults();
	room.state = q = calloc(1, sizeof(*q));
	q->room = &room;
	q->dests = map_new();
	q->flying = map_new();
	list_init(&q->ready);
	list_init(&q->sleeping);
	batch_init(q);
	q->relay_away_ms = INT64_MAX;
	uv_timer_init(&loop, &q->wake);
	q->wake.data = q;
	sweep_start(q);
	if (sql_open("queue.db", queue_migrations, queue_n_migrations, &q->db) || blob_open("log", 1 << 20, NULL, &q->log))
		return -1;
	fill();
	open_cold();
	return 0;
}

static void forget_dests(void)
{
	size_t at = 0;
	struct slice key;
	void *d;

	for (; map_next(q->dests, &at, &key, &d); at = 0) {
		list_remove(&((struct dest *)d)->node);
		map_remove(q->dests, key);
		free((void *)((struct dest *)d)->key.p);
		free(d);
	}
}

static void close_one(uv_handle_t *h, void *ctx)
{
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

static int tear_down(void **state)
{
	reads_until_eio = -1;
	uv_walk(&loop, close_one, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	forget_dests();
	map_free(&q->dests);
	map_free(&q->flying);
	timers_free(&q->timers);
	sql_close(&q->db);
	blob_close(&q->log);
	conf_free(&room.conf);
	free(q);
	DIR *d = opendir("log");
	for (struct dirent *e; d && (e = readdir(d));)
		unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	unlink("queue.db");
	unlink("queue.db-wal");
	return rmdir("log") || chdir("/") || rmdir(dir);
}

/* With every read failing in turn: an error, or all of them. */
static void destinations(void **state)
{
	int failed = 0;

	for (;; failed++) {
		reads_until_eio = failed;
		q->loaded_ms = -1;
		int err = dests_load(q);
		if (err == 0)
			break;
		assert_int_equal(err, ERR_CORRUPT);
		assert_int_equal(q->loaded_ms, -1);	/* the next sweep loads again */
		forget_dests();
		open_cold();
	}
	assert_true(failed > 3);
	assert_int_equal(map_count(q->dests), MESSAGES - 1 + CROWD);	/* and who is parked has none */
}

/* A destination whose rows cannot be read is looked at again, not forgotten. */
static void unread_destination(void **state)
{
	int64_t now = clock_wall_ms();

	assert_int_equal(sql_run(q->db, "UPDATE recipient SET destination = CAST('store 0' AS BLOB)"
					" WHERE destination = CAST('parked' AS BLOB)", ""), CROWD);
	assert_int_equal(dests_load(q), 0);
	uv_timer_stop(&q->wake);
	for (int rest = 0; rest < 2; rest++) {
		struct dest *d = map_get(q->dests, SLICE("store 0"));
		assert_non_null(d);
		if (rest) {	/* nothing is due, and what comes next cannot be read */
			assert_int_equal(sql_run(q->db, "UPDATE recipient SET due_ms = ?1 WHERE destination = CAST('store 0' AS BLOB)",
						 "i", now + 3600000), CROWD);
			d->wake_ms = d->blocked_ms = 0;
		}
		open_cold();
		reads_until_eio = 0;
		dests_wake(q, now);
		assert_ptr_equal(map_get(q->dests, SLICE("store 0")), d);
		assert_true(list_linked(&d->node));
		assert_true(d->wake_ms <= clock_wall_ms() + QUEUE_PAUSE_MS);
		assert_int_equal(d->active, 0);
		reads_until_eio = -1;
		list_remove(&d->node);
		list_append(&q->ready, &d->node);
	}
}

static struct answer {
	int n, err;
	unsigned status;
	size_t items;
} answer;

static void on_answer(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	const Postern__AdminReply *r = (const Postern__AdminReply *)msg;
	answer = (struct answer){ .n = answer.n + 1, .err = err };
	if (err < 0)
		return;
	answer.status = r->status;
	json_t *o;
	if (fd >= 0) {
		struct slice whole;
		assert_int_equal(memfd_map(fd, UINT64_MAX, &whole), 0);
		o = json_loadb((const char *)whole.p, whole.n, 0, NULL);
		memfd_unmap(&whole);
		close(fd);
	} else {
		o = json_loadb((const char *)r->json.data, r->json.len, 0, NULL);
	}
	assert_non_null(o);
	json_t *list = json_object_get(o, ctx);
	answer.items = json_is_array(list) ? json_array_size(list) : (size_t)json_integer_value(list);
	json_decref(o);
}

static ipc_handler_fn *const handlers[POSTERN__QUEUE_OP__QUEUE_TIMER + 1] = {
	[POSTERN__QUEUE_OP__QUEUE_ADMIN] = admin_handle,
};

static void ask(const char *operation, const char *name, const char *value, const char *list)
{
	static const struct ipc_handlers server = { .by_op = handlers }, client;
	Postern__AdminRequest req = POSTERN__ADMIN_REQUEST__INIT;
	Postern__AdminField field = POSTERN__ADMIN_FIELD__INIT, *fields[] = { &field };
	int fds[2], before = answer.n;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	struct ipc_chan *a = ipc_chan_new(&loop, fds[0], &queue_contract, false, ROLE_QUEUE, 0, &client, NULL);
	struct ipc_chan *b = ipc_chan_new(&loop, fds[1], &queue_contract, true, ROLE_DIRECTORY, 0, &server, &room);
	field.name = (char *)name;
	field.value = pb_of_slice(slice_str(value));
	req.operation = (char *)operation;
	req.fields = fields;
	req.n_fields = 1;
	assert_true(ipc_call(a, POSTERN__QUEUE_OP__QUEUE_ADMIN, &req.base, NULL, 0, 60000, on_answer, (void *)list));
	while (answer.n == before)
		uv_run(&loop, UV_RUN_ONCE);
	ipc_chan_free(&a);
	ipc_chan_free(&b);
	uv_run(&loop, UV_RUN_NOWAIT);
}

static void operations(void **state)
{
	static const struct {
		const char *operation, *name, *value, *list;
		size_t all;
	} cases[] = {
		{ "queue.list", "limit", "1000", "items", MESSAGES },
		{ "queue.show", "id", "1", "recipients", 2 * CROWD },
		{ "queue.flush", "id", "1", "count", 1 },
		{ "queue.remove", "id", "1", "count", 1 },
	};

	uv_timer_stop(&q->sweep);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int failed = 0;
		for (;; failed += 5) {
			open_cold();
			reads_until_eio = failed;
			ask(cases[i].operation, cases[i].name, cases[i].value, cases[i].list);
			reads_until_eio = -1;
			uv_timer_stop(&q->wake);
			if (!struck)
				break;
			assert_int_equal(answer.err, ERR_CORRUPT);
		}
		assert_true(failed > 3);
		assert_int_equal(answer.err, 0);
		assert_int_equal(answer.status, 200);
		assert_int_equal(answer.items, cases[i].all);
	}
	int64_t left;
	assert_int_equal(sql_get(q->db, &left, "SELECT count(*) FROM recipient WHERE message = 1", ""), 0);
	assert_int_equal(left, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(destinations),
		T(unread_destination),
		T(operations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
