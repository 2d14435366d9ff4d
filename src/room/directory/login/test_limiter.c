/* SPDX-License-Identifier: Apache-2.0 */
/* The limiter alone, with a clock that is a number: who is refused, who never is, and for how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/compiler.h"
#include "room/directory/login/limiter.h"

static const struct slice joe = { (const uint8_t *)"joe@example.test", 16 };

static struct limiter_try try_of(const char *remote, struct slice who, uint32_t password, bool known)
{
	static uint32_t tags[1024];
	static size_t at;
	uint32_t *tag = &tags[at++ % ARRAY_SIZE(tags)];
	*tag = password;
	return (struct limiter_try){ slice_str(remote), who, slice_of(tag, password ? 4 : 0), known };
}

/* One wrong password; true where its answer did not depend on it. */
static bool wrong(struct limiter *l, const char *remote, struct slice who, uint32_t password, bool known, int64_t now)
{
	struct limiter_try t = try_of(remote, who, password, known);
	bool refused = limiter_try(l, &t, now).refused;
	if (!refused)
		limiter_wrong(l, &t, now);
	return refused;
}

static bool right(struct limiter *l, const char *remote, struct slice who, bool known, int64_t now)
{
	struct limiter_try t = try_of(remote, who, 0xffffffff, known);
	bool refused = limiter_try(l, &t, now).refused;
	if (!refused)
		limiter_right(l, &t, now);
	return !refused;
}

static struct slice name_of(char ret[32], unsigned i)
{
	snprintf(ret, 32, "u%u@example.test", i);
	return slice_str(ret);
}

static const char *address_of(char ret[32], unsigned i)
{
	snprintf(ret, 32, "10.%u.%u.9", i / 250, i % 250);
	return ret;
}

static void one_login_from_one_network(void **state)
{
	struct limiter *l = limiter_new("127.0.0.0/8 ::1/128");
	for (unsigned i = 0; i < LIMITER_PAIR_MAX; i++)
		assert_false(wrong(l, "192.0.2.1", i & 1 ? joe : SLICE("JOE@example.test"), i + 1, false, 1000));
	assert_false(right(l, "192.0.2.1", joe, false, 1000));
	assert_false(right(l, "192.0.2.1", joe, true, 1000));
	assert_true(right(l, "192.0.2.2", joe, false, 1000));
	assert_true(right(l, "192.0.2.1", SLICE("mary@example.test"), false, 1000));
	assert_false(right(l, "192.0.2.1", joe, false, 1000 + LIMITER_WINDOW_MS - 1));
	assert_true(right(l, "192.0.2.1", joe, false, 1000 + LIMITER_WINDOW_MS));
	for (unsigned i = 0; i < 1000; i++)
		assert_false(wrong(l, "127.0.0.1", joe, i + 1, false, 1000));
	limiter_free(&l);
}

static void parallel_tries_do_not_slip_through(void **state)
{
	struct limiter *l = limiter_new("");
	unsigned through = 0;
	for (unsigned i = 0; i < 100; i++) {	/* all begin before any ends */
		struct limiter_try t = try_of("192.0.2.1", joe, i + 1, false);
		through += !limiter_try(l, &t, 1000).refused;
	}
	assert_int_equal(through, LIMITER_PAIR_MAX);
	limiter_free(&l);
}

static void the_same_wrong_password_counts_once(void **state)
{
	struct limiter *l = limiter_new("");
	for (unsigned i = 0; i < LIMITER_NETWORK_MAX - 1; i++)
		assert_false(wrong(l, "192.0.2.1", joe, 7, false, 1000));
	assert_true(right(l, "192.0.2.1", joe, false, 1000));
	limiter_free(&l);
}

static void a_right_password_forgives(void **state)
{
	struct limiter *l = limiter_new("");
	for (unsigned round = 0; round < 8; round++) {
		for (unsigned i = 0; i < LIMITER_PAIR_MAX - 1; i++)
			assert_false(wrong(l, "192.0.2.1", joe, round * 10 + i + 1, round > 0, 1000));
		assert_true(right(l, "192.0.2.1", joe, true, 1000));
	}
	limiter_free(&l);
}

static void many_right_ones_from_one_network_are_no_harm(void **state)
{
	struct limiter *l = limiter_new("");
	char name[32];
	struct limiter_try flying[400];
	char names[ARRAY_SIZE(flying)][32];
	for (unsigned i = 0; i < ARRAY_SIZE(flying); i++) {
		flying[i] = try_of("192.0.2.1", name_of(names[i], i), 0, false);
		assert_false(limiter_try(l, &flying[i], 1000).refused);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(flying); i++)
		limiter_right(l, &flying[i], 1000);
	assert_true(right(l, "192.0.2.1", name_of(name, 1000), false, 1000));
	limiter_free(&l);
}

static void right_ones_at_once_are_taken_back_once(void **state)
{
	struct limiter *l = limiter_new("");
	char remote[32];
	struct limiter_try t = try_of("198.51.100.7", joe, 4711, true);
	for (unsigned i = 0; i < LIMITER_ACCOUNT_MAX; i++)
		wrong(l, address_of(remote, i), joe, i + 1, false, 100000);
	for (unsigned i = 0; i < 5; i++)
		assert_false(limiter_try(l, &t, 100000).refused);
	for (unsigned i = 0; i < 5; i++)
		limiter_right(l, &t, 100000);
	assert_true(right(l, "203.0.113.9", joe, false, 100000));	/* the one of this minute */
	assert_false(right(l, "203.0.113.9", joe, false, 100000));
	limiter_free(&l);
}

static void a_thousand_bad_ones_from_one_address(void **state)
{
	struct limiter *l = limiter_new("");
	char name[32];
	unsigned looked_at = 0;
	for (unsigned i = 0; i < 1000; i++)
		looked_at += !wrong(l, "2001:db8::1", name_of(name, i), i + 1, false, 1000);
	assert_int_equal(looked_at, LIMITER_NETWORK_MAX);
	assert_false(right(l, "2001:db8::2", joe, false, 1000));	/* the same /64 */
	assert_true(right(l, "2001:db8:0:1::1", joe, false, 1000));
	limiter_free(&l);
}

static void a_net_of_addresses(void **state)
{
	struct limiter *l = limiter_new("");
	char name[32], remote[32];
	unsigned looked_at = 0;
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(remote, sizeof(remote), "192.0.2.%u", i % 250);
		looked_at += !wrong(l, remote, name_of(name, i), i + 1, false, 1000);
	}
	assert_int_equal(looked_at, LIMITER_WIDE_MAX);
	assert_false(right(l, "192.0.2.251", joe, false, 1000));
	assert_true(right(l, "192.0.2.251", joe, true, 1000));	/* who is known there is no stranger */
	assert_true(right(l, "192.0.3.1", joe, false, 1000));
	limiter_free(&l);
}

static void a_thousand_addresses_against_one_user(void **state)
{
	struct limiter *l = limiter_new("");
	char remote[32];
	unsigned looked_at = 0;
	for (unsigned i = 0; i < 1000; i++) {
		looked_at += !wrong(l, address_of(remote, i), joe, i + 1, false, 100000);
		if (i % 100 == 99)
			assert_true(right(l, "198.51.100.7", joe, true, 100000));	/* his own device */
	}
	assert_in_range(looked_at, LIMITER_ACCOUNT_MAX, LIMITER_ACCOUNT_MAX + 20);
	assert_true(right(l, "203.0.113.9", SLICE("mary@example.test"), false, 100000));
	/* A stranger with the right password is slowed, not locked out. */
	assert_false(right(l, "203.0.113.9", joe, false, 100000));
	assert_true(right(l, "203.0.113.9", joe, false, 100000 + LIMITER_TRICKLE_MS));
	limiter_free(&l);
}

static void one_password_against_a_thousand_users(void **state)
{
	struct limiter *l = limiter_new("");
	char remote[32], name[32];
	unsigned looked_at = 0;
	for (unsigned i = 0; i < 1000; i++)
		looked_at += !wrong(l, address_of(remote, i), name_of(name, i), 4711, false, 1000);
	assert_int_equal(looked_at, LIMITER_PASSWORD_MAX);
	assert_true(right(l, "203.0.113.9", joe, false, 1000));		/* another password */
	struct limiter_try t = try_of("203.0.113.9", joe, 4711, true);	/* his device, that password is his */
	assert_false(limiter_try(l, &t, 1000).refused);
	limiter_free(&l);
}

static void what_the_operator_sees(void **state)
{
	struct limiter *l = limiter_new("");
	struct arena *a = arena_new();
	struct limiter_entry *rows;
	size_t n = 0;
	struct slice none = { 0 };
	for (unsigned i = 0; i < LIMITER_PAIR_MAX; i++) {
		limiter_list(l, a, 1000, &rows, &n);
		assert_int_equal(n, 0);
		wrong(l, "192.0.2.1", joe, i + 1, false, 1000);
	}
	limiter_list(l, a, 1000, &rows, &n);
	assert_int_equal(n, 1);
	assert_int_equal(rows[0].kind, LIMITER_PAIR);
	assert_true(slice_eq(rows[0].who, joe) && slice_eq(rows[0].network, SLICE("192.0.2.1/32")));
	assert_true(rows[0].until_ms == 1000 + LIMITER_WINDOW_MS);
	assert_int_equal(limiter_clear(l, SLICE("mary@example.test"), none), 0);
	assert_int_equal(limiter_clear(l, none, SLICE("192.0.3.1")), 0);
	assert_true(limiter_clear(l, SLICE("Joe@example.test"), none) > 0);
	assert_true(right(l, "192.0.2.1", joe, false, 1000));
	for (unsigned i = 0; i < LIMITER_NETWORK_MAX; i++)
		wrong(l, "192.0.2.1", joe, 7, false, 1000);
	assert_false(right(l, "192.0.2.1", joe, false, 1000));
	assert_true(limiter_clear(l, none, SLICE("192.0.2.1")) > 0);
	assert_true(right(l, "192.0.2.1", joe, false, 1000));
	arena_free(&a);
	limiter_free(&l);
}

static void it_stays_small(void **state)
{
	struct limiter *l = limiter_new("");
	char remote[32], name[32];
	for (unsigned i = 0; i < LIMITER_NETWORK_MAX; i++)
		wrong(l, "192.0.2.1", joe, 7, false, 1000);
	for (unsigned i = 0; i < LIMITER_ENTRIES_MAX / 3; i++) {
		snprintf(remote, sizeof(remote), "10.%u.%u.1", i / 250 % 250, i % 250);
		wrong(l, remote, name_of(name, i), i + 1, false, 1000);
	}
	assert_false(right(l, "192.0.2.1", joe, false, 1000));	/* floods of small counts do not wash it away */
	limiter_free(&l);
}

static void homes(void **state)
{
	uint8_t a[LIMITER_HOME_MAX], b[LIMITER_HOME_MAX];
	assert_int_equal(limiter_home(SLICE("192.0.2.1"), a), 4);
	assert_int_equal(limiter_home(SLICE("192.0.2.200"), b), 4);
	assert_memory_equal(a, b, 4);
	assert_int_equal(limiter_home(SLICE("2001:db8::1"), a), 9);
	assert_int_equal(limiter_home(SLICE("nonsense"), a), 0);
	assert_int_equal(limiter_home(SLICE(""), a), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_login_from_one_network),
		cmocka_unit_test(parallel_tries_do_not_slip_through),
		cmocka_unit_test(the_same_wrong_password_counts_once),
		cmocka_unit_test(a_right_password_forgives),
		cmocka_unit_test(many_right_ones_from_one_network_are_no_harm),
		cmocka_unit_test(right_ones_at_once_are_taken_back_once),
		cmocka_unit_test(a_thousand_bad_ones_from_one_address),
		cmocka_unit_test(a_net_of_addresses),
		cmocka_unit_test(a_thousand_addresses_against_one_user),
		cmocka_unit_test(one_password_against_a_thousand_users),
		cmocka_unit_test(what_the_operator_sees),
		cmocka_unit_test(it_stays_small),
		cmocka_unit_test(homes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
