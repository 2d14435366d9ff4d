/* SPDX-License-Identifier: Apache-2.0 */
/* The engine, one behaviour a test. */
#include "room/store/testing.h"

static struct slice text(const char *s)
{
	return slice_str(s);
}

static int put_account(struct shard *e, uint64_t id, uint64_t quota)
{
	return OP(e, shard_account_put(e, id, SLICE("joe@example.test"), quota, 0));
}

static struct delivery deliver(struct shard *e, uint64_t account, const char *message, const char *operation)
{
	struct delivery d = { .account = account };
	struct incoming m = { .message = text(message), .operation_id = text(operation) };

	assert_int_equal(OP(e, shard_deliver(e, &d, 1, &m)), 0);
	return d;
}

static struct mailbox box(struct shard *e, uint64_t account, const char *name)
{
	struct mailbox m = { 0 };

	assert_int_equal(shard_mailbox(e, account, text(name), &m), 0);
	return m;
}

static int note_msg(void *ctx, const struct msg *m)
{
	*(struct msg *)ctx = *m;
	return 0;
}

static struct msg only_message(struct shard *e, uint64_t mailbox)
{
	struct msg m = { 0 };

	assert_int_equal(shard_messages(e, mailbox, note_msg, &m), 0);
	return m;
}

static void must_hold(struct shard *e, const struct msg *m, const char *want)
{
	struct buf out = BUF_INIT(1 << 20);
	struct fetched f;

	assert_int_equal(shard_fetch(e, m->blob, BLOB_WANT_META | BLOB_WANT_HEADER | BLOB_WANT_BODY, &f, &out), 0);
	assert_true(slice_eq(buf_view(&out), text(want)));
	assert_int_equal(m->size, out.n);
	buf_fini(&out);
}

static void accounts(void **state)
{
	struct shard *e = open_shard();
	struct account a;

	assert_int_equal(put_account(e, 7, 1000), 0);
	assert_int_equal(put_account(e, 7, 2000), 0);
	assert_int_equal(shard_account(e, 7, &a), 0);
	assert_int_equal(a.quota_bytes, 2000);
	assert_int_equal(shard_account(e, 8, &a), ERR_NOT_FOUND);
	assert_int_equal(OP(e, shard_account_put(e, 0, SLICE(""), 0, 0)), ERR_INVALID);
	assert_int_equal(box(e, 7, "Junk").special_use, USE_JUNK);
	assert_int_equal(box(e, 7, "inbox").special_use, 0);
	deliver(e, 7, "a\r\n\r\nb", "");
	assert_int_equal(OP(e, shard_account_remove(e, 7)), 0);
	assert_int_equal(OP(e, shard_account_remove(e, 7)), 0);
	struct mailbox m;
	assert_int_equal(shard_mailbox(e, 7, SLICE("INBOX"), &m), ERR_NOT_FOUND);
	e = rebuild_and_compare(e);
	shard_close(&e);
}

static void deliveries(void **state)
{
	struct shard *e = open_shard();

	put_account(e, 1, 0);
	struct delivery d = deliver(e, 1, "Subject: x\r\n\r\nbody\r\n", "0123456789abcdef");
	assert_int_equal(d.uid, 1);
	assert_int_equal(deliver(e, 1, "Subject: x\r\n\r\nbody\r\n", "0123456789abcdef").uid, 1);
	assert_int_equal(deliver(e, 1, "Subject: x\r\n\r\nbody\r\n", "0123456789abcdeX").uid, 2);
	struct mailbox m = box(e, 1, "INBOX");
	assert_int_equal(m.messages, 2);
	assert_int_equal(m.unseen, 2);
	assert_int_equal(m.uidnext, 3);
	assert_int_equal(d.uidvalidity, m.uidvalidity);
	struct msg got = only_message(e, m.id);
	must_hold(e, &got, "Subject: x\r\n\r\nbody\r\n");
	/* A folder of special use that was renamed is still found; one that is gone means INBOX. */
	struct delivery junk = { .account = 1, .mailbox = SLICE("Junk") };
	struct incoming in = { .message = SLICE("spam") };
	assert_int_equal(OP(e, shard_rename(e, 1, SLICE("Junk"), SLICE("Bulk"))), 0);
	assert_int_equal(OP(e, shard_deliver(e, &junk, 1, &in)), 0);
	assert_int_equal(box(e, 1, "Bulk").messages, 1);
	assert_int_equal(OP(e, shard_delete(e, 1, SLICE("Bulk"))), 0);
	assert_int_equal(OP(e, shard_deliver(e, &junk, 1, &in)), 0);
	assert_int_equal(box(e, 1, "INBOX").messages, 3);
	e = rebuild_and_compare(e);
	shard_close(&e);
}

static void all_recipients_or_none(void **state)
{
	struct shard *e = open_shard();
	struct delivery d[4] = { { .account = 1 }, { .account = 2 }, { .account = 3 }, { .account = 1 } };
	struct incoming m = { .message = SLICE("Subject: to many\r\n\r\n0123456789"), .operation_id = SLICE("op") };

	put_account(e, 1, 0);
	put_account(e, 2, 20);
	assert_int_equal(OP(e, shard_deliver(e, d, 4, &m)), 0);
	assert_int_equal(d[0].err, 0);
	assert_int_equal(d[1].err, ERR_QUOTA);
	assert_int_equal(d[2].err, ERR_NOT_FOUND);
	assert_int_equal(box(e, 1, "INBOX").messages, 0);
	put_account(e, 2, m.message.n);		/* exactly enough */
	put_account(e, 3, 0);
	assert_int_equal(OP(e, shard_deliver(e, d, 4, &m)), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(d[i].err, 0);
	assert_int_equal(d[3].uid, d[0].uid);	/* the same mailbox twice: one copy */
	assert_int_equal(box(e, 1, "INBOX").messages, 1);
	assert_int_equal(deliver(e, 1, "x", "").err, 0);
	struct incoming one = { .message = SLICE("x") };
	assert_int_equal(OP(e, shard_deliver(e, &d[1], 1, &one)), 0);
	assert_int_equal(d[1].err, ERR_QUOTA);	/* one byte too many */
	assert_int_equal(OP(e, shard_deliver(e, d, 0, &m)), ERR_INVALID);
	e = rebuild_and_compare(e);
	shard_close(&e);
}

static void names(void **state)
{
	static const struct {
		const char *name;
		int err;
	} cases[] = {
		{ "a", 0 },		{ "a/b/c", 0 },		{ "a", ERR_EXISTS },	{ "a/b", ERR_EXISTS },
		{ "inbox", ERR_EXISTS },{ "Inbox/sub", 0 },	{ "", ERR_INVALID },	{ "/a", ERR_INVALID },
		{ "a/", ERR_INVALID },	{ "a//b", ERR_INVALID },{ "a\x01", ERR_INVALID },{ "\xff", ERR_INVALID },
		{ "Entw\xc3\xbcrfe", 0 },
	};
	struct shard *e = open_shard();
	struct mailbox m;
	char name[MAILBOX_NAME_MAX + 2];

	put_account(e, 1, 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(OP(e, shard_create(e, 1, text(cases[i].name), 0, false, &m)), cases[i].err);
	memset(name, 'x', sizeof(name));
	assert_int_equal(OP(e, shard_create(e, 1, slice_of(name, MAILBOX_NAME_MAX), 0, false, &m)), 0);
	assert_int_equal(OP(e, shard_create(e, 1, slice_of(name, MAILBOX_NAME_MAX + 1), 0, false, &m)), ERR_INVALID);
	assert_int_equal(shard_mailbox(e, 1, SLICE("INBOX/sub"), &m), 0);
	assert_true(box(e, 1, "a/b").has_children);
	assert_false(box(e, 1, "a/b/c").has_children);
	assert_int_equal(OP(e, shard_delete(e, 1, SLICE("INBOX"))), ERR_DENIED);
	assert_int_equal(OP(e, shard_delete(e, 1, SLICE("nowhere"))), ERR_NOT_FOUND);
	/* A parent stays as a name; a second time it is refused; made again it is a fresh mailbox. */
	uint32_t before = box(e, 1, "a").uidvalidity;
	assert_int_equal(OP(e, shard_delete(e, 1, SLICE("a"))), 0);
	assert_true(box(e, 1, "a").no_select);
	assert_int_equal(OP(e, shard_delete(e, 1, SLICE("a"))), ERR_CONFLICT);
	assert_int_equal(OP(e, shard_create(e, 1, SLICE("a"), 0, false, &m)), 0);
	assert_true(m.uidvalidity > before);
	assert_int_equal(OP(e, shard_delete(e, 1, SLICE("a/b/c"))), 0);
	assert_int_equal(OP(e, shard_create(e, 1, SLICE("a/b/c"), 0, false, &m)), 0);
	assert_true(m.uidvalidity > before + 1);
	e = rebuild_and_compare(e);
	shard_close(&e);
}

static int names_of(void *ctx, const struct mailbox *m)
{
	struct buf *out = ctx;

	buf_slice(out, mailbox_name(m));
	buf_str(out, m->exists ? m->subscribed ? "+ " : " " : "? ");
	return 0;
}

static void must_list(struct shard *e, const char *want)
{
	struct buf out = BUF_INIT(1 << 20);

	assert_int_equal(shard_list(e, 1, (struct slice){ 0 }, names_of, &out), 0);
	assert_string_equal(buf_cstr(&out), want);
	buf_fini(&out);
}

static void renames(void **state)
{
	struct shard *e = open_shard();
	struct mailbox m;

	put_account(e, 1, 0);
	assert_int_equal(OP(e, shard_create(e, 1, SLICE("a/b/c"), 0, false, &m)), 0);
	assert_int_equal(OP(e, shard_create(e, 1, SLICE("ab"), 0, false, &m)), 0);
	assert_int_equal(OP(e, shard_rename(e, 1, SLICE("a"), SLICE("a/x"))), ERR_INVALID);
	assert_int_equal(OP(e, shard_rename(e, 1, SLICE("a"), SLICE("ab"))), ERR_EXISTS);
	assert_int_equal(OP(e, shard_rename(e, 1, SLICE("q"), SLICE("r"))), ERR_NOT_FOUND);
	assert_int_equal(OP(e, shard_rename(e, 1, SLICE("a"), SLICE("z/y"))), 0);
	must_list(e, "Archive+ Drafts+ INBOX+ Junk+ Sent+ Trash+ ab z z/y z/y/b z/y/b/c ");
	deliver(e, 1, "one", "");
	assert_int_equal(OP(e, shard_rename(e, 1, SLICE("INBOX"), SLICE("old"))), 0);
	assert_int_equal(box(e, 1, "INBOX").messages, 0);
	assert_int_equal(box(e, 1, "old").messages, 1);
	assert_int_equal(deliver(e, 1, "two", "").uid, 2);	/* INBOX goes on counting */
	e = rebuild_and_compare(e);
	shard_close(&e);
}

static void subscriptions(void **state)
{
	struct shard *e = open_shard();
	struct mailbox m;

	put_account(e, 1, 0);
	assert_int_equal(OP(e, shard_create(e, 1, SLICE("b"), 0, true, &m)), 0);
	assert_int_equal(OP(e, shard_subscribe(e, 1, SLICE("c"), true)), 0);
	assert_int_equal(OP(e, shard_subscribe(e, 1, SLICE("Junk"), false)), 0);
	assert_int_equal(OP(e, shard_delete(e, 1, SLICE("b"))), 0);
	must_list(e, "Archive+ Drafts+ INBOX+ Junk Sent+ Trash+ b? c? ");
	assert_int_equal(OP(e, shard_create(e, 1, SLICE("b"), 0, false, &m)), 0);
	assert_int_equal(OP(e, shard_subscribe(e, 1, SLICE("c"), false)), 0);
	must_list(e, "Archive+ Drafts+ INBOX+ Junk Sent+ Trash+ b+ ");
	e = rebuild_and_compare(e);
	shard_close(&e);
}

static void flags_and_keywords(void **state)
{
	static const struct uid_range all = { 1, UINT32_MAX };
	struct slice kw[] = { SLICE("$Label1"), SLICE("work") }, upper = SLICE("WORK");
	struct shard *e = open_shard();
	struct arena *a = arena_new();
	struct flags_result r;

	put_account(e, 1, 0);
	for (int i = 0; i < 5; i++)
		deliver(e, 1, "m", "");
	uint64_t inbox = box(e, 1, "INBOX").id, seq = box(e, 1, "INBOX").highestmodseq;
	struct flags_change c = { .uids = &all, .n_uids = 1, .how = FLAGS_ADD, .flags = FLAG_SEEN | FLAG_DELETED,
				  .keywords = kw, .n_keywords = 2 };
	assert_int_equal(OP(e, shard_flags(e, inbox, &c, a, &r)), 0);
	assert_int_equal(r.n_changed, 5);
	assert_int_equal(r.highestmodseq, seq + 1);
	assert_int_equal(box(e, 1, "INBOX").unseen, 0);
	assert_int_equal(box(e, 1, "INBOX").deleted, 5);
	assert_int_equal(OP(e, shard_flags(e, inbox, &c, a, &r)), 0);	/* nothing new: no modseq is spent */
	assert_int_equal(r.highestmodseq, seq + 1);
	struct flags_change one = { .uids = &(struct uid_range){ 3, 3 }, .n_uids = 1, .how = FLAGS_REMOVE,
				    .flags = FLAG_DELETED, .keywords = &upper, .n_keywords = 1 };
	assert_int_equal(OP(e, shard_flags(e, inbox, &one, a, &r)), 0);
	assert_int_equal(r.changed[0].flags, FLAG_SEEN);
	assert_int_equal(r.changed[0].kw.w[0], 1);	/* names without regard to case */
	/* RFC 7162 3.1.3: what changed since is refused, the others go through. */
	c.how = FLAGS_REPLACE;
	c.conditional = true;
	c.unchanged_since = seq + 1;
	c.n_keywords = 0;
	assert_int_equal(OP(e, shard_flags(e, inbox, &c, a, &r)), 0);
	assert_int_equal(r.n_changed, 4);
	assert_int_equal(r.n_failed, 1);
	assert_int_equal(r.failed[0].first, 3);
	/* Limits of keywords. */
	char name[8];
	struct slice many = slice_of(name, 5);
	struct flags_change k = { .uids = &all, .n_uids = 1, .how = FLAGS_ADD, .keywords = &many, .n_keywords = 1 };
	for (int i = 2; i <= KEYWORDS_MAX; i++) {
		snprintf(name, sizeof(name), "kw%03d", i);
		assert_int_equal(OP(e, shard_flags(e, inbox, &k, a, &r)), i < KEYWORDS_MAX ? 0 : ERR_TOO_BIG);
	}
	upper = SLICE("a b");
	one.how = FLAGS_ADD;
	assert_int_equal(OP(e, shard_flags(e, inbox, &one, a, &r)), ERR_INVALID);
	arena_free(&a);
	e = rebuild_and_compare(e);
	shard_close(&e);
}

static void copies_and_moves(void **state)
{
	static const struct uid_range all = { 1, UINT32_MAX };
	struct slice kw = SLICE("$Junk");
	struct shard *e = open_shard();
	struct arena *a = arena_new();
	struct copy_result r;
	struct flags_result f;
	struct expunge_result x;

	put_account(e, 1, 4 * 5);
	for (int i = 0; i < 4; i++)
		deliver(e, 1, "12345", "");
	uint64_t inbox = box(e, 1, "INBOX").id;
	struct flags_change c = { .uids = &(struct uid_range){ 2, 2 }, .n_uids = 1, .how = FLAGS_ADD, .keywords = &kw,
				  .n_keywords = 1 };
	assert_int_equal(OP(e, shard_flags(e, inbox, &c, a, &f)), 0);
	assert_int_equal(OP(e, shard_copy(e, inbox, &all, 1, SLICE("Sent"), false, SLICE("x"), a, &r)), ERR_QUOTA);
	put_account(e, 1, 0);
	assert_int_equal(OP(e, shard_copy(e, inbox, &all, 1, SLICE("none"), false, SLICE("x"), a, &r)), ERR_NOT_FOUND);
	assert_int_equal(OP(e, shard_copy(e, inbox, &all, 1, SLICE("Sent"), false, SLICE("x"), a, &r)), 0);
	assert_int_equal(OP(e, shard_copy(e, inbox, &all, 1, SLICE("Sent"), false, SLICE("x"), a, &r)), 0);
	assert_int_equal(r.n_pairs, 1);
	assert_int_equal(r.pairs[0].count, 4);
	assert_int_equal(box(e, 1, "Sent").messages, 4);	/* once */
	struct uid_range some[] = { { 1, 1 }, { 3, 4 } };
	assert_int_equal(OP(e, shard_copy(e, inbox, some, 2, SLICE("Trash"), true, (struct slice){ 0 }, a, &r)), 0);
	assert_int_equal(r.n_pairs, 2);
	assert_int_equal(r.pairs[1].from, 3);
	assert_int_equal(r.pairs[1].to, 2);
	assert_int_equal(box(e, 1, "INBOX").messages, 1);
	assert_int_equal(OP(e, shard_copy(e, inbox, &all, 1, SLICE("INBOX"), true, (struct slice){ 0 }, a, &r)), 0);
	struct msg m = only_message(e, inbox);
	assert_int_equal(m.uid, 5);
	assert_true(kwset_has(&m.kw, 0));
	assert_int_equal(OP(e, shard_expunge(e, inbox, &all, 1, true, a, &x)), 0);
	assert_int_equal(x.n_expunged, 0);
	assert_int_equal(OP(e, shard_expunge(e, inbox, &all, 1, false, a, &x)), 0);
	assert_int_equal(x.n_expunged, 1);
	assert_int_equal(deliver(e, 1, "next", "").uid, 6);
	arena_free(&a);
	e = rebuild_and_compare(e);
	shard_close(&e);
}

static void deliver_many(struct shard *e, unsigned n)
{
	struct incoming m = { .message = SLICE("x") };

	begin(e);
	for (unsigned i = 0; i < n; i++) {
		struct delivery d = { .account = 1 };
		assert_int_equal(shard_op_begin(e, NULL), 0);
		assert_int_equal(shard_op_end(e, shard_deliver(e, &d, 1, &m)), 0);
	}
	assert_int_equal(shard_commit(e), 0);
}

/* What an answer cannot hold: flag changes and expunges go on where they stopped, a copy is refused as a whole. */
static void pages(void **state)
{
	enum { ODD = COPY_RUNS_MAX + 1 };
	struct shard *e = open_shard();
	struct arena *a = arena_new();
	struct uid_range *odd = ARENA_ARRAY(a, struct uid_range, ODD), *even = ARENA_ARRAY(a, struct uid_range, ODD);
	struct expunge_result x;
	struct copy_result r;
	struct flags_result f;
	size_t changed = 0, expunged = 0;

	put_account(e, 1, 0);
	deliver_many(e, 2 * ODD);
	uint64_t inbox = box(e, 1, "INBOX").id;
	for (uint32_t i = 0; i < ODD; i++) {
		odd[i] = (struct uid_range){ 2 * i + 1, 2 * i + 1 };
		even[i] = (struct uid_range){ 2 * i + 2, 2 * i + 2 };
	}
	struct uid_range all = { 1, UINT32_MAX };
	struct flags_change c = { .uids = &all, .n_uids = 1, .how = FLAGS_ADD, .flags = FLAG_SEEN };
	do {
		assert_int_equal(OP(e, shard_flags(e, inbox, &c, a, &f)), 0);
		changed += f.n_changed;
		all.first = f.next_uid;
	} while (f.next_uid);
	assert_int_equal(changed, 2 * ODD);
	assert_int_equal(box(e, 1, "INBOX").unseen, 0);
	do {
		assert_int_equal(OP(e, shard_expunge(e, inbox, odd, ODD, false, a, &x)), 0);
		assert_true(x.n_expunged <= EXPUNGE_PAGE);
		expunged += x.n_expunged;
	} while (x.more);
	assert_int_equal(expunged, ODD);
	assert_int_equal(box(e, 1, "INBOX").messages, ODD);
	assert_int_equal(OP(e, shard_copy(e, inbox, even, ODD, SLICE("Sent"), false, (struct slice){ 0 }, a, &r)), ERR_TOO_BIG);
	assert_int_equal(box(e, 1, "Sent").messages, 0);
	assert_int_equal(OP(e, shard_copy(e, inbox, even, ODD - 1, SLICE("Sent"), true, (struct slice){ 0 }, a, &r)), 0);
	assert_int_equal(r.n_pairs, COPY_RUNS_MAX);
	assert_int_equal(box(e, 1, "INBOX").messages, 1);
	arena_free(&a);
	e = rebuild_and_compare(e);
	shard_close(&e);
}

static void note_pair(void *ctx, const struct copied_pair *p)
{
	*(uint64_t *)ctx = *(uint64_t *)ctx * 1000 + p->source_uid * 10 + p->uid;
}

static void count_since(void *ctx, const struct copied_pair *p)
{
	*(uint64_t *)ctx += p->size > 0;
}

static void appends_and_sources(void **state)
{
	static const struct uid_range all = { 1, UINT32_MAX };
	struct shard *e = open_shard();
	struct arena *a = arena_new();
	struct appended r;
	struct expunge_result x;
	struct incoming m = { .message = SLICE("old mail"), .flags = FLAG_SEEN, .internal_date = 5, .source_id = 3,
			      .source_folder = SLICE("Gesendet"), .source_uidvalidity = 9, .source_uid = 40 };

	put_account(e, 1, 0);
	assert_int_equal(OP(e, shard_append(e, 1, SLICE("none"), &m, &r)), ERR_NOT_FOUND);
	assert_int_equal(OP(e, shard_append(e, 1, SLICE("Sent"), &m, &r)), 0);
	assert_false(r.existed);
	assert_int_equal(OP(e, shard_append(e, 1, SLICE("Sent"), &m, &r)), 0);
	assert_true(r.existed);
	m.source_uid = 41;
	assert_int_equal(OP(e, shard_append(e, 1, SLICE("Sent"), &m, &r)), 0);
	assert_int_equal(r.uid, 2);
	uint64_t pairs = 0;
	assert_int_equal(shard_copied(e, 1, 3, SLICE("Gesendet"), 9, 0, 0, note_pair, &pairs), 0);
	assert_int_equal(pairs, 401412);
	/* Copied since then, or before: 40 came two transactions before 41. */
	static const struct { int64_t later; uint64_t n; } since[] = { { -2000, 2 }, { -1999, 1 }, { 0, 1 }, { 1, 0 } };
	for (size_t i = 0; i < ARRAY_SIZE(since); i++) {
		uint64_t n = 0;
		assert_int_equal(shard_copied(e, 1, 3, SLICE("Gesendet"), 9, 0, test_now + since[i].later, count_since, &n), 0);
		assert_int_equal(n, since[i].n);
	}
	assert_int_equal(shard_copied(e, 1, 4, SLICE("Gesendet"), 9, 0, 0, note_pair, &pairs), 0);
	/* The old server counts anew: the same message gets a second source, not a second copy. */
	m.source_uidvalidity = 10;
	m.same_uid = 3;
	assert_int_equal(OP(e, shard_append(e, 1, SLICE("Sent"), &m, &r)), ERR_NOT_FOUND);
	m.same_uid = 2;
	assert_int_equal(OP(e, shard_append(e, 1, SLICE("Sent"), &m, &r)), 0);
	assert_true(r.existed && r.uid == 2);
	assert_int_equal(box(e, 1, "Sent").messages, 2);
	m.source_uidvalidity = 9;
	m.same_uid = 0;
	/* What the user throws away here does not come again. */
	assert_int_equal(OP(e, shard_expunge(e, box(e, 1, "Sent").id, &all, 1, false, a, &x)), 0);
	e = rebuild_and_compare(e);
	assert_int_equal(OP(e, shard_append(e, 1, SLICE("Sent"), &m, &r)), 0);
	assert_true(r.existed);
	assert_int_equal(box(e, 1, "Sent").messages, 0);
	arena_free(&a);
	shard_close(&e);
}

static void damage_harms_one(void **state)
{
	struct shard *e = open_shard();
	struct fetched f;
	struct buf out = BUF_INIT(1 << 20);
	uint8_t c;

	put_account(e, 1, 0);
	deliver(e, 1, "Subject: one\r\n\r\nthe first body", "");
	deliver(e, 1, "Subject: two\r\n\r\nthe second body", "");
	int fd = open("segments/00000001.seg", O_RDWR | O_CLOEXEC);
	uint8_t all[8192];
	ssize_t n = read(fd, all, sizeof(all));
	const uint8_t *hit = memmem(all, (size_t)n, "the first", 9);
	assert_non_null(hit);
	c = 'X';
	assert_int_equal(pwrite(fd, &c, 1, hit - all), 1);
	close(fd);
	assert_int_equal(shard_fetch(e, 1, BLOB_WANT_BODY, &f, &out), ERR_CORRUPT);
	assert_int_equal(out.n, 0);
	assert_int_equal(shard_fetch(e, 1, BLOB_WANT_HEADER, &f, &out), 0);
	assert_int_equal(shard_fetch(e, 2, BLOB_WANT_BODY, &f, &out), 0);
	struct check_result r;
	assert_int_equal(shard_check(e, true, NULL, NULL, &r), 0);
	assert_int_equal(r.faults, 1);
	buf_fini(&out);
	shard_close(&e);
}

static void failed_sync_is_fatal(void **state)
{
	struct shard *e = open_shard();
	struct delivery d = { .account = 1 };
	struct incoming m = { .message = SLICE("x") };

	put_account(e, 1, 0);
	sync_fails = true;
	begin(e);
	assert_int_equal(shard_op_begin(e, NULL), 0);
	assert_int_equal(shard_op_end(e, shard_deliver(e, &d, 1, &m)), 0);
	assert_true(shard_commit(e) < 0);
	assert_true(shard_fatal(e));
	sync_fails = false;
	assert_true(shard_begin(e, 1) < 0 || shard_commit(e) < 0);
	shard_close(&e);
	e = open_shard();
	assert_int_equal(box(e, 1, "INBOX").messages, 0);
	shard_close(&e);
}

/* For every amount of room: a batch is whole or not there, and with room again all goes on. */
static void full_disk(void **state)
{
	struct shard *e = open_shard();
	char message[3000];
	unsigned kept = 0, refused = 0;

	put_account(e, 1, 0);
	memset(message, 'x', sizeof(message) - 1);
	message[sizeof(message) - 1] = 0;
	for (int64_t room = 0; room < 60000; room += 1777) {
		struct delivery d = { .account = 1 };
		struct incoming m = { .message = text(message) };
		room_left = room ? room : -1;
		int err = shard_begin(e, test_now);
		for (int i = 0; i < 3 && !err; i++) {
			message[10] = (char)('a' + i);
			err = shard_op_begin(e, NULL);
			if (!err)
				err = shard_op_end(e, shard_deliver(e, &d, 1, &m));
		}
		if (!err)
			err = shard_commit(e);
		else
			shard_rollback(e);
		assert_true(err == 0 || err == ERR_FULL);
		assert_false(shard_fatal(e));
		kept += err ? 0 : 3;
		refused += err != 0;
		room_left = -1;
		assert_int_equal(box(e, 1, "INBOX").messages, kept);
	}
	assert_true(kept > 3 && refused > 3);
	e = rebuild_and_compare(e);
	assert_int_equal(box(e, 1, "INBOX").messages, kept);
	shard_close(&e);
}

static void missing_index_is_told(void **state)
{
	struct shard *e = open_shard();

	put_account(e, 1, 0);
	shard_close(&e);
	assert_int_equal(unlink("store.db"), 0);
	assert_int_equal(shard_open(&options, &e), ERR_CONFLICT);
	assert_int_equal(access("segments/00000001.seg", F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(accounts), STORE_TEST(deliveries), STORE_TEST(all_recipients_or_none), STORE_TEST(names),
		STORE_TEST(renames), STORE_TEST(subscriptions), STORE_TEST(flags_and_keywords),
		STORE_TEST(copies_and_moves), STORE_TEST(pages), STORE_TEST(appends_and_sources), STORE_TEST(damage_harms_one),
		STORE_TEST(failed_sync_is_fatal), STORE_TEST(full_disk), STORE_TEST(missing_index_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
