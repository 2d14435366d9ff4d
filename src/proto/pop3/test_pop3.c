/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/pop3/fake_owner.h"

#define S(x) { (const uint8_t *)(x), sizeof(x) - 1 }

static void stuffing(void **state)
{
	static const struct {
		struct slice in;
		uint64_t top;
		const char *out;
	} cases[] = {
		{ S("a: b\r\n\r\nx\r\n"), POP3_TOP_NONE, "a: b\r\n\r\nx\r\n.\r\n" },
		{ S("a: b\r\n\r\n.\r\n..\r\n.x"), POP3_TOP_NONE, "a: b\r\n\r\n..\r\n...\r\n..x\r\n.\r\n" },
		{ S("a\n.\r\n\n"), POP3_TOP_NONE, "a\r\n..\r\n\r\n.\r\n" },
		{ S("a\r"), POP3_TOP_NONE, "a\r\n.\r\n" }, { S("a\r.\rb"), POP3_TOP_NONE, "a\r.\rb\r\n.\r\n" },
		{ S(""), POP3_TOP_NONE, ".\r\n" }, { S("a: b\r\n\r\n1\r\n2\r\n"), 0, "a: b\r\n\r\n.\r\n" },
		{ S("a: b\r\n\r\n1\r\n2\r\n"), 1, "a: b\r\n\r\n1\r\n.\r\n" },
		{ S("a: b\r\n\r\n1\r\n2\r\n"), 2, "a: b\r\n\r\n1\r\n2\r\n.\r\n" },
		{ S("a: b\r\n\r\n1\r\n2\r\n"), 9, "a: b\r\n\r\n1\r\n2\r\n.\r\n" },
		{ S("a: b\n\n1\n2\n"), 1, "a: b\r\n\r\n1\r\n.\r\n" }, { S("\r\n1\r\n2\r\n"), 1, "\r\n1\r\n.\r\n" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (size_t cut = 0; cut <= cases[i].in.n; cut++) {
			struct pop3_stuff s;
			struct buf out = BUF_INIT(1000);
			pop3_stuff_init(&s, cases[i].top);
			if (!pop3_stuff_step(&s, slice_sub(cases[i].in, 0, cut), &out))
				pop3_stuff_step(&s, slice_sub(cases[i].in, cut, cases[i].in.n), &out);
			pop3_stuff_end(&s, &out);
			if (strcmp(buf_cstr(&out), cases[i].out) != 0)
				fail_msg("case %zu cut %zu: %s", i, cut, buf_cstr(&out));
			buf_fini(&out);
		}
}

#define LOGIN "USER joe\r\nPASS right\r\n"
#define IN "+OK POP3 ready\r\n+OK\r\n+OK Logged in\r\n"

static const struct {
	const char *script, *out;
	bool closed;
	unsigned expunged;
} cases[] = {
	{ "QUIT\r\n", "+OK POP3 ready\r\n+OK Bye\r\n", true, 0 },
	{ LOGIN "STAT\r\nQUIT\r\n", IN "+OK 3 32\r\n+OK Bye\r\n", true, 0 },
	{ LOGIN "LIST\r\nUIDL\r\nLIST 2\r\nUIDL 3\r\nLIST 4\r\n",
	  IN "+OK\r\n1 11\r\n2 10\r\n3 11\r\n.\r\n+OK\r\n1 77.5\r\n2 77.6\r\n3 77.9\r\n.\r\n+OK 2 10\r\n+OK 3 77.9\r\n-ERR No such message\r\n", false, 0 },
	{ LOGIN "RETR 1\r\nTOP 1 0\r\nRETR 0\r\nRETR x\r\nTOP 1\r\n",
	  IN "+OK\r\na: 5\r\n\r\n..x\r\n.\r\n+OK\r\na: 5\r\n\r\n.\r\n-ERR No such message\r\n-ERR No such message\r\n-ERR TOP message lines is expected\r\n", false, 0 },
	{ LOGIN "DELE 1\r\nDELE 1\r\nRETR 1\r\nSTAT\r\nLIST\r\nRSET\r\nSTAT\r\nQUIT\r\n",
	  IN "+OK Deleted at QUIT\r\n-ERR No such message\r\n-ERR No such message\r\n+OK 2 21\r\n+OK\r\n2 10\r\n3 11\r\n.\r\n+OK\r\n+OK 3 32\r\n+OK Bye\r\n", true, 0 },
	{ LOGIN "DELE 1\r\nDELE 3\r\nQUIT\r\n", IN "+OK Deleted at QUIT\r\n+OK Deleted at QUIT\r\n+OK Bye\r\n", true, 2 },
	{ LOGIN "RETR 2\r\nUSER x\r\n", IN "-ERR The message is gone\r\n-ERR You are logged in already\r\n", false, 0 },
	{ "STAT\r\nPASS x\r\nUSER\r\nXYZZY\r\n", "+OK POP3 ready\r\n-ERR Log in first\r\n-ERR USER comes first\r\n-ERR USER name is expected\r\n-ERR Unknown command\r\n", false, 0 },
	{ "USER joe\r\nPASS wrong\r\nSTAT\r\n", "+OK POP3 ready\r\n+OK\r\n-ERR [AUTH] Login failed\r\n-ERR Log in first\r\n", false, 0 },
	{ "USER joe\r\nPASS busy\r\n", "+OK POP3 ready\r\n+OK\r\n-ERR [IN-USE] The mailbox is in use by another session\r\n", false, 0 },
	{ "USER joe\r\nPASS later\r\n", "+OK POP3 ready\r\n+OK\r\n-ERR [SYS/TEMP] Login is not possible now\r\n", false, 0 },
	{ "USER joe\r\nPASS told\r\nSTAT\r\n", "+OK POP3 ready\r\n+OK\r\n-ERR [AUTH] Go  +OK elsewhere\r\n-ERR Log in first\r\n", false, 0 },
	{ "AUTH\r\nAUTH PLAIN AGpvZQByaWdodA==\r\n", "+OK POP3 ready\r\n+OK\r\nPLAIN\r\nLOGIN\r\n.\r\n+OK Logged in\r\n", false, 0 },
	{ "AUTH PLAIN\r\nAGpvZQByaWdodA==\r\n", "+OK POP3 ready\r\n+ \r\n+OK Logged in\r\n", false, 0 },
	{ "AUTH LOGIN\r\nam9l\r\ncmlnaHQ=\r\n", "+OK POP3 ready\r\n+ VXNlcm5hbWU6\r\n+ UGFzc3dvcmQ6\r\n+OK Logged in\r\n", false, 0 },
	{ "AUTH PLAIN\r\n*\r\nAUTH X\r\n", "+OK POP3 ready\r\n+ \r\n-ERR Cancelled\r\n-ERR This mechanism is not offered\r\n", false, 0 },
	{ "NOOP\nQUIT\r\n", "+OK POP3 ready\r\n-ERR Lines end in CRLF\r\n", true, 0 },
	{ "STLS\r\n", "+OK POP3 ready\r\n-ERR Unknown command\r\n", false, 0 },
};

static void transcripts(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (unsigned how = 0; how < 4; how++) {
			struct fake f;
			fake_start(&f, how & 1, how & 2 ? 1 : 4096);
			fake_feed(&f, slice_str(cases[i].script));
			if (strcmp(buf_cstr(&f.out), cases[i].out) != 0 || f.closed != cases[i].closed || f.expunged != cases[i].expunged)
				fail_msg("case %zu how %u: %s\nexpected %s", i, how, buf_cstr(&f.out), cases[i].out);
			fake_fini(&f);
		}
}

static void line_limits(void **state)
{
	for (size_t n = POP3_LINE_MAX; n <= POP3_LINE_MAX + 1; n++) {
		struct fake f;
		uint8_t line[POP3_LINE_MAX + 1];
		fake_start(&f, false, 4096);
		memset(line, 'x', n);
		memcpy(line, "USER ", 5);
		memcpy(line + 5 + SASL_LOGIN_MAX, " ", 1);
		line[n - 2] = '\r';
		line[n - 1] = '\n';
		fake_feed(&f, slice_of(line, n));
		assert_true(f.closed == (n > POP3_LINE_MAX));
		fake_fini(&f);
	}
}

/* A reader that is slow: nothing is made ahead of it, and all of it arrives. */
static void slow_reader(void **state)
{
	struct fake f;
	fake_start(&f, false, 4096);
	fake_feed(&f, SLICE(LOGIN));
	buf_clear(&f.out);
	f.full_at = 10;
	fake_feed(&f, SLICE("LIST\r\nSTAT\r\n"));
	assert_string_equal(buf_cstr(&f.out), "+OK\r\n1 11\r\n2 10\r\n3 11\r\n.\r\n+OK 3 32\r\n");
	fake_fini(&f);
}

static void too_many_failures(void **state)
{
	struct fake f;
	fake_start(&f, false, 4096);
	for (unsigned i = 0; i < POP3_LOGINS_MAX; i++) {
		assert_false(f.closed);
		fake_feed(&f, SLICE("USER joe\r\nPASS wrong\r\n"));
	}
	assert_true(f.closed);
	fake_fini(&f);
}

static void autologout(void **state)
{
	struct fake f;
	fake_start(&f, false, 4096);
	fake_feed(&f, SLICE(LOGIN "DELE 1\r\n"));
	pop3_server_timeout(f.s);
	assert_true(f.closed && f.expunged == 0);
	fake_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stuffing), cmocka_unit_test(transcripts), cmocka_unit_test(line_limits),
		cmocka_unit_test(slow_reader), cmocka_unit_test(too_many_failures), cmocka_unit_test(autologout),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
