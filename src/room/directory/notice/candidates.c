/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Once a day a domain's admins are told of addresses that became candidates, so that somebody looks before their mail goes. What
 * has been told of is a time, in the transaction of the notices: told neither twice nor never. It stays so far behind that the
 * rows, which are brought up to date every hour, know everything before it.
 */
#include "room/directory/notice/candidates.h"

#include "base/err.h"
#include "base/event.h"
#include "room/directory/db/engine_priv.h"
#include "room/directory/login/person.h"
#include "room/directory/notice/notice.h"
#include "room/directory/noun/candidate.h"

#define HOUR_MS (60 * 60 * 1000LL)
#define TOLD "candidates.told"

enum {
	BEHIND_HOURS = 2,
	LINES_MAX = 100,
	ADMINS_MAX = 100,	/* of a domain that are written to */
};

struct news {
	struct engine *e;
	struct arena *a;
	int64_t now_ms, since_ms, until_ms;
	uint64_t domain, customer, days, count;
	struct slice name;
	struct buf list;
};

static int tell(const struct news *n, struct slice to, struct slice person, struct slice language)
{
	return notice_add(n->e, n->a, &(struct notice){
		.kind = NOTICE_CANDIDATES, .customer = n->customer, .domain = n->domain, .to = to, .to_name = person,
		.language = language, .now_ms = n->now_ms,
		.vars = { { .name = "count", .number = (int64_t)n->count },
			  { .name = "list", .text = arena_dup(n->a, buf_view(&n->list)) },
			  { .name = "days", .number = (int64_t)n->days } } });
}

/* A mailbox at its address, anybody else outside. *told: he can be reached. */
static int tell_admin(const struct news *n, int64_t holder, bool *told)
{
	struct person p;
	int r = person_by_holder(n->e, n->a, holder, &p);
	if (r < 0)
		return r == ERR_NOT_FOUND ? 0 : r;
	struct slice to = p.is_staff ? p.staff.recovery : p.account.address;
	*told |= to.n > 0;
	return tell(n, to, p.is_staff ? p.staff.person : p.account.person, p.is_staff ? p.staff.language : p.account.language);
}

/* The domain's admins; where none can be reached, the customer's contact. */
static int tell_all(const struct news *n)
{
	struct customer c;
	bool told = false;
	int64_t holders[ADMINS_MAX];
	size_t k = 0;
	int r;
	struct sql_stmt *s = sql_prepare(n->e->db, "SELECT holder FROM office WHERE domain = ?1 ORDER BY id");
	sql_bind_int(s, 1, (int64_t)n->domain);
	while (k < ADMINS_MAX && (r = sql_step(s)) == 1)
		holders[k++] = sql_int(s, 0);
	sql_done(s);
	r = r < 0 ? r : 0;
	for (size_t i = 0; r == 0 && i < k; i++)
		r = tell_admin(n, holders[i], &told);
	if (r < 0 || told)
		return r;
	r = customer_by_id(n->e, n->a, n->customer, &c);
	return r == 0 && c.contact.n ? tell(n, c.contact, SLICE(""), SLICE("")) : r;
}

static int list_new(struct news *n)
{
	int r;
	struct sql_stmt *s = sql_prepare(
		n->e->db, "SELECT candidate.local FROM candidate LEFT JOIN address ON address.domain = candidate.domain"
			  " AND address.local = candidate.local WHERE candidate.domain = ?1 AND messages > 0 AND address.id IS NULL"
			  " AND first > ?2 AND first <= ?3 ORDER BY candidate.local");
	sql_bind_int(s, 1, (int64_t)n->domain);
	sql_bind_int(s, 2, n->since_ms);
	sql_bind_int(s, 3, n->until_ms);
	for (n->count = 0; (r = sql_step(s)) == 1; n->count++) {
		if (n->count < LINES_MAX)
			buf_printf(&n->list, "%s" SLICE_FMT, n->count ? "\n" : "",
				   SLICE_ARG(name_text(n->a, sql_blob(s, 0), n->name)));
		else if (n->count == LINES_MAX)
			buf_str(&n->list, "\n...");
	}
	sql_done(s);
	return r;
}

static int tell_domain(struct news *n, uint64_t id)
{
	struct domain d;
	struct addressing x;
	int r = domain_by_id(n->e, n->a, id, &d);
	if (r == 0)
		r = addressing_get(n->e, n->a, id, &x);
	if (r < 0)
		return r;
	n->domain = id;
	n->customer = d.customer;
	n->name = d.name;
	n->days = x.days;
	buf_clear(&n->list);
	r = list_new(n);
	return r < 0 || !n->count ? r : tell_all(n);
}

/* Domain by domain, so that none of them is read while notices are written. */
static int tell_domains(struct news *n)
{
	int64_t id = 0;
	for (;;) {
		int r = sql_get(n->e->db, &id, "SELECT min(domain) FROM candidate WHERE domain > ?1 AND messages > 0"
					       " AND first > ?2 AND first <= ?3 HAVING min(domain) NOT NULL", "iii",
				id, n->since_ms, n->until_ms);
		if (r == 0)
			r = tell_domain(n, (uint64_t)id);
		if (r < 0)
			return r == ERR_NOT_FOUND ? 0 : r;
	}
}

void candidates_tell(struct engine *e, int64_t now_ms)
{
	struct news n = { .e = e, .a = arena_new(), .now_ms = now_ms, .list = BUF_INIT(LINES_MAX * 1024) };
	n.until_ms = now_ms - BEHIND_HOURS * HOUR_MS;
	n.since_ms = setting_get(e, TOLD, n.until_ms - 24 * HOUR_MS);
	int r = n.until_ms > n.since_ms ? engine_begin(e) : ERR_CONFLICT;
	if (r == 0) {
		r = tell_domains(&n);
		if (r == 0)
			r = setting_put(e, TOLD, n.until_ms);
		if (r == 0)
			r = engine_commit(e);
		else
			engine_rollback(e);
	}
	if (r < 0 && r != ERR_CONFLICT)
		ev(EV_WARN, "directory.candidates.untold", KS("error", err_name(r)));
	buf_fini(&n.list);
	arena_free(&n.a);
}
