/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "proto/imap/args.h"
#include "proto/imap/fetch_args.h"
#include "proto/imap/write.h"

static struct arena *arena;

static struct imap_scan scan_of(const char *text)
{
	return (struct imap_scan){ .in = slice_str(text), .arena = arena };
}

static int setup(void **state)
{
	arena = arena_new();
	return 0;
}

static int teardown(void **state)
{
	arena_free(&arena);
	return 0;
}

static void astrings(void **state)
{
	static const struct {
		const char *in, *out;	/* out NULL: refused */
		size_t used;
	} cases[] = {
		{ "INBOX x", "INBOX", 5 },
		{ "a]b", "a]b", 3 },
		{ "\"a b\"", "a b", 5 },
		{ "\"a \\\"b\\\\\"", "a \"b\\", 9 },
		{ "\"\"", "", 2 },
		{ "{3}\r\na\nb", "a\nb", 8 },
		{ "{0}\r\n", "", 5 },
		{ "{3+}\r\nabcd", "abc", 9 },
		{ "{4}\r\nabc", NULL, 0 },
		{ "{3}abc", NULL, 0 },
		{ "{}\r\n", NULL, 0 },
		{ "\"a", NULL, 0 },
		{ "\"a\\x\"", NULL, 0 },
		{ "\"a\rb\"", NULL, 0 },
		{ "\"\xc3\xa4\"", NULL, 0 },
		{ "(", NULL, 0 },
		{ "", NULL, 0 },
		{ "\x80", NULL, 0 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct imap_scan s = scan_of(cases[i].in);
		struct slice out = SLICE("untouched");
		int err = imap_scan_astring(&s, &out);
		assert_int_equal(err, cases[i].out ? 0 : ERR_SYNTAX);
		assert_int_equal(s.at, cases[i].used);
		assert_true(slice_eq(out, slice_str(cases[i].out ? cases[i].out : "untouched")));
	}
	struct imap_scan s = scan_of("\"\xc3\xa4\"");
	struct slice out;
	s.utf8 = true;
	assert_int_equal(imap_scan_astring(&s, &out), 0);
	s = scan_of("\"\xc3\"");
	s.utf8 = true;
	assert_int_equal(imap_scan_astring(&s, &out), ERR_SYNTAX);
}

static void dates(void **state)
{
	static const struct {
		const char *in;
		int err;
		int64_t ms;
	} cases[] = {
		{ "\"01-Jan-1970 00:00:00 +0000\"", 0, 0 },
		{ "\" 1-Jan-1970 00:00:00 +0100\"", 0, -3600000 },
		{ "\"29-Feb-2024 23:59:60 -0830\"", 0, 1709281800000 },
		{ "\"29-Feb-2023 23:59:59 +0000\"", ERR_SYNTAX, 0 },
		{ "\"32-Jan-2023 23:59:59 +0000\"", ERR_SYNTAX, 0 },
		{ "\"01-Foo-2023 23:59:59 +0000\"", ERR_SYNTAX, 0 },
		{ "\"01-Jan-2023 24:00:00 +0000\"", ERR_SYNTAX, 0 },
		{ "\"01-Jan-2023 23:00:00 +0060\"", ERR_SYNTAX, 0 },
		{ "\"01-Jan-2023 23:00:00 0000\"", ERR_SYNTAX, 0 },
		{ "01-Jan-2023 23:00:00 +0000", ERR_SYNTAX, 0 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct imap_scan s = scan_of(cases[i].in);
		int64_t ms = 0;
		assert_int_equal(imap_scan_date_time(&s, &ms), cases[i].err);
		assert_true(ms == cases[i].ms);
		/* What the writer says reads as the same moment. */
		struct buf b = BUF_INIT(100);
		imap_put_date_time(&b, ms);
		struct imap_scan again = { .in = buf_view(&b) };
		int64_t back = 1;
		assert_int_equal(imap_scan_date_time(&again, &back), 0);
		assert_true(back == ms);
		buf_fini(&b);
	}
	struct imap_scan s = scan_of("\"1-Feb-1994\" ");
	int64_t ms;
	assert_int_equal(imap_scan_date(&s, &ms), 0);
	assert_true(ms == 760060800000);
	assert_int_equal(s.at, 12);
}

static void flags(void **state)
{
	struct imap_scan s = scan_of("(\\Seen \\deleted $Forwarded Work work \\Recent)");
	struct imap_flags f;
	assert_int_equal(imap_scan_flags(&s, false, &f), 0);
	assert_int_equal(f.flags, IMAP_SEEN | IMAP_DELETED);
	assert_int_equal(f.n_keywords, 2);
	s = scan_of("()");
	assert_int_equal(imap_scan_flags(&s, false, &f), 0);
	s = scan_of("\\Seen a");
	assert_int_equal(imap_scan_flags(&s, true, &f), 0);
	static const char *const bad[] = { "\\Seen", "(\\Foo)", "(a  b)", "(a", "( a)", "(a b\\c)" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		s = scan_of(bad[i]);
		assert_int_equal(imap_scan_flags(&s, false, &f), ERR_SYNTAX);
		assert_int_equal(s.at, 0);
	}
	/* The number of keywords, at the limit and one past it. */
	for (int n = IMAP_KEYWORDS_MAX; n <= IMAP_KEYWORDS_MAX + 1; n++) {
		struct buf b = BUF_INIT(10000);
		for (int i = 0; i < n; i++)
			buf_printf(&b, "%ck%d", i ? ' ' : '(', i);
		buf_byte(&b, ')');
		s = (struct imap_scan){ .in = buf_view(&b), .arena = arena };
		assert_int_equal(imap_scan_flags(&s, false, &f), n > IMAP_KEYWORDS_MAX ? ERR_SYNTAX : 0);
		buf_fini(&b);
	}
}

static void fetch_sections(void **state)
{
	/* Each is written back as it came; NULL: refused. */
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "BODY[]", "BODY[]" },
		{ "BODY.PEEK[1.2.3]", "BODY[1.2.3]" },
		{ "(BODY.PEEK[1.MIME])", "BODY[1.MIME]" },
		{ "BODY[HEADER.FIELDS (From \"To\" {2}\r\nCC)]", "BODY[HEADER.FIELDS (From To CC)]" },
		{ "BODY[4.2.HEADER.FIELDS.NOT (X-A)]<0.10>", "BODY[4.2.HEADER.FIELDS.NOT (X-A)]<0>" },
		{ "BODY[TEXT]<5.4294967295>", "BODY[TEXT]<5>" },
		{ "RFC822", "RFC822" },
		{ "rfc822.header", "RFC822.HEADER" },
		{ "BODY[", NULL },
		{ "BODY[]<0.0>", NULL },
		{ "BODY[]<0>", NULL },
		{ "BODY[0]", NULL },
		{ "BODY[1.]", NULL },
		{ "BODY[.1]", NULL },
		{ "BODY[MIME]", NULL },
		{ "BODY[HEADER.FIELDS ()]", NULL },
		{ "BODY.PEEK", NULL },
		{ "(FLAGS", NULL },
		{ "(FLAGS))", NULL },
		{ "(ALL)", NULL },
		{ "FLAGS UID", NULL },
		{ "BODY[1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1]", NULL },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct imap_scan s = scan_of(cases[i].in);
		struct imap_fetch_args a;
		int err = imap_fetch_args_scan(&s, &a);
		assert_int_equal(err, cases[i].out ? 0 : ERR_SYNTAX);
		if (err < 0)
			continue;
		struct buf b = BUF_INIT(1000);
		assert_int_equal(a.n_sections, 1);
		imap_section_write(&b, &a.sections[0]);
		assert_string_equal(buf_cstr(&b), cases[i].out);
		buf_fini(&b);
	}
}

static void fetch_items(void **state)
{
	struct imap_scan s = scan_of("(UID FLAGS body.peek[] Envelope) (CHANGEDSINCE 12345)");
	struct imap_fetch_args a;
	assert_int_equal(imap_fetch_args_scan(&s, &a), 0);
	assert_int_equal(a.items, IMAP_FETCH_UID | IMAP_FETCH_FLAGS | IMAP_FETCH_ENVELOPE | IMAP_FETCH_MODSEQ);
	assert_false(a.sets_seen);
	assert_true(a.has_changed_since && a.changed_since == 12345);
	s = scan_of("FULL");
	assert_int_equal(imap_fetch_args_scan(&s, &a), 0);
	assert_true(a.items & IMAP_FETCH_BODY);
	s = scan_of("BODY");
	assert_int_equal(imap_fetch_args_scan(&s, &a), 0);
	assert_int_equal(a.items, IMAP_FETCH_BODY);
	s = scan_of("(RFC822.TEXT RFC822.SIZE)");
	assert_int_equal(imap_fetch_args_scan(&s, &a), 0);
	assert_true(a.sets_seen);
}

static void store_args(void **state)
{
	struct imap_scan s = scan_of("1:* (UNCHANGEDSINCE 5) -FLAGS.SILENT (\\Seen)");
	struct imap_store_args a;
	assert_int_equal(imap_store_args_scan(&s, &a), 0);
	assert_true(a.conditional && a.unchanged_since == 5 && a.silent && a.how == IMAP_STORE_REMOVE);
	s = scan_of("2 FLAGS \\Seen \\Draft");
	assert_int_equal(imap_store_args_scan(&s, &a), 0);
	assert_int_equal(a.flags.flags, IMAP_SEEN | IMAP_DRAFT);
	static const char *const bad[] = { "1 FLAGS", "1 FLAGS ", "1 FLAG (a)", "1 +FLAGS (a) b", "x FLAGS (a)",
					   "1 (UNCHANGEDSINCE) FLAGS (a)", "1  FLAGS (a)" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		s = scan_of(bad[i]);
		assert_int_equal(imap_store_args_scan(&s, &a), ERR_SYNTAX);
	}
}

static void list_args(void **state)
{
	struct imap_list_args a;
	struct imap_scan s = scan_of("\"\" *");
	assert_int_equal(imap_list_args_scan(&s, &a), 0);
	assert_false(a.extended);
	assert_true(slice_eq(a.patterns[0], SLICE("*")));
	s = scan_of("(SUBSCRIBED RECURSIVEMATCH) \"\" (\"INBOX\" % Foo/*) RETURN (CHILDREN STATUS (MESSAGES SIZE) SPECIAL-USE)");
	assert_int_equal(imap_list_args_scan(&s, &a), 0);
	assert_int_equal(a.select, IMAP_LIST_SUBSCRIBED | IMAP_LIST_RECURSIVEMATCH);
	assert_int_equal(a.returns, IMAP_LIST_CHILDREN | IMAP_LIST_SPECIAL_USE);
	assert_int_equal(a.status, IMAP_STATUS_MESSAGES | IMAP_STATUS_SIZE);
	assert_int_equal(a.n_patterns, 3);
	static const char *const bad[] = { "\"\"", "\"\" ", "(RECURSIVEMATCH) \"\" *", "(FOO) \"\" *", "\"\" * RETURN",
					   "\"\" * RETURN (STATUS)", "\"\" () ", "(RECURSIVEMATCH REMOTE) \"\" *",
					   "\"\" * RETURN (RECURSIVEMATCH)" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		s = scan_of(bad[i]);
		assert_int_equal(imap_list_args_scan(&s, &a), ERR_SYNTAX);
	}
}

static void append_args(void **state)
{
	static const struct {
		const char *in;
		int what;
	} cases[] = {
		{ "INBOX {310}", 1 },
		{ "INBOX (\\Seen) \"01-Jan-1970 00:00:00 +0000\" {310+}", 1 },
		{ "{5+}", 0 },
		{ "{5}\r\nINBOX {3}", 1 },
		{ "INBOX UTF8 (~{5+}", 1 },
		{ "INBOX ~{5}", ERR_SYNTAX },
		{ "INBOX UTF8 ({5}", ERR_SYNTAX },
		{ "INBOX {5} ", ERR_SYNTAX },
		{ "INBOX (\\Seen {5}", ERR_SYNTAX },
		{ "INBOX", ERR_SYNTAX },
		{ "INBOX \"x\" {5}", ERR_SYNTAX },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct imap_scan s = scan_of(cases[i].in);
		struct imap_append_args a;
		assert_int_equal(imap_append_args_scan(&s, &a), cases[i].what);
	}
}

static void other_args(void **state)
{
	struct imap_create_args c;
	struct imap_scan s = scan_of("Foo (USE (\\Sent \\Important))");
	assert_int_equal(imap_create_args_scan(&s, &c), 0);
	assert_int_equal(c.special_use, 32);
	assert_true(c.unknown_use);
	s = scan_of("Foo (USE \\Sent)");
	assert_int_equal(imap_create_args_scan(&s, &c), ERR_SYNTAX);
	struct imap_status_args st;
	s = scan_of("INBOX (MESSAGES unseen)");
	assert_int_equal(imap_status_args_scan(&s, &st), 0);
	assert_int_equal(st.items, IMAP_STATUS_MESSAGES | IMAP_STATUS_UNSEEN);
	s = scan_of("INBOX ()");
	assert_int_equal(imap_status_args_scan(&s, &st), ERR_SYNTAX);
	struct imap_select_args se;
	s = scan_of("INBOX (CONDSTORE)");
	assert_int_equal(imap_select_args_scan(&s, &se), 0);
	assert_true(se.condstore);
	s = scan_of("INBOX (QRESYNC)");
	assert_int_equal(imap_select_args_scan(&s, &se), ERR_SYNTAX);
}

static void strings(void **state)
{
	static const struct {
		const char *in;
		bool utf8;
		const char *out;
	} cases[] = {
		{ "plain", false, "\"plain\"" },
		{ "a\"b\\", false, "\"a\\\"b\\\\\"" },
		{ "a\r\nb", false, "{4}\r\na\r\nb" },
		{ "\xc3\xa4", false, "{2}\r\n\xc3\xa4" },
		{ "\xc3\xa4", true, "\"\xc3\xa4\"" },
		{ "\xc3", true, "{1}\r\n\xc3" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf b = BUF_INIT(100);
		imap_put_string(&b, slice_str(cases[i].in), cases[i].utf8);
		assert_string_equal(buf_cstr(&b), cases[i].out);
		buf_fini(&b);
	}
	struct buf b = BUF_INIT(100);
	imap_put_string(&b, slice_of("a\0b", 3), false);
	assert_true(slice_eq(buf_view(&b), SLICE("{3}\r\na\x80" "b")));
	buf_clear(&b);
	imap_put_text(&b, SLICE("no] way\r\n* OK\x01"));
	assert_string_equal(buf_cstr(&b), "no way* OK");
	buf_fini(&b);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(astrings), T(dates), T(flags), T(fetch_sections), T(fetch_items), T(store_args),
		T(list_args), T(append_args), T(other_args), T(strings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
