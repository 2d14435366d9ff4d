/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors written by Dovecot's doveadm pw and openssl passwd; the cache. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "room/auth/cache.h"
#include "room/auth/verify.h"

static const struct hash_cost cheap = { .memory_kib = 64, .passes = 1 };

static void vectors(void **state)
{
	static const char *const hashes[] = {
		"{PLAIN}Old-Pass 1",
		"{CLEAR}Old-Pass 1",
		"{CRYPT}$2y$05$Ah1Qa.qUDXJpzfQ6tLoT.eCfS/gkcjdjBp3DhxIljivo1MjFiQhYC",
		"{MD5-CRYPT}$1$FLt.mhRq$AwDhDcpovPV2Y9XQBqt0X/",
		"$1$FLt.mhRq$AwDhDcpovPV2Y9XQBqt0X/",
		"{SHA256-CRYPT}$5$tUbi7I6kxYAo/gZN$CN36JBZifPetx.wXugA.zIQpbrfHZ7XbugwLYyOyRO.",
		"{SHA512-CRYPT}$6$4MtWZ2k2f5TGzUa9$ASOG0TQlTbkxVmZghJ23nwmkzeV.JQ9C8jhxKqWExJTGJUuETbcPKL5lwT9EBAguX/"
		"9hx20HeoR1.MVs1ttBR/",
		"{BLF-CRYPT}$2y$05$1kBjpQdtVEoLQ8krP31Oy.5cKDgZ/u4m6C.kjpcrPbVLvpxuX2XYa",
		"{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$0CFRWby8gC7Hd4BU7x8ZYQ$fBRucqyepNWp3cCpuGgy+"
		"DqOsLClW/5Sva7xxfDZpfQ",
		"{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$LDpl+V44Gpg4bJSewpc2Dw$GtYowbjbNRPvPi4NZRFCuFOWIvCEz2EIy4kMyrFfyug",
		"{PBKDF2}$1$eCbSAckKTa.cnnsq$5000$3ae9d8e8b68ac4f37cc259efd5fdf0dc3e361933",
		"{SSHA}LWm2/W7XG5d3J5gAc5CxWQuWfX/Xt4M0",
		"{SHA}HX1ZUgMmGVejMF1bp/xZetwqN5o=",
		"{SSHA256}ILyo5966GM+y8NpT9blAdzxUO5v2Rz2QDkucuK2f8vM8lOnP",
		"{SSHA512}AdsC1PWDSAeAW/F7nfF7HNXUUKaOIKx5fxMES/yXGwveHnNUreZXYpbkWMkC1lauO6GTUMf5Dp9ATDrlhLgJY2N7iKk=",
		"{SHA256}YigOcBQui5MJcI1TsRbUoQqD+LVcU1zrYkJcBwhS4qs=",
		"{SHA512}BSLyXbhMGDx+qlSN1xojqLv3q7WrmzqqpQzBUhBpEjx4O06Q0UUDX0GV4ATAe6NBskUg7/"
		"BDgMqFnVn1YUAnrg==",
		"{PLAIN-MD5}fece0a49029effcf4165481714717e79",
		"{LDAP-MD5}/s4KSQKe/89BZUgXFHF+eQ==",
		"{SMD5}CoWcXa+BRaQ5u4zs87Acimpph/A=",
		"{SSHA.HEX}3fd04c57fbae467c4d99bb04eb64bce38c6354fc9b9fc6c2",
		"{SHA256.HEX}62280e70142e8b9309708d53b116d4a10a83f8b55c535ceb62425c070852e2ab",
	};
	static const char *const wrong[] = { "Old-Pass 2", "Old-Pass", "old-pass 1", "", "Old-Pass 1 " };
	for (size_t i = 0; i < ARRAY_SIZE(hashes); i++) {
		if (verify_password(slice_str(hashes[i]), SLICE("Old-Pass 1")) != 1)
			fail_msg("%s", hashes[i]);
		for (size_t k = 0; k < ARRAY_SIZE(wrong); k++)
			assert_int_equal(verify_password(slice_str(hashes[i]), slice_str(wrong[k])), 0);
		assert_int_equal(verify_password(slice_str(hashes[i]), SLICE("Old-Pass 1\0x")), 0);
		assert_false(hash_is_current(slice_str(hashes[i]), &cheap));
	}
	assert_true(verify_password(SLICE("no hash"), SLICE("no hash")) < 0);
	assert_true(verify_password(SLICE(""), SLICE("")) < 0);
}

static void own_hashes(void **state)
{
	struct buf one = BUF_INIT(HASH_MAX), two = BUF_INIT(HASH_MAX), quick = BUF_INIT(HASH_MAX);
	assert_int_equal(hash_password(SLICE("pass"), &cheap, &one), 0);
	assert_int_equal(hash_password(SLICE("pass"), &cheap, &two), 0);
	assert_false(slice_eq(buf_view(&one), buf_view(&two)));
	assert_true(hash_is_current(buf_view(&one), &cheap));
	assert_false(hash_is_current(buf_view(&one), &(struct hash_cost){ .memory_kib = 65, .passes = 1 }));
	assert_int_equal(verify_password(buf_view(&one), SLICE("pass")), 1);
	assert_int_equal(verify_password(buf_view(&one), SLICE("Pass")), 0);
	assert_int_equal(hash_quick(SLICE("pass"), &quick), 0);
	assert_int_equal(verify_password(buf_view(&quick), SLICE("pass")), 1);
	assert_int_equal(verify_password(buf_view(&quick), SLICE("x")), 0);
	for (size_t n = PASSWORD_MAX; n <= PASSWORD_MAX + 1; n++) {
		char text[PASSWORD_MAX + 1];
		memset(text, 'x', sizeof(text));
		buf_clear(&one);
		assert_int_equal(hash_password(slice_of(text, n), &cheap, &one), n <= PASSWORD_MAX ? 0 : ERR_TOO_BIG);
	}
	buf_fini(&one);
	buf_fini(&two);
	buf_fini(&quick);
}

static void caching(void **state)
{
	struct cache *c = cache_new();
	cache_put(c, 1, 7, SLICE("pw"), 1000);
	assert_true(cache_has(c, 1, 7, SLICE("pw"), 1000));
	assert_false(cache_has(c, 1, 8, SLICE("pw"), 1000));	/* changed since: M2 */
	assert_false(cache_has(c, 2, 7, SLICE("pw"), 1000));
	assert_false(cache_has(c, 1, 7, SLICE("pw2"), 1000));
	assert_true(cache_has(c, 1, 7, SLICE("pw"), 1000 + CACHE_TTL_MS - 1));
	assert_false(cache_has(c, 1, 7, SLICE("pw"), 1000 + CACHE_TTL_MS));
	for (uint64_t i = 10; i < 3 * CACHE_ENTRIES; i++)
		cache_put(c, i, 1, SLICE("x"), 2000);
	assert_true(cache_has(c, 3 * CACHE_ENTRIES - 1, 1, SLICE("x"), 2000));
	cache_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors), cmocka_unit_test(own_hashes), cmocka_unit_test(caching),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
