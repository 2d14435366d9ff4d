/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/mail/header.h"
#include "room/imapd/search_content.h"

static struct arena *arena;

static struct search_content content_of(struct slice message)
{
	size_t n = header_length(message);
	return (struct search_content){ .header = slice_sub(message, 0, n), .body = slice_sub(message, n, message.n),
					.digest = digest_make(arena, message) };
}

static struct slice folded(const char *s)
{
	return imap_search_fold(arena, slice_str(s));
}

static const char mail[] = "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe_aus?=\r\n =?iso-8859-1?q?_M=FCnchen?=\r\n"
			   "From: \"Smith, J.\" <joe@a.test>\r\nTo: <mary (home)@ (far) b.test>\r\nX-Empty:\r\nDate: Sat, 21 Nov 2026 00:30:00 +0200\r\n"
			   "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\npreamble\r\n"
			   "--B\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
			   "Content-Transfer-Encoding: quoted-printable\r\n\r\nSch=F6ne Gr=FC=\r\n=DFe\r\n"
			   "--B\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+SGVsbG88L2I+\r\n"
			   "--B\r\nContent-Type: application/octet-stream\r\n"
			   "Content-Disposition: attachment; filename*=utf-8''Rechn%C3%BCng.pdf\r\n\r\nsecret bytes\r\n"
			   "--B\r\nContent-Type: message/rfc822\r\nContent-Description: =?utf-8?q?Anh=C3=A4ngsel?=\r\n\r\n"
			   "Subject: =?utf-8?q?Weitergeleitet_von_Z=C3=BCrich?=\r\nContent-Type: text/plain\r\n\r\ninnermost\r\n--B--\r\n";

static void headers(void **state)
{
	static const struct {
		const char *field, *needle;
		bool want;
	} cases[] = {
		{ "subject", "GR\xc3\x9cSSE", true },
		{ "Subject", "gr\xc3\xbc\xc3\x9f" "e aus m\xc3\xbcnchen", true },
		{ "Subject", "smith", false },
		{ "From", "smith, j.", true },
		{ "From", "JOE@A", true },
		{ "To", "MARY@b.test", true },
		{ "To", "joe@a.test", false },
		{ "X-Empty", "", true },
		{ "X-Empty", "x", false },
		{ "X-None", "", false },
	};
	struct search_content c = content_of(slice_str(mail));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(search_content_header(&c, slice_str(cases[i].field), folded(cases[i].needle)),
				 cases[i].want);
}

static void texts(void **state)
{
	static const struct {
		const char *needle;
		bool body, all;
	} cases[] = {
		{ "sch\xc3\xb6ne gr\xc3\xbc\xc3\x9f" "e", true, true },
		{ "SCHO\xcc\x88NE", true, true },	/* decomposed */
		{ "hello", true, true },
		{ "m\xc3\xbcnchen", false, true },
		{ "secret", false, false },
		{ "preamble", false, false },
		{ "z\xc3\xbcrich", true, true },		/* the subject of the attached message */
		{ "innermost", true, true },
		{ "rechn\xc3\xbcng.pdf", false, true },	/* names of parts */
		{ "anh\xc3\xa4ngsel", false, true },
	};
	struct search_content c = content_of(slice_str(mail));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(search_content_text(&c, false, folded(cases[i].needle)), cases[i].body);
		assert_int_equal(search_content_text(&c, true, folded(cases[i].needle)), cases[i].all);
	}
}

static void sent(void **state)
{
	struct search_content c = content_of(slice_str(mail));
	int64_t ms = 0;
	assert_true(search_content_sent(&c, &ms));
	assert_true(ms == 1795221000000);	/* 00:30 of the 21st, whatever day it was in UTC */
	struct search_content none = content_of(SLICE("Subject: x\r\n\r\ny"));
	assert_false(search_content_sent(&none, &ms));
}

/* A needle that lies across the edge of the pieces that long text is folded in. */
static void long_text(void **state)
{
	for (size_t before = 65520; before < 65560; before++) {
		struct buf b = BUF_INIT(1 << 20);
		buf_str(&b, "Content-Type: text/plain; charset=utf-8\r\n\r\n");
		for (size_t i = 0; i < before; i++)
			buf_byte(&b, 'x');
		buf_str(&b, "n\xc3\x84" "DEL");
		for (size_t i = 0; i < 70000; i++)
			buf_byte(&b, 'y');
		struct search_content c = content_of(buf_view(&b));
		assert_true(search_content_text(&c, false, folded("n\xc3\xa4" "del")));
		assert_false(search_content_text(&c, false, folded("n\xc3\xa4" "dex")));
		buf_fini(&b);
	}
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

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { T(headers), T(texts), T(sent), T(long_text) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
