/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quotas beyond one account. A pool is storage that a customer's accounts share: directory leases it out to the shards,
 * the leases together are never more than the pool, and a shard never holds more mail of it than its lease. Use is
 * counted in the transaction of the message, with the account's own.
 *
 * Crossings of 80 and 95 % of an account's own quota: the level is kept with the account, a crossing (up or down) is a
 * row until directory has it. The level falls only when the use is below a line, so mail that comes and goes at the line
 * crosses it once.
 */
#include "room/store/engine_priv.h"

#include "base/err.h"

enum { REPORT_PARTS = 256 };	/* of a pool: use is reported when it moved by one */

static void load(struct sql_stmt *s, struct pool *p)
{
	*p = (struct pool){ .id = (uint64_t)sql_int(s, 0),
			    .lease = (uint64_t)sql_int(s, 1),
			    .used = (uint64_t)sql_int(s, 2),
			    .size = (uint64_t)sql_int(s, 3),
			    .elsewhere = (uint64_t)sql_int(s, 4),
			    .reported = (uint64_t)sql_int(s, 5),
			    .last_account = (uint64_t)sql_int(s, 6) };
}

int shard_pool(struct shard *e, uint64_t id, struct pool *ret)
{
	struct sql_stmt *s = sql_prepare(e->db, "SELECT id, lease, used, size, elsewhere, reported, last_account FROM pool"
						" WHERE id = ?1");
	sql_bind_int(s, 1, (int64_t)id);
	int err = sql_step(s);

	if (err == 1)
		load(s, ret);
	sql_done(s);
	return err == 1 ? 0 : err < 0 ? err : ERR_NOT_FOUND;
}

int shard_pool_count(struct shard *e, struct account *a)
{
	int64_t more = (int64_t)a->used_bytes - (int64_t)a->saved_bytes;

	if (!a->pool)
		return 0;
	e->limits_moved = true;
	int n = sql_run(e->db,
			"INSERT INTO pool (id, lease, used, size, elsewhere, reported, last_account) VALUES (?1, 0, ?2, 0, 0, 0, ?3)"
			" ON CONFLICT (id) DO UPDATE SET used = used + ?2,"
			" last_account = CASE WHEN ?2 > 0 THEN ?3 ELSE last_account END",
			"iii", (int64_t)a->pool, more, (int64_t)a->id);
	return n < 0 ? n : 0;
}

int shard_pool_put(struct shard *e, uint64_t id, uint64_t lease, uint64_t size, uint64_t elsewhere)
{
	int n;

	if (size)
		n = sql_run(e->db, "UPDATE pool SET lease = ?2, size = ?3, elsewhere = ?4 WHERE id = ?1", "iiii", (int64_t)id,
			    (int64_t)lease, (int64_t)size, (int64_t)elsewhere);
	else
		n = sql_run(e->db, "UPDATE account SET pool = 0 WHERE pool = ?1", "i", (int64_t)id);
	if (n >= 0 && !size)
		n = sql_run(e->db, "DELETE FROM pool WHERE id = ?1", "i", (int64_t)id);
	return n < 0 ? n : 0;
}

int shard_pool_recall(struct shard *e, uint64_t id, struct pool *ret)
{
	int n = sql_run(e->db, "UPDATE pool SET lease = used WHERE id = ?1 AND lease > used", "i", (int64_t)id);

	*ret = (struct pool){ .id = id };
	int err = n < 0 ? n : shard_pool(e, id, ret);
	return err == ERR_NOT_FOUND ? 0 : err;
}

int shard_pool_reported(struct shard *e, uint64_t id, uint64_t used)
{
	int n = sql_run(e->db, "UPDATE pool SET reported = ?2 WHERE id = ?1", "ii", (int64_t)id, (int64_t)used);

	return n < 0 ? n : 0;
}

int shard_pools_to_report(struct shard *e, struct pool *ret, size_t max, size_t *ret_n)
{
	struct sql_stmt *s = sql_prepare(e->db, "SELECT id, lease, used, size, elsewhere, reported, last_account FROM pool"
						" WHERE size = 0 OR abs(used - reported) > size / ?1 ORDER BY id");
	size_t n = 0;
	int err = 0;

	sql_bind_int(s, 1, REPORT_PARTS);
	while (n < max && (err = sql_step(s)) == 1)
		load(s, &ret[n++]);
	sql_done(s);
	*ret_n = n;
	return err < 0 ? err : 0;
}

int shard_fits(struct shard *e, uint64_t account, uint64_t bytes)
{
	struct account a;
	int err = shard_account(e, account, &a);

	e->short_pool = 0;
	if (err)
		return err;
	return shard_account_fits(e, &a, bytes, 1, bytes) ? 0 : ERR_QUOTA;
}

bool shard_limits_moved(struct shard *e)
{
	bool moved = e->limits_moved;

	e->limits_moved = false;
	return moved;
}

bool shard_pool_short(const struct shard *e, uint64_t *ret_pool, uint64_t *ret_want)
{
	*ret_pool = e->short_pool;
	*ret_want = e->short_want;
	return e->short_pool;
}

/* ---- lines of a quota ---- */

static bool above(const struct account *a, unsigned percent)
{
	return (double)a->used_bytes * 100.0 > (double)a->quota_bytes * percent;
}

static bool below(const struct account *a, unsigned percent)
{
	return (double)a->used_bytes * 100.0 < (double)a->quota_bytes * percent;
}

static uint32_t level_now(const struct account *a)
{
	uint32_t level = a->level;

	if (!a->quota_bytes)
		return 0;
	if (level == 2 && below(a, 95))
		level = 1;
	if (level == 1 && below(a, 80))
		level = 0;
	return above(a, 95) ? 2 : above(a, 80) && !level ? 1 : level;
}

int shard_level_keep(struct shard *e, struct account *a)
{
	uint32_t before = a->level;

	a->level = level_now(a);
	if (a->level == before)
		return 0;
	e->limits_moved = true;
	/* Ids rise also over a rebuild, which has no crossings: directory knows by them what it has had. */
	int n = sql_run(e->db,
			"INSERT INTO crossing VALUES (max(?1, 1 + ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'crossing'), 0)), ?2, ?3, ?4, ?5)",
			"iiiii", e->now, (int64_t)a->id, (int64_t)a->level, (int64_t)a->used_bytes, (int64_t)a->quota_bytes);
	return n < 0 ? n : 0;
}

int shard_crossings(struct shard *e, struct crossing *ret, size_t max, size_t *ret_n)
{
	struct sql_stmt *s = sql_prepare(e->db, "SELECT id, account, used, quota, level FROM crossing ORDER BY id");
	size_t n = 0;
	int err = 0;

	while (n < max && (err = sql_step(s)) == 1)
		ret[n++] = (struct crossing){ (uint64_t)sql_int(s, 0), (uint64_t)sql_int(s, 1), (uint64_t)sql_int(s, 2),
					      (uint64_t)sql_int(s, 3), (uint32_t)sql_int(s, 4) };
	sql_done(s);
	*ret_n = n;
	return err < 0 ? err : 0;
}

int shard_crossings_done(struct shard *e, uint64_t up_to)
{
	int n = sql_run(e->db, "DELETE FROM crossing WHERE id <= ?1", "i", (int64_t)up_to);

	return n < 0 ? n : 0;
}
