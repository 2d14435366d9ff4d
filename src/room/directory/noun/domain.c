/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Domains: whose they are, where their mail goes just now, and the switch, which is one row's update (M37).
 */
#include "room/directory/db/engine_priv.h"

#include "base/err.h"
#include "room/directory/noun/other_name.h"

#define COLUMNS \
	"SELECT id, customer, name, hosted, phase, server_host, server_port, server_tls, " \
	"recipients," \
	" when_down, banished, created, switched FROM domain "

static const char by_name[] = COLUMNS "WHERE name = ?1";
static const char by_id[] = COLUMNS "WHERE id = ?1";
static const char all[] =
	COLUMNS "WHERE (?1 = 0 OR customer = ?1) AND name > ?2 AND "
	SEEN("?4", "domain.id", "domain.customer") " AND (?5 < 0 OR hosted = ?5) AND (?6 < 0 OR phase = ?6) AND ("
	HOLDS("?7", "name") " OR EXISTS (SELECT 1 FROM other_name AS other WHERE other.domain = domain.id"
	" AND instr(other.name, '.') AND holds(other.name, ?7))) ORDER BY name LIMIT ?3";

const char *phase_name(enum phase phase)
{
	static const char *const names[] = { "announced", "filtering", "copying", "hosted",
					     "done" };
	return (size_t)phase < ARRAY_SIZE(names) ? names[phase] : "unknown";
}

static void read_row(struct arena *a, struct sql_stmt *s, struct domain *d)
{
	d->id = (uint64_t)sql_int(s, 0);
	d->customer = (uint64_t)sql_int(s, 1);
	d->name = column_dup(a, s, 2);
	d->hosted = sql_int(s, 3);
	d->phase = (enum phase)sql_int(s, 4);
	d->server_host = column_dup(a, s, 5);
	d->server_port = (unsigned)sql_int(s, 6);
	d->server_tls = (unsigned)sql_int(s, 7);
	d->recipients = (enum recipients_mode)sql_int(s, 8);
	d->when_down = (enum down_mode)sql_int(s, 9);
	d->banished = (enum banished_mode)sql_int(s, 10);
	d->created_ms = sql_int(s, 11);
	d->switched_ms = sql_int(s, 12);
}

static int read_one(struct arena *a, struct sql_stmt *s, struct domain *ret)
{
	int r = sql_step(s);
	if (r == 1)
		read_row(a, s, ret);
	sql_done(s);
	return r == 1 ? 0 : r == 0 ? ERR_NOT_FOUND : r;
}

static int check(struct arena *a, struct domain *d, struct problem *why)
{
	struct slice name;
	if (name_domain(a, d->name, &name) < 0 || slice_find_byte(name, '.', 0) < 0)
		return problem_set(why, ERR_INVALID, "domain",
				   "\"" SLICE_FMT "\" is not a domain name of at least two labels",
				   SLICE_ARG(d->name));
	d->name = name;
	if (!d->hosted && !d->server_host.n)
		return problem_set(why, ERR_INVALID, "server",
				   "a gateway domain needs its own mail server, as HOST:PORT");
	return 0;
}

int domain_add(struct engine *e, struct arena *a, struct domain *d, struct problem *why)
{
	int r = check(a, d, why);
	if (r == 0)
		r = other_name_free(e, a, d->name, why);
	if (r < 0)
		return r;
	d->phase = d->hosted ? PHASE_HOSTED : PHASE_FILTERING;
	r = sql_run(e->db,
		    "INSERT INTO domain (customer, name, hosted, phase, server_host, server_port, "
		    "server_tls,"
		    " recipients, when_down, banished, created, switched)"
		    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 0)",
		    "itiitiiiiii", (int64_t)d->customer, d->name, (int64_t)d->hosted,
		    (int64_t)d->phase, d->server_host, (int64_t)d->server_port,
		    (int64_t)d->server_tls, (int64_t)d->recipients, (int64_t)d->when_down,
		    (int64_t)d->banished, d->created_ms);
	if (r == ERR_EXISTS)
		return problem_set(why, r, "domain", "the domain " SLICE_FMT " exists already",
				   SLICE_ARG(d->name));
	if (r < 0)
		return r;
	d->id = (uint64_t)sql_last_id(e->db);
	return other_name_give(e, a, d);
}

int domain_get(struct engine *e, struct arena *a, struct slice name, struct domain *ret)
{
	struct sql_stmt *s = sql_prepare(e->db, by_name);
	sql_bind_text(s, 1, name);
	int r = read_one(a, s, ret);
	uint64_t id;
	if (r != ERR_NOT_FOUND)
		return r;
	r = other_name_find(e, name, &id);
	return r < 0 ? r : domain_by_id(e, a, id, ret);
}

int domain_by_id(struct engine *e, struct arena *a, uint64_t id, struct domain *ret)
{
	struct sql_stmt *s = sql_prepare(e->db, by_id);
	sql_bind_int(s, 1, (int64_t)id);
	return read_one(a, s, ret);
}

int domain_list(struct engine *e, struct arena *a, const struct domain_filter *filter, const struct page *page,
		struct domain **ret, size_t *ret_n)
{
	static const struct domain_filter any = { .hosted = -1, .phase = -1 };
	struct domain *rows = NULL;
	size_t n = 0;
	struct sql_stmt *s = sql_prepare(e->db, all);
	const struct domain_filter *f = filter ? filter : &any;
	sql_bind_int(s, 1, (int64_t)f->customer);
	sql_bind_text(s, 2, page->after);
	sql_bind_int(s, 3, page_limit(page));
	sql_bind_int(s, 4, page->viewer);
	sql_bind_int(s, 5, f->hosted);
	sql_bind_int(s, 6, f->phase);
	sql_bind_blob(s, 7, page->text);
	int r;
	while ((r = sql_step(s)) == 1)
		read_row(a, s, ROWS_MORE(a, &rows, &n));
	sql_done(s);
	if (r < 0)
		return r;
	*ret = rows;
	*ret_n = n;
	return 0;
}

int domain_counts(struct engine *e, uint64_t id, uint64_t *ret_mailboxes, uint64_t *ret_addresses)
{
	int64_t mailboxes = 0, addresses = 0;
	int r = sql_get(e->db, &mailboxes,
			"SELECT count(*) FROM address WHERE domain = ?1 AND type = 0", "i",
			(int64_t)id);
	if (r < 0)
		return r;
	r = sql_get(e->db, &addresses,
		    "SELECT count(*) FROM address WHERE domain = ?1 AND type <> 0", "i",
		    (int64_t)id);
	if (r < 0)
		return r;
	*ret_mailboxes = (uint64_t)mailboxes;
	*ret_addresses = (uint64_t)addresses;
	return 0;
}

int domain_update(struct engine *e, const struct domain *d)
{
	int r = sql_run(e->db,
			"UPDATE domain SET customer = ?2, server_host = ?3, server_port = ?4, "
			"server_tls = ?5,"
			" recipients = ?6, when_down = ?7, banished = ?8, phase = ?9 WHERE id = ?1",
			"iitiiiiii", (int64_t)d->id, (int64_t)d->customer, d->server_host,
			(int64_t)d->server_port, (int64_t)d->server_tls, (int64_t)d->recipients,
			(int64_t)d->when_down, (int64_t)d->banished, (int64_t)d->phase);
	return r < 0 ? r : r == 0 ? ERR_NOT_FOUND : 0;
}

int domain_remove(struct engine *e, uint64_t id, struct problem *why)
{
	int64_t mailboxes = 0;
	int r = sql_get(e->db, &mailboxes,
			"SELECT count(*) FROM address WHERE domain = ?1 AND type = 0", "i",
			(int64_t)id);
	if (r < 0)
		return r;
	if (mailboxes == 1)
		return problem_set(why, ERR_CONFLICT, "domain", "the domain still has 1 mailbox");
	if (mailboxes)
		return problem_set(why, ERR_CONFLICT, "domain", "the domain still has %lld mailboxes",
				   (long long)mailboxes);
	r = sql_run(e->db, "DELETE FROM address WHERE domain = ?1", "i", (int64_t)id);
	if (r < 0)
		return r;
	r = sql_run(e->db, "DELETE FROM domain WHERE id = ?1", "i", (int64_t)id);
	return r < 0 ? r : 0;
}

int domain_switch(struct engine *e, struct domain *d, bool hosted, int64_t now_ms,
		  struct problem *why)
{
	if (!hosted && !d->server_host.n)
		return problem_set(why, ERR_CONFLICT, "mode",
				   "the domain has no server of its own to go back to: set one "
				   "with domain set");
	enum phase phase = hosted ? PHASE_HOSTED : PHASE_FILTERING;
	int r = sql_run(e->db,
			"UPDATE domain SET hosted = ?2, phase = ?3, switched = ?4 WHERE id = ?1",
			"iiii", (int64_t)d->id, (int64_t)hosted, (int64_t)phase, now_ms);
	if (r < 0)
		return r;
	d->hosted = hosted;
	d->phase = phase;
	d->switched_ms = now_ms;
	return 0;
}

static int gather(struct arena *a, struct sql_stmt *s, struct slice domain, struct slice **ret,
		  size_t *ret_n)
{
	int r;
	while ((r = sql_step(s)) == 1)
		*ROWS_MORE(a, ret, ret_n) =
			domain.n ? name_text(a, sql_blob(s, 0), domain) : column_dup(a, s, 0);
	sql_done(s);
	return r;
}

int domain_switch_report(struct engine *e, struct arena *a, const struct domain *d,
			 struct switch_report *ret)
{
	struct switch_report report = { 0 };
	int r = domain_counts(e, d->id, &report.mailboxes, &report.addresses);
	if (r < 0)
		return r;
	struct sql_stmt *s = sql_prepare(
		e->db, "SELECT local FROM recipient AS k WHERE domain = ?1 AND NOT EXISTS"
		       " (SELECT 1 FROM address WHERE domain = k.domain AND local = k.local) ORDER "
		       "BY local LIMIT 1000");
	sql_bind_int(s, 1, (int64_t)d->id);
	if ((r = gather(a, s, d->name, &report.missing, &report.n_missing)) < 0)
		return r;
	s = sql_prepare(
		e->db, "SELECT address FROM account WHERE domain = ?1 AND state NOT IN (2, 4) AND NOT EXISTS"
		       " (SELECT 1 FROM credential WHERE account = account.id AND must_change = 0)"
		       " ORDER BY address LIMIT 1000");
	sql_bind_int(s, 1, (int64_t)d->id);
	if ((r = gather(a, s, (struct slice){ 0 }, &report.no_password, &report.n_no_password)) < 0)
		return r;
	s = sql_prepare(
		e->db,
		"SELECT account.address FROM account JOIN plan ON plan.domain = account.domain"
		" LEFT JOIN task ON task.plan = plan.id AND task.account = account.id"
		" WHERE account.domain = ?1 AND account.state NOT IN (2, 4) AND coalesce(task.finished, 0) "
		"= 0"
		" ORDER BY account.address LIMIT 1000");
	sql_bind_int(s, 1, (int64_t)d->id);
	if ((r = gather(a, s, (struct slice){ 0 }, &report.not_copied, &report.n_not_copied)) < 0)
		return r;
	*ret = report;
	return 0;
}
