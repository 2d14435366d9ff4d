/* SPDX-License-Identifier: Apache-2.0 */
#include "room/directory/login/old_login.h"

#include "base/codec.h"
#include "base/err.h"
#include "room/directory/db/engine_priv.h"
#include "room/directory/notice/notice.h"
#include "room/directory/noun/policy.h"

/* One that is over while nobody noted it has ended. */
#define STATE "CASE WHEN login.state = 2 AND login.deadline <= ?5 THEN 3 ELSE login.state END"

enum { DAY_MS = 24 * 3600 * 1000 };

const char *old_login_state_name(enum old_login_state state)
{
	static const char *const names[] = { "waiting", "waiting", "grace", "ended" };
	return names[state];
}

int old_login_name(struct arena *a, struct slice in, struct slice *ret)
{
	if (!in.n || in.n > OLD_LOGIN_MAX || !utf8_valid(in))
		return ERR_INVALID;
	uint8_t *out = arena_alloc(a, in.n + 1);
	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] <= ' ' || in.p[i] == 127)
			return ERR_INVALID;
		out[i] = ascii_lower(in.p[i]);
	}
	*ret = slice_of(out, in.n);
	return 0;
}

/* An address of a domain that is here would be found before the name: it could never be logged in with. */
static bool is_address_here(struct engine *e, struct arena *a, struct slice name)
{
	struct name address;
	struct domain d;
	return name_parse(a, name, &address) == 0 && !address.literal &&
	       domain_get(e, a, address.domain, &d) == 0;
}

/* 1: it has it already. */
static int check(struct engine *e, struct arena *a, uint64_t account, struct slice in, struct slice *ret_name,
		 struct problem *why)
{
	struct slice name;
	int64_t owner = 0;
	if (old_login_name(a, in, &name) < 0)
		return problem_set(why, ERR_INVALID, "name",
				   "\"" SLICE_FMT "\" is not a user name: 1 to %d bytes without blanks", SLICE_ARG(in),
				   OLD_LOGIN_MAX);
	if (is_address_here(e, a, name))
		return problem_set(why, ERR_EXISTS, "name",
				   SLICE_FMT " is an address of a domain that is here, not an old user name",
				   SLICE_ARG(name));
	/* Nor may it be the login of staff, which comes before it on the web: its number is nobody's account. */
	int r = sql_get(e->db, &owner,
			"SELECT account FROM login WHERE name = ?1 UNION ALL SELECT 0 FROM staff WHERE login = ?1", "b", name);
	*ret_name = name;
	if (r == 0 && account && (uint64_t)owner == account)
		return 1;
	if (r == 0)
		return problem_set(why, ERR_EXISTS, "name",
				   "the old user name " SLICE_FMT " belongs to another account already", SLICE_ARG(name));
	return r == ERR_NOT_FOUND ? 0 : r;
}

int old_login_check(struct engine *e, struct arena *a, uint64_t account, struct slice in, struct problem *why)
{
	struct slice name;
	int r = check(e, a, account, in, &name, why);
	return r < 0 ? r : 0;
}

int old_login_add(struct engine *e, struct arena *a, uint64_t account, struct slice in, int64_t now_ms,
		  struct problem *why)
{
	struct slice name;
	int r = check(e, a, account, in, &name, why);
	if (r != 0)
		return r < 0 ? r : 0;
	r = sql_run(e->db, "INSERT INTO login (name, account, state, deadline, created) VALUES (?1, ?2, 0, 0, ?3)",
		    "bii", name, (int64_t)account, now_ms);
	return r < 0 ? r : 0;
}

int old_login_remove(struct engine *e, uint64_t account, struct slice name)
{
	int r = sql_run(e->db, "DELETE FROM login WHERE account = ?1 AND name = ?2", "ib", (int64_t)account, name);
	return r < 0 ? r : r == 0 ? ERR_NOT_FOUND : 0;
}

int old_login_find(struct engine *e, struct arena *a, struct slice in, int64_t now_ms, uint64_t *ret_account)
{
	struct slice name;
	int64_t account = 0;
	if (old_login_name(a, in, &name) < 0)
		return ERR_NOT_FOUND;
	int r = sql_get(e->db, &account,
			"SELECT account FROM login WHERE name = ?1 AND (state = 0 OR (state = 2 AND deadline > ?2))",
			"bi", name, now_ms);
	if (r == 0)
		*ret_account = (uint64_t)account;
	return r;
}

int old_login_list(struct engine *e, struct arena *a, uint64_t domain, uint64_t customer, uint64_t account,
		   int64_t now_ms, const struct page *page, struct old_login **ret, size_t *ret_n)
{
	struct old_login_filter f = { .domain = domain, .customer = customer, .account = account, .now_ms = now_ms, .state = -1 };
	return old_login_search(e, a, &f, page, ret, ret_n);
}

int old_login_search(struct engine *e, struct arena *a, const struct old_login_filter *f, const struct page *page,
		     struct old_login **ret, size_t *ret_n)
{
	struct old_login *rows = NULL;
	size_t n = 0;
	int r;
	struct sql_stmt *s = sql_prepare(
		e->db, "SELECT login.name, login.account, account.address, " STATE ","
		       " login.deadline, login.created FROM login JOIN account ON account.id = login.account"
		       " JOIN domain ON domain.id = account.domain WHERE login.name > ?1"
		       " AND (?2 = 0 OR account.domain = ?2) AND (?3 = 0 OR domain.customer = ?3)"
		       " AND (?4 = 0 OR account.id = ?4) AND (account.id = -?7 OR " SEEN("?7", "domain.id", "domain.customer") ")"
		       " AND (?8 < 0 OR max(1, " STATE ") = ?8) AND (" HOLDS("?9", "login.name")
		       " OR holds(account.address, ?9)) ORDER BY login.name LIMIT ?6");
	sql_bind_blob(s, 1, page->after);
	sql_bind_int(s, 2, (int64_t)f->domain);
	sql_bind_int(s, 3, (int64_t)f->customer);
	sql_bind_int(s, 4, (int64_t)f->account);
	sql_bind_int(s, 5, f->now_ms);
	sql_bind_int(s, 6, page_limit(page));
	sql_bind_int(s, 7, page->viewer);
	sql_bind_int(s, 8, f->state);
	sql_bind_blob(s, 9, page->text);
	while ((r = sql_step(s)) == 1)
		*ROWS_MORE(a, &rows, &n) = (struct old_login){
			.name = column_dup(a, s, 0),
			.account = (uint64_t)sql_int(s, 1),
			.address = column_dup(a, s, 2),
			.state = (enum old_login_state)sql_int(s, 3),
			.deadline_ms = sql_int(s, 4),
			.created_ms = sql_int(s, 5),
		};
	sql_done(s);
	if (r < 0)
		return r;
	*ret = rows;
	*ret_n = n;
	return 0;
}

struct touched {
	struct slice name, address, person;
	uint64_t customer, domain, account;
};

static int read_touched(struct engine *e, struct arena *a, struct touched **ret, size_t *ret_n)
{
	struct touched *rows = NULL;
	size_t n = 0;
	int r;
	struct sql_stmt *s = sql_prepare(
		e->db, "SELECT login.name, domain.customer, domain.id, account.id, account.address, account.person FROM login"
		       " JOIN account ON account.id = login.account"
		       " JOIN domain ON domain.id = account.domain WHERE login.state = 1");
	while ((r = sql_step(s)) == 1)
		*ROWS_MORE(a, &rows, &n) =
			(struct touched){
				.name = column_dup(a, s, 0),
				.customer = (uint64_t)sql_int(s, 1),
				.domain = (uint64_t)sql_int(s, 2),
				.account = (uint64_t)sql_int(s, 3),
				.address = column_dup(a, s, 4),
				.person = column_dup(a, s, 5),
			};
	sql_done(s);
	*ret = rows;
	*ret_n = n;
	return r;
}

/* The new name and the deadline; never a password (M5). */
static int start_grace(struct engine *e, struct arena *a, const struct touched *t, int64_t now_ms)
{
	struct policy p;
	int r = policy_get(e, t->customer, &p);
	if (r < 0)
		return r;
	int64_t deadline = now_ms + (int64_t)p.old_login_days * DAY_MS;
	r = sql_run(e->db, "UPDATE login SET state = 2, deadline = ?2 WHERE name = ?1", "bi", t->name, deadline);
	if (r < 0)
		return r;
	return notice_add(e, a, &(struct notice){
		.kind = NOTICE_OLD_LOGIN, .customer = t->customer, .domain = t->domain, .account = t->account,
		.to = t->address, .to_name = t->person, .now_ms = now_ms,
		.vars = { { .name = "old_login", .text = t->name },
			  { .name = "new_login", .text = t->address },
			  { .name = "deadline", .number = deadline } } });
}

int old_login_settle(struct engine *e, struct arena *a, int64_t now_ms)
{
	struct touched *rows;
	size_t n;
	int r = read_touched(e, a, &rows, &n);
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = start_grace(e, a, &rows[i], now_ms);
	return r < 0 ? r : 0;
}

int old_login_expire(struct engine *e, int64_t now_ms)
{
	int r = engine_begin(e);
	if (r < 0)
		return r;
	int n = sql_run(e->db, "UPDATE login SET state = 3 WHERE state = 2 AND deadline <= ?1", "i", now_ms);
	if (n <= 0) {
		engine_rollback(e);
		return n;
	}
	r = engine_commit(e);
	return r < 0 ? r : n;
}
