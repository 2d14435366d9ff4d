/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "proto/smtp/command.h"
#include "proto/smtp/reply.h"
#include "proto/smtp/xtext.h"

/* "NUL" cannot stand in a C string: '\1' stands for a control octet, '~' for NUL. */
static int parse(const char *text, struct arena *a, struct smtp_command *c, unsigned *ret_code)
{
	struct buf line = BUF_INIT(16384);
	for (const char *p = text; *p; p++)
		buf_byte(&line, *p == '~' ? 0 : (uint8_t)*p);
	struct slice copy = arena_dup(a, buf_view(&line));
	buf_fini(&line);
	const struct smtp_status *st = NULL;
	int r = smtp_command_parse(copy, a, c, &st);
	*ret_code = r < 0 ? st->code : 0;
	return r;
}

static void lines(void **state)
{
	static const struct {
		const char *line;
		enum smtp_verb verb;
		unsigned code;	/* 0: taken */
	} cases[] = {
		{ "EHLO a.example", SMTP_VERB_EHLO, 0 }, { "ehlo [192.0.2.1]", SMTP_VERB_EHLO, 0 },
		{ "EHLO [IPv6:2001:db8::1]", SMTP_VERB_EHLO, 0 }, { "EHLO", SMTP_VERB_EHLO, 501 },
		{ "EHLO a b", SMTP_VERB_EHLO, 501 }, { "EHLO <x>", SMTP_VERB_EHLO, 501 },
		{ "EHLO a\n", SMTP_VERB_UNKNOWN, 501 }, { "EHLO a~", SMTP_VERB_EHLO, 501 },
		{ "EHLO \xc3\xa4.example", SMTP_VERB_EHLO, 501 }, { "HELO a", SMTP_VERB_HELO, 0 },
		{ "MAIL FROM:<a@b.example>", SMTP_VERB_MAIL, 0 }, { "mail from:<>", SMTP_VERB_MAIL, 0 },
		{ "MAIL FROM: <a@b.example> ", SMTP_VERB_MAIL, 0 }, { "MAIL FROM:a@b.example", SMTP_VERB_MAIL, 501 },
		{ "MAIL", SMTP_VERB_MAIL, 501 }, { "MAIL FROM", SMTP_VERB_MAIL, 501 },
		{ "MAIL FROM:<a@b.example", SMTP_VERB_MAIL, 501 }, { "MAIL FROM:<a@b.example>x", SMTP_VERB_MAIL, 501 },
		{ "MAIL FROM:<a>", SMTP_VERB_MAIL, 501 }, { "MAIL FROM:<postmaster>", SMTP_VERB_MAIL, 501 },
		{ "MAIL FROM:<@a.example,@b.example:x@y.example>", SMTP_VERB_MAIL, 0 },
		{ "MAIL FROM:<@a.example:>", SMTP_VERB_MAIL, 501 },
		{ "MAIL FROM:<@legit.example,@any:'x@attack.example>", SMTP_VERB_MAIL, 0 },
		{ "MAIL FROM:<@a.example,:x@y.example>", SMTP_VERB_MAIL, 501 },
		{ "MAIL FROM:<@a b:x@y.example>", SMTP_VERB_MAIL, 501 },
		{ "MAIL FROM:<a~b@c.example>", SMTP_VERB_MAIL, 501 }, { "MAIL FROM:<a@b.example>\1", SMTP_VERB_MAIL, 501 },
		{ "MAIL FROM:<a@b.example> SIZE=0", SMTP_VERB_MAIL, 0 },
		{ "MAIL FROM:<a@b.example> SIZE=18446744073709551615", SMTP_VERB_MAIL, 0 },
		{ "MAIL FROM:<a@b.example> SIZE=18446744073709551616", SMTP_VERB_MAIL, 501 },
		{ "MAIL FROM:<a@b.example> SIZE=-1", SMTP_VERB_MAIL, 501 }, { "MAIL FROM:<a@b.example> SIZE=", SMTP_VERB_MAIL, 501 },
		{ "MAIL FROM:<a@b.example> SIZE", SMTP_VERB_MAIL, 501 },
		{ "MAIL FROM:<a@b.example> SIZE=1 SIZE=1", SMTP_VERB_MAIL, 501 },
		{ "MAIL FROM:<a@b.example> body=8bitmime", SMTP_VERB_MAIL, 0 },
		{ "MAIL FROM:<a@b.example> BODY=BINARYMIME", SMTP_VERB_MAIL, 501 },
		{ "MAIL FROM:<a@b.example> FOO=1", SMTP_VERB_MAIL, 555 }, { "MAIL FROM:<a@b.example> =1", SMTP_VERB_MAIL, 501 },
		{ "MAIL FROM:<a@b.example> A=b=c", SMTP_VERB_MAIL, 501 },
		{ "MAIL FROM:<a@b.example> RET=HDRS ENVID=QQ314159", SMTP_VERB_MAIL, 0 },
		{ "MAIL FROM:<a@b.example> ENVID=a+00b", SMTP_VERB_MAIL, 501 },
		{ "MAIL FROM:<a@b.example> ENVID=a+0Ab", SMTP_VERB_MAIL, 501 },
		{ "MAIL FROM:<a@b.example> ENVID=a+2Bb", SMTP_VERB_MAIL, 0 },
		{ "MAIL FROM:<a@b.example> ENVID=a+2bb", SMTP_VERB_MAIL, 501 },
		{ "MAIL FROM:<a@b.example> ENVID=a+2", SMTP_VERB_MAIL, 501 },
		{ "MAIL FROM:<a@b.example> RET=SOME", SMTP_VERB_MAIL, 501 },
		{ "MAIL FROM:<a@b.example> AUTH=<>", SMTP_VERB_MAIL, 0 }, { "MAIL FROM:<a@b.example> AUTH=e+3Dmc2@example.com", SMTP_VERB_MAIL, 0 },
		{ "MAIL FROM:<a@b.example> SMTPUTF8=1", SMTP_VERB_MAIL, 501 },
		{ "MAIL FROM:<\xc3\xa4@b.example>", SMTP_VERB_MAIL, 553 },
		{ "MAIL FROM:<\xc3\xa4@b.example> SMTPUTF8", SMTP_VERB_MAIL, 0 },
		{ "MAIL FROM:<\xc0\xaf@b.example> SMTPUTF8", SMTP_VERB_MAIL, 553 },
		{ "MAIL FROM:<\xed\xa0\x80@b.example> SMTPUTF8", SMTP_VERB_MAIL, 553 },
		{ "RCPT TO:<a@b.example>", SMTP_VERB_RCPT, 0 }, { "RCPT TO:<Postmaster>", SMTP_VERB_RCPT, 0 },
		{ "RCPT TO:<>", SMTP_VERB_RCPT, 501 }, { "RCPT TO:<a>", SMTP_VERB_RCPT, 501 },
		{ "RCPT TO:<\"a>b\"@c.example>", SMTP_VERB_RCPT, 0 }, { "RCPT TO:<\"a\\\">b\"@c.example>", SMTP_VERB_RCPT, 0 },
		{ "RCPT TO:<a@b.example> NOTIFY=SUCCESS,FAILURE,DELAY", SMTP_VERB_RCPT, 0 },
		{ "RCPT TO:<a@b.example> NOTIFY=NEVER", SMTP_VERB_RCPT, 0 },
		{ "RCPT TO:<a@b.example> NOTIFY=NEVER,DELAY", SMTP_VERB_RCPT, 501 },
		{ "RCPT TO:<a@b.example> NOTIFY=DELAY,DELAY", SMTP_VERB_RCPT, 501 },
		{ "RCPT TO:<a@b.example> NOTIFY=DELAY,", SMTP_VERB_RCPT, 501 },
		{ "RCPT TO:<a@b.example> NOTIFY=", SMTP_VERB_RCPT, 501 }, { "RCPT TO:<a@b.example> NOTIFY", SMTP_VERB_RCPT, 501 },
		{ "RCPT TO:<a@b.example> ORCPT=rfc822;a+2Bb@c.example", SMTP_VERB_RCPT, 0 },
		{ "RCPT TO:<a@b.example> ORCPT=rfc822;a+00b", SMTP_VERB_RCPT, 501 },
		{ "RCPT TO:<a@b.example> ORCPT=rfc822;", SMTP_VERB_RCPT, 501 }, { "RCPT TO:<a@b.example> ORCPT=;a", SMTP_VERB_RCPT, 501 },
		{ "RCPT TO:<a@b.example> ORCPT=utf-8;\xc3\xa4@c.example", SMTP_VERB_RCPT, 0 },
		{ "RCPT TO:<a@b.example> SIZE=1", SMTP_VERB_RCPT, 555 }, { "RCPT FROM:<a@b.example>", SMTP_VERB_RCPT, 501 },
		{ "DATA", SMTP_VERB_DATA, 0 }, { "DATA ", SMTP_VERB_DATA, 0 }, { "DATA x", SMTP_VERB_DATA, 501 },
		{ "BDAT 0", SMTP_VERB_BDAT, 0 }, { "BDAT 5 LAST", SMTP_VERB_BDAT, 0 }, { "bdat 5 last ", SMTP_VERB_BDAT, 0 },
		{ "BDAT", SMTP_VERB_BDAT, 501 }, { "BDAT -1", SMTP_VERB_BDAT, 501 }, { "BDAT 5 FIRST", SMTP_VERB_BDAT, 501 },
		{ "BDAT 18446744073709551615", SMTP_VERB_BDAT, 0 }, { "BDAT 18446744073709551616", SMTP_VERB_BDAT, 501 },
		{ "BDAT 0x10", SMTP_VERB_BDAT, 501 },
		{ "RSET", SMTP_VERB_RSET, 0 }, { "RSET x", SMTP_VERB_RSET, 501 }, { "NOOP anything", SMTP_VERB_NOOP, 0 },
		{ "QUIT", SMTP_VERB_QUIT, 0 }, { "QUIT x", SMTP_VERB_QUIT, 501 }, { "VRFY", SMTP_VERB_VRFY, 501 },
		{ "VRFY \xc3\xa4", SMTP_VERB_VRFY, 0 }, { "EXPN list", SMTP_VERB_EXPN, 0 }, { "HELP", SMTP_VERB_HELP, 0 },
		{ "STARTTLS", SMTP_VERB_STARTTLS, 0 }, { "STARTTLS now", SMTP_VERB_STARTTLS, 501 },
		{ "AUTH PLAIN", SMTP_VERB_AUTH, 0 }, { "AUTH PLAIN =", SMTP_VERB_AUTH, 0 }, { "AUTH", SMTP_VERB_AUTH, 501 },
		{ "AUTH PLAIN a b", SMTP_VERB_AUTH, 501 },
		{ "GET / HTTP/1.1", SMTP_VERB_HTTP, 0 }, { "", SMTP_VERB_UNKNOWN, 500 }, { "XYZZY", SMTP_VERB_UNKNOWN, 500 },
		{ " NOOP", SMTP_VERB_UNKNOWN, 500 }, { "ETRN x", SMTP_VERB_UNKNOWN, 500 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct arena *a = arena_new();
		struct smtp_command c;
		unsigned code;
		int r = parse(cases[i].line, a, &c, &code);
		if (code != cases[i].code || r != (cases[i].code ? ERR_SYNTAX : 0))
			fail_msg("%s: %u, expected %u", cases[i].line, code, cases[i].code);
		if (cases[i].verb != SMTP_VERB_UNKNOWN)
			assert_int_equal(c.verb, cases[i].verb);
		arena_free(&a);
	}
}

static void assert_slice(struct slice s, const char *want)
{
	if (!slice_eq(s, slice_str(want)))
		fail_msg("\"" SLICE_FMT "\", expected \"%s\"", SLICE_ARG(s), want);
}

static void values(void **state)
{
	struct arena *a = arena_new();
	struct smtp_command c;
	unsigned code;
	assert_int_equal(parse("MAIL FROM:<@r.example:\"Joe\"@Example.TEST> SIZE=77 BODY=8BITMIME SMTPUTF8 RET=HDRS "
			       "ENVID=QQ+2B AUTH=e+3Dmc2@example.com", a, &c, &code), 0);
	assert_slice(c.mail.path.address, "Joe@example.test");
	assert_slice(c.mail.path.original, "\"Joe\"@Example.TEST");
	assert_slice(c.mail.envid, "QQ+2B");
	assert_slice(c.mail.auth, "e=mc2@example.com");
	assert_int_equal(c.mail.size, 77);
	assert_true(c.mail.has_size && c.mail.smtputf8 && c.mail.body == SMTP_BODY_8BITMIME &&
		    c.mail.ret == SMTP_RET_HDRS && !c.mail.path.utf8);
	assert_int_equal(parse("RCPT TO:<@us.example:x@ext.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x@y", a, &c, &code), 0);
	assert_slice(c.rcpt.path.address, "x@ext.example");
	assert_slice(c.rcpt.orcpt, "rfc822;x@y");
	assert_int_equal(c.rcpt.notify, SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_DELAY);
	assert_int_equal(parse("BDAT 12 LAST", a, &c, &code), 0);
	assert_true(c.bdat.size == 12 && c.bdat.last);
	assert_int_equal(parse("AUTH plain AGEAYg==", a, &c, &code), 0);
	assert_slice(c.auth.mechanism, "plain");
	assert_slice(c.auth.initial, "AGEAYg==");
	arena_free(&a);
}

/* Envelope id: 100 octets fit, 101 do not; parameters: SMTP_PARAMS_MAX. */
static void limits(void **state)
{
	for (unsigned n = SMTP_ENVID_MAX; n <= SMTP_ENVID_MAX + 1; n++) {
		struct arena *a = arena_new();
		struct smtp_command c;
		unsigned code;
		char *line = arena_printf(a, "MAIL FROM:<> ENVID=%0*d", (int)n, 0);
		assert_int_equal(parse(line, a, &c, &code), n > SMTP_ENVID_MAX ? ERR_SYNTAX : 0);
		arena_free(&a);
	}
	for (unsigned n = SMTP_HELLO_MAX; n <= SMTP_HELLO_MAX + 1; n++) {
		struct arena *a = arena_new();
		struct smtp_command c;
		unsigned code;
		assert_int_equal(parse(arena_printf(a, "EHLO %0*d", (int)n, 0), a, &c, &code), n > SMTP_HELLO_MAX ? ERR_SYNTAX : 0);
		arena_free(&a);
	}
}

static void replies(void **state)
{
	static const struct {
		struct smtp_status st;
		const char *want;
	} cases[] = {
		{ { 250, "2.0.0", "OK" }, "250 2.0.0 OK\r\n" },
		{ { 250, NULL, "a\nB\nC" }, "250-a\r\n250-B\r\n250 C\r\n" },
		{ { 550, "5.1.1", "x\r\n250 y\x1b[1m\xc3\xa4" }, "550-5.1.1 x?\r\n550 5.1.1 250 y?[1m??\r\n" },
		{ { 550, "2.0.0", "class" }, "550 class\r\n" }, { { 354, "3.0.0", "go" }, "354 go\r\n" },
		{ { 334, NULL, "" }, "334 \r\n" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf out = BUF_INIT(SMTP_REPLY_MAX);
		smtp_reply_write(&out, &cases[i].st);
		assert_string_equal(buf_cstr(&out), cases[i].want);
		buf_fini(&out);
	}
	struct arena *a = arena_new();
	struct buf out = BUF_INIT(SMTP_REPLY_MAX);
	smtp_reply_write(&out, &(struct smtp_status){ 550, "5.0.0", arena_printf(a, "%0600d\n%05d", 0, 0) });
	assert_int_equal(slice_find(buf_view(&out), SLICE("\r\n"), 0), SMTP_REPLY_LINE_MAX - 2);
	buf_fini(&out);
	arena_free(&a);
}

static void xtext(void **state)
{
	struct buf out = BUF_INIT(64), back = BUF_INIT(64);
	xtext_encode(&out, slice_of("a+b=c \0", 7));
	assert_string_equal(buf_cstr(&out), "a+2Bb+3Dc+20+00");
	assert_int_equal(xtext_decode(&back, buf_view(&out)), 0);
	assert_true(slice_eq(buf_view(&back), slice_of("a+b=c \0", 7)));
	static const char *const bad[] = { "+", "+2", "+2b", "a b", "a=b", "\xc3\xa4" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(xtext_decode(&back, slice_str(bad[i])), ERR_SYNTAX);
	buf_fini(&out);
	buf_fini(&back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines), cmocka_unit_test(values), cmocka_unit_test(limits),
		cmocka_unit_test(replies), cmocka_unit_test(xtext),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
