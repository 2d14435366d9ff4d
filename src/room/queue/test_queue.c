/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/codec.h"
#include "room/queue/backoff.h"
#include "room/queue/dsn.h"
#include "room/queue/key.h"
#include "room/queue/mdn.h"

static void retries(void **state)
{
	static const struct {
		unsigned step;
		int64_t middle;
	} cases[] = {{0, 60000},   {1, 120000},  {2, 240000},           {5, 1920000},
		     {6, 3600000}, {7, 3600000}, {4000000000u, 3600000}};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t m = cases[i].middle;
		assert_int_equal(backoff_retry_ms(60000, 3600000, cases[i].step, 0), m - m / 8);
		assert_int_equal(backoff_retry_ms(60000, 3600000, cases[i].step, (uint64_t)m / 4),
				 m + m / 8);
		for (uint64_t r = 1; r; r *= 3) {
			int64_t ms = backoff_retry_ms(60000, 3600000, cases[i].step, r);
			assert_true(ms >= m - m / 8 && ms <= m + m / 8);
			if (r > UINT64_MAX / 3)
				break;
		}
	}
	assert_int_equal(backoff_retry_ms(1, 1, 3, 77), 1);
}

static void probes(void **state)
{
	assert_int_equal(backoff_probe_ms(10000, 1, 62), 500);
	assert_true(backoff_probe_ms(10000, 2, 5) < 1130);
	for (uint64_t r = 0; r < 10000; r += 7)
		assert_true(backoff_probe_ms(10000, 900, r) <= 11250);
	assert_int_equal(backoff_probe_ms(100, 1, 12), 100);
}

static void keys(void **state)
{
	static const struct {
		unsigned route;
		const char *host, *domain, *key;
	} cases[] = {
		{ 1, "old.test", "a.test", "to old.test 2525 1" },
		{ 1, "OLD.test", "a.test", "to old.test 2525 1" },
		{ 2, "", "b.test", "mx b.test" },
		{ QUEUE_ROUTE_ASK, "", "b.test", "route b.test" },
	};
	char key[QUEUE_KEY_MAX];
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t n = dest_key(key, cases[i].route, slice_str(cases[i].host), 2525, 1,
				    slice_str(cases[i].domain));
		assert_int_equal(n, strlen(cases[i].key));
		assert_string_equal(key, cases[i].key);
	}
}

static void domains(void **state)
{
	static const struct {
		const char *address, *domain;
	} cases[] = {{"a@B.Test", "b.test"},
		     {"\"a@b\"@c.test", "c.test"},
		     {"postmaster", ""},
		     {"", ""},
		     {"a@", ""}};
	char to[256];
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_true(slice_eq(address_domain(slice_str(cases[i].address), to, sizeof(to)),
				     slice_str(cases[i].domain)));
}

/* Only whole CRLF lines, none over the limit of RFC 5322. */
static void check_lines(const struct buf *out)
{
	assert_true(buf_ok(out));
	size_t begin = 0;
	for (size_t i = 0; i < out->n; i++) {
		assert_false(out->p[i] == '\n' && (i == 0 || out->p[i - 1] != '\r'));
		assert_false(out->p[i] == '\r' && (i + 1 == out->n || out->p[i + 1] != '\n'));
		if (out->p[i] == '\n') {
			assert_true(i - begin < 998);
			begin = i + 1;
		}
	}
	assert_int_equal(begin, out->n);
}

static void write_dsn(struct buf *out, struct dsn *d)
{
	d->host = "mail.test";
	d->boundary = "b0undary";
	d->now_ms = INT64_C(1795309323000);
	d->arrival_ms = INT64_C(1795309320000);
	d->until_ms = INT64_C(1795741320000);
	dsn_write(out, d);
	check_lines(out);
}

static void bounce_text(void **state)
{
	struct dsn_rcpt r = {.address = SLICE("joe@b.test"),
			     .orcpt = SLICE("rfc822;joe+2Bx@b.test"),
			     .enhanced = SLICE("5.1.1"),
			     .code = 550,
			     .text = SLICE("no such user"),
			     .server = SLICE("mx.b.test")};
	struct dsn d = {.action = DSN_FAILED,
			.sender = SLICE("s@a.test"),
			.envid = SLICE("id+3D1"),
			.rcpts = &r,
			.n_rcpts = 1,
			.original = SLICE("Subject: x\r\n\r\nbody\r\n")};
	struct buf out = BUF_INIT(100000);
	write_dsn(&out, &d);
	assert_string_equal(buf_cstr(&out),
		"Date: Sun, 22 Nov 2026 01:02:03 +0000\r\n"
		"From: Mail Delivery System <MAILER-DAEMON@mail.test>\r\n"
		"To: s@a.test\r\n"
		"Subject: Undelivered mail returned to sender\r\n"
		"Message-ID: <b0undary@mail.test>\r\n"
		"Auto-Submitted: auto-replied\r\n"
		"MIME-Version: 1.0\r\n"
		"Content-Type: multipart/report; report-type=delivery-status;\r\n"
		" boundary=\"=_b0undary\"\r\n"
		"\r\n"
		"--=_b0undary\r\n"
		"Content-Type: text/plain; charset=utf-8\r\n"
		"Content-Transfer-Encoding: 7bit\r\n"
		"\r\n"
		"This is the mail server mail.test.\r\n"
		"\r\n"
		"Your message could not be delivered to the recipients below. No further\r\n"
		"attempt will be made.\r\n"
		"\r\n"
		"    joe@b.test\r\n"
		"    said by mx.b.test\r\n"
		"    550 no such user\r\n"
		"\r\n"
		"--=_b0undary\r\n"
		"Content-Type: message/delivery-status\r\n"
		"\r\n"
		"Reporting-MTA: dns; mail.test\r\n"
		"Original-Envelope-Id: id=1\r\n"
		"Arrival-Date: Sun, 22 Nov 2026 01:02:00 +0000\r\n"
		"\r\n"
		"Original-Recipient: rfc822;joe+x@b.test\r\n"
		"Final-Recipient: rfc822; joe@b.test\r\n"
		"Action: failed\r\n"
		"Status: 5.1.1\r\n"
		"Remote-MTA: dns; mx.b.test\r\n"
		"Diagnostic-Code: smtp; 550 no such user\r\n"
		"Last-Attempt-Date: Sun, 22 Nov 2026 01:02:03 +0000\r\n"
		"\r\n"
		"--=_b0undary\r\n"
		"Content-Type: message/rfc822\r\n"
		"\r\n"
		"Subject: x\r\n\r\nbody\r\n"
		"\r\n"
		"--=_b0undary--\r\n");
	buf_fini(&out);
}

static void remote_names(void **state)
{
	static const struct {
		const char *server, *line;
	} cases[] = {
		{ "mx.b.test", "\r\nRemote-MTA: dns; mx.b.test\r\n" },
		{ "mx.b.test[192.0.2.1]:25", "\r\nRemote-MTA: dns; mx.b.test\r\n" },
		{ "192.0.2.1[192.0.2.1]:2525", "\r\nRemote-MTA: dns; [192.0.2.1]\r\n" },
		{ "2001:db8::1[2001:db8::1]:25", "\r\nRemote-MTA: dns; [IPv6:2001:db8::1]\r\n" },
		{ "1.2.3.4.b.test[192.0.2.1]:25", "\r\nRemote-MTA: dns; 1.2.3.4.b.test\r\n" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dsn_rcpt r = { .address = SLICE("joe@b.test"), .enhanced = SLICE("5.1.1"),
				      .server = slice_str(cases[i].server) };
		struct dsn d = { .host = "mail.test", .sender = SLICE("s@a.test"), .boundary = "b", .rcpts = &r, .n_rcpts = 1 };
		struct buf out = BUF_INIT(1 << 20);
		dsn_write(&out, &d);
		assert_true(slice_find(buf_view(&out), slice_str(cases[i].line), 0) > 0);
		buf_fini(&out);
	}
}

/* RFC 6533: what is not ASCII stands as UTF-8, in types that say so. */
static void utf8_text(void **state)
{
	static const struct {
		struct slice orcpt, want;
	} cases[] = {
		{ SLICE("utf-8;j\\x{F6}rg@b.test"), SLICE("\r\nOriginal-Recipient: utf-8;j\xc3\xb6rg@b.test\r\n") },
		{ SLICE("utf-8;\\x{5C}\\x{2B}+5C"), SLICE("\r\nOriginal-Recipient: utf-8;\\+\\\r\n") },
		{ SLICE("utf-8;\\x{1F600}"), SLICE("\r\nOriginal-Recipient: utf-8;\xf0\x9f\x98\x80\r\n") },
		{ SLICE("utf-8;j\xc3\xb6rg+4x"), SLICE("\r\nOriginal-Recipient: utf-8;j\xc3\xb6rg+4x\r\n") },
		{ SLICE("utf-8;\\x{A}\\x{D800}\\x{110000}\\x{}\\x{41"),
		  SLICE("\r\nOriginal-Recipient: utf-8;\\x{A}\\x{D800}\\x{110000}\\x{}\\x{41\r\n") },
		{ SLICE("rfc822;\\x{41}+40"), SLICE("\r\nOriginal-Recipient: rfc822;\\x{41}@\r\n") },
		{ SLICE(";x"), SLICE("\r\n\r\nFinal-Recipient: ") },
		{ SLICE(""), SLICE("\r\n\r\nFinal-Recipient: ") },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dsn_rcpt r = { .address = SLICE("j\xc3\xb6rg@b.test"), .orcpt = cases[i].orcpt,
				      .enhanced = SLICE("5.1.1") };
		struct dsn d = { .action = DSN_FAILED, .sender = SLICE("\xc3\xa4nn@a.test"), .rcpts = &r, .n_rcpts = 1,
				 .original = SLICE("Subject: \xc3\xbc\r\n\r\nb\r\n"), .headers_only = i % 2 };
		struct buf out = BUF_INIT(100000);
		write_dsn(&out, &d);
		struct slice all = buf_view(&out);
		assert_true(slice_find(all, SLICE("\r\nTo: \xc3\xa4nn@a.test\r\n"), 0) > 0);
		assert_true(slice_find(all, SLICE("boundary=\"=_b0undary\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"), 0) > 0);
		assert_true(slice_find(all, SLICE("Content-Transfer-Encoding: quoted-printable\r\n\r\nThis is"), 0) > 0);
		assert_true(slice_find(all, SLICE("\r\n    j=C3=B6rg@b.test\r\n"), 0) > 0);
		assert_true(slice_find(all, SLICE("\r\nContent-Type: message/global-delivery-status\r\n"
						  "Content-Transfer-Encoding: 8bit\r\n\r\nReporting-MTA: dns; mail.test\r\n"), 0) > 0);
		assert_true(slice_find(all, SLICE("\r\nFinal-Recipient: utf-8; j\xc3\xb6rg@b.test\r\n"), 0) > 0);
		assert_true(slice_find(all, i % 2 ? SLICE("\r\nContent-Type: message/global-headers\r\n"
							  "Content-Transfer-Encoding: 8bit\r\n\r\nSubject: ") :
						    SLICE("\r\nContent-Type: message/global\r\n"
							  "Content-Transfer-Encoding: 8bit\r\n\r\nSubject: "), 0) > 0);
		assert_true(slice_find(all, cases[i].want, 0) > 0);
		buf_fini(&out);
	}
}

/* Only a body that is not ASCII: the header's type stays, and no status is called UTF-8. */
static void eight_bit_body(void **state)
{
	static const struct {
		struct slice original;
		bool headers_only;
		const char *want;
	} cases[] = {
		{ SLICE("Subject: x\r\n\r\n\xff\r\n"), false,
		  "\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: x\r\n\r\n\xff\r\n\r\n--=_" },
		{ SLICE("Subject: \xff\r\n\r\n"), true,
		  "\r\nContent-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: \xff" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dsn_rcpt r = { .address = SLICE("a@b.test"), .enhanced = SLICE("5.1.1") };
		struct dsn d = { .action = DSN_FAILED, .sender = SLICE("s@a.test"), .rcpts = &r, .n_rcpts = 1,
				 .original = cases[i].original, .headers_only = cases[i].headers_only };
		struct buf out = BUF_INIT(100000);
		write_dsn(&out, &d);
		assert_true(slice_find(buf_view(&out), slice_str(cases[i].want), 0) > 0);
		assert_true(slice_find(buf_view(&out), SLICE("\r\nContent-Type: message/delivery-status\r\n\r\n"), 0) > 0);
		assert_true(slice_find(buf_view(&out), SLICE("\r\nContent-Transfer-Encoding: 8bit\r\n\r\n--=_"), 0) > 0);
		buf_fini(&out);
	}
}

/* S13: nothing that a server says becomes a line of ours. */
static void hostile_text(void **state)
{
	static const char *const texts[] = {
		"a\nsender: root\n\n--=_b0undary--",
		"a\r\nBcc: x@y.test\r\n\r\nbody",
		"\033[31mred\007",
		"\xc0\xaf\xff broken",
		"\xe2\x80\xa8line separator",
		"<script>alert(1)</script>",
		"+",
		"",
	};
	char big[600];
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	for (size_t i = 0; i <= ARRAY_SIZE(texts); i++) {
		const char *text = i < ARRAY_SIZE(texts) ? texts[i] : big;
		struct dsn_rcpt r = {.address = slice_str(text),
				     .orcpt = slice_str("rfc822;a+0D+0Ab+4"),
				     .enhanced = SLICE("5.0.0"),
				     .code = 550,
				     .text = slice_str(text),
				     .server = slice_str(text)};
		struct dsn d = {.action = DSN_DELAYED,
				.sender = SLICE("s@a.test"),
				.envid = SLICE("+0A+0Ax: y"),
				.rcpts = &r,
				.n_rcpts = 1,
				.original = SLICE("Subject: x\r\n\r\n"),
				.headers_only = true};
		struct buf out = BUF_INIT(100000);
		write_dsn(&out, &d);
		struct slice all = buf_view(&out);
		assert_true(slice_find(all, SLICE("\r\nsender:"), 0) < 0);
		assert_true(slice_find(all, SLICE("\r\nBcc:"), 0) < 0);
		assert_true(slice_find(all, SLICE("\r\nx: y"), 0) < 0);
		assert_true(slice_find(all, SLICE("\033"), 0) < 0);
		ptrdiff_t end = slice_find(all, SLICE("\r\n--=_b0undary--\r\n"), 0);
		assert_int_equal(end, all.n - 18);
		assert_true(utf8_valid(all));
		buf_fini(&out);
	}
}

static struct mdn an_mdn(void)
{
	return (struct mdn){ .host = "mail.test", .to = SLICE("s@a.test"), .recipient = SLICE("joe@b.test"),
			     .orcpt = SLICE("rfc822;joe+2Bx@b.test"), .reason = SLICE("Not\r\nwanted"),
			     .now_ms = INT64_C(1795309323000), .boundary = "b0undary",
			     .header = SLICE("Message-ID: <1@a.test>\r\nSubject: x\r\n\r\n") };
}

static void mdn_text(void **state)
{
	struct mdn m = an_mdn();
	struct buf out = BUF_INIT(100000);
	mdn_write(&out, &m);
	check_lines(&out);
	assert_string_equal(buf_cstr(&out),
		"Date: Sun, 22 Nov 2026 01:02:03 +0000\r\n"
		"From: joe@b.test\r\n"
		"To: s@a.test\r\n"
		"Subject: Your mail was refused / Ihre Nachricht wurde abgelehnt\r\n"
		"Message-ID: <b0undary@mail.test>\r\n"
		"In-Reply-To: <1@a.test>\r\n"
		"References: <1@a.test>\r\n"
		"Auto-Submitted: auto-replied\r\n"
		"MIME-Version: 1.0\r\n"
		"Content-Type: multipart/report; report-type=disposition-notification;\r\n"
		" boundary=\"=_b0undary\"\r\n"
		"\r\n"
		"--=_b0undary\r\n"
		"Content-Type: text/plain; charset=utf-8\r\n"
		"Content-Transfer-Encoding: quoted-printable\r\n"
		"\r\n"
		"A rule of the recipient below refused your message. It was not kept.\r\n"
		"\r\n"
		"Eine Regel des unten genannten Empf=C3=A4ngers hat Ihre Nachricht abgelehnt.\r\n"
		"Sie wurde nicht behalten.\r\n"
		"\r\n"
		"    joe@b.test\r\n"
		"    Not\r\n"
		"    wanted\r\n"
		"\r\n"
		"--=_b0undary\r\n"
		"Content-Type: message/disposition-notification\r\n"
		"\r\n"
		"Reporting-UA: mail.test; Postern\r\n"
		"Original-Recipient: rfc822;joe+x@b.test\r\n"
		"Final-Recipient: rfc822; joe@b.test\r\n"
		"Original-Message-ID: <1@a.test>\r\n"
		"Disposition: automatic-action/MDN-sent-automatically; deleted\r\n"
		"\r\n"
		"--=_b0undary\r\n"
		"Content-Type: text/rfc822-headers\r\n"
		"\r\n"
		"Message-ID: <1@a.test>\r\n"
		"Subject: x\r\n"
		"\r\n"
		"\r\n"
		"--=_b0undary--\r\n");
	buf_fini(&out);
}

static bool has(const struct buf *out, const char *what)
{
	return slice_find(buf_view(out), slice_str(what), 0) >= 0;
}

static void utf8_mdn(void **state)
{
	struct mdn m = an_mdn();
	struct buf out = BUF_INIT(100000);
	m.recipient = SLICE("j\xc3\xb6rg@b.test");
	m.orcpt = SLICE("utf-8;j\\x{F6}rg@b.test");
	m.header = SLICE("Subject: \xc3\xbc\r\n\r\n");
	mdn_write(&out, &m);
	check_lines(&out);
	assert_true(has(&out, "\r\nContent-Type: message/global-disposition-notification\r\n"));
	assert_true(has(&out, "\r\nOriginal-Recipient: utf-8;j\xc3\xb6rg@b.test\r\nFinal-Recipient: utf-8; j\xc3\xb6rg@b.test\r\nDisposition: "));
	assert_true(has(&out, "\r\nContent-Type: message/global-headers\r\n"));
	assert_false(has(&out, "Original-Message-ID"));
	buf_fini(&out);
}

/* What others wrote becomes no field, no part, and no second id. */
static void hostile_mdn(void **state)
{
	static const char *const ids[] = { "<a b@c>", "<>", "a@b", "<\xc3\xbc@c>", "<a@b", "<a@b>\r\n <c@d>", "" };
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		struct mdn m = an_mdn();
		struct buf out = BUF_INIT(1 << 20), header = BUF_INIT(4096);
		buf_printf(&header, "Message-ID: %s\r\n\r\n", ids[i]);
		m.header = buf_view(&header);
		m.recipient = SLICE("joe@b.test\r\nDisposition: x");
		m.reason = SLICE("--=_b0undary--\r\n\r\nFinal-Recipient: rfc822; evil@c.test\r\nx");
		mdn_write(&out, &m);
		check_lines(&out);
		assert_false(has(&out, "Original-Message-ID"));
		assert_false(has(&out, "In-Reply-To"));
		assert_false(has(&out, "\r\nDisposition: x"));
		assert_false(has(&out, "\r\nFinal-Recipient: rfc822; evil"));
		size_t ends = 0;
		for (ptrdiff_t at = 0; (at = slice_find(buf_view(&out), SLICE("\r\n--=_b0undary--"), (size_t)at)) >= 0; at++)
			ends++;
		assert_int_equal(ends, 1);
		buf_fini(&out);
		buf_fini(&header);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(retries),     cmocka_unit_test(probes),
		cmocka_unit_test(keys),        cmocka_unit_test(domains),
		cmocka_unit_test(bounce_text), cmocka_unit_test(remote_names), cmocka_unit_test(utf8_text),
		cmocka_unit_test(eight_bit_body), cmocka_unit_test(hostile_text),
		cmocka_unit_test(mdn_text), cmocka_unit_test(utf8_mdn), cmocka_unit_test(hostile_mdn),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
