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

static uint8_t known[IMAP_SEARCH_KEYS];

static bool in_header(struct search_content *c, const char *field, const char *needle)
{
	c->known = memset(known, 0, sizeof(known));
	c->left = SIZE_MAX;
	return search_content_header(c, 0, slice_str(field), folded(needle)) == IMAP_SEARCH_YES;
}

static bool in_text(struct search_content *c, bool with_header, const char *needle)
{
	c->known = memset(known, 0, sizeof(known));
	c->left = SIZE_MAX;
	return search_content_text(c, 0, with_header, folded(needle)) == IMAP_SEARCH_YES;
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
		assert_int_equal(in_header(&c, cases[i].field, cases[i].needle),
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
		assert_int_equal(in_text(&c, false, cases[i].needle), cases[i].body);
		assert_int_equal(in_text(&c, true, cases[i].needle), cases[i].all);
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
		assert_true(in_text(&c, false, "n\xc3\xa4" "del"));
		assert_false(in_text(&c, false, "n\xc3\xa4" "dex"));
		buf_fini(&b);
	}
}

static enum imap_search_answer ask_text(void *ctx, unsigned key, bool with_header, struct slice needle)
{
	return search_content_text(ctx, key, with_header, needle);
}

static enum imap_search_answer ask_header(void *ctx, unsigned key, struct slice field, struct slice needle)
{
	return search_content_header(ctx, key, field, needle);
}

static struct imap_search program(const char *text)
{
	struct imap_scan s = { .in = slice_str(text), .arena = arena };
	struct imap_search ret;

	assert_int_equal(imap_search_scan(&s, &ret), 0);
	return ret;
}

/* How many slices the program takes; no slice looks at more than its due and one indivisible piece. */
static unsigned slices(struct search_content *c, const char *text, bool want)
{
	enum { PIECES = 2 * 65536 + 4096 };
	struct imap_search p = program(text);
	struct imap_search_msg m = { .seq = 1, .uid = 1, .text = ask_text, .header = ask_header, .ctx = c };
	unsigned n = 0;
	enum imap_search_answer a;

	c->known = memset(known, 0, sizeof(known));
	do {
		size_t before = c->pass.at;
		c->left = SEARCH_TURN;
		a = imap_search_match(&p, &m);
		if (a == IMAP_SEARCH_OPEN && c->pass.at > before)
			assert_true(c->pass.at - before <= SEARCH_TURN + PIECES);
		assert_true(++n < 100000);
	} while (a == IMAP_SEARCH_OPEN);
	assert_int_equal(a, want ? IMAP_SEARCH_YES : IMAP_SEARCH_NO);
	assert_false(c->pass.under_way);
	return n;
}

static struct search_content huge(struct buf *b, size_t n)
{
	buf_str(b, "Subject: huge\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n");
	while (b->n < n)
		buf_str(b, "n\xc3\x84" "DELn im Heuhaufen, und immer so weiter bis zum Ende der Zeile\r\n");
	buf_str(b, "ganz zuletzt\r\n");
	return content_of(buf_view(b));
}

/* Others have their turn while one message is looked at, however many keys there are. */
static void in_slices(void **state)
{
	struct buf b = BUF_INIT(32 << 20);
	struct search_content c = huge(&b, 8 << 20);

	assert_in_range(slices(&c, "TEXT zuletzt", true), 8, 12);
	assert_in_range(slices(&c, "TEXT nirgends", false), 8, 12);
	/* Each key its pass; what is known ends the rest. */
	assert_in_range(slices(&c, "OR OR BODY eins BODY zwei BODY zuletzt", true), 24, 32);
	assert_in_range(slices(&c, "BODY eins BODY zuletzt", false), 8, 12);
	assert_in_range(slices(&c, "NOT BODY eins BODY zuletzt NOT SUBJECT huge", false), 16, 24);
	assert_int_equal(slices(&c, "SUBJECT huge OR SUBJECT huge BODY zuletzt", true), 1);
	c.digest = NULL;
	assert_in_range(slices(&c, "BODY zuletzt", true), 8, 12);
	buf_fini(&b);
}

static void long_keys(void **state)
{
	struct buf b = BUF_INIT(32 << 20), key = BUF_INIT(1 << 20);
	struct search_content c = huge(&b, 4 << 20);

	buf_printf(&key, "BODY \"%*s\"", 8000, "");
	memset(key.p + 6, 'k', 8000);
	assert_in_range(slices(&c, buf_cstr(&key), false), 4, 8);
	buf_fini(&key);
	buf_fini(&b);
}

/* What they keep in memory between slices is bounded over all of them: who would pass it waits, and small parts do not. */
static void held_text(void **state)
{
	enum { BIG = 20 << 20, N = SEARCH_HELD_MAX / BIG };
	struct buf b = BUF_INIT(32 << 20), small = BUF_INIT(1 << 20);
	struct search_content one = huge(&b, BIG), c[N + 1], little = huge(&small, SEARCH_SMALL / 2);
	uint8_t none[N + 1][1] = { 0 };

	for (size_t i = 0; i <= N; i++) {
		c[i] = one;
		c[i].known = none[i];
		c[i].left = SEARCH_TURN;
		assert_int_equal(search_content_text(&c[i], 0, false, folded("nirgends")), IMAP_SEARCH_OPEN);
		assert_int_equal(c[i].pass.loaded, i < N);
	}
	assert_int_equal(slices(&little, "BODY nirgends", false), 1);
	search_content_fini(&c[0]);
	c[N].left = SEARCH_TURN;
	assert_int_equal(search_content_text(&c[N], 0, false, folded("nirgends")), IMAP_SEARCH_OPEN);
	assert_true(c[N].pass.loaded);
	for (size_t i = 0; i <= N; i++)
		search_content_fini(&c[i]);
	buf_fini(&b);
	buf_fini(&small);
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
	const struct CMUnitTest tests[] = { T(headers), T(texts), T(sent), T(long_text), T(in_slices), T(long_keys),
					     T(held_text) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
