/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/codec.h"
#include "base/err.h"
#include "proto/mail/compose.h"
#include "proto/mail/decode.h"
#include "proto/mail/digest.h"
#include "proto/mail/header.h"
#include "proto/mail/words.h"

#define LONG20 "aaaaaaaaaaaaaaaaaaaa"

static void lines_are_short(struct slice s, size_t max)
{
	size_t line = 0;
	for (size_t i = 0; i < s.n; i++) {
		line = s.p[i] == '\n' ? 0 : line + (s.p[i] != '\r');
		assert_true(line <= max);
		if (s.p[i] == '\n')
			assert_true(i > 0 && s.p[i - 1] == '\r');
	}
}

static void fields(void **state)
{
	static const struct {
		struct slice in;
		const char *out;
	} cases[] = {
		{ SLICE(""), "Subject:\r\n" },
		{ SLICE("hello there"), "Subject: hello there\r\n" },
		{ SLICE("  a \t\r\n b\0c  "), "Subject: a b c\r\n" },
		{ SLICE("x\r\nBcc: evil@example.test"), "Subject: x Bcc: evil@example.test\r\n" },
		{ SLICE("x\xe2\x80\xa8y\xc2\x85z"), "Subject: x y z\r\n" },
		{ SLICE("100 % gr\xc3\xb6\xc3\x9f" "er als je"),
		  "Subject: 100 % =?utf-8?q?gr=C3=B6=C3=9Fer?= als je\r\n" },
		{ SLICE("\xc3\xb6 und \xc3\xa4"), "Subject: =?utf-8?q?=C3=B6_und_=C3=A4?=\r\n" },
		{ SLICE("\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82"), "Subject: =?utf-8?b?0J/RgNC40LLQtdGC?=\r\n" },
		{ SLICE("an =?utf-8?q?odd?= one"), "Subject: an =?utf-8?q?=3D=3Futf-8=3Fq=3Fodd=3F=3D?= one\r\n" },
		{ SLICE("bad \xff"), "Subject: bad =?utf-8?b?77+9?=\r\n" },
		{ SLICE(LONG20 " " LONG20 " " LONG20 " b"), "Subject: " LONG20 " " LONG20 " " LONG20 " b\r\n" },
		{ SLICE(LONG20 " " LONG20 " " LONG20 " bbbbb"), "Subject: " LONG20 " " LONG20 " " LONG20 "\r\n bbbbb\r\n" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf out = BUF_INIT(1000);
		compose_field(&out, "Subject", cases[i].in);
		assert_string_equal(buf_cstr(&out), cases[i].out);
		buf_fini(&out);
	}
}

static void long_values(void **state)
{
	struct buf in = BUF_INIT(20000), out = BUF_INIT(60000), back = BUF_INIT(60000);
	for (size_t n = 1; n < 300; n += 7) {
		struct header_field f;
		buf_clear(&in);
		for (size_t i = 0; i < n; i++)
			buf_str(&in, i % 5 == 4 ? " " : i % 3 ? "\xf0\x9f\x93\xac" : "x\xc3\xa4");
		buf_str(&in, "z");
		buf_clear(&out);
		compose_field(&out, "Subject", buf_view(&in));
		lines_are_short(buf_view(&out), COMPOSE_LINE_MAX);
		assert_true(ascii_only(buf_view(&out)));
		assert_true(header_find(buf_view(&out), SLICE("subject"), &f));
		buf_clear(&back);
		words_decode(slice_trim(f.value), &back);
		assert_string_equal(buf_cstr(&back), buf_cstr(&in));
	}
	/* A word that is too long for a line, and a value that is too long at all. */
	buf_clear(&in);
	buf_clear(&out);
	while (in.n <= COMPOSE_VALUE_MAX)
		buf_byte(&in, 'w');
	compose_field(&out, "Subject", buf_view(&in));
	lines_are_short(buf_view(&out), COMPOSE_LINE_MAX);
	buf_clear(&back);
	words_decode(slice_sub(buf_view(&out), 8, out.n), &back);
	assert_int_equal(slice_trim(buf_view(&back)).n, COMPOSE_VALUE_MAX);
	buf_fini(&in);
	buf_fini(&out);
	buf_fini(&back);
}

static void addresses(void **state)
{
	static const struct {
		struct slice name, address;
		const char *out;
	} cases[] = {
		{ SLICE(""), SLICE("joe@example.test"), "To: joe@example.test\r\n" },
		{ SLICE("Joe Doe"), SLICE("joe@example.test"), "To: Joe Doe <joe@example.test>\r\n" },
		{ SLICE("Doe, \"Joe\" \\"), SLICE("j@x.test"), "To: \"Doe, \\\"Joe\\\" \\\\\" <j@x.test>\r\n" },
		{ SLICE("J\xc3\xb6rg M."), SLICE("j@x.test"), "To: =?utf-8?q?J=C3=B6rg_M=2E?= <j@x.test>\r\n" },
		{ SLICE("x\r\nBcc: y"), SLICE("j@x.test\r\nBcc: z@x.test"), "To: \"x Bcc: y\" <j@x.test Bcc: z@x.test>\r\n" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf out = BUF_INIT(1000);
		compose_address(&out, "To", cases[i].name, cases[i].address);
		assert_string_equal(buf_cstr(&out), cases[i].out);
		buf_fini(&out);
	}
}

static void texts(void **state)
{
	static const struct {
		struct slice in;
		const char *encoding, *body;
	} cases[] = {
		{ SLICE(""), "7bit", "" },
		{ SLICE("a\nb\rc\r\nd"), "7bit", "a\r\nb\r\nc\r\nd\r\n" },
		{ SLICE("a\0b\x1b[31m\tc\n"), "7bit", "a b [31m\tc\r\n" },
		{ SLICE("--=_x\n"), "quoted-printable", "--=3D_x\r\n" },
		{ SLICE("gr\xc3\xbc\xc3\x9f dich \nx=1\n"), "quoted-printable", "gr=C3=BC=C3=9F dich=20\r\nx=3D1\r\n" },
		{ SLICE("\xd0\xb4\xd0\xb0\n"), "base64", "0LTQsA0K\r\n" },
		{ SLICE("bad\xff"), "quoted-printable", "bad=EF=BF=BD\r\n" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf out = BUF_INIT(1000), want = BUF_INIT(1000);
		compose_text(&out, "text/plain", cases[i].in);
		buf_printf(&want, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: %s\r\n\r\n%s",
			   cases[i].encoding, cases[i].body);
		assert_string_equal(buf_cstr(&out), buf_cstr(&want));
		buf_fini(&out);
		buf_fini(&want);
	}
}

static void line_limits(void **state)
{
	for (size_t n = 60; n < 1000; n = n < 100 ? n + 1 : n == 100 ? 989 : n + 1) {
		for (int odd = 0; odd < 2; odd++) {
			struct buf in = BUF_INIT(2000), out = BUF_INIT(9000), back = BUF_INIT(9000);
			for (size_t i = 0; i < n; i++)
				buf_byte(&in, 'a');
			buf_str(&in, odd ? "\xc3\xa4\r\n" : "\r\n");
			compose_text(&out, "text/plain", buf_view(&in));
			struct slice whole = buf_view(&out), body;
			bool plain = slice_find(whole, SLICE(": 7bit"), 0) > 0;
			assert_int_equal(plain, !odd && n <= 990);
			body = slice_sub(whole, header_length(whole), whole.n);
			lines_are_short(body, plain ? 990 : 76);
			struct decoder d = decoder_of(plain ? TRANSFER_IDENTITY : TRANSFER_QP);
			decoder_feed(&d, body, &back);
			decoder_end(&d, &back);
			assert_true(slice_eq(buf_view(&back), buf_view(&in)));
			buf_fini(&in);
			buf_fini(&out);
			buf_fini(&back);
		}
	}
}

static void whole(void **state)
{
	struct compose m = {
		.from_name = SLICE("Postern"), .from = SLICE("do-not-reply@example.test"), .to = SLICE("joe@example.test"),
		.subject = SLICE("Gr\xc3\xbc\xc3\x9f" "e"), .date_ms = 1795309323000, .id = "n17", .host = "mail.example.test",
		.auto_submitted = "auto-generated", .language = "de", .text = SLICE("Hallo\n"), .html = SLICE("<p>Hallo</p>\n"),
	};
	struct buf out = BUF_INIT(10000);
	struct arena *a = arena_new();
	compose_write(&out, &m);
	Postern__Digest *d = digest_make(a, buf_view(&out));
	assert_int_equal(d->n_parts, 3);
	assert_int_equal(d->flags, 0);
	assert_memory_equal(d->parts[1]->subtype.data, "plain", 5);
	assert_memory_equal(d->parts[2]->subtype.data, "html", 4);
	assert_memory_equal(d->auto_submitted.data, "auto-generated", 14);
	assert_int_equal(d->date_ms, m.date_ms);
	assert_memory_equal(d->text.data, "Hallo", 5);
	assert_memory_equal(d->envelope->message_id.data, "<n17@mail.example.test>", 23);
	m.html.n = 0;
	buf_clear(&out);
	compose_write(&out, &m);
	assert_int_equal(digest_make(a, buf_view(&out))->n_parts, 1);
	arena_free(&a);
	buf_fini(&out);
}

/* Lines of a text: none begins in the first column, whatever the value holds. */
static void lines(void **state)
{
	static const struct {
		struct slice in;
		const char *out;
	} cases[] = {
		{ SLICE(""), "  \r\n" },
		{ SLICE("one"), "  one\r\n" },
		{ SLICE("a\r\n--=_x\n\tb"), "  a --=_x b\r\n" },
		{ SLICE("gr\xc3\xbc\xff"), "  gr\xc3\xbc\xef\xbf\xbd\r\n" },
		{ SLICE("1234567890123456789012345678901234567 12345678901234567890123456789012345 b"),
		  "  1234567890123456789012345678901234567 12345678901234567890123456789012345\r\n  b\r\n" },
		{ SLICE("12345678901234567890123456789012345678901234567890123456789012345678901234567890 b"),
		  "  12345678901234567890123456789012345678901234567890123456789012345678901234567890\r\n  b\r\n" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf out = BUF_INIT(1000);
		compose_lines(&out, "  ", cases[i].in);
		assert_string_equal(buf_cstr(&out), cases[i].out);
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields), cmocka_unit_test(long_values), cmocka_unit_test(addresses),
		cmocka_unit_test(texts), cmocka_unit_test(line_limits), cmocka_unit_test(whole),
		cmocka_unit_test(lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
