/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "proto/mail/address.h"

struct address_case {
	struct slice in;
	unsigned flags;
	int err;
	struct slice out;
};

#define OK(in, out) { SLICE(in), 0, 0, SLICE(out) }
#define BAD(in) { SLICE(in), 0, ERR_SYNTAX, SLICE("") }
#define UTF8(in, out) { SLICE(in), ADDR_UTF8, 0, SLICE(out) }

static const struct address_case cases[] = {
	OK("joe@example.test", "joe@example.test"),
	OK("Joe@EXAMPLE.Test", "Joe@example.test"),
	OK("a.b+c=d@x", "a.b+c=d@x"),
	OK("\"joe\"@x.test", "joe@x.test"),
	OK("\"a\\b\"@x.test", "ab@x.test"),
	OK("\"a b\"@x.test", "\"a b\"@x.test"),
	OK("\"a\\\"b\\\\\"@x.test", "\"a\\\"b\\\\\"@x.test"),
	OK("\"a@b\"@x.test", "\"a@b\"@x.test"),
	OK("\"\"@x.test", "\"\"@x.test"),
	OK("\"a..b\"@x.test", "\"a..b\"@x.test"),
	OK("x%y@z.test", "x%y@z.test"),
	OK("a!b@z.test", "a!b@z.test"),
	OK("x@under_score.test", "x@under_score.test"),
	OK("x@[127.0.0.1]", "x@[127.0.0.1]"),
	OK("x@[IPv6:2001:DB8:0:0::1]", "x@[IPv6:2001:db8::1]"),
	OK("x@xn--exmple-cua.test", "x@xn--exmple-cua.test"),
	{ SLICE("postmaster"), ADDR_BARE, 0, SLICE("postmaster") },
	{ SLICE("ex\xc3\xa4m@x.test"), 0, ERR_UNSUPPORTED, SLICE("") },
	{ SLICE("x@ex\xc3\xa4mple.test"), 0, ERR_UNSUPPORTED, SLICE("") },
	UTF8("x@ex\xc3\xa4mple.test", "x@xn--exmple-cua.test"),
	UTF8("x@EX\xc3\x84MPLE.test", "x@xn--exmple-cua.test"),
	UTF8("x@fa\xc3\x9f.test", "x@xn--fa-hia.test"),
	UTF8("J\xc3\xb6@x.test", "J\xc3\xb6@x.test"),
	BAD(""), BAD("joe"), BAD("joe@"), BAD("@x.test"), BAD("@"), BAD(".a@x"), BAD("a.@x"),
	BAD("a..b@x"), BAD("a@x."), BAD("a@.x"), BAD("a@x..y"), BAD("a@-x"), BAD("a@x-"),
	BAD("a@x@y"), BAD("@r.test:a@x.test"), BAD("@r,@s:a@x"), BAD("a b@x"), BAD(" a@x"),
	BAD("a@x "), BAD("<a@x>"), BAD("a@x(c)"), BAD("\"a@x"), BAD("\"a\\"), BAD("\"a\\\"@x"),
	BAD("\"a\"b@x"), BAD("a\"b\"@x"), BAD("a@[1.2.3]"), BAD("a@[1.2.3.4"), BAD("a@[]"),
	BAD("a@[IPv6:]"), BAD("a@[IPv6:1.2.3.4]"), BAD("a@[tag:x]"), BAD("a\0b@x"), BAD("a@x\0.y"),
	BAD("\"a\0\"@x"), BAD("a\r\n@x"), BAD("\"a\nb\"@x"), BAD("\"a\tb\"@x"), BAD("a\x7f@x"),
	BAD("a@\xc0\xaf.test"), BAD("\xc0\xaf@x"), BAD("\xed\xa0\x80@x"), BAD("a\xe2\x80\xae@x"),
	BAD("a@x\xe2\x80\xae.test"), BAD("a@x/y"), BAD("a@x:25"),
};

static void addresses(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct addr a = { .n = 7 };
		int err = addr_parse(cases[i].in, cases[i].flags, &a);
		if (err != cases[i].err || (err == 0 && !slice_eq(addr_text(&a), cases[i].out)))
			fail_msg("case %zu: %d, " SLICE_FMT, i, err, SLICE_ARG(addr_text(&a)));
		if (err < 0) {
			assert_int_equal(a.n, 7);
			continue;
		}
		struct addr again;
		assert_int_equal(addr_parse(addr_text(&a), cases[i].flags, &again), 0);
		assert_true(slice_eq(addr_text(&a), addr_text(&again)));
	}
}

static void limits(void **state)
{
	char in[700];
	struct addr a;
	for (int n = ADDR_LOCAL_MAX; n <= ADDR_LOCAL_MAX + 1; n++) {
		memset(in, 'l', (size_t)n);
		memcpy(in + n, "@x", 3);
		assert_int_equal(addr_parse(slice_str(in), 0, &a), n == ADDR_LOCAL_MAX ? 0 : ERR_TOO_BIG);
		int len = snprintf(in, sizeof(in), "\"%0*d \"@x", n - 3, 0);
		assert_int_equal(addr_parse(slice_of(in, (size_t)len), 0, &a),
				 n == ADDR_LOCAL_MAX ? 0 : ERR_TOO_BIG);
	}
	for (int n = 63; n <= 64; n++) {
		int len = snprintf(in, sizeof(in), "x@%0*d.test", n, 0);
		assert_int_equal(addr_parse(slice_of(in, (size_t)len), 0, &a), n == 63 ? 0 : ERR_SYNTAX);
	}
	for (int n = 61; n <= 62; n++) {
		int len = snprintf(in, sizeof(in), "%0*d@%063d.%063d.%063d.%0*d", ADDR_LOCAL_MAX, 0, 0, 0, 0, n, 0);
		assert_int_equal(addr_parse(slice_of(in, (size_t)len), 0, &a), n == 61 ? 0 : ERR_TOO_BIG);
		if (n == 61)
			assert_int_equal(a.n, ADDR_TEXT_MAX);
	}
}

static void keys(void **state)
{
	static const char *const same[][2] = {
		{ "Joe@X.test", "joe@x.test" },
		{ "\"JOE\"@x.test", "joe@x.test" },
		{ "J\xc3\x96@x.test", "j\xc3\xb6@x.test" },
		{ "jo\xcc\x88@x.test", "j\xc3\xb6@x.test" },
		{ "\"A b\"@x.test", "\"a B\"@x.test" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		struct addr a, b;
		assert_int_equal(addr_parse(slice_str(same[i][0]), ADDR_UTF8, &a), 0);
		assert_int_equal(addr_parse(slice_str(same[i][1]), ADDR_UTF8, &b), 0);
		assert_int_equal(addr_key(&a, &a), 0);
		assert_int_equal(addr_key(&b, &b), 0);
		assert_true(slice_eq(addr_text(&a), addr_text(&b)));
		assert_true(slice_eq(addr_domain(&a), SLICE("x.test")));
	}
}

static void raw_local(void **state)
{
	struct addr a;
	uint8_t raw[ADDR_LOCAL_MAX];
	assert_int_equal(addr_parse(SLICE("\"a \\\" b\"@x"), 0, &a), 0);
	size_t n = addr_local_raw(&a, raw);
	assert_true(slice_eq(slice_of(raw, n), SLICE("a \" b")));
	assert_int_equal(addr_parse(SLICE("plain@x"), 0, &a), 0);
	n = addr_local_raw(&a, raw);
	assert_true(slice_eq(slice_of(raw, n), SLICE("plain")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(limits),
		cmocka_unit_test(keys),
		cmocka_unit_test(raw_local),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
