/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The database handle, transactions with a version that moves at each commit, settings, the audit log.
 */
#include "room/directory/db/engine_priv.h"

#include "base/err.h"
#include "room/directory/noun/other_name.h"
#include "room/directory/db/schema.h"

/* Of 100,000 accounts the pages that routes and logins need are 26 MB. */
enum { CACHE_KIB = 64 << 10 };

int engine_open(const char *path, struct engine **ret)
{
	struct engine *e = calloc(1, sizeof(*e));
	bug_if(!e);
	int r = sql_open(path, directory_migrations, directory_n_migrations, &e->db);
	if (r < 0) {
		free(e);
		return r;
	}
	e->refused = map_new();
	e->version = (uint64_t)setting_get(e, "version", 0);
	r = sql_cache(e->db, CACHE_KIB);
	/* Nobody waits for the store's answer any more: it is told of the account again. */
	if (r == 0)
		r = sql_run(e->db, "UPDATE account SET state = 0 WHERE state = 3", "");
	if (r >= 0)
		r = other_name_fill(e);
	if (r < 0) {
		engine_close(&e);
		return r;
	}
	*ret = e;
	return 0;
}

void engine_close(struct engine **pe)
{
	struct engine *e = *pe;
	if (!e)
		return;
	recipient_clear(e);
	standing_clear(e);
	map_free(&e->refused);
	free(e->alternate_base);
	sql_close(&e->db);
	free(e);
	*pe = NULL;
}

struct sql *engine_sql(struct engine *e)
{
	return e->db;
}

bool engine_fatal(const struct engine *e)
{
	return sql_fatal(e->db);
}

uint64_t engine_version(const struct engine *e)
{
	return e->version;
}

int engine_begin(struct engine *e)
{
	return sql_begin(e->db);
}

int engine_commit(struct engine *e)
{
	int r = setting_put(e, "version", (int64_t)(e->version + 1));
	if (r < 0) {
		engine_rollback(e);
		return r;
	}
	bool noticed = e->noticed;
	e->noticed = false;
	r = sql_commit(e->db);
	if (r < 0)
		return r;
	e->version++;
	if (noticed && e->on_notice)
		e->on_notice(e->on_notice_ctx);
	return 0;
}

void engine_rollback(struct engine *e)
{
	e->noticed = false;
	sql_rollback(e->db);
}

int64_t setting_get(struct engine *e, const char *name, int64_t fallback)
{
	int64_t value = fallback;
	int r = sql_get(e->db, &value, "SELECT value FROM setting WHERE name = ?1", "t",
			slice_str(name));
	return r < 0 ? fallback : value;
}

int setting_put(struct engine *e, const char *name, int64_t value)
{
	int r = sql_run(e->db,
			"INSERT INTO setting (name, value) VALUES (?1, ?2)"
			" ON CONFLICT (name) DO UPDATE SET value = excluded.value",
			"ti", slice_str(name), value);
	return r < 0 ? r : 0;
}

int engine_next(struct engine *e, uint64_t *ret)
{
	int64_t next = setting_get(e, "sequence", 0) + 1;
	int r = setting_put(e, "sequence", next);
	if (r < 0)
		return r;
	*ret = (uint64_t)next;
	return 0;
}

int engine_counts(struct engine *e, struct counts_of_all *ret)
{
	struct sql_stmt *s = sql_prepare(
		e->db, "SELECT (SELECT count(*) FROM customer), (SELECT count(*) FROM domain),"
		       " (SELECT count(*) FROM account WHERE domain <> 0 AND state NOT IN (2, 4))");
	int r = sql_step(s);
	if (r == 1)
		*ret = (struct counts_of_all){
			.customers = (uint64_t)sql_int(s, 0),
			.domains = (uint64_t)sql_int(s, 1),
			.mailboxes = (uint64_t)sql_int(s, 2),
		};
	sql_done(s);
	return r == 1 ? 0 : r < 0 ? r : ERR_INTERNAL;
}

int audit_add(struct engine *e, const struct audit *row)
{
	int r = sql_run(e->db,
			"INSERT INTO audit (at, actor, remote, operation, object, detail, status,"
			" customer, domain) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
			"ibbtbbiii", row->at_ms, row->actor, row->remote, row->operation, row->object,
			row->detail, (int64_t)row->status, (int64_t)row->customer, (int64_t)row->domain);
	return r < 0 ? r : 0;
}

/* Ids grow with time, so the oldest rows are the first ones. */
int audit_trim(struct engine *e, int64_t before_ms, size_t limit, uint64_t *ret)
{
	int r = sql_run(e->db,
			"DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ?1 ORDER BY id LIMIT ?2)",
			"ii", before_ms, (int64_t)limit);
	if (r < 0)
		return r;
	*ret = (uint64_t)r;
	return 0;
}
