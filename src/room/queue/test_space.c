/* SPDX-License-Identifier: Apache-2.0 */
/* Space of mail that has left, on a disk that cannot be read (played by interposition). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "room/queue/space.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

enum { BODY = 4000, SEGMENT = 10 * BODY };

static bool reads_fail;

ssize_t pread64(int fd, void *p, size_t n, off_t at)
{
	errno = EIO;
	return reads_fail ? -1 : syscall(SYS_pread64, fd, p, n, at);
}

static const char *const schema[] = {
	"CREATE TABLE message (id INTEGER PRIMARY KEY, segment INTEGER NOT NULL, offset INTEGER NOT NULL,"
	" length INTEGER NOT NULL, text BLOB); CREATE INDEX message_segment ON message (segment);",
};

struct fixture {
	struct sql *db;
	struct blob_log *log;
	struct arena *a;
};

static void open_both(struct fixture *f)
{
	assert_int_equal(sql_open("q.db", schema, 1, &f->db), 0);
	assert_int_equal(blob_open("log", SEGMENT, NULL, &f->log), 0);
	f->a = arena_new();
}

static void close_both(struct fixture *f)
{
	blob_close(&f->log);
	sql_close(&f->db);
	arena_free(&f->a);
}

static char dir[64];

static int set_up(void **state)
{
	static const char name[] = "/tmp/test_space.XXXXXX";

	reads_fail = false;
	memcpy(dir, name, sizeof(name));
	return mkdtemp(dir) ? chdir(dir) : -1;
}

static int tear_down(void **state)
{
	DIR *d = opendir("log");

	for (struct dirent *e; d && (e = readdir(d));)
		unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	unlink("q.db");
	return rmdir("log") || chdir("/") || rmdir(dir);
}

/* So many messages, those of which (number % alive) is 0 with a row. */
static void fill(struct fixture *f, int64_t n, int64_t alive)
{
	static uint8_t body[BODY];
	uint8_t sha256[32];

	assert_int_equal(sql_begin(f->db), 0);
	for (int64_t id = 1; id <= n; id++) {
		struct blob_addr at;
		for (size_t i = 0; i < sizeof(body); i++)
			body[i] = (uint8_t)(((uint64_t)id * 2654435761u + i * i * 40503u) >> 11);
		assert_int_equal(blob_put_message(f->log, SLICE(""), SLICE(""), slice_of(body, sizeof(body)), 10, &at, sha256), 0);
		if (id % alive == 0)
			assert_int_equal(sql_run(f->db, "INSERT INTO message VALUES (?, ?, ?, ?, ?)", "iiiib", id, (int64_t)at.segment,
						 (int64_t)at.offset, (int64_t)at.length, slice_of(body, 1000)), 1);
	}
	assert_int_equal(blob_sync(f->log), 0);
	assert_int_equal(sql_commit(f->db), 0);
}

/* One turn, with what was dead removed. */
static void turn(struct fixture *f, struct space *s)
{
	assert_int_equal(sql_begin(f->db), 0);
	assert_int_equal(space_find(f->db, f->log, false, f->a, s), 0);
	assert_int_equal(blob_sync(f->log), 0);
	assert_int_equal(sql_commit(f->db), 0);
	space_free(f->log, s);
}

static void read_all(struct fixture *f, int64_t want)
{
	struct sql_stmt *s = sql_prepare(f->db, "SELECT segment, offset, length FROM message");
	int64_t n = 0;
	int err;

	for (; (err = sql_step(s)) == 1; n++) {
		struct blob_addr at = { (uint32_t)sql_int(s, 0), (uint64_t)sql_int(s, 1), (uint32_t)sql_int(s, 2) };
		struct buf out = BUF_INIT(BODY);
		assert_int_equal(blob_read(f->log, &at, true, true, &out), 0);
		buf_fini(&out);
	}
	sql_done(s);
	assert_int_equal(err, 0);
	assert_int_equal(n, want);
}

static void comes_back(void **state)
{
	struct fixture f;
	struct space s;
	int turns = 0;

	open_both(&f);
	fill(&f, 100, 25);
	size_t before = blob_segments(f.log, NULL, 0);
	do {
		turn(&f, &s);
		assert_true(++turns < 20);
	} while (s.more);
	assert_true(before > 8 && blob_segments(f.log, NULL, 0) <= 2);
	read_all(&f, 4);
	close_both(&f);
}

/* A database that cannot be read names no segment dead. */
static void unreadable_database(void **state)
{
	struct fixture f;
	struct space s;

	open_both(&f);
	fill(&f, 100, 1);
	close_both(&f);
	open_both(&f);	/* with nothing of it in memory */
	size_t before = blob_segments(f.log, NULL, 0);
	reads_fail = true;
	assert_int_equal(sql_begin(f.db), 0);
	assert_int_equal(space_find(f.db, f.log, false, f.a, &s), ERR_CORRUPT);
	sql_rollback(f.db);
	reads_fail = false;
	turn(&f, &s);
	assert_int_equal(blob_segments(f.log, NULL, 0), before);
	read_all(&f, 100);
	close_both(&f);
}

/* A record that cannot be read keeps its segment, and nothing spins for it. */
static void unreadable_record(void **state)
{
	struct fixture f;
	struct space s;
	int64_t offset = 0, segment = 0;

	open_both(&f);
	fill(&f, 100, 25);
	assert_int_equal(sql_get(f.db, &offset, "SELECT offset FROM message WHERE id = 25", ""), 0);
	assert_int_equal(sql_get(f.db, &segment, "SELECT segment FROM message WHERE id = 25", ""), 0);
	char path[32];
	snprintf(path, sizeof(path), "log/%08x.seg", (unsigned)segment);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "damage", 6, offset + 200), 6);
	close(fd);
	int turns = 0;
	do {
		turn(&f, &s);
		assert_true(++turns < 20);
	} while (s.more);
	assert_true(blob_segment_size(f.log, (uint32_t)segment) > 0);
	assert_true(blob_segments(f.log, NULL, 0) <= 3);
	close_both(&f);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = { T(comes_back), T(unreadable_database), T(unreadable_record) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
