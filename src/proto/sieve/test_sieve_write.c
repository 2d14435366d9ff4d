/* SPDX-License-Identifier: Apache-2.0 */
/* What settings make compiles, and does what they say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/sieve/testing.h"
#include "proto/sieve/write.h"

static const char message[] = "To: joe@example.test\r\nSubject: Hi\r\n\r\nHello\r\n";

static const char *result(struct sieve_fake *f, const struct sieve_settings *s, struct buf *text)
{
	buf_clear(text);
	sieve_write_settings(text, s);
	struct slice script = buf_view(text);
	return fake_run(f, &script, 1, slice_str(message));
}

static void settings(void **state)
{
	static const struct slice to[] = { { (const uint8_t *)"a@b.test", 8 }, { (const uint8_t *)"c@d.test", 8 } };
	struct buf text = BUF_INIT(1 << 16);
	struct sieve_fake f;
	fake_init(&f);
	struct sieve_settings s = { .forward = to };
	assert_string_equal(result(&f, &s, &text), "keep");
	assert_int_equal(text.n, 0);
	s.n_forward = 2;
	assert_string_equal(result(&f, &s, &text), "redirect a@b.test; redirect c@d.test");
	assert_true(f.result.stopped);
	s.forward_keep = true;
	assert_string_equal(result(&f, &s, &text), "redirect a@b.test; redirect c@d.test; keep");
	assert_false(f.result.stopped);
	s = (struct sieve_settings){ .reply = true, .text = SLICE("I am \"away\" \\o/\n.\n..dots\n"), .subject = SLICE("A \"b\" \\"), .days = 3 };
	assert_string_equal(result(&f, &s, &text),
			    "vacation I am \"away\" \\o/\r\n.\r\n..dots\r\n [A \"b\" \\] 259200 to anna@elsewhere.test from ; keep");
	fake_fini(&f);
	buf_fini(&text);
}

/* The moment itself is in, the end is not; each in the zone that it has then. */
static void dates(void **state)
{
	struct buf text = BUF_INIT(1 << 16);
	struct sieve_fake f;
	fake_init(&f);
	int64_t now = f.env.now_ms;
	static const struct {
		int64_t from, until;
		bool reply;
	} cases[] = { { 0, 1000, true }, { 1000, 2000, false }, { -1000, 0, false }, { -86400000, 86400000, true } };
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sieve_settings s = { .reply = true, .text = SLICE("x"), .from = { true, now + cases[i].from, 60 },
					    .until = { true, now + cases[i].until, 120 } };
		bool got = slice_starts(slice_str(result(&f, &s, &text)), SLICE("vacation"));
		if (got != cases[i].reply)
			fail_msg("case %zu: %s", i, buf_cstr(&text));
	}
	struct sieve_settings open = { .reply = true, .text = SLICE("x"), .from = { true, now, -210 } };
	assert_true(slice_starts(slice_str(result(&f, &open, &text)), SLICE("vacation")));
	fake_fini(&f);
	buf_fini(&text);
}

/* Any bytes of text come back as they were, with CRLF line ends and without NULs. */
static void any_text(void **state)
{
	static const struct {
		struct slice in;
		const char *out;
	} cases[] = {
		{ { (const uint8_t *)"", 0 }, "" },
		{ { (const uint8_t *)".", 1 }, "." },
		{ { (const uint8_t *)"a\r\n.\r\nb", 7 }, "a\r\n.\r\nb" },
		{ { (const uint8_t *)"a\n\n.;\"\\", 7 }, "a\r\n\r\n.;\"\\" },
		{ { (const uint8_t *)"a\0b", 3 }, "ab" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (int quoted = 0; quoted < 2; quoted++) {
			struct buf text = BUF_INIT(4096), expected = BUF_INIT(4096);
			struct sieve_fake f;
			fake_init(&f);
			buf_str(&text, "require \"reject\"; reject ");
			if (quoted)
				sieve_write_string(&text, cases[i].in);
			else
				sieve_write_text(&text, cases[i].in);
			buf_str(&text, ";");
			size_t n = strlen(cases[i].out);
			bool ends = n && cases[i].out[n - 1] == '\n';
			buf_printf(&expected, "reject%s%s%s", n || !quoted ? " " : "", cases[i].out, quoted || ends ? "" : n ? "\r\n" : "");
			struct slice script = buf_view(&text);
			const char *got = fake_run(&f, &script, 1, slice_str(message));
			if (n)
				assert_string_equal(got, buf_cstr(&expected));
			else
				assert_true(slice_starts(slice_str(got), SLICE("reject")));
			fake_fini(&f);
			buf_fini(&text);
			buf_fini(&expected);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(settings), cmocka_unit_test(dates), cmocka_unit_test(any_text) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
