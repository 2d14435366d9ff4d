/* SPDX-License-Identifier: Apache-2.0 */
#include "room/directory/login/guard.h"

#include "base/err.h"
#include "lib/sql/sql.h"

#include <openssl/sha.h>

enum { DAY_MS = 24 * 3600 * 1000, NOTE_KEY = 8 + LIMITER_HOME_MAX };

struct guard {
	struct limiter *limiter;
	struct map *notes; /* account and network -> int64_t: used */
};

struct guard *guard_new(const char *exempt_networks)
{
	struct guard *g = calloc(1, sizeof(*g));
	bug_if(!g);
	g->limiter = limiter_new(exempt_networks);
	g->notes = map_new();
	return g;
}

static void forget_notes(struct guard *g)
{
	size_t at = 0;
	void *value;
	while (map_next(g->notes, &at, NULL, &value))
		free(value);
	map_free(&g->notes);
	g->notes = map_new();
}

struct limiter *guard_limiter(struct guard *g)
{
	return g->limiter;
}

void guard_tag(struct slice password, uint8_t ret[4])
{
	uint8_t md[SHA256_DIGEST_LENGTH];
	SHA256(password.p, password.n, md);
	memcpy(ret, md, 4);
	explicit_bzero(md, sizeof(md));
}

static struct slice note_key(uint64_t account, struct slice remote, uint8_t ret[NOTE_KEY])
{
	memcpy(ret, &account, 8);
	size_t n = limiter_home(remote, ret + 8);
	return n ? slice_of(ret, 8 + n) : (struct slice){ 0 };
}

/* When the account was last used from there: 0 never. */
static int64_t home_used(struct engine *e, uint64_t account, struct slice network)
{
	int64_t used = 0;
	int r = sql_get(engine_sql(e), &used, "SELECT used FROM home WHERE account = ?1 AND network = ?2", "ib",
			(int64_t)account, network);
	return r < 0 ? 0 : used;
}

static bool is_home(struct guard *g, struct engine *e, const struct guard_try *t)
{
	uint8_t bytes[NOTE_KEY];
	struct slice key = note_key(t->account, t->remote, bytes);
	if (!t->account || !key.n)
		return false;
	return map_get(g->notes, key) || home_used(e, t->account, slice_sub(key, 8, key.n));
}

static struct limiter_try plain(const struct guard_try *t)
{
	return (struct limiter_try){ .remote = t->remote, .who = t->who, .tag = t->tag };
}

struct limiter_verdict guard_try(struct guard *g, struct engine *e, const struct guard_try *t, int64_t now_ms)
{
	struct limiter_try x = plain(t);
	x.known = is_home(g, e, t);
	return limiter_try(g->limiter, &x, now_ms);
}

void guard_wrong(struct guard *g, const struct guard_try *t, int64_t now_ms)
{
	struct limiter_try x = plain(t);
	limiter_wrong(g->limiter, &x, now_ms);
}

void guard_right(struct guard *g, struct engine *e, const struct guard_try *t, int64_t now_ms)
{
	uint8_t bytes[NOTE_KEY];
	struct limiter_try x = plain(t);
	limiter_right(g->limiter, &x, now_ms);
	struct slice key = note_key(t->account, t->remote, bytes);
	if (!t->account || !key.n || map_get(g->notes, key))
		return;
	int64_t used = home_used(e, t->account, slice_sub(key, 8, key.n));
	if (used && now_ms - used < DAY_MS && now_ms >= used)
		return;
	if (map_count(g->notes) >= GUARD_NOTES_MAX && guard_flush(g, e, now_ms) < 0)
		return;
	int64_t *note = malloc(sizeof(*note));
	bug_if(!note);
	*note = now_ms;
	free(map_put(g->notes, key, note));
}

/* An account that is gone meanwhile has no home any more. */
static int write_note(struct engine *e, struct slice key, int64_t used)
{
	uint64_t account;
	memcpy(&account, key.p, 8);
	int r = sql_run(engine_sql(e),
			"INSERT INTO home (account, network, used) SELECT id, ?2, ?3 FROM account WHERE id = ?1"
			" ON CONFLICT (account, network) DO UPDATE SET used = excluded.used",
			"ibi", (int64_t)account, slice_sub(key, 8, key.n), used);
	if (r < 0)
		return r;
	r = sql_run(engine_sql(e),
		    "DELETE FROM home WHERE account = ?1 AND network NOT IN"
		    " (SELECT network FROM home WHERE account = ?1 ORDER BY used DESC LIMIT ?2)",
		    "ii", (int64_t)account, (int64_t)GUARD_HOMES_MAX);
	return r < 0 ? r : 0;
}

int guard_flush(struct guard *g, struct engine *e, int64_t now_ms)
{
	size_t at = 0;
	struct slice key;
	void *value;
	int64_t old = 0, before = now_ms - (int64_t)GUARD_HOME_DAYS * DAY_MS;
	int r = sql_get(engine_sql(e), &old, "SELECT count(*) FROM home WHERE used < ?1", "i", before);
	if (r < 0 || (!old && !map_count(g->notes)))
		return r;
	r = engine_begin(e);
	if (r < 0)
		return r;
	while (r >= 0 && map_next(g->notes, &at, &key, &value))
		r = write_note(e, key, *(int64_t *)value);
	if (r >= 0)
		r = sql_run(engine_sql(e), "DELETE FROM home WHERE used < ?1", "i", before);
	if (r < 0) {
		engine_rollback(e);
		return r;
	}
	r = engine_commit(e);
	if (r == 0)
		forget_notes(g);
	return r;
}
