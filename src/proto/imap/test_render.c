/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/imap/render.h"
#include "proto/mail/digest.h"

static void strings(void **state)
{
	static const struct {
		struct slice in;
		bool utf8;
		const char *out, *atom;
	} cases[] = {
		{ SLICE(""), false, "\"\"", "\"\"" },
		{ SLICE("abc"), false, "\"abc\"", "abc" },
		{ SLICE("NIL"), false, "\"NIL\"", "\"NIL\"" },
		{ SLICE("a b"), false, "\"a b\"", "\"a b\"" },
		{ SLICE("a\"b\\c"), false, "\"a\\\"b\\\\c\"", "\"a\\\"b\\\\c\"" },
		{ SLICE("a\r\nb"), false, "\"ab\"", "\"ab\"" },
		{ SLICE("a\0b"), false, "\"a?b\"", "\"a?b\"" },
		{ SLICE("\xc3\xa4"), false, "{2}\r\n\xc3\xa4", "{2}\r\n\xc3\xa4" },
		{ SLICE("\xc3\xa4"), true, "\"\xc3\xa4\"", "\"\xc3\xa4\"" },
		{ SLICE("\xe4"), true, "{1}\r\n\xe4", "{1}\r\n\xe4" },
		{ SLICE("\xe4\r\n\""), true, "{2}\r\n\xe4\"", "{2}\r\n\xe4\"" },
		{ SLICE("a{1}"), false, "\"a{1}\"", "\"a{1}\"" },
		{ SLICE("&AOQ-/x"), false, "\"&AOQ-/x\"", "&AOQ-/x" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf out = BUF_INIT(100);
		imap_render_string(&out, cases[i].in, cases[i].utf8);
		assert_string_equal(buf_cstr(&out), cases[i].out);
		buf_clear(&out);
		imap_render_astring(&out, cases[i].in, cases[i].utf8);
		assert_string_equal(buf_cstr(&out), cases[i].atom);
		buf_fini(&out);
	}
}

static void check(struct slice in, const char *envelope, const char *body, const char *structure)
{
	struct arena *arena = arena_new();
	struct buf out = BUF_INIT(10000);
	Postern__Digest *d = digest_make(arena, in);
	imap_render_envelope(&out, d->envelope, false);
	assert_string_equal(buf_cstr(&out), envelope);
	buf_clear(&out);
	imap_render_bodystructure(&out, d, false);
	assert_string_equal(buf_cstr(&out), body);
	buf_clear(&out);
	imap_render_bodystructure(&out, d, true);
	assert_string_equal(buf_cstr(&out), structure);
	buf_fini(&out);
	arena_free(&arena);
}

static void messages(void **state)
{
	check(SLICE(""), "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)",
	      "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0)",
	      "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL)");
	check(SLICE("From: A <a@b>\r\nReply-To: g: c@d;\r\nSubject: \"q\\\r\nDate: x\0y\r\nTo: e\r\n\r\n"),
	      "(\"x?y\" \"\\\"q\\\\\" ((\"A\" NIL \"a\" \"b\")) ((\"A\" NIL \"a\" \"b\")) "
	      "((NIL NIL \"g\" NIL)(NIL NIL \"c\" \"d\")(NIL NIL NIL NIL)) "
	      "((NIL NIL \"e\" \"MISSING_DOMAIN\")) NIL NIL NIL NIL)",
	      "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0)",
	      "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL)");
	check(SLICE("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: image/gif; name=\"\xe4\"\r\n"
		    "Content-Disposition: attachment; filename=\"a\\\"b\\\\\"\r\nContent-Language: de, en\r\n"
		    "Content-ID: <i>\r\n\r\nx\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\ny\r\n--b--"),
	      "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)",
	      "((\"image\" \"gif\" (\"name\" {1}\r\n\xe4) \"<i>\" NIL \"7bit\" 1)(\"message\" \"rfc822\" NIL NIL NIL "
	      "\"7bit\" 15 (NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL) (\"text\" \"plain\" (\"charset\" \"us-ascii\") "
	      "NIL NIL \"7bit\" 1 0) 2) \"mixed\")",
	      "((\"image\" \"gif\" (\"name\" {1}\r\n\xe4) \"<i>\" NIL \"7bit\" 1 NIL (\"attachment\" (\"filename\" "
	      "\"a\\\"b\\\\\")) (\"de\" \"en\") NIL)(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 15 "
	      "(NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL) (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL "
	      "\"7bit\" 1 0 NIL NIL NIL NIL) 2 NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"b\") NIL NIL NIL)");
	check(SLICE("Content-Type: multipart/mixed\r\n\r\nx"), "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)",
	      "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0) \"mixed\")",
	      "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL) \"mixed\" NIL NIL "
	      "NIL NIL)");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(strings), cmocka_unit_test(messages) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
