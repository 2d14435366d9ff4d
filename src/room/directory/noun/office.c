/* SPDX-License-Identifier: Apache-2.0 */
/* Offices: a rank over all, over a customer, or over a domain, and who holds it. */
#include "room/directory/noun/staff.h"

#include "base/err.h"
#include "room/directory/db/engine_priv.h"

int office_add(struct engine *e, struct office *o, struct problem *why)
{
	int r = sql_run(e->db,
			"INSERT INTO office (holder, rank, customer, domain, created)"
			" VALUES (?1, ?2, nullif(?3, 0), nullif(?4, 0), ?5)",
			"iiiii", o->holder, (int64_t)o->rank,
			(int64_t)(o->rank == RANK_CUSTOMER_ADMIN ? o->customer : 0),
			(int64_t)(o->rank == RANK_DOMAIN_ADMIN ? o->domain : 0), o->created_ms);
	if (r == ERR_EXISTS)
		return problem_set(why, r, "login", "this login has that rank already");
	if (r < 0)
		return r;
	o->id = (uint64_t)sql_last_id(e->db);
	return 0;
}

int office_of(struct engine *e, struct arena *a, int64_t holder, struct office **ret, size_t *ret_n)
{
	struct office *rows = NULL;
	size_t n = 0;
	struct sql_stmt *s = sql_prepare(
		e->db, "SELECT office.id, office.rank, ifnull(office.customer, ifnull(domain.customer, 0)),"
		       " ifnull(office.domain, 0), office.created, ifnull(customer.name, ''), ifnull(domain.name, '')"
		       " FROM office LEFT JOIN domain ON domain.id = office.domain"
		       " LEFT JOIN customer ON customer.id = ifnull(office.customer, domain.customer)"
		       " WHERE office.holder = ?1 ORDER BY office.rank, office.id");
	sql_bind_int(s, 1, holder);
	int r;
	while ((r = sql_step(s)) == 1)
		*ROWS_MORE(a, &rows, &n) = (struct office){
			.id = (uint64_t)sql_int(s, 0),
			.holder = holder,
			.rank = (enum rank)sql_int(s, 1),
			.customer = (uint64_t)sql_int(s, 2),
			.domain = (uint64_t)sql_int(s, 3),
			.created_ms = sql_int(s, 4),
			.customer_name = column_dup(a, s, 5),
			.domain_name = column_dup(a, s, 6),
		};
	sql_done(s);
	if (r < 0)
		return r;
	*ret = rows;
	*ret_n = n;
	return 0;
}

static const char list_sql[] =
	"SELECT office.id, office.rank, ifnull(customer.id, 0), ifnull(office.domain, 0), office.created,"
	" ifnull(customer.name, ''), ifnull(domain.name, ''), ifnull(staff.login, account.address),"
	" ifnull(staff.person, account.person), ifnull(staff.recovery, account.recovery), office.holder,"
	" ifnull(staff.language, account.language)"
	" FROM office LEFT JOIN domain ON domain.id = office.domain"
	" LEFT JOIN customer ON customer.id = ifnull(office.customer, domain.customer)"
	" LEFT JOIN staff ON staff.id = office.holder LEFT JOIN account ON account.id = -office.holder"
	" WHERE office.id > ?1 AND (?2 = 0 OR customer.id = ?2) AND (?3 = 0 OR office.domain = ?3)"
	" AND (?5 = 0 OR (office.rank > 0 AND " SEEN("?5", "office.domain", "customer.id") "))"
	" AND (?6 < 0 OR office.rank = ?6) AND (" HOLDS("?7", "ifnull(staff.login, account.address)")
	" OR holds(ifnull(staff.person, account.person), ?7))"
	" ORDER BY office.id LIMIT ?4";

int office_list(struct engine *e, struct arena *a, uint64_t customer, uint64_t domain, int rank,
		const struct page *page, struct office **ret, size_t *ret_n)
{
	struct office *rows = NULL;
	size_t n = 0;
	uint64_t after = 0;
	if (page->after.n && slice_u64(page->after, INT64_MAX, &after) < 0)
		after = 0;
	struct sql_stmt *s = sql_prepare(e->db, list_sql);
	sql_bind_int(s, 1, (int64_t)after);
	sql_bind_int(s, 2, (int64_t)customer);
	sql_bind_int(s, 3, (int64_t)domain);
	sql_bind_int(s, 4, page_limit(page));
	sql_bind_int(s, 5, page->viewer);
	sql_bind_int(s, 6, rank);
	sql_bind_blob(s, 7, page->text);
	int r;
	while ((r = sql_step(s)) == 1)
		*ROWS_MORE(a, &rows, &n) = (struct office){
			.id = (uint64_t)sql_int(s, 0),
			.rank = (enum rank)sql_int(s, 1),
			.customer = (uint64_t)sql_int(s, 2),
			.domain = (uint64_t)sql_int(s, 3),
			.created_ms = sql_int(s, 4),
			.customer_name = column_dup(a, s, 5),
			.domain_name = column_dup(a, s, 6),
			.login = column_dup(a, s, 7),
			.person = column_dup(a, s, 8),
			.recovery = column_dup(a, s, 9),
			.holder = sql_int(s, 10),
			.language = column_dup(a, s, 11),
		};
	sql_done(s);
	if (r < 0)
		return r;
	*ret = rows;
	*ret_n = n;
	return 0;
}

int office_remove(struct engine *e, uint64_t id)
{
	int r = sql_run(e->db, "DELETE FROM office WHERE id = ?1", "i", (int64_t)id);
	return r < 0 ? r : r == 0 ? ERR_NOT_FOUND : 0;
}
