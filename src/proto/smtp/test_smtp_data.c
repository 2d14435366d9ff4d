/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/smtp/data.h"

struct result {
	struct buf out;
	unsigned faults;
	int end;
	size_t rest;	/* what follows the end */
};

static void feed(struct smtp_data *d, struct slice in, struct result *r)
{
	while (in.n && !r->end) {
		struct slice piece;
		size_t before = in.n;
		r->end = smtp_data_step(d, &in, &piece);
		assert_true(in.n < before || d->state != SMTP_DATA_LINE);
		buf_slice(&r->out, piece);
	}
	r->rest += in.n;
}

static struct result decode(struct slice in, size_t cut1, size_t cut2, uint64_t max)
{
	struct smtp_data d;
	struct result r = { .out = BUF_INIT(1 << 20) };
	smtp_data_init(&d, true, max);
	feed(&d, slice_sub(in, 0, cut1), &r);
	feed(&d, slice_sub(in, cut1, cut2), &r);
	feed(&d, slice_sub(in, cut2, in.n), &r);
	r.faults = d.faults;
	return r;
}

enum { CR = SMTP_FAULT_BARE_CR, LF = SMTP_FAULT_BARE_LF, NUL = SMTP_FAULT_NUL };
#define S(x) { (const uint8_t *)(x), sizeof(x) - 1 }

static const struct {
	struct slice in;
	unsigned faults;
	int end;
	size_t rest;
	struct slice out;	/* where there is no fault */
} cases[] = {
	{ S(".\r\n"), 0, 1, 0, S("") },
	{ S("a\r\n.\r\n"), 0, 1, 0, S("a\r\n") },
	{ S("a\r\n.\r\nQUIT\r\n"), 0, 1, 6, S("a\r\n") },
	{ S("a\r\n..\r\n.b\r\n...\r\n.\r\n"), 0, 1, 0, S("a\r\n.\r\nb\r\n..\r\n") },
	{ S("\r\n\r\n.\r\n"), 0, 1, 0, S("\r\n\r\n") },
	{ S("a\r\n."), 0, 0, 0, S("a\r\n") },
	{ S("a\r\n.\r"), 0, 0, 0, S("a\r\n") },
	{ S("a.\r\n.\r\n"), 0, 1, 0, S("a.\r\n") },
	/* S01: none of these is an end */
	{ S("x\n.\nM\r\n.\r\n"), LF, 1, 0, S("") },
	{ S("x\n.\rM\r\n.\r\n"), LF | CR, 1, 0, S("") },
	{ S("x\r.\nM\r\n.\r\n"), LF | CR, 1, 0, S("") },
	{ S("x\r.\rM\r\n.\r\n"), CR, 1, 0, S("") },
	{ S("x\n.\r\nM\r\n.\r\n"), LF, 1, 0, S("") },
	{ S("x\r.\r\nM\r\n.\r\n"), CR, 1, 0, S("") },
	{ S("x\r\n.\nM\r\n.\r\n"), LF, 1, 0, S("") },
	{ S("x\r\n.\rM\r\n.\r\n"), CR, 1, 0, S("") },
	{ S("x\r\n\0.\r\nM\r\n.\r\n"), NUL, 1, 0, S("") },
	{ S("x\r\n.\r\r\nM\r\n.\r\n"), CR, 1, 0, S("") },
	{ S("x\r\r\n.\r\r\nM\r\n.\r\n"), CR, 1, 0, S("") },
	{ S("x\r\n.\0\r\nM\r\n.\r\n"), NUL, 1, 0, S("") },
	{ S("\n.\r\nM\r\n.\r\n"), LF, 1, 0, S("") },
	{ S("\r\r\n.\r\n"), CR, 1, 0, S("") },
	{ S("x\r\n.\r\n.\r\n"), 0, 1, 3, S("x\r\n") },
};

static void table(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (size_t a = 0; a <= cases[i].in.n; a++)
			for (size_t b = a; b <= cases[i].in.n; b++) {
				struct result r = decode(cases[i].in, a, b, 1000);
				if (r.faults != cases[i].faults || r.end != cases[i].end || r.rest != cases[i].rest)
					fail_msg("case %zu cut %zu %zu: faults %u end %d rest %zu", i, a, b, r.faults, r.end, r.rest);
				if (!r.faults && !slice_eq(buf_view(&r.out), cases[i].out))
					fail_msg("case %zu cut %zu %zu: " SLICE_FMT, i, a, b, SLICE_ARG(buf_view(&r.out)));
				buf_fini(&r.out);
			}
}

static void one_octet_at_a_time(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct smtp_data d;
		struct result r = { .out = BUF_INIT(1000) };
		smtp_data_init(&d, true, 1000);
		for (size_t n = 0; n < cases[i].in.n && !r.end; n++)
			feed(&d, slice_sub(cases[i].in, n, n + 1), &r);
		assert_int_equal(d.faults, cases[i].faults);
		assert_int_equal(r.end, cases[i].end);
		if (!d.faults)
			assert_true(slice_eq(buf_view(&r.out), cases[i].out));
		buf_fini(&r.out);
	}
}

static void sizes(void **state)
{
	for (uint64_t max = 5; max <= 6; max++) {
		struct result r = decode(SLICE("abcd\r\n.\r\n"), 2, 7, max);
		assert_int_equal(r.faults, max < 6 ? SMTP_FAULT_SIZE : 0);
		assert_int_equal(r.end, 1);
		buf_fini(&r.out);
	}
}

static void line_lengths(void **state)
{
	uint8_t *p = malloc(SMTP_TEXT_LINE_MAX + 100);
	assert_non_null(p);
	for (size_t n = SMTP_TEXT_LINE_MAX; n <= SMTP_TEXT_LINE_MAX + 1; n++) {
		memset(p, 'x', n);
		memcpy(p + n, "\r\n.\r\n", 5);
		for (size_t cut = 0; cut <= n; cut += n / 2) {
			struct result r = decode(slice_of(p, n + 5), cut, cut, 1 << 20);
			assert_int_equal(r.end, 1);
			assert_int_equal(r.faults, n > SMTP_TEXT_LINE_MAX ? SMTP_FAULT_LINE : 0);
			if (!r.faults)
				assert_int_equal(r.out.n, n + 2);
			buf_fini(&r.out);
		}
	}
	free(p);
}

/* A chunk's octets: no dots, no end, the same faults; the last line gets its end. */
static void chunks(void **state)
{
	static const struct {
		struct slice in, out;
		unsigned faults;
	} c[] = {
		{ S("a\r\n.\r\nb\r\n"), S("a\r\n.\r\nb\r\n"), 0 }, { S("..a"), S("..a\r\n"), 0 }, { S(""), S(""), 0 },
		{ S("a\r"), S(""), CR }, { S("a\nb\r\n"), S(""), LF }, { S("a\0\r\n"), S(""), NUL },
	};
	for (size_t i = 0; i < ARRAY_SIZE(c); i++)
		for (size_t cut = 0; cut <= c[i].in.n; cut++) {
			struct smtp_data d;
			struct result r = { .out = BUF_INIT(1000) };
			smtp_data_init(&d, false, 1000);
			feed(&d, slice_sub(c[i].in, 0, cut), &r);
			feed(&d, slice_sub(c[i].in, cut, c[i].in.n), &r);
			assert_int_equal(r.end, 0);
			buf_slice(&r.out, smtp_data_finish(&d));
			assert_int_equal(d.faults, c[i].faults);
			if (!d.faults)
				assert_true(slice_eq(buf_view(&r.out), c[i].out));
			buf_fini(&r.out);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table), cmocka_unit_test(one_octet_at_a_time), cmocka_unit_test(sizes),
		cmocka_unit_test(line_lengths), cmocka_unit_test(chunks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
