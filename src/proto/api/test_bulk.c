/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "proto/api/http.h"

static int take(struct arena *a, struct slice body, struct api_bulk_item **items, size_t *n)
{
	struct api_error e = { 0 };
	int r = api_bulk(body, a, items, n, &e);
	if (r < 0)
		assert_string_equal(e.field, "items");
	return r;
}

static void forms(void **state)
{
	static const struct {
		const char *body;
		int err;
	} cases[] = {
		{ "{\"items\": [{\"operation\": \"mailbox.set\"}]}", 0 },
		{ "{\"items\": []}", ERR_INVALID },
		{ "{\"items\": {}}", ERR_SYNTAX },
		{ "{\"items\": [1]}", ERR_SYNTAX },
		{ "{\"items\": [[]]}", ERR_SYNTAX },
		{ "{\"items\": [{}], \"more\": 1}", ERR_SYNTAX },
		{ "{\"items\": [{}], \"items\": [{}]}", ERR_SYNTAX },
		{ "[]", ERR_SYNTAX },
		{ "", ERR_SYNTAX },
		{ "{", ERR_SYNTAX },
	};
	struct arena *a = arena_new();
	struct api_bulk_item *items;
	size_t n = 0;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(take(a, slice_str(cases[i].body), &items, &n), cases[i].err);
	arena_free(&a);
}

static void parts(void **state)
{
	struct arena *a = arena_new();
	struct api_bulk_item *items;
	size_t n = 0;
	assert_int_equal(take(a, SLICE("{\"items\": [{\"operation\": \"mailbox.set\", \"if_match\": \"\\\"x\\\"\", \"address\": \"a@b.test\"},"
				       "{\"operation\": \"mailbox.show\"}, {\"operation\": \"import.accounts\"}, {\"operation\": \"no.such\"},"
				       "{\"operation\": \"reload\"}, {\"operation\": 7}, {\"operation\": \"queue.remove\"}]}"),
			      &items, &n), 0);
	assert_int_equal(n, 7);
	assert_string_equal(items[0].op->name, "mailbox.set");
	assert_true(slice_eq(items[0].if_match, SLICE("\"x\"")));
	assert_true(slice_eq(items[0].fields, SLICE("{\"address\":\"a@b.test\"}")));
	for (size_t i = 1; i < 6; i++)
		assert_null(items[i].op);
	assert_non_null(items[6].op);
	arena_free(&a);
}

static void limit(void **state)
{
	for (size_t count = API_BULK_MAX; count <= API_BULK_MAX + 1; count++) {
		struct arena *a = arena_new();
		struct buf body = BUF_INIT(API_JSON_MAX);
		struct api_bulk_item *items;
		size_t n = 0;
		buf_str(&body, "{\"items\":[");
		for (size_t i = 0; i < count; i++)
			buf_str(&body, i ? ",{}" : "{}");
		buf_str(&body, "]}");
		assert_int_equal(take(a, buf_view(&body), &items, &n), count > API_BULK_MAX ? ERR_TOO_BIG : 0);
		buf_fini(&body);
		arena_free(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(forms), cmocka_unit_test(parts), cmocka_unit_test(limit) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
