/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLite counts the rows that its connection touches, and no other connection writes; the count never goes back, not even
 * with a transaction. What is read inside of one may be taken back without being counted, so it is not kept. The names
 * below domain.alternate_base are in no row: a new base clears what is kept.
 */
#include "room/directory/route/standing.h"

#include "base/err.h"
#include "room/directory/db/engine_priv.h"

struct standings {
	struct arena *a;
	struct map *by_name;	/* as they were asked for -> struct standing in a */
	int64_t changes;	/* sql_changes when they were read */
};

void standing_clear(struct engine *e)
{
	if (!e->standings)
		return;
	map_free(&e->standings->by_name);
	arena_free(&e->standings->a);
	free(TAKE(e->standings));
}

static struct standings *standings_of(struct engine *e)
{
	struct standings *k = e->standings;
	if (k && (k->changes != sql_changes(e->db) || map_count(k->by_name) >= STANDINGS_MAX))
		standing_clear(e);
	if (!e->standings) {
		k = calloc(1, sizeof(*k));
		bug_if(!k);
		*k = (struct standings){ arena_new(), map_new(), sql_changes(e->db) };
		e->standings = k;
	}
	return e->standings;
}

static int look_up(struct engine *e, struct arena *a, struct slice name, struct standing *ret)
{
	int r = domain_get(e, a, name, &ret->domain);
	if (r == 0)
		r = addressing_get(e, a, ret->domain.id, &ret->addressing);
	return r == 0 ? limits_in_domain(e, ret->domain.id, &ret->limits) : r;
}

static struct standing copy(struct arena *a, const struct standing *x)
{
	struct standing own = *x;
	own.domain.name = arena_dup(a, x->domain.name);
	own.domain.server_host = arena_dup(a, x->domain.server_host);
	own.addressing.catch_all = arena_dup(a, x->addressing.catch_all);
	return own;
}

int standing_get(struct engine *e, struct arena *a, struct slice name, struct standing *ret)
{
	struct standing x;
	if (sql_in_transaction(e->db))
		return look_up(e, a, name, ret);
	struct standings *k = standings_of(e);
	struct standing *kept = map_get(k->by_name, name);
	if (!kept) {
		int r = look_up(e, a, name, &x);
		if (r < 0)
			return r;
		kept = ARENA_NEW(k->a, struct standing);
		*kept = copy(k->a, &x);
		map_put(k->by_name, name, kept);
	}
	*ret = copy(a, kept);
	return 0;
}
