/* SPDX-License-Identifier: Apache-2.0 */
#include "room/store/testing.h"

#define DAY_MS (24 * 3600 * 1000LL)

static void account(struct shard *e, uint64_t id, uint32_t days)
{
	assert_int_equal(OP(e, shard_account_put(e, id, SLICE("a@b"), 100000, 0)), 0);
	assert_int_equal(OP(e, shard_account_limits(e, id, 5, days)), 0);
	assert_int_equal(OP(e, shard_pool_put(e, 5, 1 << 20, 1 << 20, 0)), 0);
}

static void append(struct shard *e, uint64_t id, const char *folder, int64_t age_ms)
{
	struct incoming m = { .message = SLICE("Subject: x\r\n\r\nbody\r\n"), .internal_date = test_now - age_ms,
			      .flags = FLAG_FLAGGED };
	struct appended done;

	assert_int_equal(OP(e, shard_append(e, id, slice_str(folder), &m, &done)), 0);
}

static uint32_t messages(struct shard *e, uint64_t id, const char *folder)
{
	struct mailbox m;

	assert_int_equal(shard_mailbox(e, id, slice_str(folder), &m), 0);
	return m.messages;
}

/* Until it is through; how many went. */
static size_t pass(struct shard *e, int64_t at)
{
	struct retention_cursor c = { 0 };
	size_t all = 0, n;
	int done = 0;

	for (int i = 0; !done; i++) {
		assert_true(i < 1000);
		assert_int_equal(shard_begin(e, at), 0);
		assert_int_equal(shard_op_begin(e, NULL), 0);
		done = shard_retention_step(e, &c, &n);
		assert_true(done >= 0);
		assert_int_equal(shard_op_end(e, 0), 0);
		assert_int_equal(shard_commit(e), 0);
		all += n;
	}
	return all;
}

static void old_mail_goes(void **state)
{
	struct shard *e = open_shard();
	struct account a;
	struct pool p;

	account(e, 1, 60);
	account(e, 2, 0);
	account(e, 3, 10);
	for (uint64_t id = 1; id <= 3; id++) {
		append(e, id, "INBOX", 61 * DAY_MS);
		append(e, id, "INBOX", 59 * DAY_MS);
		append(e, id, "Sent", 61 * DAY_MS);
		append(e, id, "Sent", 1 * DAY_MS);
		append(e, id, "INBOX", -DAY_MS);	/* from tomorrow */
	}
	assert_int_equal(pass(e, test_now), 2 + 3);
	assert_int_equal(messages(e, 1, "INBOX"), 2);
	assert_int_equal(messages(e, 1, "Sent"), 1);
	assert_int_equal(messages(e, 2, "INBOX"), 3);
	assert_int_equal(messages(e, 3, "INBOX"), 1);
	assert_int_equal(shard_account(e, 1, &a), 0);
	assert_int_equal(a.used_messages, 3);
	assert_int_equal(shard_pool(e, 5, &p), 0);
	assert_int_equal(p.used, a.used_bytes / 3 * (3 + 5 + 2));
	assert_int_equal(pass(e, test_now), 0);
	assert_int_equal(pass(e, test_now + 365 * DAY_MS), 5);
	e = rebuild_and_compare(e);
	assert_int_equal(shard_account(e, 1, &a), 0);
	assert_int_equal(a.retention, 60);
	shard_close(&e);
}

/* To the millisecond: what is exactly so old stays. */
static void the_border(void **state)
{
	struct shard *e = open_shard();

	account(e, 1, 1);
	int64_t born = test_now;
	append(e, 1, "INBOX", 0);
	assert_int_equal(pass(e, born + DAY_MS), 0);
	assert_int_equal(pass(e, born + DAY_MS + 1), 1);
	shard_close(&e);
}

/* Small batches, each with its notices; nothing is left behind where there are many. */
static void many(void **state)
{
	struct shard *e = open_shard();
	struct retention_cursor c = { 0 };
	size_t n, n_changes;

	account(e, 1, 1);
	for (int i = 0; i < 450; i++)
		append(e, 1, i % 3 ? "INBOX" : "Trash", i % 5 ? 2 * DAY_MS : 0);
	assert_int_equal(shard_begin(e, test_now + 1), 0);
	assert_int_equal(shard_op_begin(e, NULL), 0);
	assert_int_equal(shard_retention_step(e, &c, &n), 0);
	assert_int_equal(shard_op_end(e, 0), 0);
	assert_int_equal(shard_commit(e), 0);
	assert_int_equal(n, 200);
	const struct change *changes = shard_changes(e, &n_changes);
	assert_int_equal(n_changes, 200);
	assert_int_equal(changes[0].kind, CHANGE_EXPUNGED);
	assert_int_equal(pass(e, test_now + 1), 160);
	assert_int_equal(messages(e, 1, "INBOX") + messages(e, 1, "Trash"), 90);
	e = rebuild_and_compare(e);
	shard_close(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = { STORE_TEST(old_mail_goes), STORE_TEST(the_border), STORE_TEST(many) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
