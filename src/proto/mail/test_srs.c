/* SPDX-License-Identifier: Apache-2.0 */
/* Forms and rules of "The Sender Rewriting Scheme" (Shevek, 2004), sections 3 (SRS0), 4 (SRS1) and 5 (attacks). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "proto/mail/srs.h"

#define DAY_MS 86400000LL
#define NOW (20000 * DAY_MS)
#define S(text) slice_str(text)

static const struct srs_secrets one = { .key = { { 1, 2, 3 } }, .n = 1 };
static const struct srs_secrets other = { .key = { { 9 } }, .n = 1 };
static const struct srs_secrets rotated = { .key = { { 7 }, { 1, 2, 3 } }, .n = 2 };

static struct slice local_of(struct slice address)
{
	ptrdiff_t at = (ptrdiff_t)address.n - 1;
	while (address.p[at] != '@')
		at--;
	return slice_sub(address, 0, (size_t)at);
}

/* mac and day as "*": they are not what the shape is about. */
static const char *shape(struct arena *a, struct slice address)
{
	char *text = arena_str(a, address);
	if (address.n > 14)
		memset(text + 5, '*', 8);
	if (text[3] == '0' && address.n > 16)
		memset(text + 14, '*', 2);
	return text;
}

static void shapes(void **state)
{
	static const struct {
		const char *sender, *domain, *out;	/* NULL: ERR_INVALID */
	} cases[] = {
		{ "ann@a.test", "b.test", "SRS0=********=**=a.test=ann@b.test" },
		{ "ann=x+y@a.test", "b.test", "SRS0=********=**=a.test=ann=x+y@b.test" },
		{ "SRS@a.test", "b.test", "SRS0=********=**=a.test=SRS@b.test" },
		{ "SRS2=x=y@a.test", "b.test", "SRS0=********=**=a.test=SRS2=x=y@b.test" },
		{ "SRS0=m=tt=a.test=ann@b.test", "c.test", "SRS1=********=b.test==m=tt=a.test=ann@c.test" },
		{ "SRS0+m-tt=a.test=ann@b.test", "c.test", "SRS1=********=b.test=+m-tt=a.test=ann@c.test" },
		{ "srs0-x@b.test", "c.test", "SRS1=********=b.test=-x@c.test" },
		{ "SRS1=m=b.test==m=tt=a.test=ann@c.test", "d.test", "SRS1=********=b.test==m=tt=a.test=ann@d.test" },
		{ "SRS1+m=b.test=+m=tt=a.test=ann@c.test", "d.test", "SRS1=********=b.test=+m=tt=a.test=ann@d.test" },
		{ "SRS1=broken@c.test", "d.test", "SRS0=********=**=c.test=SRS1=broken@d.test" },
		{ "\"a b\"@a.test", "b.test", NULL },
		{ "ann@[192.0.2.1]", "b.test", NULL },
		{ "ann", "b.test", NULL },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct arena *a = arena_new();
		struct slice got;
		int err = srs_forward(a, &one, S(cases[i].sender), S(cases[i].domain), NOW, &got);
		assert_int_equal(err, cases[i].out ? 0 : ERR_INVALID);
		if (cases[i].out)
			assert_string_equal(shape(a, got), cases[i].out);
		arena_free(&a);
	}
}

/* a.test -> b -> c -> d, and the bounce back through c's first, b's, to a. */
static void there_and_back(void **state)
{
	struct arena *a = arena_new();
	struct slice b, c, d, back;
	assert_int_equal(srs_forward(a, &one, S("Ann@a.test"), S("b.test"), NOW, &b), 0);
	assert_int_equal(srs_forward(a, &other, b, S("c.test"), NOW, &c), 0);
	assert_int_equal(srs_forward(a, &rotated, c, S("d.test"), NOW, &d), 0);
	assert_int_equal(c.n, d.n);
	assert_int_equal(srs_reverse(a, &rotated, local_of(d), NOW, &back), 0);
	assert_true(slice_eq(back, b));
	assert_int_equal(srs_reverse(a, &other, local_of(c), NOW, &back), 0);
	assert_true(slice_eq(back, b));
	assert_int_equal(srs_reverse(a, &one, local_of(back), NOW, &back), 0);
	assert_true(slice_eq(back, S("Ann@a.test")));
	arena_free(&a);
}

static void only_ours(void **state)
{
	struct arena *a = arena_new();
	struct slice b, back = { 0 };
	assert_int_equal(srs_forward(a, &one, S("ann@a.test"), S("b.test"), NOW, &b), 0);
	struct slice local = local_of(b);
	assert_int_equal(srs_reverse(a, &other, local, NOW, &back), ERR_DENIED);
	assert_int_equal(srs_reverse(a, &rotated, local, NOW, &back), 0);	/* an older secret */
	for (size_t i = 0; i < local.n; i++) {	/* each octet counts, its case does not */
		struct slice changed = arena_dup(a, local);
		((uint8_t *)changed.p)[i] = ascii_lower(local.p[i]) == 'q' ? 'r' : 'q';
		int err = srs_reverse(a, &one, changed, NOW, &back);
		assert_true(err == ERR_DENIED || err == ERR_SYNTAX);
		struct slice other_case = arena_dup(a, local);
		uint8_t *p = (uint8_t *)other_case.p + i;
		*p = ascii_lower(*p) == *p && *p >= 'a' ? (uint8_t)(*p - 32) : ascii_lower(*p);
		assert_int_equal(srs_reverse(a, &one, other_case, NOW, &back), 0);
	}
	arena_free(&a);
}

static void days(void **state)
{
	static const struct {
		int64_t later;
		int err;
	} cases[] = {
		{ 0, 0 }, { SRS_DAYS, 0 }, { SRS_DAYS + 1, ERR_TIMEOUT }, { -1, ERR_TIMEOUT }, { 1023, ERR_TIMEOUT },
	};
	for (int64_t day = 1000; day < 1100; day++) {	/* over the end of the count, too */
		struct arena *a = arena_new();
		struct slice b, back;
		assert_int_equal(srs_forward(a, &one, S("ann@a.test"), S("b.test"), day * DAY_MS, &b), 0);
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
			assert_int_equal(srs_reverse(a, &one, local_of(b), (day + cases[i].later) * DAY_MS, &back),
					 cases[i].err);
		arena_free(&a);
	}
}

static void not_of_that_form(void **state)
{
	static const char *const cases[] = {
		"", "ann", "SRS0", "SRS0=", "SRS0=x", "SRS0=abcdefgh", "SRS0=abcdefg=aa=a.test=ann", "SRSX=abcdefgh=aa=a=b",
		"SRS0_abcdefgh=aa=a.test=ann", "SRS1=", "SRS1=abcdefghi=b=x", "XSRS0=abcdefgh=aa=a.test=ann",
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct arena *a = arena_new();
		struct slice back;
		assert_int_equal(srs_reverse(a, &one, S(cases[i]), NOW, &back), ERR_SYNTAX);
		arena_free(&a);
	}
}

/* An address that would pass the limits of addresses is not made. */
static void lengths(void **state)
{
	for (size_t n = 102; n <= 105; n++) {
		struct arena *a = arena_new();
		struct slice b, back;
		char sender[200];
		memset(sender, 'x', n);
		snprintf(sender + n, sizeof(sender) - n, "@a.test");
		int err = srs_forward(a, &one, S(sender), S("b.test"), NOW, &b);
		size_t local = strlen("SRS0=12345678=aa=a.test=") + n;
		assert_int_equal(err, local > 128 ? ERR_TOO_BIG : 0);
		if (err == 0)
			assert_int_equal(srs_reverse(a, &one, local_of(b), NOW, &back), 0);
		arena_free(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shapes), cmocka_unit_test(there_and_back), cmocka_unit_test(only_ours),
		cmocka_unit_test(days), cmocka_unit_test(not_of_that_form), cmocka_unit_test(lengths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
