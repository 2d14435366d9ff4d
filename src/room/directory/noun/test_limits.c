/* SPDX-License-Identifier: Apache-2.0 */
#include "room/directory/testing.h"

#include "room/directory/noun/limits.h"

static struct account account(struct fixture *f, struct domain *d, const char *local, uint64_t quota, int want)
{
	struct account x = { .quota = quota };
	struct problem why = { 0 };

	assert_int_equal(engine_begin(f->e), 0);
	int r = account_add(f->e, f->a, d, T(local), &x, 1, &why);
	assert_int_equal(r, want);
	if (r < 0) {
		assert_string_equal(why.field, "quota");
		engine_rollback(f->e);
	} else {
		assert_int_equal(engine_commit(f->e), 0);
	}
	return x;
}

static void set_pool(struct fixture *f, uint64_t pool, bool fixed, int want)
{
	struct customer_limits l;
	struct problem why = { 0 };

	assert_int_equal(limits_of_customer(f->e, f->customer.id, &l), 0);
	l.fixed = fixed;
	f->customer.pool = pool;
	f->customer.contact = T("");
	assert_int_equal(limits_check_customer(f->e, f->a, f->customer.id, pool, fixed, &why), want);
	if (want)
		return;
	assert_int_equal(customer_update(f->e, f->a, &f->customer, &why), 0);
	assert_int_equal(limits_set_customer(f->e, f->customer.id, &l), 0);
}

static void allotments(void **state)
{
	struct fixture *f = *state;
	struct domain d = make_domain(f, "a.test", true);

	set_pool(f, 1000, true, 0);
	account(f, &d, "none", 0, ERR_INVALID);		/* it must name its part */
	account(f, &d, "a", 600, 0);
	account(f, &d, "b", 401, ERR_QUOTA);
	account(f, &d, "b", 400, 0);
	set_pool(f, 999, true, ERR_QUOTA);		/* less than is allotted */
	set_pool(f, 1000, false, 0);
	account(f, &d, "c", 0, 0);
	account(f, &d, "d", 1000, 0);			/* shared: a mailbox may be let use all of it */
	account(f, &d, "e", 1001, ERR_QUOTA);
	set_pool(f, 999, false, ERR_QUOTA);		/* less than d may use */
	set_pool(f, 1000, false, 0);
	set_pool(f, 10000, true, ERR_CONFLICT);		/* c has no part */
	set_pool(f, 0, true, 0);			/* no pool: nothing to allot */
	account(f, &d, "f", 0, 0);
}

static void what_holds_for_a_mailbox(void **state)
{
	struct fixture *f = *state;
	struct domain d = make_domain(f, "a.test", true);
	struct account x = account(f, &d, "a", 10, 0);
	struct customer_limits c = { 0 };
	struct domain_limits of_domain = { .refuse = true, .retention = RETENTION_INHERIT };
	struct limits l;
	unsigned before;

	assert_int_equal(limits_of(f->e, x.id + 1, &l), ERR_NOT_FOUND);
	assert_int_equal(limits_of(f->e, x.id, &l), 0);
	assert_true(!l.pool && !l.retention && !l.refuse && !l.level);
	set_pool(f, 1000, false, 0);
	c.retention = 90;
	c.level = 1;
	assert_int_equal(limits_set_customer(f->e, f->customer.id, &c), 0);
	assert_int_equal(limits_set_domain(f->e, d.id, &of_domain), 0);
	assert_int_equal(limits_set_level(f->e, x.id, 2, &before), 0);
	assert_int_equal(before, 0);
	assert_int_equal(limits_of(f->e, x.id, &l), 0);
	assert_int_equal(l.pool, f->customer.id);
	assert_int_equal(l.pool_bytes, 1000);
	assert_int_equal(l.retention, 90);
	assert_int_equal(l.level, 2);
	assert_true(l.refuse);
	of_domain.retention = 70;
	assert_int_equal(limits_set_domain(f->e, d.id, &of_domain), 0);
	assert_int_equal(limits_of(f->e, x.id, &l), 0);
	assert_int_equal(l.retention, 70);
	assert_int_equal(limits_set_retention(f->e, x.id, RETENTION_OFF), 0);
	assert_int_equal(limits_of(f->e, x.id, &l), 0);
	assert_int_equal(l.retention, 0);
	assert_int_equal(l.level, 2);
	set_pool(f, 1000, true, 0);
	assert_int_equal(limits_of(f->e, x.id, &l), 0);
	assert_int_equal(l.pool, 0);
}

static void retentions(void **state)
{
	static const struct {
		const char *in;
		int want;
	} cases[] = { { "off", 0 }, { "on", 60 }, { "default", -1 }, { "1", 1 }, { "36500", 36500 } };
	static const char *const bad[] = { "", "0", "-1", "36501", "60 days", "OFF" };
	int got;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(retention_parse(T(cases[i].in), &got), 0);
		assert_int_equal(got, cases[i].want);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(retention_parse(T(bad[i]), &got), ERR_INVALID);
}

static uint64_t obeyed;	/* the number of the last recall */

static int ask(struct fixture *f, uint32_t shard, unsigned shards, uint64_t used, uint64_t want, struct lease *ret)
{
	struct lease_use u = { f->customer.id, shard, used, want, obeyed };

	return lease_ask(f->e, &u, shards, ret);
}

static int recalled(struct fixture *f, uint32_t shard, uint64_t lease, uint64_t used)
{
	struct lease_use u = { f->customer.id, shard, used, lease, ++obeyed };

	return lease_recalled(f->e, &u);
}

/* An answer to a recall that the shard's next question has overtaken says nothing any more. */
static void a_late_answer_to_a_recall(void **state)
{
	struct fixture *f = *state;
	struct lease l;

	set_pool(f, 1000, false, 0);
	assert_int_equal(ask(f, 0, 2, 0, 100, &l), 0);
	obeyed++;
	assert_int_equal(ask(f, 0, 2, 10, 600, &l), 0);
	uint64_t given = l.bytes;
	obeyed--;
	assert_int_equal(recalled(f, 0, 10, 10), ERR_CONFLICT);
	assert_int_equal(ask(f, 1, 2, 0, 1000, &l), 0);
	assert_int_equal(l.bytes, 1000 - given);
	assert_int_equal(recalled(f, 0, 10, 10), 0);
	assert_int_equal(ask(f, 1, 2, 0, 990, &l), 0);
	assert_int_equal(l.bytes, 990);
}

static void leases(void **state)
{
	struct fixture *f = *state;
	uint64_t c = f->customer.id, used, size;
	unsigned before, level;
	struct lease l;

	assert_int_equal(ask(f, 0, 1, 0, 10, &l), 0);
	assert_int_equal(l.size, 0);				/* no pool */
	set_pool(f, 1000, false, 0);
	assert_int_equal(ask(f, 0, 1, 0, 10, &l), 0);
	assert_int_equal(l.bytes, 1000);			/* alone: all of it */
	assert_int_equal(ask(f, 0, 1, 1000, 1001, &l), 0);
	assert_int_equal(l.bytes, 1000);
	assert_true(l.is_short);
	/* Several: never more than the pool together, whatever each asks for. */
	assert_int_equal(recalled(f, 0, 200, 200), 0);
	assert_int_equal(ask(f, 1, 2, 0, 100, &l), 0);
	assert_int_equal(l.bytes, 100 + (800 - 100) / 2);
	assert_int_equal(l.elsewhere, 200);
	assert_int_equal(ask(f, 0, 2, 200, 900, &l), 0);
	assert_int_equal(l.bytes, 550);				/* 1000 - 450: all that is free, and still short */
	assert_true(l.is_short);
	assert_int_equal(recalled(f, 1, 50, 50), 0);
	assert_int_equal(ask(f, 0, 2, 200, 900, &l), 0);
	assert_false(l.is_short);
	assert_int_equal(l.bytes, 925);
	/* Telling takes nothing. */
	assert_int_equal(ask(f, 0, 2, 760, 0, &l), 0);
	assert_int_equal(l.bytes, 925);
	assert_int_equal(lease_level(f->e, c, &used, &size, &before, &level), 0);
	assert_int_equal(used, 810);
	assert_int_equal(before, 0);
	assert_int_equal(level, 1);
	assert_int_equal(recalled(f, 1, 40, 40), 0);
	assert_int_equal(lease_level(f->e, c, &used, &size, &before, &level), 0);
	assert_int_equal(level, 1);				/* 800: at the line */
	assert_int_equal(recalled(f, 1, 39, 39), 0);
	assert_int_equal(lease_level(f->e, c, &used, &size, &before, &level), 0);
	assert_int_equal(level, 0);
	/* A pool that got smaller than what is out: nobody gets more. */
	set_pool(f, 500, false, 0);
	assert_int_equal(ask(f, 1, 2, 39, 100, &l), 0);
	assert_int_equal(l.bytes, 39);
	assert_true(l.is_short);
}

static void crossings_come_once(void **state)
{
	struct fixture *f = *state;
	bool is_new;

	assert_int_equal(crossing_new(f->e, 0, 7, &is_new), 0);
	assert_true(is_new);
	assert_int_equal(crossing_new(f->e, 0, 7, &is_new), 0);
	assert_false(is_new);
	assert_int_equal(crossing_new(f->e, 0, 6, &is_new), 0);
	assert_false(is_new);
	assert_int_equal(crossing_new(f->e, 1, 6, &is_new), 0);
	assert_true(is_new);
	assert_int_equal(crossing_new(f->e, 0, 8, &is_new), 0);
	assert_true(is_new);
}

static void moves_between_customers(void **state)
{
	struct fixture *f = *state;
	struct domain d = make_domain(f, "a.test", true);
	struct customer other = { .name = T("other"), .language = T("en"), .pool = 100, .created_ms = 1 };
	struct customer_limits l = { .fixed = true };
	struct problem why = { 0 };

	account(f, &d, "a", 101, 0);
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(customer_add(f->e, f->a, &other, NULL), 0);
	assert_int_equal(engine_commit(f->e), 0);
	assert_int_equal(limits_set_customer(f->e, other.id, &l), 0);
	assert_int_equal(limits_check_move(f->e, f->a, d.id, other.id, NULL), ERR_QUOTA);
	account(f, &d, "b", 0, 0);
	assert_int_equal(limits_check_move(f->e, f->a, d.id, other.id, NULL), ERR_CONFLICT);
	l.fixed = false;
	assert_int_equal(limits_set_customer(f->e, other.id, &l), 0);
	assert_int_equal(limits_check_move(f->e, f->a, d.id, other.id, &why), ERR_QUOTA);
	assert_string_equal(why.text, "the quota of a@a.test is 101 bytes, more than a pool of 100 bytes");
	other.pool = 101;
	assert_int_equal(customer_update(f->e, f->a, &other, NULL), 0);
	assert_int_equal(limits_check_move(f->e, f->a, d.id, other.id, NULL), 0);
}

#define LIMITS_TEST(f) cmocka_unit_test_setup_teardown(f, fixture_up, fixture_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIMITS_TEST(allotments), LIMITS_TEST(what_holds_for_a_mailbox), cmocka_unit_test(retentions),
		LIMITS_TEST(leases), LIMITS_TEST(a_late_answer_to_a_recall), LIMITS_TEST(crossings_come_once), LIMITS_TEST(moves_between_customers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
