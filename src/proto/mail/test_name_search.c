/* SPDX-License-Identifier: Apache-2.0 */
/* What is found where: case, Unicode, A-labels, and characters that mean something to other searches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/mail/name_search.h"

static const struct {
	const char *name, *text;
	bool found;
} cases[] = {
	{ "joe@example.test", "joe", true },
	{ "joe@example.test", "JOE@", true },
	{ "JOE@Example.test", "e@ex", true },
	{ "joe@example.test", "jo%", false },
	{ "joe@example.test", "j_e", false },
	{ "100%@example.test", "0%@", true },
	{ "a_b@example.test", "A_B", true },
	{ "o'hara@example.test", "o'h", true },
	{ "\"a b\"@example.test", "\"a B", true },
	{ "joe@example.test", "joe@example.test.", false },
	{ "joe@example.test", "", true },
	{ "", "x", false },
	{ "", "", true },
	{ "müller@example.test", "MÜLL", true },
	{ "Ärztin Groß", "ärztin gross", true },
	{ "müller@example.test", "mu\xcc\x88ller", true }, /* u and a combining diaeresis */
	{ "müller@example.test", "muller", false },
	{ "xn--mller-kva.example", "Müller.ex", true },
	{ "xn--mller-kva.example", "xn--MLL", true },
	{ "joe@xn--mller-kva.example", "e@mül", true },
	{ "jürgen@xn--mller-kva.example", "JÜRGEN@MÜLLER", true },
	{ "xn--mller-kva.example", "mller-kvb", false },
	{ "xn--\xff.example", "ü", false },
	{ "xn--zzzzzzzzzzzzzz99999.example", "ü", false },
	{ "\xff\xfe", "\xff", true },
	{ "\xff\xfe", "ü", false },
};

static void finds(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct arena *a = arena_new();
		struct slice folded = name_search_fold(a, slice_str(cases[i].text));
		if (name_search_holds(slice_str(cases[i].name), folded) != cases[i].found)
			fail_msg("\"%s\" in \"%s\": expected %d", cases[i].text, cases[i].name, cases[i].found);
		arena_free(&a);
	}
}

/* Names that are longer than any of ours are compared as they lie. */
static void long_names(void **state)
{
	static char text[10000];
	struct arena *a = arena_new();
	memset(text, 'a', sizeof(text) - 1);
	memcpy(text, "xn--mller-kva", 13);
	assert_false(name_search_holds(slice_str(text), name_search_fold(a, SLICE("ü"))));
	assert_true(name_search_holds(slice_str(text), name_search_fold(a, SLICE("AAAA"))));
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(finds), cmocka_unit_test(long_names) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
