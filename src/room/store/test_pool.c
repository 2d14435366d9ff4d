/* SPDX-License-Identifier: Apache-2.0 */
/* Pools that accounts share, and the lines of a quota. */
#include "room/store/testing.h"

static const uint8_t bytes[100] = { 'x' };

static int put(struct shard *e, uint64_t id, uint64_t quota, uint64_t pool)
{
	int err = OP(e, shard_account_put(e, id, SLICE("a@b"), quota, 0));

	return err ? err : OP(e, shard_account_limits(e, id, pool, 0));
}

static int deliver(struct shard *e, struct delivery *to, size_t n, size_t size)
{
	struct incoming m = { .message = slice_of(bytes, size) };

	return OP(e, shard_deliver(e, to, n, &m));
}

static int deliver_to(struct shard *e, uint64_t account, size_t size)
{
	struct delivery d = { .account = account };
	int err = deliver(e, &d, 1, size);

	return err ? err : d.err;
}

static int take_away(struct shard *e, uint64_t account, uint32_t first, uint32_t last)
{
	struct uid_range r = { first, last };
	struct arena *a = arena_new();
	struct expunge_result x;
	struct mailbox m;

	assert_int_equal(shard_mailbox(e, account, SLICE("INBOX"), &m), 0);
	int err = OP(e, shard_expunge(e, m.id, &r, 1, false, a, &x));
	arena_free(&a);
	return err;
}

static struct pool pool_of(struct shard *e, uint64_t id)
{
	struct pool p;

	assert_int_equal(shard_pool(e, id, &p), 0);
	return p;
}

static void leases(void **state)
{
	struct shard *e = open_shard();
	struct pool p;
	uint64_t id, want;

	assert_int_equal(put(e, 1, 0, 9), 0);
	assert_int_equal(put(e, 2, 150, 9), 0);
	/* Nothing without a lease, and it says what would do. */
	assert_int_equal(deliver_to(e, 1, 100), ERR_QUOTA);
	assert_true(shard_pool_short(e, &id, &want));
	assert_int_equal(id, 9);
	assert_int_equal(want, 100);
	assert_int_equal(OP(e, shard_pool_put(e, 9, 250, 1000, 0)), 0);
	assert_int_equal(deliver_to(e, 1, 100), 0);
	assert_int_equal(deliver_to(e, 2, 100), 0);
	assert_int_equal(deliver_to(e, 2, 51), ERR_QUOTA);	/* its own quota: no lease helps */
	assert_false(shard_pool_short(e, &id, &want));
	assert_int_equal(deliver_to(e, 1, 51), ERR_QUOTA);
	assert_true(shard_pool_short(e, &id, &want));
	assert_int_equal(want, 251);
	assert_int_equal(deliver_to(e, 1, 50), 0);		/* to the byte */
	p = pool_of(e, 9);
	assert_int_equal(p.used, 250);
	assert_int_equal(p.last_account, 1);
	e = rebuild_and_compare(e);
	p = pool_of(e, 9);
	assert_int_equal(p.used, 250);
	assert_int_equal(p.lease, 0);				/* asked for anew */
	/* Space that comes back is the pool's; a recall takes what is not used. */
	assert_int_equal(OP(e, shard_pool_put(e, 9, 400, 1000, 0)), 0);
	assert_int_equal(take_away(e, 1, 1, 1), 0);
	assert_int_equal(pool_of(e, 9).used, 150);
	assert_int_equal(OP(e, shard_pool_recall(e, 9, &p)), 0);
	assert_int_equal(p.lease, 150);
	assert_int_equal(OP(e, shard_account_remove(e, 2)), 0);
	assert_int_equal(pool_of(e, 9).used, 50);
	/* Out of the pool and into another one. */
	assert_int_equal(OP(e, shard_account_limits(e, 1, 10, 0)), 0);
	assert_int_equal(pool_of(e, 9).used, 0);
	assert_int_equal(pool_of(e, 10).used, 50);
	must_be_whole(e);
	/* A pool that directory does not have. */
	assert_int_equal(OP(e, shard_pool_put(e, 10, 0, 0, 0)), 0);
	assert_int_equal(shard_pool(e, 10, &p), ERR_NOT_FOUND);
	assert_int_equal(deliver_to(e, 1, 100), 0);
	must_be_whole(e);
	shard_close(&e);
}

static void several_recipients_of_one_pool(void **state)
{
	struct shard *e = open_shard();
	struct delivery d[4] = { { .account = 1 }, { .account = 2 }, { .account = 3 }, { .account = 1 } };

	for (uint64_t i = 1; i <= 3; i++)
		assert_int_equal(put(e, i, 0, i < 3 ? 9 : 0), 0);
	assert_int_equal(OP(e, shard_pool_put(e, 9, 199, 199, 0)), 0);
	assert_int_equal(deliver(e, d, 4, 100), 0);
	assert_int_equal(d[0].err, 0);
	assert_int_equal(d[1].err, ERR_QUOTA);			/* the second copy has no room */
	assert_int_equal(d[2].err, 0);
	assert_int_equal(d[3].err, 0);				/* the same mailbox: no copy */
	assert_int_equal(pool_of(e, 9).used, 0);
	assert_int_equal(OP(e, shard_pool_put(e, 9, 200, 200, 0)), 0);
	assert_int_equal(deliver(e, d, 4, 100), 0);
	assert_int_equal(d[1].err, 0);
	assert_int_equal(pool_of(e, 9).used, 200);
	must_be_whole(e);
	shard_close(&e);
}

static void lines(void **state)
{
	static const struct {
		int bytes;		/* < 0: taken away from the front */
		int32_t told;		/* the new level; -1: it stays */
	} steps[] = {
		{ 80, -1 },		/* 80 of 100: not above */
		{ 1, 1 }, { 1, -1 },	/* once */
		{ 13, -1 },		/* 95: not above */
		{ 1, 2 }, { 1, -1 },
		{ -1, 0 },		/* 17: both are armed again */
		{ 80, 2 },		/* 97 at once: the higher line tells */
	};
	struct shard *e = open_shard();
	struct crossing c[4];
	size_t n;
	uint64_t last = 0;
	uint32_t taken = 0;

	assert_int_equal(put(e, 1, 100, 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		if (steps[i].bytes > 0)
			assert_int_equal(deliver_to(e, 1, (size_t)steps[i].bytes), 0);
		else
			assert_int_equal(take_away(e, 1, taken + 1, taken + 1), 0);
		taken += steps[i].bytes < 0;
		assert_int_equal(shard_crossings(e, c, 4, &n), 0);
		assert_int_equal(n, steps[i].told >= 0 ? 1 : 0);
		if (!n)
			continue;
		assert_int_equal(c[0].level, steps[i].told);
		assert_int_equal(c[0].account, 1);
		assert_int_equal(c[0].quota, 100);
		assert_true(c[0].id > last);
		last = c[0].id;
		assert_int_equal(OP(e, shard_crossings_done(e, last)), 0);
	}
	e = rebuild_and_compare(e);
	assert_int_equal(shard_crossings(e, c, 4, &n), 0);
	assert_int_equal(n, 0);					/* told before */
	assert_int_equal(OP(e, shard_account_put(e, 1, SLICE(""), 1000, 0)), 0);
	assert_int_equal(OP(e, shard_account_put(e, 1, SLICE(""), 110, 0)), 0);
	assert_int_equal(shard_crossings(e, c, 4, &n), 0);
	assert_int_equal(n, 2);					/* a quota that shrinks crosses it as well */
	assert_int_equal(c[0].level, 0);
	assert_int_equal(c[1].level, 1);
	must_be_whole(e);
	shard_close(&e);
}

/* Mail that comes and goes at the line tells once: it is armed again only below. */
static void at_the_line(void **state)
{
	struct shard *e = open_shard();
	struct crossing c[4];
	size_t n;

	assert_int_equal(put(e, 1, 100, 0), 0);
	assert_int_equal(deliver_to(e, 1, 80), 0);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(deliver_to(e, 1, 1), 0);
		assert_int_equal(take_away(e, 1, 2 + i, 2 + i), 0);
	}
	assert_int_equal(shard_crossings(e, c, 4, &n), 0);
	assert_int_equal(n, 1);
	shard_close(&e);
}

static void reports(void **state)
{
	struct shard *e = open_shard();
	struct pool p[2];
	size_t n;

	assert_int_equal(put(e, 1, 0, 9), 0);
	assert_int_equal(OP(e, shard_pool_put(e, 9, 25600, 25600, 0)), 0);
	assert_int_equal(deliver_to(e, 1, 100), 0);
	assert_int_equal(shard_pools_to_report(e, p, 2, &n), 0);
	assert_int_equal(n, 0);					/* a 256th of the pool: not worth a word */
	assert_int_equal(deliver_to(e, 1, 1), 0);
	assert_int_equal(shard_pools_to_report(e, p, 2, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(p[0].used, 101);
	assert_int_equal(OP(e, shard_pool_reported(e, 9, 101)), 0);
	assert_int_equal(shard_pools_to_report(e, p, 2, &n), 0);
	assert_int_equal(n, 0);
	shard_close(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(leases), STORE_TEST(several_recipients_of_one_pool), STORE_TEST(lines), STORE_TEST(at_the_line),
		STORE_TEST(reports),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
