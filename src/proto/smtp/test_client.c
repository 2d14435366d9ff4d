/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "proto/smtp/client.h"
#include "proto/smtp/client_body.h"
#include "proto/smtp/client_reply.h"

static void replies(void **state)
{
	static const struct {
		const char *in;
		int result;
		unsigned code;
		const char *enhanced, *text;
	} cases[] = {
		{ "250 ok\r\n", 1, 250, "", "ok" },
		{ "250\r\n", 1, 250, "", "" },
		{ "250-\r\n250 \r\n", 1, 250, "", "\n" },
		{ "250 2.1.5 fine\r\n", 1, 250, "2.1.5", "fine" },
		{ "550-5.1.1 no such\r\n550 5.1.1 user\r\n", 1, 550, "5.1.1", "no such\nuser" },
		{ "550 4.1.1 other class\r\n", 1, 550, "", "4.1.1 other class" },
		{ "550 5.1.1\r\n", 1, 550, "5.1.1", "" },
		{ "550 5.1.\r\n", 1, 550, "", "5.1." },
		{ "550 5.1.1234 x\r\n", 1, 550, "", "5.1.1234 x" },
		{ "550 5.01.1 x\r\n", 1, 550, "", "5.01.1 x" },
		{ "550 5.1.1x\r\n", 1, 550, "", "5.1.1x" },
		{ "354 3.0.0 x\r\n", 1, 354, "", "3.0.0 x" },
		{ "550 a\033[31mb\r\n", 1, 550, "", "a?[31mb" },
		{ "550 lf only\n", 1, 550, "", "lf only" },
		{ "250 ok", 0, 0, NULL, NULL },
		{ "250-ok\r\n", 0, 0, NULL, NULL },
		{ "250-ok\r\n251 ok\r\n", ERR_SYNTAX, 0, NULL, NULL },
		{ "25\r\n", ERR_SYNTAX, 0, NULL, NULL },
		{ "\r\n", ERR_SYNTAX, 0, NULL, NULL },
		{ "150 x\r\n", ERR_SYNTAX, 0, NULL, NULL },
		{ "650 x\r\n", ERR_SYNTAX, 0, NULL, NULL },
		{ "2500 x\r\n", ERR_SYNTAX, 0, NULL, NULL },
		{ "HTTP/1.0 200 OK\r\n", ERR_SYNTAX, 0, NULL, NULL },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct smtp_reply r;
		size_t used;
		smtp_reply_init(&r);
		assert_int_equal(smtp_reply_feed(&r, slice_str(cases[i].in), &used), cases[i].result);
		if (cases[i].result == 1) {
			assert_int_equal(used, strlen(cases[i].in));
			assert_int_equal(r.code, cases[i].code);
			assert_string_equal(r.enhanced, cases[i].enhanced);
			assert_string_equal(buf_cstr(&r.text), cases[i].text);
		}
		smtp_reply_fini(&r);
	}
}

/* A truncated status must not inherit anything of the reply before it. */
static void reply_forgets(void **state)
{
	struct smtp_reply r;
	size_t used;
	smtp_reply_init(&r);
	assert_int_equal(smtp_reply_feed(&r, SLICE("550 5.7.1 x\r\n"), &used), 1);
	assert_int_equal(smtp_reply_feed(&r, SLICE("550 5.\r\n"), &used), 1);
	assert_string_equal(r.enhanced, "");
	assert_string_equal(buf_cstr(&r.text), "5.");
	smtp_reply_fini(&r);
}

static int feed_lines(unsigned lines)
{
	struct smtp_reply r;
	size_t used;
	int err = 0;
	smtp_reply_init(&r);
	for (unsigned i = 1; i <= lines && err == 0; i++)
		err = smtp_reply_feed(&r, i < lines ? SLICE("250-x\r\n") : SLICE("250 x\r\n"), &used);
	smtp_reply_fini(&r);
	return err;
}

static int feed_line_of(size_t n)
{
	struct smtp_reply r;
	size_t used;
	char *line = malloc(n);
	memset(line, 'x', n);
	memcpy(line, "250 ", 4);
	line[n - 2] = '\r';
	line[n - 1] = '\n';
	smtp_reply_init(&r);
	int err = smtp_reply_feed(&r, slice_of(line, n), &used);
	int err_open = smtp_reply_feed(&r, slice_of(line, n - 1), &used);
	assert_int_equal(err_open, n - 1 > SMTP_REPLY_LINE_MAX ? ERR_TOO_BIG : 0);
	smtp_reply_fini(&r);
	free(line);
	return err;
}

static void reply_limits(void **state)
{
	assert_int_equal(feed_lines(SMTP_REPLY_LINES_MAX), 1);
	assert_int_equal(feed_lines(SMTP_REPLY_LINES_MAX + 1), ERR_TOO_BIG);
	assert_int_equal(feed_line_of(SMTP_REPLY_LINE_MAX), 1);
	assert_int_equal(feed_line_of(SMTP_REPLY_LINE_MAX + 1), ERR_TOO_BIG);
	assert_int_equal(feed_line_of(SMTP_REPLY_LINE_MAX + 2), ERR_TOO_BIG);
}

static void bodies(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", ".\r\n" },
		{ "a", "a\r\n.\r\n" },
		{ "a\r\n", "a\r\n.\r\n" },
		{ ".", "..\r\n.\r\n" },
		{ ".\r\n", "..\r\n.\r\n" },
		{ "..\r\n", "...\r\n.\r\n" },
		{ "a\r\n.\r\nb", "a\r\n..\r\nb\r\n.\r\n" },
		{ "a.b\r\n", "a.b\r\n.\r\n" },
		{ "a\n.\nb\n", "a\r\n..\r\nb\r\n.\r\n" },
		{ "a\r.\rb\r", "a\r\n..\r\nb\r\n.\r\n" },
		{ "a\r\r\nb", "a\r\n\r\nb\r\n.\r\n" },
		{ "a\n\r\nb", "a\r\n\r\nb\r\n.\r\n" },
		{ "\r\n\r\n", "\r\n\r\n.\r\n" },
		{ "a\r\n.\n", "a\r\n..\r\n.\r\n" },
		{ "a\r", "a\r\n.\r\n" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct slice in = slice_str(cases[i].in);
		for (size_t cut = 0; cut <= in.n; cut++) {
			struct buf out = BUF_INIT(1000);
			struct smtp_body b;
			smtp_body_init(&b);
			smtp_body_add(&b, slice_sub(in, 0, cut), &out);
			smtp_body_add(&b, slice_sub(in, cut, in.n), &out);
			smtp_body_end(&b, &out);
			assert_string_equal(buf_cstr(&out), cases[i].out);
			buf_fini(&out);
		}
	}
}

static void addresses(void **state)
{
	static const struct {
		const char *in;
		bool utf8, ok;
	} cases[] = {
		{ "joe@example.org", false, true },
		{ "", false, true },
		{ "\"a b\"@example.org", false, true },
		{ "\"a\\\"b>\"@example.org", false, true },
		{ "\"a\\", false, false },
		{ "\"a@example.org", false, false },
		{ "a b@example.org", false, false },
		{ "a>b@example.org", false, false },
		{ "a\r\nRCPT TO:<x>", false, false },
		{ "a\tb@example.org", false, false },
		{ "j\xc3\xb6@example.org", false, false },
		{ "j\xc3\xb6@example.org", true, true },
		{ "j\xc0\xaf@example.org", true, false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(smtp_client_address_ok(slice_str(cases[i].in), cases[i].utf8), cases[i].ok);
	char big[SMTP_CLIENT_ADDRESS_MAX + 1];
	memset(big, 'a', sizeof(big));
	assert_true(smtp_client_address_ok(slice_of(big, SMTP_CLIENT_ADDRESS_MAX), false));
	assert_false(smtp_client_address_ok(slice_of(big, SMTP_CLIENT_ADDRESS_MAX + 1), false));
}

/* A session as a table: what the server says each time the client waits, and all that the client said. */
struct talk {
	const char *name;
	enum smtp_client_tls tls;
	const char *server[24];
	const char *client;
	const char *outcome;	/* a letter a recipient: D, L, F; "-" no transaction was begun */
	const char *status;	/* of the first recipient, or of the session's failure */
};

static const struct smtp_client_rcpt two[] = {
	{ .address = { (const uint8_t *)"a@x.test", 8 }, .notify = SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_DELAY },
	{ .address = { (const uint8_t *)"b@x.test", 8 },
	  .orcpt = { (const uint8_t *)"rfc822;b+40x", 12 } },
};

#define EHLO "EHLO me\r\n"
#define ENVELOPE "MAIL FROM:<s@y.test>\r\nRCPT TO:<a@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n"
#define BODY "Subject: x\r\n\r\n..\r\n.\r\n"

static const struct talk talks[] = {
	{ "plain", 0, { "220 hi\r\n", "250 hi\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 2.0.0 kept\r\n" },
	  EHLO ENVELOPE BODY, "DD", "2.0.0" },
	{ "pipelined", 0, { "220 hi\r\n", "250-hi\r\n250 pipelining\r\n", "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n", "250 kept\r\n" },
	  EHLO ENVELOPE BODY, "DD", "2.0.0" },
	{ "all capabilities", 0,
	  { "220 hi\r\n", "250-hi\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 DSN\r\n",
	    "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n", "250 kept\r\n" },
	  EHLO "MAIL FROM:<s@y.test> SIZE=17 BODY=8BITMIME RET=HDRS ENVID=e+40\r\n"
	       "RCPT TO:<a@x.test> NOTIFY=SUCCESS,DELAY\r\nRCPT TO:<b@x.test> ORCPT=rfc822;b+40x\r\nDATA\r\n" BODY, "DD", "2.0.0" },
	{ "too big for it", 0, { "220 hi\r\n", "250-hi\r\n250 SIZE 16\r\n" }, EHLO, "FF", "5.3.4" },
	{ "exactly its size", 0, { "220 hi\r\n", "250-hi\r\n250 SIZE 17\r\n", "550 no\r\n" },
	  EHLO "MAIL FROM:<s@y.test> SIZE=17\r\n", "FF", "5.0.0" },
	{ "one of two", 0, { "220 hi\r\n", "250 hi\r\n", "250 ok\r\n", "550 5.1.1 no\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n" },
	  EHLO ENVELOPE BODY, "FD", "5.1.1" },
	{ "greylisted", 0, { "220 hi\r\n", "250 hi\r\n", "250 ok\r\n", "450 4.2.0 later\r\n", "451 later\r\n" },
	  EHLO "MAIL FROM:<s@y.test>\r\nRCPT TO:<a@x.test>\r\nRCPT TO:<b@x.test>\r\n", "LL", "4.2.0" },
	{ "552 at RCPT is too many recipients", 0, { "220 hi\r\n", "250 hi\r\n", "250 ok\r\n", "250 ok\r\n", "552 many\r\n", "354 go\r\n", "250 ok\r\n" },
	  EHLO ENVELOPE BODY, "DL", "2.0.0" },
	{ "sender refused, pipelined", 0, { "220 hi\r\n", "250-hi\r\n250 PIPELINING\r\n", "550 5.7.1 no\r\n503 x\r\n503 x\r\n503 x\r\n" },
	  EHLO ENVELOPE, "FF", "5.7.1" },
	{ "all refused and yet 354", 0, { "220 hi\r\n", "250-hi\r\n250 PIPELINING\r\n", "250 ok\r\n550 5.1.1 x\r\n550 x\r\n354 go\r\n", "250 ok\r\n" },
	  EHLO ENVELOPE ".\r\n", "FF", "5.1.1" },
	{ "sender refused and gone", 0, { "220 hi\r\n", "250-hi\r\n250 PIPELINING\r\n", "550 5.7.1 no\r\n", NULL },
	  EHLO ENVELOPE, "FF", "5.7.1" },
	{ "refused after DATA", 0, { "220 hi\r\n", "250 hi\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "554 5.6.0 spam\r\n" },
	  EHLO ENVELOPE BODY, "FF", "5.6.0" },
	{ "DATA refused", 0, { "220 hi\r\n", "250 hi\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "451 no\r\n" },
	  EHLO ENVELOPE, "LL", "4.0.0" },
	{ "DATA answered 250", 0, { "220 hi\r\n", "250 hi\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "250 what\r\n" },
	  EHLO ENVELOPE, "LL", "4.0.0" },
	{ "final answer 354", 0, { "220 hi\r\n", "250 hi\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "354 go\r\n" },
	  EHLO ENVELOPE BODY, "LL", "4.0.0" },
	{ "gone before the final answer", 0, { "220 hi\r\n", "250 hi\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "" },
	  EHLO ENVELOPE BODY, "LL", "4.4.2" },
	{ "421 at RCPT keeps what was refused", 0, { "220 hi\r\n", "250 hi\r\n", "250 ok\r\n", "550 5.1.1 no\r\n", "421 4.3.2 bye\r\n" },
	  EHLO "MAIL FROM:<s@y.test>\r\nRCPT TO:<a@x.test>\r\nRCPT TO:<b@x.test>\r\n", "FL", "5.1.1" },
	{ "HELO", 0, { "220 hi\r\n", "502 what\r\n", "250 hi\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n" },
	  EHLO "HELO me\r\n" ENVELOPE BODY, "DD", "2.0.0" },
	{ "HELO refused too", 0, { "220 hi\r\n", "550 no\r\n", "550 5.7.0 no\r\n" }, EHLO "HELO me\r\n", "-", "4.0.0" },
	{ "greeted with 554", 0, { "554 no mail\r\n" }, "", "-", "4.0.0" },
	{ "greeted with 521", 0, { "521 5.3.2 no mail\r\n" }, "", "-", "5.3.2" },
	{ "greeted with 354", 0, { "354 go\r\n" }, "", "-", "4.0.0" },
	{ "greeted with an HTTP answer", 0, { "HTTP/1.1 400 Bad Request\r\n" }, "", "-", "4.4.2" },
	{ "EHLO answered 421", 0, { "220 hi\r\n", "421 4.7.0 busy\r\n" }, EHLO, "-", "4.7.0" },
	{ "TLS", SMTP_TLS_REQUIRED, { "220 hi\r\n", "250-hi\r\n250-SIZE 1\r\n250 STARTTLS\r\n", "220 go\r\n", "250-hi\r\n250 STARTTLS\r\n", "550 no\r\n" },
	  EHLO "STARTTLS\r\n" EHLO "MAIL FROM:<s@y.test>\r\n", "FF", "5.0.0" },
	{ "TLS with injected capabilities", 0,
	  { "220 hi\r\n", "250-hi\r\n250 STARTTLS\r\n", "220 go\r\n250-EVIL\r\n250 SIZE 1\r\n", "250 hi\r\n", "550 no\r\n" },
	  EHLO "STARTTLS\r\n" EHLO "MAIL FROM:<s@y.test>\r\n", "FF", "5.0.0" },
	{ "TLS not offered", SMTP_TLS_REQUIRED, { "220 hi\r\n", "250 hi\r\n" }, EHLO, "-", "4.7.0" },
	{ "TLS not offered, verified", SMTP_TLS_VERIFIED, { "220 hi\r\n", "250 hi\r\n" }, EHLO, "-", "4.7.0" },
	{ "TLS refused", SMTP_TLS_REQUIRED, { "220 hi\r\n", "250-hi\r\n250 STARTTLS\r\n", "454 4.7.0 no\r\n" }, EHLO "STARTTLS\r\n", "-", "4.7.0" },
	{ "TLS refused with 5xx", SMTP_TLS_REQUIRED, { "220 hi\r\n", "250-hi\r\n250 STARTTLS\r\n", "554 no\r\n" }, EHLO "STARTTLS\r\n", "-", "4.0.0" },
	{ "TLS answered 354", 0, { "220 hi\r\n", "250-hi\r\n250 STARTTLS\r\n", "354 no\r\n" }, EHLO "STARTTLS\r\n", "-", "4.0.0" },
	{ "TLS refused, opportunistic", 0, { "220 hi\r\n", "250-hi\r\n250 STARTTLS\r\n", "454 4.7.0 no\r\n", "550 no\r\n" },
	  EHLO "STARTTLS\r\nMAIL FROM:<s@y.test>\r\n", "FF", "5.0.0" },
	{ "TLS not wanted", SMTP_TLS_NONE, { "220 hi\r\n", "250-hi\r\n250 STARTTLS\r\n", "550 no\r\n" }, EHLO "MAIL FROM:<s@y.test>\r\n", "FF", "5.0.0" },
	{ "HELO and TLS required", SMTP_TLS_REQUIRED, { "220 hi\r\n", "500 what\r\n", "250 hi\r\n" }, EHLO "HELO me\r\n", "-", "4.7.0" },
};

struct run {
	struct buf said;
	char outcome[8];
	char status[16];
};

static void take_out(struct smtp_client *c, struct run *run)
{
	struct buf *out = smtp_client_out(c);
	assert_true(buf_ok(out));
	buf_slice(&run->said, buf_view(out));
	buf_clear(out);
}

static void feed(struct smtp_client *c, struct slice bytes, size_t cut)
{
	struct buf in = BUF_INIT(1 << 20);
	for (int half = 0; half < 2; half++) {
		buf_slice(&in, half ? slice_sub(bytes, cut, bytes.n) : slice_sub(bytes, 0, cut));
		size_t used = 1;
		while (used && in.n && smtp_client_step(c) == SMTP_CLIENT_WAIT) {
			smtp_client_feed(c, buf_view(&in), &used);
			buf_consume(&in, used);
		}
	}
	buf_fini(&in);
}

static void results(struct smtp_client *c, struct run *run)
{
	size_t n;
	const struct smtp_result *r = smtp_client_results(c, &n);
	assert_int_equal(n, 2);
	for (size_t i = 0; i < n; i++)
		run->outcome[i] = "DLF"[r[i].outcome];
	snprintf(run->status, sizeof(run->status), "%s", r[0].enhanced);
}

static bool act(struct smtp_client *c, const struct smtp_client_mail *mail, struct run *run)
{
	switch (smtp_client_step(c)) {
	case SMTP_CLIENT_TLS:
		smtp_client_tls_done(c);
		return true;
	case SMTP_CLIENT_READY:
		smtp_client_send(c, mail);
		return true;
	case SMTP_CLIENT_BODY:
		smtp_client_body(c, SLICE("Subject: x\r\n\r\n.\r\n"));
		smtp_client_body_end(c);
		return true;
	case SMTP_CLIENT_RESULT:
		results(c, run);
		return false;
	case SMTP_CLIENT_CLOSED:
		snprintf(run->status, sizeof(run->status), "%s", smtp_client_failure(c)->enhanced);
		run->outcome[0] = '-';
		return false;
	default:
		return false;
	}
}

static void run_talk(const struct talk *t, size_t cut, struct run *run)
{
	struct smtp_client_mail mail = { .sender = SLICE("s@y.test"), .rcpts = two, .n_rcpts = 2,
		.envid = SLICE("e+40"), .ret_headers = true, .body_8bit = true, .size = 17 };
	struct smtp_client *c = smtp_client_new("me", t->tls);
	*run = (struct run){ .said = BUF_INIT(1 << 20) };
	for (size_t i = 0; !run->outcome[0]; i++) {
		assert_int_equal(smtp_client_step(c), SMTP_CLIENT_WAIT);
		const char *says = t->server[i];
		if (says && *says)
			feed(c, slice_str(says), cut < strlen(says) ? cut : strlen(says));
		else
			smtp_client_lost(c, "Connection lost");
		take_out(c, run);
		while (act(c, &mail, run))
			take_out(c, run);
	}
	smtp_client_free(&c);
}

static void sessions(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(talks); i++) {
		const struct talk *t = &talks[i];
		for (size_t cut = 0; cut < 100; cut++) {
			struct run run;
			run_talk(t, cut, &run);
			if (strcmp(buf_cstr(&run.said), t->client) || strcmp(run.outcome, t->outcome) ||
			    strcmp(run.status, t->status))
				print_message("case \"%s\" cut %zu: %s %s\n%s", t->name, cut, run.outcome,
					      run.status, buf_cstr(&run.said));
			assert_string_equal(buf_cstr(&run.said), t->client);
			assert_string_equal(run.outcome, t->outcome);
			assert_string_equal(run.status, t->status);
			buf_fini(&run.said);
		}
	}
}

static void say(struct smtp_client *c, const char *text)
{
	buf_clear(smtp_client_out(c));
	feed(c, slice_str(text), 0);
}

static void expect_out(struct smtp_client *c, const char *text)
{
	assert_string_equal(buf_cstr(smtp_client_out(c)), text);
}

static void reuse(void **state)
{
	struct smtp_client_rcpt rcpt = { .address = SLICE("a@x.test") };
	struct smtp_client_mail mail = { .rcpts = &rcpt, .n_rcpts = 1 };
	struct smtp_client *c = smtp_client_new("me", SMTP_TLS_NONE);
	say(c, "220 old.test ESMTP\r\n");
	assert_true(slice_eq(smtp_client_greeting(c), SLICE("old.test")));
	say(c, "250-old.test\r\n250 PIPELINING\r\n");
	for (int i = 0; i < 3; i++) {
		bool refused = i == 1;
		buf_clear(smtp_client_out(c));
		assert_int_equal(smtp_client_step(c), SMTP_CLIENT_READY);
		smtp_client_send(c, &mail);
		expect_out(c, i == 2 ? "RSET\r\nMAIL FROM:<>\r\nRCPT TO:<a@x.test>\r\nDATA\r\n" :
				       "MAIL FROM:<>\r\nRCPT TO:<a@x.test>\r\nDATA\r\n");
		if (i == 2)
			say(c, "250 ok\r\n");
		say(c, refused ? "250 ok\r\n450 no\r\n503 no\r\n" : "250 ok\r\n250 ok\r\n354 go\r\n");
		if (!refused) {
			smtp_client_body(c, SLICE("x\r\n"));
			smtp_client_body_end(c);
			assert_true(smtp_client_body_sent(c));
			expect_out(c, "x\r\n.\r\n");
			say(c, "250 ok\r\n");
		}
		assert_int_equal(smtp_client_step(c), SMTP_CLIENT_RESULT);
		smtp_client_next(c);
	}
	smtp_client_quit(c);
	say(c, "221 bye\r\n");
	assert_int_equal(smtp_client_step(c), SMTP_CLIENT_CLOSED);
	smtp_client_free(&c);
}

static struct smtp_client *ready(const char *ehlo)
{
	struct smtp_client *c = smtp_client_new("me", SMTP_TLS_NONE);
	say(c, "220 hi\r\n");
	say(c, ehlo);
	assert_int_equal(smtp_client_step(c), SMTP_CLIENT_READY);
	buf_clear(smtp_client_out(c));
	return c;
}

static void idle_server_says_goodbye(void **state)
{
	struct smtp_client *c = ready("250 hi\r\n");
	size_t used;
	assert_int_equal(smtp_client_feed(c, SLICE("421 4.4.2 idle\r\n"), &used), SMTP_CLIENT_CLOSED);
	assert_string_equal(smtp_client_failure(c)->enhanced, "4.4.2");
	smtp_client_free(&c);
}

static void early_answer(void **state)
{
	struct smtp_client_rcpt rcpt = { .address = SLICE("a@x.test") };
	struct smtp_client_mail mail = { .rcpts = &rcpt, .n_rcpts = 1 };
	static const struct {
		const char *reply;
		enum smtp_outcome outcome;
	} cases[] = { { "552 5.3.4 big\r\n", SMTP_FAILED }, { "451 x\r\n", SMTP_LATER }, { "250 x\r\n", SMTP_LATER },
		      { "354 x\r\n", SMTP_LATER }, { "421 x\r\n", SMTP_LATER } };
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct smtp_client *c = ready("250-hi\r\n250 PIPELINING\r\n");
		size_t used, n;
		smtp_client_send(c, &mail);
		say(c, "250 ok\r\n250 ok\r\n354 go\r\n");
		smtp_client_body(c, SLICE("x\r\n"));
		assert_int_equal(smtp_client_feed(c, slice_str(cases[i].reply), &used), SMTP_CLIENT_RESULT);
		assert_int_equal(smtp_client_results(c, &n)[0].outcome, cases[i].outcome);
		smtp_client_next(c);
		assert_int_equal(smtp_client_step(c), SMTP_CLIENT_CLOSED);
		smtp_client_free(&c);
	}
}

static void local_refusals(void **state)
{
	static const struct {
		const char *ehlo, *sender, *rcpt, *status;
		bool utf8;
	} cases[] = {
		{ "250-hi\r\n250 SMTPUTF8\r\n", "", "a\r\nDATA\r\n@x.test", "5.1.3", false },
		{ "250-hi\r\n250 SMTPUTF8\r\n", "a>@y.test", "a@x.test", "5.1.7", false },
		{ "250-hi\r\n250 SMTPUTF8\r\n", "", "", "5.1.3", false },
		{ "250 hi\r\n", "", "\xc3\xb6@x.test", "5.6.7", true },
		{ "250-hi\r\n250 SMTPUTF8\r\n", "", "\xc3\xb6@x.test", "5.6.7", false },
		{ "250-hi\r\n250 SMTPUTF8\r\n", "", "\xc0\xaf@x.test", "5.6.7", true },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct smtp_client *c = ready(cases[i].ehlo);
		struct smtp_client_rcpt rcpt = { .address = slice_str(cases[i].rcpt) };
		struct smtp_client_mail mail = { .sender = slice_str(cases[i].sender), .rcpts = &rcpt, .n_rcpts = 1,
			.smtputf8 = cases[i].utf8 };
		size_t n;
		smtp_client_send(c, &mail);
		assert_int_equal(smtp_client_step(c), SMTP_CLIENT_RESULT);
		assert_string_equal(smtp_client_results(c, &n)[0].enhanced, cases[i].status);
		expect_out(c, "");
		smtp_client_free(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies),	 cmocka_unit_test(reply_forgets),
		cmocka_unit_test(reply_limits),	 cmocka_unit_test(bodies),
		cmocka_unit_test(addresses),	 cmocka_unit_test(sessions),
		cmocka_unit_test(reuse),	 cmocka_unit_test(idle_server_says_goodbye),
		cmocka_unit_test(early_answer),	 cmocka_unit_test(local_refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
