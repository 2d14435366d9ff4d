/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/smtp/fake_owner.h"

/* The codes of all replies so far, continuation lines left out: "220 250 354". */
static const char *codes(struct fake *f)
{
	static char text[4096];
	size_t n = 0;
	text[0] = 0;
	for (size_t at = 0; at + 4 <= f->out.n;) {
		ptrdiff_t end = slice_find(buf_view(&f->out), SLICE("\r\n"), at);
		assert_true(end >= 0);
		if (f->out.p[at + 3] == ' ' && n + 5 < sizeof(text))
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%.3s", n ? " " : "", f->out.p + at);
		at = (size_t)end + 2;
	}
	return text;
}

static void feed(struct fake *f, struct slice in)
{
	while (in.n && !f->closed) {
		size_t used = smtp_server_input(f->s, in);
		in = slice_sub(in, used, in.n);
		if (f->question)
			fake_answer(f);
		else if (!used)
			break;
	}
}

/* Parts are separate reads: '|' divides them. */
static void talk(struct fake *f, const char *script)
{
	for (const char *p = script; *p;) {
		size_t n = strcspn(p, "|");
		feed(f, slice_of(p, n));
		p += n + (p[n] == '|');
	}
}

static void talk_bytewise(struct fake *f, const char *script)
{
	struct buf in = BUF_INIT(1 << 16);
	for (const char *p = script; *p && !f->closed; p++) {
		if (*p == '|')
			continue;
		buf_byte(&in, (uint8_t)*p);
		size_t used = smtp_server_input(f->s, buf_view(&in));
		buf_consume(&in, used);
		fake_answer(f);
	}
	buf_fini(&in);
}

#define HI "EHLO c.example\r\n|"
#define MR HI "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n"
#define X10(x) x x x x x x x x x x

static const struct {
	const char *script, *codes;
	unsigned messages;
	bool closed;
} cases[] = {
	{ HI "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n|hi\r\n.\r\nQUIT\r\n", "220 250 250 250 354 250 221", 1, true },
	{ "HELO c\r\n|MAIL FROM:<>\r\n|RCPT TO:<postmaster>\r\n|DATA\r\n|.\r\n", "220 250 250 250 354 250", 1, false },
	{ MR "DATA\r\n|x\r\n.\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n|y\r\n.\r\n", "220 250 250 250 354 250 250 250 354 250", 2, false },
	/* order */
	{ "MAIL FROM:<a@b.example>\r\n", "220 503", 0, false }, { HI "RCPT TO:<c@d.example>\r\n", "220 250 503", 0, false },
	{ HI "DATA\r\n|", "220 250 503", 0, false }, { HI "MAIL FROM:<a@b.example>\r\nDATA\r\n", "220 250 250 554", 0, false },
	{ HI "MAIL FROM:<a@b.example>\r\nMAIL FROM:<a@b.example>\r\n", "220 250 250 503", 0, false },
	{ HI "MAIL FROM:<a@b.example>\r\nRCPT TO:<no@d.example>\r\nDATA\r\n", "220 250 250 550 554", 0, false },
	{ HI "MAIL FROM:<a@b.example>\r\nRCPT TO:<no@d.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n|.\r\n", "220 250 250 550 250 354 250", 1, false },
	{ HI "MAIL FROM:<evil@b.example>\r\nRCPT TO:<c@d.example>\r\n", "220 250 550 503", 0, false },
	{ MR "RSET\r\nDATA\r\n", "220 250 250 250 250 503", 0, false }, { MR "EHLO x\r\n|DATA\r\n", "220 250 250 250 250 503", 0, false },
	{ MR "DATA\r\n|junk\r\n.\r\nDATA\r\n", "220 250 250 250 354 554 503", 0, false },
	{ "RSET\r\nNOOP\r\nVRFY x\r\nEXPN x\r\nHELP\r\nQUIT\r\n", "220 250 250 252 502 214 221", 0, true },
	/* S01 */
	{ MR "DATA\r\n|x\n.\nMAIL FROM:<evil@a>\r\n.\r\nNOOP\r\n", "220 250 250 250 354 554 250", 0, false },
	{ MR "DATA\r\n|x\r\n.\rDATA\r\n.\r\nNOOP\r\n", "220 250 250 250 354 554 250", 0, false },
	/* S05, S08, S11, HTTP */
	{ HI "STARTTLS\r\nNOOP\r\nMAIL FROM:<a@b.example>\r\n|NOOP\r\n", "220 250 220", 0, false },
	{ MR "STARTTLS\r\n", "220 250 250 250 503", 0, false }, { "STARTTLS\r\n", "220 503", 0, false },
	{ "EHLO c\r\nMAIL FROM:<a@b.example>\r\n", "220 554", 0, true }, { MR "DATA\r\nhi\r\n.\r\n", "220 250 250 250 554", 0, true },
	{ "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "220 421", 0, true }, { "NOOP\nNOOP\r\n", "220 500", 0, true },
	{ "NOOP\r\nbad\r\nNOOP\r\n", "220 250 500 250", 0, false }, { "NO\rOP\r\n", "220 501", 0, false },
	/* BDAT (S10) */
	{ MR "BDAT 4 LAST\r\nab\r\nQUIT\r\n", "220 250 250 250 250 221", 1, true },
	{ MR "BDAT 2\r\nabBDAT 2\r\n\r\nBDAT 0 LAST\r\n", "220 250 250 250 250 250 250", 1, false },
	{ MR "BDAT 0\r\nBDAT 2 LAST\r\nab", "220 250 250 250 250 250", 1, false },
	{ MR "BDAT 6\r\nDATA\r\nRSET\r\nBDAT 1 LAST\r\nx", "220 250 250 250 250 250 503", 0, false },
	{ MR "BDAT 2\r\nabDATA\r\n|NOOP\r\nRCPT TO:<c@d.example>\r\nMAIL FROM:<>\r\n", "220 250 250 250 250 503 250 503 503", 0, false },
	{ "BDAT 6\r\nNOOP\r\nNOOP\r\n", "220 503 250", 0, false }, { HI "BDAT 6 LAST\r\nNOOP\r\nNOOP\r\n", "220 250 503 250", 0, false },
	{ HI "MAIL FROM:<a@b.example>\r\nBDAT 6 LAST\r\nNOOP\r\nNOOP\r\n", "220 250 250 554 250", 0, false },
	{ MR "BDAT 4001\r\nNOOP\r\n", "220 250 250 250 552", 0, true }, { MR "BDAT -1\r\nNOOP\r\n", "220 250 250 250 501", 0, true },
	{ MR "BDAT 18446744073709551615 LAST\r\nNOOP\r\n", "220 250 250 250 552", 0, true },
	{ MR "BDAT 3\r\na\nbBDAT 5 LAST\r\nNOOP\nNOOP\r\n", "220 250 250 250 554 503 250", 0, false },
	{ MR "BDAT 3 LAST\r\na\rb", "220 250 250 250 554", 0, false },
	/* AUTH is not for the exchanger; recipients at the limit and past it */
	{ HI "AUTH PLAIN AGEAcmlnaHQ=\r\n", "220 250 502", 0, false },
	{ MR "RCPT TO:<c2@d.example>\r\nRCPT TO:<c@d.example>\r\nRCPT TO:<c@d.example>\r\nRCPT TO:<c@d.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n|.\r\n",
	  "220 250 250 250 250 250 250 250 452 354 250", 1, false },
	{ X10("bad\r\n") "NOOP\r\n", "220 500 500 500 500 500 500 500 500 500 500 421", 0, true },
	{ HI "MAIL FROM:<a@b.example> SIZE=1001\r\nMAIL FROM:<a@b.example> SIZE=1000\r\n", "220 250 552 250", 0, false },
	{ HI "MAIL FROM:<a@b.example>\r\nRCPT TO:<\xc3\xa4@d.example>\r\n", "220 250 250 553", 0, false },
	{ HI "MAIL FROM:<a@b.example> SMTPUTF8\r\nRCPT TO:<\xc3\xa4@d.example>\r\n", "220 250 250 250", 0, false },
};

static void run_case(size_t i, bool later, bool bytewise)
{
	struct fake f;
	fake_start(&f, false);
	f.later = later;
	smtp_server_start(f.s);
	if (bytewise)	/* not the cases that are about what comes in one read */
		talk_bytewise(&f, cases[i].script);
	else
		talk(&f, cases[i].script);
	if (strcmp(codes(&f), cases[i].codes) != 0 || f.messages != cases[i].messages || f.closed != cases[i].closed)
		fail_msg("case %zu later %d: %s (%s), messages %u closed %d\n%s", i, later, codes(&f), cases[i].codes,
			 f.messages, f.closed, cases[i].script);
	fake_fini(&f);
}

static bool about_reads(const char *script)
{
	return strstr(script, "EHLO c\r\nMAIL") || strstr(script, "DATA\r\nhi\r\n");
}

static void transcripts(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		run_case(i, false, false);
		run_case(i, true, false);
		if (!about_reads(cases[i].script))
			run_case(i, true, true);
	}
}

/* max_size is 1000. Who sends a chunk reads the reply behind it. */
static void chunk_limits(void **state)
{
	static const struct { unsigned first, size; const char *codes; unsigned messages; bool closed; } c[] = {
		{ 0, 1000, "250 250 250", 1, false }, { 0, 1001, "250 552 250", 0, false },
		{ 0, 4000, "250 552 250", 0, false }, { 0, 4001, "250 552", 0, true },
		{ 600, 400, "250 250 250", 1, false }, { 600, 401, "250 552 250", 0, false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		struct fake f;
		struct buf in = BUF_INIT(8192);
		fake_start(&f, false);
		smtp_server_start(f.s);
		talk(&f, MR);
		f.out.n = 0;
		buf_printf(&in, "BDAT %u\r\n%*sBDAT %u LAST\r\n", c[i].first, (int)c[i].first, "", c[i].size);
		feed(&f, buf_view(&in));
		buf_clear(&in);
		buf_printf(&in, "%*s\r", (int)c[i].size - 2, "");
		feed(&f, buf_view(&in));
		assert_string_equal(codes(&f), c[i].closed ? "250 552" : "250");
		talk(&f, c[i].closed ? "\n" : "\nNOOP\r\n");
		assert_string_equal(codes(&f), c[i].codes);
		assert_int_equal(f.messages, c[i].messages);
		assert_int_equal(f.closed, c[i].closed);
		buf_fini(&in);
		fake_fini(&f);
	}
}

static void line_limits(void **state)
{
	static const struct { const char *verb; size_t max; } c[] = { { "NOOP ", SMTP_LINE_MAX }, { "AUTH ", SMTP_AUTH_LINE_MAX } };
	for (size_t i = 0; i < ARRAY_SIZE(c); i++)
		for (size_t n = c[i].max; n <= c[i].max + 1; n++) {
			struct fake f;
			fake_start(&f, true);
			smtp_server_start(f.s);
			talk(&f, "EHLO c\r\n");
			f.out.n = 0;
			uint8_t *line = malloc(n);
			assert_non_null(line);
			memset(line, 'x', n);
			memcpy(line, c[i].verb, 5);
			line[n - 2] = '\r';
			line[n - 1] = '\n';
			feed(&f, slice_of(line, n));
			talk(&f, "NOOP\r\n");
			assert_string_equal(codes(&f), n > c[i].max ? "500 250" : i == 0 ? "250 250" : "504 250");
			free(line);
			fake_fini(&f);
		}
}

/* S11: a line without end costs a fixed budget. */
static void endless_line(void **state)
{
	struct fake f;
	fake_start(&f, false);
	smtp_server_start(f.s);
	uint8_t block[1024];
	memset(block, 'x', sizeof(block));
	struct buf in = BUF_INIT(1 << 20);
	size_t sent = 0;
	while (!f.closed && sent < 1 << 20) {
		buf_append(&in, block, sizeof(block));
		sent += sizeof(block);
		buf_consume(&in, smtp_server_input(f.s, buf_view(&in)));
		assert_true(in.n <= SMTP_LINE_MAX);
	}
	assert_true(f.closed && sent <= SMTP_DISCARD_MAX + 2 * SMTP_LINE_MAX);
	assert_string_equal(codes(&f), "220 500");
	buf_fini(&in);
	fake_fini(&f);
}

static void greeting(void **state)
{
	struct fake f;
	fake_start(&f, false);
	f.cfg.greet_ms = 100;
	smtp_server_start(f.s);
	assert_int_equal(f.timer_ms, 100);
	assert_int_equal(f.out.n, 0);
	talk(&f, "EHLO x\r\n");
	assert_string_equal(codes(&f), "554");
	assert_true(f.closed);
	fake_fini(&f);
	fake_start(&f, false);
	f.cfg.greet_ms = 100;
	smtp_server_start(f.s);
	smtp_server_timeout(f.s);
	talk(&f, "EHLO x\r\n");
	assert_string_equal(codes(&f), "220 250");
	fake_fini(&f);
}

static void time_limits(void **state)
{
	struct fake f;
	fake_start(&f, false);
	smtp_server_start(f.s);
	assert_int_equal(f.timer_ms, 300000);
	talk(&f, MR "DATA\r\n");
	assert_int_equal(f.timer_ms, 60000);
	talk(&f, "0123456789");
	smtp_server_timeout(f.s);	/* enough came */
	assert_false(f.closed);
	talk(&f, "012345678");
	smtp_server_timeout(f.s);	/* one octet too few */
	assert_true(f.closed);
	assert_string_equal(codes(&f), "220 250 250 250 354 421");
	fake_fini(&f);
	fake_start(&f, false);
	smtp_server_start(f.s);
	talk(&f, MR "DATA\r\n");
	for (unsigned i = 1; i < 10; i++) {
		talk(&f, "0123456789\r\n");
		smtp_server_timeout(f.s);
		assert_false(f.closed);
	}
	talk(&f, "0123456789\r\n");
	smtp_server_timeout(f.s);	/* fast enough, but the tenth window */
	assert_true(f.closed);
	fake_fini(&f);
}

static void tarpit(void **state)
{
	struct fake f;
	fake_start(&f, false);
	f.cfg.tarpit_ms = 1000;
	smtp_server_start(f.s);
	talk(&f, "1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7\r\n");
	assert_string_equal(codes(&f), "220 500 500 500 500 500");
	assert_true(f.waits && f.timer_ms == 1000);
	smtp_server_timeout(f.s);
	assert_false(f.waits);
	assert_string_equal(codes(&f), "220 500 500 500 500 500 500");
	fake_fini(&f);
}

static void tls_forgets(void **state)
{
	struct fake f;
	fake_start(&f, false);
	smtp_server_start(f.s);
	talk(&f, HI "STARTTLS\r\nEHLO evil\r\n");
	assert_true(f.tls_wanted);
	smtp_server_tls_started(f.s);
	f.out.n = 0;
	talk(&f, "MAIL FROM:<a@b.example>\r\n" HI "STARTTLS\r\n");
	assert_string_equal(codes(&f), "503 250 503");
	assert_int_equal(slice_find(buf_view(&f.out), SLICE("STARTTLS"), 0), -1);
	fake_fini(&f);
}

static void logins(void **state)
{
	static const struct { const char *script, *codes; bool closed; } c[] = {
		{ "MAIL FROM:<a@b.example>\r\n", "530", false },
		{ "AUTH PLAIN AGEAcmlnaHQ=\r\nMAIL FROM:<a@b.example>\r\n", "235 250", false },
		{ "AUTH PLAIN\r\n|AGEAcmlnaHQ=\r\n|AUTH PLAIN\r\n", "334 235 503", false },
		{ "AUTH LOGIN\r\n|YQ==\r\n|cmlnaHQ=\r\n", "334 334 235", false },
		{ "AUTH LOGIN YQ==\r\n|cmlnaHQ=\r\n", "334 235", false },
		{ "AUTH LOGIN\r\n|*\r\nNOOP\r\n", "334 501 250", false },
		{ "AUTH PLAIN ????\r\n", "501", false }, { "AUTH GSSAPI\r\n", "504", false },
		{ "AUTH PLAIN AGEAd3Jvbmc=\r\nMAIL FROM:<a@b.example>\r\n", "535 530", false },
		{ X10("AUTH PLAIN AGEAd3Jvbmc=\r\n"), "535 535 535 535 535 421", true },
		{ "STARTTLS\r\n", "503", false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		struct fake f;
		fake_start(&f, true);
		smtp_server_start(f.s);
		talk(&f, HI);
		assert_true(slice_find(buf_view(&f.out), SLICE("AUTH PLAIN LOGIN"), 0) > 0);
		assert_true(slice_find(buf_view(&f.out), SLICE("STARTTLS"), 0) < 0);
		f.out.n = 0;
		talk(&f, c[i].script);
		if (strcmp(codes(&f), c[i].codes) != 0 || f.closed != c[i].closed)
			fail_msg("%s: %s, expected %s", c[i].script, codes(&f), c[i].codes);
		fake_fini(&f);
	}
}

static void stops(void **state)
{
	static const struct smtp_status stopping = { 421, "4.3.2", "Stopping" };
	struct fake f;
	fake_start(&f, false);
	smtp_server_start(f.s);
	smtp_server_stop(f.s, &stopping);
	assert_string_equal(codes(&f), "220 421");
	fake_fini(&f);
	fake_start(&f, false);
	smtp_server_start(f.s);
	talk(&f, MR "DATA\r\n|begun\r\n");
	smtp_server_stop(f.s, &stopping);
	assert_false(f.closed);
	talk(&f, ".\r\n");
	assert_string_equal(codes(&f), "220 250 250 250 354 250 421");
	assert_true(f.closed && f.messages == 1);
	fake_fini(&f);
	fake_start(&f, false);	/* a question is open */
	f.later = true;
	smtp_server_start(f.s);
	talk(&f, HI "MAIL FROM:<a@b.example>\r\n");
	smtp_server_input(f.s, SLICE("RCPT TO:<c@d.example>\r\n"));
	smtp_server_stop(f.s, &stopping);
	assert_true(f.closed && f.question);
	fake_answer(&f);
	fake_fini(&f);
}

static void no_room(void **state)
{
	struct fake f;
	fake_start(&f, false);
	f.body_fails = true;
	smtp_server_start(f.s);
	talk(&f, MR "DATA\r\n|x\r\n.\r\nNOOP\r\n");
	f.body_fails = false;
	f.refuse_body = true;
	talk(&f, "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nNOOP\r\n");
	assert_string_equal(codes(&f), "220 250 250 250 354 452 250 250 250 554");
	assert_int_equal(f.messages, 0);
	fake_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transcripts), cmocka_unit_test(chunk_limits), cmocka_unit_test(line_limits), cmocka_unit_test(endless_line),
		cmocka_unit_test(greeting), cmocka_unit_test(time_limits), cmocka_unit_test(tarpit),
		cmocka_unit_test(tls_forgets), cmocka_unit_test(logins), cmocka_unit_test(stops),
		cmocka_unit_test(no_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
