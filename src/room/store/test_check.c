/* SPDX-License-Identifier: Apache-2.0 */
/* The check in pieces: it finds what is wrong, and nothing where mail goes on between two of them. */
#include "room/store/engine_priv.h"
#include "room/store/testing.h"

#include "lib/room/tools.h"

static char told[4000];

static void tell(void *ctx, const char *text)
{
	size_t n = strlen(told);

	snprintf(told + n, sizeof(told) - n, "%s\n", text);
}

static void put_account(struct shard *e, uint64_t id)
{
	assert_int_equal(OP(e, shard_account_put(e, id, SLICE("joe@example.test"), 0, 0)), 0);
}

static void fill(struct shard *e, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct delivery d = { .account = 1 };
		struct incoming m = { .message = SLICE("Subject: one\r\n\r\nthe body") };
		assert_int_equal(OP(e, shard_deliver(e, &d, 1, &m)), 0);
	}
}

static struct mailbox box(struct shard *e, const char *name)
{
	struct mailbox m = { 0 };

	assert_int_equal(shard_mailbox(e, 1, slice_str(name), &m), 0);
	return m;
}

static uint64_t check_all(struct shard *e)
{
	struct check_result r;

	told[0] = 0;
	assert_int_equal(shard_check(e, true, tell, NULL, &r), 0);
	return r.faults;
}

/* A check changes nothing: the last record of the log stays, damaged as it is. */
static void damaged_end_stays(void **state)
{
	struct shard *e = open_shard();
	struct stat before, after;
	struct store_report r;

	put_account(e, 1);
	fill(e, 3);
	shard_close(&e);
	assert_int_equal(stat("segments/00000001.seg", &before), 0);
	int fd = open("segments/00000001.seg", O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "?", 1, before.st_size - 1), 1);
	close(fd);
	told[0] = 0;
	assert_int_equal(store_check_offline(".", options.segment_bytes, false, tell, NULL, &r), 0);
	assert_true(r.faults > 0);
	assert_int_equal(stat("segments/00000001.seg", &after), 0);
	assert_int_equal(after.st_size, before.st_size);
}

static void every_rule(void **state)
{
	static const struct {
		const char *breaks, *want;
	} cases[] = {
		{ "UPDATE mailbox SET account = 99 WHERE name = x'4a756e6b'", "mailboxes without an account (1, 0)\n" },
		{ "UPDATE message SET mailbox = 4000 WHERE uid = 2", "messages without a mailbox (1, 0)\n" },
		{ "UPDATE mailbox SET no_select = 1, name = x'41' WHERE messages != 0",
		  "messages in a mailbox that cannot be selected (3, 0)\n" },
		{ "UPDATE mailbox SET uidnext = 3 WHERE messages != 0", "uids or modseqs that were not given yet (1, 0)\n" },
		{ "UPDATE message SET modseq = 1000 WHERE uid = 1", "uids or modseqs that were not given yet (1, 0)\n" },
		{ "UPDATE mailbox SET messages = messages + 1 WHERE messages != 0", "mailboxes with wrong counters (1, 0)\n" },
		{ "UPDATE mailbox SET unseen = 0 WHERE messages != 0", "mailboxes with wrong counters (1, 0)\n" },
		{ "UPDATE mailbox SET deleted = 1 WHERE messages != 0", "mailboxes with wrong counters (1, 0)\n" },
		{ "UPDATE mailbox SET size = 1 WHERE messages = 0", "mailboxes with wrong counters (" },
		{ "UPDATE mailbox SET recent = 9 WHERE messages != 0", "mailboxes with a wrong number of recent messages (1, 0)\n" },
		{ "UPDATE account SET used_bytes = 1", "accounts with wrong counters (1, 0)\n" },
		{ "UPDATE account SET used_messages = 1", "accounts with wrong counters (1, 0)\n" },
		{ "UPDATE account SET quota_bytes = used_bytes", "accounts above a line of their quota that they do not know of (1, 0)\n" },
		{ "UPDATE account SET next_uidvalidity = 1", "uidvalidities that were not given yet (6, 0)\n" },
		{ "DELETE FROM blob WHERE id = 2", "messages without bytes (1, 0)\n" },
		{ "UPDATE message SET size = size + 1 WHERE uid = 3", "messages of another size than their bytes (1, 0)\n" },
		{ "UPDATE blob SET refs = refs + 1", "blobs with a wrong number of references (3, 0)\n" },
		{ "INSERT INTO pool VALUES (5, 0, 77, 0, 0, 0, 0)", "pools with wrong counters (1, 0)\n" },
		{ "UPDATE blob SET offset = offset + 1 WHERE id = 1", "bytes that cannot be read (" },
		{ "UPDATE blob SET length = length + 1 WHERE id = 1", "segment with a wrong count of live bytes (" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct shard *e = open_shard();
		put_account(e, 1);
		fill(e, 3);
		assert_int_equal(check_all(e), 0);
		assert_true(sql_run(e->db, cases[i].breaks, "") > 0);
		assert_true(check_all(e) > 0);
		if (!strstr(told, cases[i].want))
			fail_msg("%s\n%s", cases[i].breaks, told);
		shard_close(&e);
		tear_down(state);
		assert_int_equal(set_up(state), 0);
	}
}

/* Something else each time: mail comes, goes, is copied, gets flags. */
static void change(struct shard *e, unsigned i)
{
	struct mailbox inbox = box(e, "INBOX"), trash = box(e, "Trash");
	struct uid_range some = { 1 + i * 7, 4 + i * 7 }, later = { 4000 - i * 3, 4000 - i * 3 };
	struct arena *a = arena_new();
	struct copy_result r;
	struct expunge_result x;

	fill(e, 2);
	if (i % 2)
		assert_int_equal(OP(e, shard_copy(e, inbox.id, &some, 1, SLICE("Trash"), false, (struct slice){ 0 }, a, &r)), 0);
	else
		assert_int_equal(OP(e, shard_expunge(e, inbox.id, &some, 1, false, a, &x)), 0);
	assert_int_equal(OP(e, shard_expunge(e, inbox.id, &later, 1, false, a, &x)), 0);
	if (i % 5 == 0)
		assert_int_equal(OP(e, shard_copy(e, trash.id, &(struct uid_range){ 1, 100 }, 1, SLICE("Sent"), false, (struct slice){ 0 }, a, &r)), 0);
	arena_free(&a);
}

static void mail_goes_on(void **state)
{
	struct shard *e = open_shard();
	struct arena *a = arena_new();
	struct uid_range all = { 1, UINT32_MAX };
	struct copy_result copied;
	struct check_result r;
	unsigned steps = 0;
	int done;

	put_account(e, 1);
	fill(e, 60);
	for (unsigned i = 0; i < 7; i++) {	/* 60, 120, ... 7680 */
		assert_int_equal(OP(e, shard_copy(e, box(e, "INBOX").id, &all, 1, SLICE("Archive"), false, (struct slice){ 0 }, a, &copied)), 0);
		assert_int_equal(OP(e, shard_copy(e, box(e, "Archive").id, &all, 1, SLICE("INBOX"), false, (struct slice){ 0 }, a, &copied)), 0);
		if (box(e, "INBOX").messages > 5000)
			break;
	}
	told[0] = 0;
	struct checker *c = checker_new(e, true, tell, NULL);
	while ((done = checker_step(c, &r)) == 0) {
		assert_true(checker_percent(c) < 100);
		change(e, steps++);
		assert_true(steps < 10000);
	}
	checker_free(&c);
	assert_int_equal(done, 1);
	assert_string_equal(told, "");
	assert_int_equal(r.faults, 0);
	assert_true(steps > 10);
	assert_true(r.messages > 5000);
	/* And one that is wrong is found all the same. */
	assert_int_equal(sql_run(e->db, "UPDATE blob SET refs = refs + 1 WHERE id = 30", ""), 1);
	c = checker_new(e, true, tell, NULL);
	while ((done = checker_step(c, &r)) == 0)
		change(e, steps++ % 400);
	checker_free(&c);
	assert_int_equal(done, 1);
	assert_string_equal(told, "blobs with a wrong number of references (1, 0)\n");
	assert_int_equal(sql_run(e->db, "UPDATE blob SET refs = refs - 1 WHERE id = 30", ""), 1);
	assert_int_equal(check_all(e), 0);
	arena_free(&a);
	shard_close(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(every_rule), STORE_TEST(damaged_end_stays), STORE_TEST(mail_goes_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
