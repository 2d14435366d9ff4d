/* SPDX-License-Identifier: Apache-2.0 */
#include "room/directory/noun/limits.h"

#include "base/err.h"
#include "base/text.h"
#include "room/directory/db/engine_priv.h"

/* ---- rows ---- */

int limits_of_customer(struct engine *e, uint64_t customer, struct customer_limits *ret)
{
	struct sql_stmt *s = sql_prepare(e->db, "SELECT fixed, retention, level FROM customer_limits WHERE customer = ?1");
	sql_bind_int(s, 1, (int64_t)customer);
	int r = sql_step(s);
	*ret = (struct customer_limits){ 0 };
	if (r == 1)
		*ret = (struct customer_limits){ sql_int(s, 0), (int)sql_int(s, 1), (unsigned)sql_int(s, 2) };
	sql_done(s);
	return r < 0 ? r : 0;
}

int limits_set_customer(struct engine *e, uint64_t customer, const struct customer_limits *l)
{
	int r = sql_run(e->db, "INSERT OR REPLACE INTO customer_limits VALUES (?1, ?2, ?3, ?4)", "iiii", (int64_t)customer,
			(int64_t)l->fixed, (int64_t)l->retention, (int64_t)l->level);
	return r < 0 ? r : 0;
}

int limits_of_domain(struct engine *e, uint64_t domain, struct domain_limits *ret)
{
	struct sql_stmt *s = sql_prepare(e->db, "SELECT refuse, retention FROM domain_limits WHERE domain = ?1");
	sql_bind_int(s, 1, (int64_t)domain);
	int r = sql_step(s);
	*ret = (struct domain_limits){ .retention = RETENTION_INHERIT };
	if (r == 1)
		*ret = (struct domain_limits){ sql_int(s, 0), (int)sql_int(s, 1) };
	sql_done(s);
	return r < 0 ? r : 0;
}

int limits_set_domain(struct engine *e, uint64_t domain, const struct domain_limits *l)
{
	int r = sql_run(e->db, "INSERT OR REPLACE INTO domain_limits VALUES (?1, ?2, ?3)", "iii", (int64_t)domain,
			(int64_t)l->refuse, (int64_t)l->retention);
	return r < 0 ? r : 0;
}

static void read_limits(struct sql_stmt *s, struct limits *l)
{
	bool shared = sql_int(s, 2) > 0 && !sql_int(s, 3);
	unsigned own = (unsigned)sql_int(s, 8), pool = shared ? (unsigned)sql_int(s, 5) : 0;
	int retention = (int)sql_int(s, 9);
	*l = (struct limits){ .customer = (uint64_t)sql_int(s, 0), .domain = (uint64_t)sql_int(s, 1),
			      .own_retention = retention, .refuse = sql_int(s, 6), .level = own > pool ? own : pool };
	l->pool = shared ? l->customer : 0;
	l->pool_bytes = shared ? (uint64_t)sql_int(s, 2) : 0;
	if (retention == RETENTION_INHERIT)
		retention = (int)sql_int(s, 7);
	if (retention == RETENTION_INHERIT)
		retention = (int)sql_int(s, 4);
	/* An area's mail has days of its own (addressing.h). */
	l->retention = retention > 0 && sql_int(s, 10) ? (uint32_t)retention : 0;
}

/* Of a table with id and domain. */
#define LIMITS(table, wanted) \
	"SELECT c.id, d.id, c.pool, ifnull(cl.fixed, 0), ifnull(cl.retention, 0), ifnull(cl.level, 0)," \
	" ifnull(dl.refuse, 0), ifnull(dl.retention, -1), ifnull(al.level, 0), ifnull(al.retention, -1), a.domain" \
	" FROM " table " a JOIN domain d ON d.id = CASE WHEN a.domain <> 0 THEN a.domain" \
	" ELSE (SELECT domain FROM addressing WHERE area = a.id AND area <> 0) END JOIN customer c ON c.id = d.customer" \
	" LEFT JOIN customer_limits cl ON cl.customer = c.id LEFT JOIN domain_limits dl ON dl.domain = d.id" \
	" LEFT JOIN account_limits al ON al.account = a.id WHERE a.id = " wanted

static int read_one(struct engine *e, const char *sql, uint64_t id, struct limits *ret)
{
	struct sql_stmt *s = sql_prepare(e->db, sql);
	sql_bind_int(s, 1, (int64_t)id);
	int r = sql_step(s);
	if (r == 1)
		read_limits(s, ret);
	sql_done(s);
	return r == 1 ? 0 : r < 0 ? r : ERR_NOT_FOUND;
}

int limits_of(struct engine *e, uint64_t account, struct limits *ret)
{
	return read_one(e, LIMITS("account", "?1"), account, ret);
}

int limits_in_domain(struct engine *e, uint64_t domain, struct limits *ret)
{
	return read_one(e, LIMITS("(SELECT 0 AS id, ?1 AS domain)", "0"), domain, ret);
}

int limits_set_retention(struct engine *e, uint64_t account, int retention)
{
	int r = sql_run(e->db,
			"INSERT INTO account_limits VALUES (?1, ?2, 0) ON CONFLICT (account) DO UPDATE SET retention = ?2",
			"ii", (int64_t)account, (int64_t)retention);
	return r < 0 ? r : 0;
}

int limits_set_level(struct engine *e, uint64_t account, unsigned level, unsigned *ret_before)
{
	int64_t before = 0;
	int r = sql_get(e->db, &before, "SELECT level FROM account_limits WHERE account = ?1", "i", (int64_t)account);
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	*ret_before = (unsigned)before;
	r = sql_run(e->db,
		    "INSERT INTO account_limits VALUES (?1, -1, ?2) ON CONFLICT (account) DO UPDATE SET level = ?2", "ii",
		    (int64_t)account, (int64_t)level);
	return r < 0 ? r : 0;
}

int retention_parse(struct slice text, int *ret)
{
	uint64_t days;
	if (slice_eq(text, SLICE("off")))
		*ret = RETENTION_OFF;
	else if (slice_eq(text, SLICE("on")))
		*ret = RETENTION_DAYS;
	else if (slice_eq(text, SLICE("default")))
		*ret = RETENTION_INHERIT;
	else if (slice_u64(text, RETENTION_DAYS_MAX, &days) == 0 && days > 0)
		*ret = (int)days;
	else
		return ERR_INVALID;
	return 0;
}

const char *retention_text(int retention, char ret[16])
{
	snprintf(ret, 16, "%d", retention);
	return retention == RETENTION_OFF ? "off" : retention == RETENTION_INHERIT ? "default" : ret;
}

/* ---- rules ---- */

static int count_of(struct engine *e, uint64_t customer, uint64_t *ret_without, uint64_t *ret_sum)
{
	struct sql_stmt *s = sql_prepare(e->db, "SELECT ifnull(sum(a.quota = 0), 0), ifnull(sum(a.quota), 0) FROM account a"
						" JOIN domain d ON d.id = a.domain WHERE d.customer = ?1 AND a.state <> 2");
	sql_bind_int(s, 1, (int64_t)customer);
	int r = sql_step(s);
	if (r == 1) {
		*ret_without = (uint64_t)sql_int(s, 0);
		*ret_sum = (uint64_t)sql_int(s, 1);
	}
	sql_done(s);
	return r == 1 ? 0 : r < 0 ? r : ERR_INTERNAL;
}

/* A mailbox that may use more than the whole pool: the first one of that customer, or of that domain. What mailboxes use
 * already is no reason: their mail is there, and they take no more until some is gone. */
static int check_largest(struct engine *e, struct arena *a, const char *sql, uint64_t id, uint64_t pool, const char *field,
			 struct problem *why)
{
	struct sql_stmt *s = sql_prepare(e->db, sql);
	sql_bind_int(s, 1, (int64_t)id);
	sql_bind_int(s, 2, (int64_t)pool);
	int r = sql_step(s);
	struct slice address = r == 1 ? column_dup(a, s, 0) : SLICE("");
	uint64_t quota = r == 1 ? (uint64_t)sql_int(s, 1) : 0;
	char may[TEXT_SIZE], whole[TEXT_SIZE];
	sql_done(s);
	if (r != 1)
		return r;
	return problem_set(why, ERR_QUOTA, field, "the quota of " SLICE_FMT " is %s, more than a pool of %s", SLICE_ARG(address),
			   text_size(quota, may), text_size(pool, whole));
}

#define LARGEST(of) \
	"SELECT a.address, a.quota FROM account a JOIN domain d ON d.id = a.domain WHERE " of " = ?1" \
	" AND a.state NOT IN (2, 4) AND a.quota > ?2 ORDER BY a.quota DESC, a.address LIMIT 1"

int limits_check_customer(struct engine *e, struct arena *a, uint64_t customer, uint64_t pool, bool fixed, struct problem *why)
{
	uint64_t without = 0, sum = 0;
	char allotted[TEXT_SIZE], whole[TEXT_SIZE];
	if (!pool)
		return 0;
	if (!fixed)
		return check_largest(e, a, LARGEST("d.customer"), customer, pool, "pool", why);
	int r = count_of(e, customer, &without, &sum);
	if (r < 0)
		return r;
	if (without)
		return problem_set(why, ERR_CONFLICT, "allotment", without == 1 ?
				   "%llu mailbox has no quota of its own: with \"fixed\" each needs its part of the pool" :
				   "%llu mailboxes have no quota of their own: with \"fixed\" each needs its part of the pool",
				   (unsigned long long)without);
	if (sum > pool)
		return problem_set(why, ERR_QUOTA, "pool",
				   "%s are allotted to mailboxes already, more than a pool of %s",
				   text_size(sum, allotted), text_size(pool, whole));
	return 0;
}

int limits_check_move(struct engine *e, struct arena *a, uint64_t domain, uint64_t customer, struct problem *why)
{
	struct customer c;
	struct customer_limits l;
	int64_t without = 0, sum = 0;
	uint64_t allotted = 0;
	char have[TEXT_SIZE], pool[TEXT_SIZE];
	int r = customer_by_id(e, a, customer, &c);
	if (r == 0)
		r = limits_of_customer(e, customer, &l);
	if (r < 0 || !c.pool)
		return r;
	if (!l.fixed)
		return check_largest(e, a, LARGEST("d.id"), domain, c.pool, "customer", why);
	r = sql_get(e->db, &without, "SELECT count(*) FROM account WHERE domain = ?1 AND state <> 2 AND quota = 0", "i",
		    (int64_t)domain);
	if (r == 0)
		r = sql_get(e->db, &sum, "SELECT ifnull(sum(quota), 0) FROM account WHERE domain = ?1 AND state <> 2", "i",
			    (int64_t)domain);
	if (r == 0)
		r = customer_allotted(e, customer, &allotted);
	if (r < 0)
		return r;
	if (without)
		return problem_set(why, ERR_CONFLICT, "customer", without == 1 ?
				   "%lld mailbox of the domain has no quota of its own, which this customer's pool wants" :
				   "%lld mailboxes of the domain have no quota of their own, which this customer's pool wants",
				   (long long)without);
	if (allotted + (uint64_t)sum > c.pool)
		return problem_set(why, ERR_QUOTA, "customer",
				   "the domain's mailboxes have %s, more than is left of the customer's pool of %s",
				   text_size((uint64_t)sum, have), text_size(c.pool, pool));
	return 0;
}

/* ---- what the shards have still to be told ---- */

int limits_pending_add(struct engine *e, uint64_t customer)
{
	uint64_t change;
	int r = engine_next(e, &change);
	if (r == 0)
		r = sql_run(e->db, "INSERT OR REPLACE INTO limits_pending VALUES (?1, ?2)", "ii", (int64_t)customer,
			    (int64_t)change);
	return r < 0 ? r : 0;
}

int limits_pending_change(struct engine *e, uint64_t customer, uint64_t *ret)
{
	int64_t change = 0;
	int r = sql_get(e->db, &change, "SELECT change FROM limits_pending WHERE customer = ?1", "i", (int64_t)customer);
	*ret = (uint64_t)change;
	return r == ERR_NOT_FOUND ? 0 : r;
}

int limits_pending_done(struct engine *e, uint64_t customer, uint64_t change)
{
	int r = sql_run(e->db, "DELETE FROM limits_pending WHERE customer = ?1 AND change = ?2", "ii", (int64_t)customer,
			(int64_t)change);
	return r < 0 ? r : 0;
}

int limits_accounts(struct engine *e, struct arena *a, uint64_t customer, struct account **ret, size_t *ret_n)
{
	struct page all = { 0 };
	struct account *rows = NULL;
	size_t n = 0;
	int r = account_list(e, a, 0, customer, &all, &rows, &n), more;
	struct sql_stmt *s = sql_prepare(e->db, "SELECT x.area FROM addressing x JOIN domain d ON d.id = x.domain"
						" WHERE d.customer = ?1 AND x.area <> 0");
	uint64_t *areas = NULL;
	size_t n_areas = 0;
	sql_bind_int(s, 1, (int64_t)customer);
	while ((more = sql_step(s)) == 1)
		*ROWS_MORE(a, &areas, &n_areas) = (uint64_t)sql_int(s, 0);
	sql_done(s);
	if (r == 0)
		r = more;
	if (r < 0)
		return r;
	struct account *both = ARENA_ARRAY(a, struct account, n + n_areas + 1);
	if (n)
		memcpy(both, rows, n * sizeof(*rows));
	for (size_t i = 0; i < n_areas; i++)
		n += account_by_id(e, a, areas[i], &both[n]) == 0;
	*ret = both;
	*ret_n = n;
	return 0;
}

int limits_pending(struct engine *e, struct arena *a, uint64_t **ret, size_t *ret_n)
{
	struct sql_stmt *s = sql_prepare(e->db, "SELECT customer FROM limits_pending ORDER BY customer");
	uint64_t *rows = NULL;
	size_t n = 0;
	int r;
	while ((r = sql_step(s)) == 1)
		*ROWS_MORE(a, &rows, &n) = (uint64_t)sql_int(s, 0);
	sql_done(s);
	if (r < 0)
		return r;
	*ret = rows;
	*ret_n = n;
	return 0;
}
