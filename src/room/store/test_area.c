/* SPDX-License-Identifier: Apache-2.0 */
/* Areas, closing, and mail that moves to another account. */
#include "room/store/testing.h"

static int put_area(struct shard *e, uint64_t id, uint64_t bytes)
{
	return OP(e, shard_account_put(e, id, SLICE("@example.test"), bytes, 0));
}

static int deliver(struct shard *e, uint64_t account, const char *folder, const char *message, uint32_t max)
{
	struct delivery d = { .account = account, .mailbox = slice_str(folder), .create = true, .mailboxes_max = max };
	struct incoming m = { .message = slice_str(message) };
	int err = OP(e, shard_deliver(e, &d, 1, &m));

	return err ? err : d.err;
}

static uint32_t messages(struct shard *e, uint64_t account, const char *folder)
{
	struct mailbox m;

	return shard_mailbox(e, account, slice_str(folder), &m) == 0 ? m.messages : UINT32_MAX;
}

static void a_delivery_makes_the_folder(void **state)
{
	struct shard *e = open_shard();
	struct mailbox m;

	assert_int_equal(put_area(e, 7, 0), 0);
	assert_int_equal(shard_mailbox(e, 7, SLICE("INBOX"), &m), ERR_NOT_FOUND);
	assert_int_equal(deliver(e, 7, "0=joe", "A: 1\r\n\r\nx", 2), 0);
	assert_int_equal(deliver(e, 7, "0=mary", "A: 2\r\n\r\nx", 2), 0);
	assert_int_equal(deliver(e, 7, "0=jane", "A: 3\r\n\r\nx", 2), ERR_QUOTA);
	assert_int_equal(deliver(e, 7, "0=joe", "A: 4\r\n\r\nx", 2), 0);
	assert_int_equal(messages(e, 7, "0=joe"), 2);
	assert_int_equal(messages(e, 7, "0=jane"), UINT32_MAX);
	/* Nothing without a folder's name, and nothing that is no name. */
	struct delivery d = { .account = 7 };
	struct incoming in = { .message = SLICE("x") };
	assert_int_equal(OP(e, shard_deliver(e, &d, 1, &in)), 0);
	assert_int_equal(d.err, ERR_NOT_FOUND);
	e = rebuild_and_compare(e);
	shard_close(&e);
}

/* Two new folders in one message, and room for one: none is made. */
static void one_message_to_several_folders(void **state)
{
	struct shard *e = open_shard();
	struct delivery d[2] = { { .account = 7, .mailbox = SLICE("0=a"), .create = true, .mailboxes_max = 1 },
				 { .account = 7, .mailbox = SLICE("0=b"), .create = true, .mailboxes_max = 1 } };
	struct incoming in = { .message = SLICE("Subject: x\r\n\r\nbody\r\n") };

	assert_int_equal(put_area(e, 7, 100), 0);
	assert_int_equal(OP(e, shard_deliver(e, d, 2, &in)), ERR_QUOTA);
	assert_int_equal(put_area(e, 7, 30), 0);
	assert_int_equal(messages(e, 7, "0=a"), UINT32_MAX);
	d[0].mailboxes_max = d[1].mailboxes_max = 2;
	assert_int_equal(OP(e, shard_deliver(e, d, 2, &in)), 0);
	assert_int_equal(d[0].err, 0);
	assert_int_equal(d[1].err, ERR_QUOTA);	/* 2 * 20 bytes are more than 30 */
	assert_int_equal(messages(e, 7, "0=a"), UINT32_MAX);
	assert_int_equal(put_area(e, 7, 40), 0);
	assert_int_equal(OP(e, shard_deliver(e, d, 2, &in)), 0);
	assert_int_equal(messages(e, 7, "0=b"), 1);
	shard_close(&e);
}

static void a_closed_folder_takes_nothing(void **state)
{
	struct shard *e = open_shard();
	struct dropped gone;

	assert_int_equal(put_area(e, 7, 0), 0);
	assert_int_equal(deliver(e, 7, "0=joe", "A: 1\r\n\r\nx", 9), 0);
	for (int twice = 0; twice < 2; twice++)
		assert_int_equal(OP(e, shard_close_folder(e, 7, SLICE("0=joe"))), 0);
	assert_int_equal(deliver(e, 7, "0=joe", "A: 2\r\n\r\nx", 9), ERR_NOT_FOUND);
	/* One that was never there is closed, too: the delivery is still under way. */
	assert_int_equal(OP(e, shard_close_folder(e, 7, SLICE("0=mary"))), 0);
	assert_int_equal(deliver(e, 7, "0=mary", "A: 3\r\n\r\nx", 9), ERR_NOT_FOUND);
	e = rebuild_and_compare(e);
	assert_int_equal(messages(e, 7, "0=joe"), 1);
	assert_int_equal(OP(e, shard_drop_folder(e, 7, SLICE("0=joe"), &gone)), 0);
	assert_int_equal(gone.messages, 1);
	assert_int_equal(deliver(e, 7, "0=joe", "A: 2\r\n\r\nx", 9), ERR_NOT_FOUND);
	/* Closed ones are none of the number that is allowed. */
	assert_int_equal(deliver(e, 7, "1=joe", "A: 2\r\n\r\nx", 1), 0);
	e = rebuild_and_compare(e);
	shard_close(&e);
}

static void a_closed_account_takes_nothing(void **state)
{
	struct shard *e = open_shard();

	assert_int_equal(OP(e, shard_account_put(e, 1, SLICE("joe@example.test"), 0, 0)), 0);
	assert_int_equal(deliver(e, 1, "INBOX", "x", 0), 0);
	assert_int_equal(OP(e, shard_close_folder(e, 1, (struct slice){ 0 })), 0);
	assert_int_equal(deliver(e, 1, "INBOX", "x", 0), ERR_NOT_FOUND);
	assert_int_equal(deliver(e, 1, "Junk", "x", 0), ERR_NOT_FOUND);
	assert_int_equal(deliver(e, 1, "New", "x", 0), ERR_NOT_FOUND);
	assert_int_equal(messages(e, 1, "INBOX"), 1);
	assert_int_equal(OP(e, shard_close_folder(e, 9, (struct slice){ 0 })), ERR_NOT_FOUND);
	e = rebuild_and_compare(e);
	shard_close(&e);
}

static void a_moved_message_comes_once(void **state)
{
	struct shard *e = open_shard();
	const struct slice keyword = SLICE("$Forwarded");
	struct incoming in = { .message = SLICE("Subject: x\r\n\r\nbody"), .source_id = 3, .source_folder = SLICE("0=joe"),
			       .source_uidvalidity = 5, .source_uid = 1, .flags = FLAG_SEEN, .keywords = &keyword,
			       .n_keywords = 1, .internal_date = 12345000, .no_quota = true };
	struct appended done;
	struct account a;

	assert_int_equal(OP(e, shard_account_put(e, 1, SLICE("joe@example.test"), 10, 0)), 0);
	assert_int_equal(OP(e, shard_put(e, 1, SLICE("Old/2024"), &in, &done)), 0);
	assert_false(done.existed);
	assert_int_equal(OP(e, shard_put(e, 1, SLICE("Old/2024"), &in, &done)), 0);
	assert_true(done.existed);
	assert_int_equal(messages(e, 1, "Old/2024"), 1);
	assert_int_equal(shard_account(e, 1, &a), 0);
	assert_int_equal(a.used_messages, 1);
	assert_int_equal(OP(e, shard_put(e, 2, SLICE("INBOX"), &in, &done)), ERR_NOT_FOUND);
	in.no_quota = false;
	in.source_uid = 2;
	assert_int_equal(OP(e, shard_put(e, 1, SLICE("INBOX"), &in, &done)), ERR_QUOTA);
	e = rebuild_and_compare(e);
	shard_close(&e);
}

static void old_mail_of_an_area_goes(void **state)
{
	struct shard *e = open_shard();
	struct dropped gone;
	int64_t first, last;
	struct mailbox m;

	assert_int_equal(put_area(e, 7, 0), 0);
	assert_int_equal(deliver(e, 7, "0=joe", "A: 1\r\n\r\nx", 9), 0);
	assert_int_equal(deliver(e, 7, "0=old", "A: 1\r\n\r\nx", 9), 0);
	int64_t border = test_now + 1;
	assert_int_equal(deliver(e, 7, "0=joe", "A: 2\r\n\r\nx", 9), 0);
	assert_int_equal(shard_mailbox(e, 7, SLICE("0=joe"), &m), 0);
	assert_int_equal(shard_folder_dates(e, m.id, &first, &last), 0);
	assert_true(first < border && last >= border);
	assert_int_equal(OP(e, shard_prune_area(e, 7, border, &gone)), 0);
	assert_int_equal(gone.messages, 2);
	assert_false(gone.more);
	assert_int_equal(messages(e, 7, "0=joe"), 1);
	assert_int_equal(messages(e, 7, "0=old"), UINT32_MAX);
	assert_int_equal(OP(e, shard_prune_area(e, 7, border, &gone)), 0);
	assert_int_equal(gone.messages, 0);
	assert_int_equal(OP(e, shard_account_put(e, 1, SLICE("joe@example.test"), 0, 0)), 0);
	assert_int_equal(OP(e, shard_prune_area(e, 1, border, &gone)), ERR_DENIED);
	e = rebuild_and_compare(e);
	shard_close(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_delivery_makes_the_folder), STORE_TEST(one_message_to_several_folders),
		STORE_TEST(a_closed_folder_takes_nothing), STORE_TEST(a_closed_account_takes_nothing),
		STORE_TEST(a_moved_message_comes_once),	STORE_TEST(old_mail_of_an_area_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
