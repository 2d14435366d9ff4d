/* SPDX-License-Identifier: Apache-2.0 */
/* What the shards are told while it changes. The store is the test: calls are kept, and answered when it says so. */
#include "room/directory/testing.h"

#include "ipc/store.pb-c.h"
#include "room/directory/directory_priv.h"

#define room_call fake_call
static struct peer_call *fake_call(struct room *room, enum role role, unsigned index, uint16_t op, const ProtobufCMessage *req,
				   const int *fds, size_t n_fds, unsigned deadline_ms, ipc_reply_fn *fn, void *ctx);
#include "room/directory/work/store_batch.c"
#undef room_call

enum { CALLS_MAX = 512 };

static struct call {
	uint16_t op;
	uint64_t account, quota;
	ipc_reply_fn *fn;
	void *ctx;
} calls[CALLS_MAX];
static size_t n_calls, answered;
static uv_loop_t loop;
static int ended, ended_err;

static struct peer_call *fake_call(struct room *room, enum role role, unsigned index, uint16_t op, const ProtobufCMessage *req,
				   const int *fds, size_t n_fds, unsigned deadline_ms, ipc_reply_fn *fn, void *ctx)
{
	const Postern__AccountPut *put = (const Postern__AccountPut *)req;
	const Postern__AccountId *id = (const Postern__AccountId *)req;
	bool is_put = op == POSTERN__STORE_OP__STORE_ACCOUNT_PUT;
	assert_true(n_calls < CALLS_MAX);
	calls[n_calls++] = (struct call){ op, is_put ? put->account_id : id->account_id, is_put ? put->quota_bytes : 0, fn, ctx };
	return NULL;
}

void directory_check_disk(struct directory *d)
{
}

static void answer(size_t n)
{
	Postern__StoreNothing nothing = POSTERN__STORE_NOTHING__INIT;
	while (n--) {
		struct call *c = &calls[answered++];
		assert_true(answered <= n_calls);
		c->fn(c->ctx, 0, &nothing.base, -1, "");
	}
}

static void on_ended(void *ctx, int err)
{
	ended++;
	ended_err = err;
}

static struct directory directory_of(struct fixture *f, struct room *room)
{
	n_calls = answered = 0;
	ended = ended_err = 0;
	assert_int_equal(uv_loop_init(&loop), 0);
	room->loop = &loop;
	return (struct directory){ .room = room, .e = f->e };
}

static void finish(void)
{
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

static void make_many(struct fixture *f, const struct domain *d, struct account *x, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char name[32];
		snprintf(name, sizeof(name), "user%zu", i);
		x[i] = make_mailbox(f, d, name);
	}
}

/* A quota that was changed while its account waited for its turn; whoever changed it has told the shard already. */
static void a_shard_is_told_what_holds(void **state)
{
	enum { N = WINDOW + 3 };
	struct fixture *f = *state;
	struct room room = { 0 };
	struct directory d = directory_of(f, &room);
	struct domain in = make_domain(f, "one.test", true);
	struct account x[N];
	make_many(f, &in, x, N);
	store_batch(&d, POSTERN__STORE_OP__STORE_ACCOUNT_PUT, x, N, NULL, on_ended, NULL);
	assert_int_equal(n_calls, WINDOW);
	assert_int_equal(account_set_quota(f->e, x[N - 1].id, 7777), 0);
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(account_retire(f->e, x[N - 2].id), 0);
	assert_int_equal(account_retire(f->e, x[N - 3].id), 0);
	assert_int_equal(engine_commit(f->e), 0);
	assert_int_equal(account_forget(f->e, x[N - 3].id), 0);
	answer(1);
	/* One is gone, one is to be removed: neither is made anew. */
	assert_int_equal(n_calls, WINDOW + 1);
	assert_int_equal(calls[WINDOW].account, x[N - 1].id);
	assert_int_equal(calls[WINDOW].quota, 7777);
	answer(WINDOW);
	assert_int_equal(ended, 1);
	assert_int_equal(ended_err, 0);
	finish();
}

static void nothing_is_called_back_from_inside(void **state)
{
	struct fixture *f = *state;
	struct room room = { 0 };
	struct directory d = directory_of(f, &room);
	struct domain in = make_domain(f, "one.test", true);
	struct account x = make_mailbox(f, &in, "joe");
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(account_retire(f->e, x.id), 0);
	assert_int_equal(engine_commit(f->e), 0);
	for (size_t n = 0; n < 2; n++) {
		store_batch(&d, POSTERN__STORE_OP__STORE_ACCOUNT_PUT, &x, n, NULL, on_ended, NULL);
		assert_int_equal(ended, (int)n);
		uv_run(&loop, UV_RUN_DEFAULT);
		assert_int_equal(ended, (int)n + 1);
	}
	assert_int_equal(n_calls, 0);
	finish();
}

/* An account that has to go while others are completed does not wait for the next tick. */
static void what_comes_meanwhile_is_finished_too(void **state)
{
	struct fixture *f = *state;
	struct room room = { 0 };
	struct directory d = directory_of(f, &room);
	struct domain in = make_domain(f, "one.test", true);
	struct account joe = make_mailbox(f, &in, "joe"), mary = make_mailbox(f, &in, "mary");
	assert_int_equal(account_set_state(f->e, joe.id, ACCOUNT_MADE), 0);
	finish_accounts(&d);
	assert_int_equal(n_calls, 1);
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(account_retire(f->e, mary.id), 0);
	assert_int_equal(engine_commit(f->e), 0);
	finish_accounts(&d);
	assert_int_equal(n_calls, 1);
	answer(1);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(n_calls, 2);
	assert_int_equal(calls[1].op, POSTERN__STORE_OP__STORE_ACCOUNT_REMOVE);
	assert_int_equal(calls[1].account, mary.id);
	answer(1);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(n_calls, 2);
	assert_false(d.finishing);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_shard_is_told_what_holds, fixture_up, fixture_down),
		cmocka_unit_test_setup_teardown(nothing_is_called_back_from_inside, fixture_up, fixture_down),
		cmocka_unit_test_setup_teardown(what_comes_meanwhile_is_finished_too, fixture_up, fixture_down),
	};
	return cmocka_run_group_tests_name("store_batch", tests, NULL, NULL);
}
