/* SPDX-License-Identifier: Apache-2.0 */
/* What the sender is told of a refusal: for a reply, and for a report. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/delivery/reject.h"

#include <string.h>

static void replies(void **state)
{
	static const char *const cases[][2] = {
		{ "No", "No" },
		{ "Not\r\nwanted", "Not\nwanted" },
		{ "\r\n a\tb\x01" "c \r\n\r\nd\r\n", "a b c \n\nd" },
		{ "gr\xc3\xbc\xc3\x9f" "e \xf0\x9f\x90\x9f", "gr??e ?" },
		{ "\xc2\x80\x7f", "?" },
		{ "", "The recipient does not want this message" },
		{ " \r\n", "The recipient does not want this message" },
	};
	struct arena *a = arena_new();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(reject_reply(a, slice_str(cases[i][0])), cases[i][1]);
	arena_free(&a);
}

static struct slice many(struct arena *a, const char *unit, size_t n)
{
	size_t w = strlen(unit);
	uint8_t *out = arena_alloc(a, n * w);
	for (size_t i = 0; i < n; i++)
		memcpy(out + i * w, unit, w);
	return slice_of(out, n * w);
}

static void limits(void **state)
{
	struct arena *a = arena_new();
	assert_string_equal(reject_reply(a, many(a, "x", 400)), arena_str(a, many(a, "x", 400)));
	const char *broken = reject_reply(a, many(a, "x", 401));
	assert_true(strlen(broken) == 402 && broken[400] == '\n' && broken[401] == 'x');
	assert_true(strlen(reject_reply(a, many(a, "x", 100000))) < REJECT_MAX);
	assert_int_equal(reject_reason(a, many(a, "x", REJECT_MAX)).n, REJECT_MAX);
	assert_int_equal(reject_reason(a, many(a, "x", REJECT_MAX + 1)).n, REJECT_MAX);
	struct slice cut = reject_reason(a, many(a, "\xe2\x82\xac", REJECT_MAX));	/* no half character */
	assert_true(cut.n == REJECT_MAX / 3 * 3 && cut.p[cut.n - 1] == 0xac);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(replies), cmocka_unit_test(limits) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
