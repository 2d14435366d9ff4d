/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "proto/imap/search.h"

static bool keyword(void *ctx, struct slice name)
{
	return slice_eq_ci(name, SLICE("$Junk"));
}

static enum imap_search_answer header(void *ctx, unsigned key, struct slice field, struct slice folded)
{
	return slice_eq_ci(field, SLICE("Subject")) && slice_find(SLICE("stra" "sse nach rom"), folded, 0) >= 0;
}

static enum imap_search_answer text(void *ctx, unsigned key, bool with_header, struct slice folded)
{
	return slice_find(SLICE("hello body"), folded, 0) >= 0 ||
	       (with_header && slice_find(SLICE("subject: rom"), folded, 0) >= 0);
}

static bool sent(void *ctx, int64_t *ret)
{
	*ret = 86400000LL * 365;	/* 1-Jan-1971 */
	return true;
}

static int scan(struct arena *a, const char *in, struct imap_search *ret)
{
	struct imap_scan s = { .in = slice_str(in), .arena = a };
	return imap_search_scan(&s, ret);
}

static void matches(void **state)
{
	static const struct {
		const char *in;
		enum imap_search_answer view, whole;
	} cases[] = {
		{ "ALL", IMAP_SEARCH_YES, IMAP_SEARCH_YES },
		{ "1:3", IMAP_SEARCH_YES, IMAP_SEARCH_YES },
		{ "4", IMAP_SEARCH_NO, IMAP_SEARCH_NO },
		{ "*", IMAP_SEARCH_NO, IMAP_SEARCH_NO },
		{ "UID 30", IMAP_SEARCH_YES, IMAP_SEARCH_YES },
		{ "uid 31:40", IMAP_SEARCH_NO, IMAP_SEARCH_NO },
		{ "SEEN UNDELETED", IMAP_SEARCH_YES, IMAP_SEARCH_YES },
		{ "UNSEEN", IMAP_SEARCH_NO, IMAP_SEARCH_NO },
		{ "NEW", IMAP_SEARCH_NO, IMAP_SEARCH_NO },
		{ "OLD", IMAP_SEARCH_YES, IMAP_SEARCH_YES },
		{ "NOT RECENT", IMAP_SEARCH_YES, IMAP_SEARCH_YES },
		{ "KEYWORD $junk", IMAP_SEARCH_YES, IMAP_SEARCH_YES },
		{ "UNKEYWORD $junk", IMAP_SEARCH_NO, IMAP_SEARCH_NO },
		{ "ON 2-Jan-1970", IMAP_SEARCH_YES, IMAP_SEARCH_YES },
		{ "SINCE 2-Jan-1970 BEFORE 3-Jan-1970", IMAP_SEARCH_YES, IMAP_SEARCH_YES },
		{ "BEFORE \"2-Jan-1970\"", IMAP_SEARCH_NO, IMAP_SEARCH_NO },
		{ "LARGER 99 SMALLER 101", IMAP_SEARCH_YES, IMAP_SEARCH_YES },
		{ "LARGER 100", IMAP_SEARCH_NO, IMAP_SEARCH_NO },
		{ "YOUNGER 10", IMAP_SEARCH_YES, IMAP_SEARCH_YES },
		{ "OLDER 10", IMAP_SEARCH_NO, IMAP_SEARCH_NO },
		{ "MODSEQ 50", IMAP_SEARCH_YES, IMAP_SEARCH_YES },
		{ "MODSEQ \"/flags/\\\\draft\" all 51", IMAP_SEARCH_NO, IMAP_SEARCH_NO },
		{ "SUBJECT rom", IMAP_SEARCH_OPEN, IMAP_SEARCH_YES },
		{ "SUBJECT \"STRASSE\"", IMAP_SEARCH_OPEN, IMAP_SEARCH_YES },
		{ "CHARSET UTF-8 SUBJECT {7}\r\nStra\xc3\x9f" "e", IMAP_SEARCH_OPEN, IMAP_SEARCH_YES },
		{ "FROM x", IMAP_SEARCH_OPEN, IMAP_SEARCH_NO },
		{ "HEADER Subject \"\"", IMAP_SEARCH_OPEN, IMAP_SEARCH_YES },
		{ "BODY rom", IMAP_SEARCH_OPEN, IMAP_SEARCH_NO },
		{ "TEXT rom", IMAP_SEARCH_OPEN, IMAP_SEARCH_YES },
		{ "BODY \"\"", IMAP_SEARCH_YES, IMAP_SEARCH_YES },
		{ "SENTON 1-Jan-1971", IMAP_SEARCH_OPEN, IMAP_SEARCH_YES },
		{ "SENTBEFORE 1-Jan-1971", IMAP_SEARCH_OPEN, IMAP_SEARCH_NO },
		{ "UNSEEN BODY rom", IMAP_SEARCH_NO, IMAP_SEARCH_NO },
		{ "OR SEEN BODY rom", IMAP_SEARCH_YES, IMAP_SEARCH_YES },
		{ "OR UNSEEN BODY hello", IMAP_SEARCH_OPEN, IMAP_SEARCH_YES },
		{ "NOT (SEEN BODY hello)", IMAP_SEARCH_OPEN, IMAP_SEARCH_NO },
		{ "(1 (2,3 SEEN))", IMAP_SEARCH_NO, IMAP_SEARCH_NO },
		{ "NOT NOT (2,3 (SEEN))", IMAP_SEARCH_YES, IMAP_SEARCH_YES },
	};
	struct arena *a = arena_new();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct imap_search s;
		struct imap_search_msg m = { .seq = 3, .uid = 30, .flags = IMAP_SEEN, .date_ms = 86400000 + 5,
					     .size = 100, .modseq = 50, .now_ms = 86400000 + 9000,
					     .keyword = keyword };
		assert_int_equal(scan(a, cases[i].in, &s), 0);
		imap_search_resolve(&s, 9, 90);
		assert_int_equal(imap_search_match(&s, &m), cases[i].view);
		m.header = header;
		m.text = text;
		m.sent_ms = sent;
		assert_int_equal(imap_search_match(&s, &m), cases[i].whole);
	}
	arena_free(&a);
}

static void recent(void **state)
{
	static const struct {
		const char *in;
		unsigned flags;
		bool yes;
	} cases[] = {
		{ "RECENT", IMAP_RECENT | IMAP_SEEN, true }, { "RECENT", IMAP_DELETED, false },
		{ "NEW", IMAP_RECENT, true },		     { "NEW", IMAP_RECENT | IMAP_SEEN, false },
		{ "NEW", 0, false },			     { "OLD", IMAP_RECENT, false },
		{ "OLD", IMAP_SEEN, true },		     { "NOT RECENT", IMAP_RECENT, false },
	};
	struct arena *a = arena_new();

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct imap_search s;
		struct imap_search_msg m = { .seq = 3, .uid = 30, .flags = cases[i].flags };
		assert_int_equal(scan(a, cases[i].in, &s), 0);
		assert_int_equal(imap_search_match(&s, &m), cases[i].yes ? IMAP_SEARCH_YES : IMAP_SEARCH_NO);
	}
	arena_free(&a);
}

static void refused(void **state)
{
	static const char *const bad[] = {
		"", " ", "FOO", "SEEN ", "NOT", "OR SEEN", "OR SEEN ", "(SEEN", "SEEN)", "()", "UID", "UID x",
		"BEFORE 31-Feb-2020", "LARGER x", "LARGER -1", "HEADER x", "SUBJECT", "KEYWORD \\Seen",
		"RETURN SEEN", "RETURN (FOO) SEEN", "RETURN (MIN) ", "RETURN (MIN)", "CHARSET UTF-8", "YOUNGER 0",
		"1:2:3", "SUBJECT {1}\r\n\xff", "MODSEQ", "HEADER \"\" x",
	};
	struct arena *a = arena_new();
	struct imap_search s;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(scan(a, bad[i], &s), ERR_SYNTAX);
	assert_int_equal(scan(a, "CHARSET KOI8-R SUBJECT x", &s), 0);
	assert_true(s.bad_charset);
	assert_int_equal(scan(a, "RETURN () SEEN", &s), 0);
	assert_int_equal(s.returns, IMAP_RETURN_ALL);
	assert_int_equal(scan(a, "RETURN (MIN COUNT) CHARSET utf-8 SEEN", &s), 0);
	assert_int_equal(s.returns, IMAP_RETURN_MIN | IMAP_RETURN_COUNT);
	arena_free(&a);
}

static int many(struct arena *a, const char *one, int n, const char *end)
{
	struct buf b = BUF_INIT(1 << 20);
	struct imap_search s;
	for (int i = 0; i < n; i++)
		buf_str(&b, one);
	buf_str(&b, end);
	struct imap_scan scan = { .in = buf_view(&b), .arena = a };
	int err = imap_search_scan(&scan, &s);
	buf_fini(&b);
	return err;
}

static void limits(void **state)
{
	struct arena *a = arena_new();
	assert_int_equal(many(a, "NOT ", IMAP_SEARCH_DEPTH, "SEEN"), 0);
	assert_int_equal(many(a, "NOT ", IMAP_SEARCH_DEPTH + 1, "SEEN"), ERR_TOO_BIG);
	assert_int_equal(many(a, "OR SEEN ", 5000, "SEEN"), ERR_TOO_BIG);
	assert_int_equal(many(a, "(", 5000, "SEEN"), ERR_TOO_BIG);
	/* One key is the chain itself. */
	assert_int_equal(many(a, "SEEN ", IMAP_SEARCH_KEYS - 2, "SEEN"), 0);
	assert_int_equal(many(a, "SEEN ", IMAP_SEARCH_KEYS - 1, "SEEN"), ERR_TOO_BIG);
	assert_int_equal(many(a, "TEXT x ", IMAP_SEARCH_TEXTS, "SEEN"), 0);
	assert_int_equal(many(a, "TEXT x ", IMAP_SEARCH_TEXTS + 1, "SEEN"), ERR_TOO_BIG);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches), cmocka_unit_test(recent),
		cmocka_unit_test(refused),
		cmocka_unit_test(limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
