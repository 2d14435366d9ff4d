/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/codec.h"
#include "base/err.h"
#include "base/list.h"
#include "base/map.h"

static void numbers(void **state)
{
	static const struct {
		const char *in;
		uint64_t max;
		int err;
		uint64_t v;
	} cases[] = {
		{ "0", 10, 0, 0 },
		{ "10", 10, 0, 10 },
		{ "11", 10, ERR_TOO_BIG, 0 },
		{ "", 10, ERR_SYNTAX, 0 },
		{ "-1", 10, ERR_SYNTAX, 0 },
		{ "1 ", 10, ERR_SYNTAX, 0 },
		{ "18446744073709551615", UINT64_MAX, 0, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, ERR_TOO_BIG, 0 },
		{ "000000000000000000001", UINT64_MAX, ERR_TOO_BIG, 0 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t v = 77;
		assert_int_equal(slice_u64(slice_str(cases[i].in), cases[i].max, &v), cases[i].err);
		assert_int_equal(v, cases[i].err ? 77 : cases[i].v);
	}
}

static void buf_limit(void **state)
{
	struct buf b = BUF_INIT(4);
	buf_str(&b, "abcd");
	assert_true(buf_ok(&b));
	buf_byte(&b, 'e');
	assert_false(buf_ok(&b));
	assert_int_equal(b.n, 4);
	buf_clear(&b);
	buf_printf(&b, "%d", 12345);
	assert_false(buf_ok(&b));
	buf_clear(&b);
	buf_u64(&b, 1204);
	buf_consume(&b, 2);
	assert_string_equal(buf_cstr(&b), "04");
	buf_fini(&b);
}

static int order[3], n_order;
static void note(void *ctx)
{
	order[n_order++] = *(int *)ctx;
}

static void arena_cleanups(void **state)
{
	static int one = 1, two = 2;
	struct arena *a = arena_new();
	arena_on_free(a, note, &one);
	arena_on_free(a, note, &two);
	for (size_t i = 1; i < 300; i++) {
		uint8_t *p = arena_alloc(a, i * 7);
		for (size_t k = 0; k < i * 7; k++)
			assert_int_equal(p[k], 0);
		memset(p, 0xff, i * 7);
	}
	assert_string_equal(arena_printf(a, "%s-%d", "x", 5), "x-5");
	arena_free(&a);
	assert_null(a);
	assert_int_equal(n_order, 2);
	assert_int_equal(order[0], 2);
	assert_int_equal(order[1], 1);
}

static void base64_table(void **state)
{
	static const struct {
		const char *plain, *coded;
	} good[] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foobar", "Zm9vYmFy" } };
	static const char *const bad[] = { "Z", "Zg=", "Zg", "Zh==", "Zm9=", "Z===", "Zm9v\n", "Zm=v", "Zg==Zg==" };
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct buf b = BUF_INIT(100);
		base64_encode(&b, slice_str(good[i].plain));
		assert_string_equal(buf_cstr(&b), good[i].coded);
		buf_clear(&b);
		assert_int_equal(base64_decode(&b, slice_str(good[i].coded)), 0);
		assert_string_equal(buf_cstr(&b), good[i].plain);
		buf_fini(&b);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct buf b = BUF_INIT(100);
		assert_int_equal(base64_decode(&b, slice_str(bad[i])), ERR_SYNTAX);
		buf_fini(&b);
	}
}

static void utf8_table(void **state)
{
	assert_true(utf8_valid(SLICE("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80")));
	static const char *const bad[] = { "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "\xc3", "\x80" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(utf8_valid(slice_str(bad[i])));
	for (uint32_t cp = 0; cp < 0x110000; cp += 0x3d) {
		if (cp >= 0xd800 && cp < 0xe000)
			continue;
		struct buf b = BUF_INIT(4);
		uint32_t back;
		utf8_encode(&b, cp);
		assert_int_equal(utf8_decode(buf_view(&b), &back), b.n);
		assert_int_equal(back, cp);
		buf_fini(&b);
	}
}

static void crc_vector(void **state)
{
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283); /* RFC 3720's polynomial, the usual check value */
	uint32_t parts = crc32c(0, "1234", 4);
	assert_int_equal(crc32c(parts, "56789", 5), 0xe3069283);
}

static void map_random(void **state)
{
	struct map *m = map_new();
	static int values[5000];
	for (uint64_t i = 0; i < 5000; i++)
		assert_null(map_put(m, map_key_u64(&i), &values[i]));
	for (uint64_t i = 0; i < 5000; i += 2)
		assert_ptr_equal(map_remove(m, map_key_u64(&i)), &values[i]);
	for (uint64_t i = 0; i < 5000; i++)
		assert_ptr_equal(map_get(m, map_key_u64(&i)), i % 2 ? &values[i] : NULL);
	size_t at = 0, seen = 0;
	void *v;
	while (map_next(m, &at, NULL, &v))
		seen++;
	assert_int_equal(seen, 2500);
	assert_int_equal(map_count(m), 2500);
	map_free(&m);
}

static void siphash_vector(void **state)
{
	uint8_t key[16], in[15];
	for (uint8_t i = 0; i < 16; i++)
		key[i] = i;
	for (uint8_t i = 0; i < 15; i++)
		in[i] = i;
	/* The worked example of the SipHash paper, appendix A. */
	assert_true(siphash24(key, slice_of(in, 15)) == 0xa129ca6149be45e5u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers), cmocka_unit_test(buf_limit), cmocka_unit_test(arena_cleanups),
		cmocka_unit_test(base64_table), cmocka_unit_test(utf8_table), cmocka_unit_test(crc_vector),
		cmocka_unit_test(map_random), cmocka_unit_test(siphash_vector),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
