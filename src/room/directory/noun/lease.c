/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases of shared pools. One shard gets all of it; among several each asks for more before it refuses mail, and where
 * nothing is free the others give back what they do not use (STORE_POOL_RECALL) before the answer.
 */
#include "room/directory/noun/limits.h"

#include "base/err.h"
#include "room/directory/db/engine_priv.h"

static int pool_size(struct engine *e, uint64_t customer, uint64_t *ret)
{
	int64_t size = 0;
	int r = sql_get(e->db, &size,
			"SELECT c.pool FROM customer c LEFT JOIN customer_limits l ON l.customer = c.id"
			" WHERE c.id = ?1 AND ifnull(l.fixed, 0) = 0",
			"i", (int64_t)customer);
	*ret = r == 0 ? (uint64_t)size : 0;
	return r == ERR_NOT_FOUND ? 0 : r;
}

static int put(struct engine *e, const struct lease_use *u, uint64_t lease)
{
	int r = sql_run(e->db, "INSERT OR REPLACE INTO pool_lease VALUES (?1, ?2, ?3, ?4, ?5)", "iiiii",
			(int64_t)u->customer, (int64_t)u->shard, (int64_t)lease, (int64_t)u->used, (int64_t)u->recall);
	return r < 0 ? r : 0;
}

struct rows {
	uint64_t own, others, others_used, recall;
};

static int read_rows(struct engine *e, uint64_t customer, uint32_t shard, struct rows *ret)
{
	struct sql_stmt *s = sql_prepare(e->db, "SELECT ifnull(sum(CASE WHEN shard = ?2 THEN lease END), 0),"
						" ifnull(sum(CASE WHEN shard <> ?2 THEN lease END), 0),"
						" ifnull(sum(CASE WHEN shard <> ?2 THEN used END), 0),"
						" ifnull(sum(CASE WHEN shard = ?2 THEN recall END), 0)"
						" FROM pool_lease WHERE customer = ?1");
	sql_bind_int(s, 1, (int64_t)customer);
	sql_bind_int(s, 2, (int64_t)shard);
	int r = sql_step(s);
	if (r == 1)
		*ret = (struct rows){ (uint64_t)sql_int(s, 0), (uint64_t)sql_int(s, 1), (uint64_t)sql_int(s, 2),
				      (uint64_t)sql_int(s, 3) };
	sql_done(s);
	return r == 1 ? 0 : r < 0 ? r : ERR_INTERNAL;
}

int lease_ask(struct engine *e, const struct lease_use *u, unsigned shards, struct lease *ret)
{
	uint64_t want = u->want;
	struct rows rows;
	struct lease l = { 0 };
	int r = pool_size(e, u->customer, &l.size);
	if (r == 0)
		r = read_rows(e, u->customer, u->shard, &rows);
	if (r < 0)
		return r;
	if (!l.size) {
		*ret = l;
		r = sql_run(e->db, "DELETE FROM pool_lease WHERE customer = ?1 AND shard = ?2", "ii", (int64_t)u->customer,
			    (int64_t)u->shard);
		return r < 0 ? r : 0;
	}
	uint64_t left = l.size > rows.others ? l.size - rows.others : 0;
	l.elsewhere = rows.others_used;
	l.bytes = rows.own;
	l.is_short = want > left;
	if (shards < 2)
		l.bytes = left;
	else if (want > rows.own && want <= left)
		l.bytes = want + (left - want) / 2;
	else if (want > rows.own && left > rows.own)
		l.bytes = left;
	struct lease_use kept = *u;
	if (kept.recall < rows.recall)
		kept.recall = rows.recall;
	l.recall = kept.recall;
	*ret = l;
	return put(e, &kept, l.bytes);
}

int lease_recalled(struct engine *e, const struct lease_use *u)
{
	int64_t recall = 0;
	int r = sql_get(e->db, &recall, "SELECT recall FROM pool_lease WHERE customer = ?1 AND shard = ?2", "ii",
			(int64_t)u->customer, (int64_t)u->shard);
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	/* A question that was sent behind the recall came in before its answer: the row is what that one was given. */
	return (uint64_t)recall >= u->recall ? ERR_CONFLICT : put(e, u, u->want);
}

/* A line is armed again only below it. */
static unsigned level_of(unsigned level, double used, double size)
{
	if (level == 2 && used * 100 < size * 95)
		level = 1;
	if (level == 1 && used * 100 < size * 80)
		level = 0;
	if (used * 100 > size * 95)
		return 2;
	return used * 100 > size * 80 && !level ? 1 : level;
}

int lease_level(struct engine *e, uint64_t customer, uint64_t *ret_used, uint64_t *ret_size, unsigned *ret_before,
		unsigned *ret_level)
{
	struct customer_limits l;
	int64_t used = 0;
	uint64_t size = 0;
	int r = pool_size(e, customer, &size);
	if (r == 0)
		r = limits_of_customer(e, customer, &l);
	if (r == 0)
		r = sql_get(e->db, &used, "SELECT ifnull(sum(used), 0) FROM pool_lease WHERE customer = ?1", "i",
			    (int64_t)customer);
	if (r < 0)
		return r;
	*ret_before = l.level;
	*ret_level = size ? level_of(l.level, (double)used, (double)size) : 0;
	*ret_used = (uint64_t)used;
	*ret_size = size;
	if (*ret_level == l.level)
		return 0;
	l.level = *ret_level;
	return limits_set_customer(e, customer, &l);
}

int crossing_new(struct engine *e, uint32_t shard, uint64_t id, bool *ret)
{
	int r = sql_run(e->db,
			"INSERT INTO crossing_seen VALUES (?1, ?2) ON CONFLICT (shard) DO UPDATE SET id = ?2 WHERE id < ?2",
			"ii", (int64_t)shard, (int64_t)id);
	*ret = r > 0;
	return r < 0 ? r : 0;
}
