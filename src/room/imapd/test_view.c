/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "room/imapd/view.h"

static ptrdiff_t put(struct view *v, uint32_t uid, uint32_t flags, uint64_t modseq, bool loud)
{
	Postern__MessageMeta m = POSTERN__MESSAGE_META__INIT;
	m.uid = uid;
	m.flags = flags;
	m.modseq = modseq;
	m.internal_date_ms = 1700000000123;
	m.size = 1000 + uid;
	return view_put(v, &m, loud);
}

static struct view *view_of(uint32_t n)
{
	struct view *v = view_new(SLICE("INBOX"), false);
	for (uint32_t i = 1; i <= n; i++)
		put(v, 10 * i, 0, i, false);
	v->told = v->n;
	return v;
}

static void entries(void **state)
{
	struct view *v = view_of(3);
	assert_int_equal(v->n, 3);
	assert_int_equal(view_find(v, 20), 1);
	assert_int_equal(view_find(v, 21), -1);
	assert_int_equal(view_lower(v, 21), 2);
	assert_true(view_date_ms(&v->msgs[0]) == 1700000000000);
	assert_int_equal(v->msgs[2].size, 1030);
	/* uids that do not rise are no new messages */
	assert_int_equal(put(v, 25, 0, 9, true), -1);
	assert_int_equal(put(v, 31, 0, 9, true), 3);
	assert_int_equal(v->told, 3);
	assert_int_equal(v->uidnext, 32);
	assert_int_equal(v->highestmodseq, 9);
	view_free(&v);
}

static void recent(void **state)
{
	struct view *v = view_of(2);
	v->first_recent = 30;
	put(v, 25, 0, 9, true);
	put(v, 30, 0, 9, true);
	put(v, 40, 1, 10, true);
	assert_int_equal(view_recent(v), 0);	/* not told yet */
	v->told = v->n;
	assert_int_equal(view_recent(v), 2);
	put(v, 40, 3, 11, true);
	assert_int_equal(v->msgs[4].bits, 3 | VIEW_CHANGED | VIEW_RECENT);
	v->first_recent = 0;			/* somebody else heard first */
	put(v, 50, 0, 12, true);
	v->told = v->n;
	assert_int_equal(view_recent(v), 2);
	view_free(&v);
}

static void dates_of_other_centuries(void **state)
{
	static const struct {
		int64_t ms, want;
	} cases[] = {
		{ 0, 0 },
		{ -1, -1000 },
		{ -631152000000, -631152000000 },	/* 1950 */
		{ -631152001000, -631152000000 },	/* before: the first that fits */
		{ 253402300799000, 3663815295000 },	/* 9999: the last that fits */
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct view *v = view_new(SLICE("x"), false);
		Postern__MessageMeta m = POSTERN__MESSAGE_META__INIT;
		m.uid = 1;
		m.internal_date_ms = cases[i].ms;
		view_put(v, &m, false);
		assert_true(view_date_ms(&v->msgs[0]) == cases[i].want);
		view_free(&v);
	}
}

static void changes(void **state)
{
	struct view *v = view_of(3);
	put(v, 20, 1, 2, true);			/* same modseq, other flags: still told */
	assert_true(v->changed && (v->msgs[1].bits & VIEW_CHANGED));
	v->changed = false;
	v->msgs[1].bits &= ~(uint32_t)VIEW_CHANGED & 0xff;
	put(v, 20, 1, 2, true);			/* what the reply had said already */
	assert_false(v->changed);
	put(v, 20, 0, 1, true);			/* older than what is known */
	assert_int_equal(v->msgs[1].bits, 1);
	put(v, 20, 2, 7, false);		/* our own change */
	assert_int_equal(v->msgs[1].bits, 2);
	assert_false(v->changed);
	put(v, 40, 0, 8, true);
	put(v, 40, 1, 9, true);			/* not told yet: nothing to tell of its change */
	assert_false(v->changed);
	view_free(&v);
}

static void expunges(void **state)
{
	struct view *v = view_of(4);
	view_expunge(v, 15, 30);
	assert_int_equal(v->gone, 2);
	view_expunge(v, 20, 20);		/* twice is once */
	assert_int_equal(v->gone, 2);
	put(v, 50, 0, 9, true);
	put(v, 60, 0, 9, true);
	view_expunge(v, 50, 50);
	view_drop_untold(v);
	assert_int_equal(v->gone, 2);
	assert_int_equal(v->n, 5);
	assert_int_equal(v->msgs[4].uid, 60);
	assert_int_equal(put(v, 50, 0, 10, true), -1);	/* a late word does not bring it back */
	view_expunge(v, 1, UINT32_MAX);
	assert_int_equal(v->gone, 5);
	view_free(&v);
}

static void keywords(void **state)
{
	struct view *v = view_of(2);
	ProtobufCBinaryData names[] = { { 4, (uint8_t *)"Work" }, { 5, (uint8_t *)"$Junk" } };
	view_set_names(v, names, 2);
	assert_true(v->names_grew);
	uint32_t both[] = { 0, 1 }, wrong[] = { 7 };
	Postern__MessageMeta m = POSTERN__MESSAGE_META__INIT;
	m.uid = 10;
	m.modseq = 5;
	m.keywords = both;
	m.n_keywords = 2;
	view_put(v, &m, true);
	m.uid = 20;
	view_put(v, &m, true);
	assert_int_equal(v->n_sets, 1);		/* one set, kept once */
	assert_true(view_has_keyword(v, &v->msgs[0], SLICE("$JUNK")));
	assert_false(view_has_keyword(v, &v->msgs[0], SLICE("Other")));
	m.keywords = wrong;
	m.n_keywords = 1;
	m.modseq = 6;
	view_put(v, &m, true);			/* an index without a name is nobody's keyword */
	assert_false(view_has_keyword(v, &v->msgs[1], SLICE("Work")));
	for (uint32_t i = 0; i < 3000; i++) {
		uint32_t set[] = { i };
		m.modseq++;
		m.keywords = set;
		view_put(v, &m, true);
	}
	assert_int_equal(v->n_sets, 3001);	/* {0..2999} and {0, 1} */
	view_free(&v);
}

static void sets(void **state)
{
	static const struct {
		const char *in;
		bool uid;
		const char *out;	/* NULL: ERR_INVALID */
	} cases[] = {
		{ "1", false, "10" },
		{ "1:2", false, "10:20" },
		{ "*", false, "40" },
		{ "2:*", false, "20:40" },
		{ "5", false, NULL },
		{ "4:5", false, NULL },
		{ "15:25", true, "20" },
		{ "1:9", true, "" },
		{ "11:19", true, "" },
		{ "*", true, "40" },
		{ "99:*", true, "40" },
		{ "1:4294967295", true, "10:40" },
		{ "10,30", true, "10,30" },
	};
	struct view *v = view_of(4);
	put(v, 50, 0, 9, true);			/* not told: no set holds it */
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct imap_seqset s;
		int err = view_uids(v, slice_str(cases[i].in), cases[i].uid, &s);
		assert_int_equal(err, cases[i].out ? 0 : ERR_INVALID);
		if (err < 0)
			continue;
		struct buf b = BUF_INIT(100);
		imap_seqset_write(&b, &s);
		assert_string_equal(buf_cstr(&b), cases[i].out);
		buf_fini(&b);
		imap_seqset_fini(&s);
	}
	view_free(&v);
}

/* Room for what is announced, and no more than is sane; what comes in order is there, what comes again changes. */
static void expected(void **state)
{
	struct view *v = view_new(SLICE("INBOX"), false);

	view_expect(v, 3);
	assert_int_equal(v->cap, 3);
	view_expect(v, SIZE_MAX);
	view_expect(v, 2);
	assert_int_equal(v->cap, 3);
	for (uint32_t uid = 1; uid <= 5; uid++) {
		Postern__MessageMeta m = POSTERN__MESSAGE_META__INIT;
		m.uid = uid;
		m.modseq = uid;
		assert_int_equal(view_put(v, &m, false), uid - 1);
	}
	Postern__MessageMeta m = POSTERN__MESSAGE_META__INIT;
	m.uid = 3;
	m.modseq = 9;
	m.flags = 1;
	assert_int_equal(view_put(v, &m, false), 2);
	assert_int_equal(v->n, 5);
	assert_int_equal(v->msgs[2].modseq, 9);
	view_free(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(expected), cmocka_unit_test(entries), cmocka_unit_test(recent), cmocka_unit_test(dates_of_other_centuries), cmocka_unit_test(changes),
		cmocka_unit_test(expunges), cmocka_unit_test(keywords), cmocka_unit_test(sets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
