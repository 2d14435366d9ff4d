/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounts: MADE -> LIVE -> REMOVING -> gone. A row stands in MADE while the store has not confirmed it (mail
 * waits, nobody logs in) and in REMOVING until the store has forgotten it; both are completed at the next start
 * after a crash. Ids are never given twice.
 */
#include "room/directory/db/engine_priv.h"

#include "base/err.h"

#define COLUMNS \
	"SELECT account.id, account.domain, account.shard, account.state, account.quota, " \
	"account.address," \
	" account.person, account.send_any, account.created, credential.hash, credential.version," \
	" credential.must_change, credential.changed," \
	" account.recovery, (SELECT max(expires) FROM link WHERE holder = -account.id AND link.kind = 0)," \
	" (SELECT hosted FROM address WHERE address.account = account.id LIMIT 1), account.language FROM account" \
	" LEFT JOIN credential ON credential.account = account.id AND credential.kind = 0 "

static const char by_id[] = COLUMNS "WHERE account.id = ?1";
static const char by_state[] =
	COLUMNS "WHERE account.state = ?1 AND account.state <> 1 ORDER BY account.id";

/* In the order of enum account_login. */
#define LOGIN \
	"CASE WHEN length(ifnull(credential.hash, x'')) > 0 THEN CASE WHEN credential.must_change THEN 2 ELSE 1 END" \
	" WHEN EXISTS (SELECT 1 FROM link WHERE holder = -account.id AND link.kind = 0 AND expires > ?8) THEN 3 ELSE 4 END"
#define WANTED \
	" AND account.state NOT IN (2, 4) AND account.address > ?2" \
	" AND (?5 = 0 OR " LOGIN " = ?5) AND (?6 = 0 OR " LOGIN " <> 1)" \
	" AND (?7 = 0 OR (account.quota > 0 AND account.state = 1))" \
	" AND (?11 = 0 OR EXISTS (SELECT 1 FROM account_limits WHERE account = account.id AND level >= ?11))" \
	" AND (" HOLDS("?9", "account.address") " OR holds(account.person, ?9)) "

static const char of_domain[] =
	COLUMNS "JOIN domain ON domain.id = account.domain WHERE account.domain = ?1 AND (?10 = 0 OR domain.customer = ?10)"
	WANTED "ORDER BY account.address LIMIT ?3";
static const char of_customer[] =
	COLUMNS "JOIN domain ON domain.id = account.domain WHERE (?10 = 0 OR domain.customer = ?10)"
	WANTED "AND " SEEN("?4", "domain.id", "domain.customer") " ORDER BY account.address LIMIT ?3";

static void read_row(struct arena *a, struct sql_stmt *s, struct account *x)
{
	x->id = (uint64_t)sql_int(s, 0);
	x->domain = (uint64_t)sql_int(s, 1);
	x->shard = (uint32_t)sql_int(s, 2);
	x->state = (enum account_state)sql_int(s, 3);
	x->quota = (uint64_t)sql_int(s, 4);
	x->address = column_dup(a, s, 5);
	x->person = column_dup(a, s, 6);
	x->send_any = sql_int(s, 7);
	x->created_ms = sql_int(s, 8);
	x->hash = column_dup(a, s, 9);
	x->version = (uint64_t)sql_int(s, 10);
	x->must_change = sql_int(s, 11);
	x->first_password = sql_int(s, 11) == CREDENTIAL_FIRST;
	x->password_ms = sql_int(s, 12);
	x->recovery = column_dup(a, s, 13);
	x->invited_ms = sql_int(s, 14);
	x->hosted = sql_int(s, 15);
	x->language = column_dup(a, s, 16);
}

static int read_all(struct arena *a, struct sql_stmt *s, struct account **ret, size_t *ret_n)
{
	struct account *rows = NULL;
	size_t n = 0;
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

static int insert(struct engine *e, struct account *x, int64_t now_ms)
{
	static const char row[] = "INSERT INTO account (domain, shard, state, quota, address, "
				  "person, send_any, created, language)"
				  " VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6, ?7, ?8)";
	int r = sql_run(e->db, row, "iiibtiit", (int64_t)x->domain, (int64_t)x->shard,
			(int64_t)x->quota, x->address, x->person, (int64_t)x->send_any, now_ms,
			x->language.p ? x->language : SLICE(""));
	if (r < 0)
		return r;
	x->id = (uint64_t)sql_last_id(e->db);
	return 0;
}

int account_add(struct engine *e, struct arena *a, const struct domain *d, struct slice local,
		struct account *x, int64_t now_ms, struct problem *why)
{
	struct address address = { .local = local, .type = ADDRESS_MAILBOX, .hosted = x->hosted };
	int r = x->pool_checked ? 0 : customer_check_pool(e, a, d->customer, 0, x->quota, why);
	if (r < 0)
		return r;
	x->domain = d->id;
	x->state = ACCOUNT_MADE;
	x->address = name_text(a, local, d->name);
	x->created_ms = now_ms;
	r = insert(e, x, now_ms);
	if (r < 0)
		return r;
	address.account = x->id;
	r = address_add(e, a, d, &address, now_ms, why);
	if (r < 0 || !x->hash.n)
		return r;
	return credential_set(e, x->id, x->hash, x->must_change, now_ms, &x->version);
}

int account_by_id(struct engine *e, struct arena *a, uint64_t id, struct account *ret)
{
	struct sql_stmt *s = sql_prepare(e->db, by_id);
	sql_bind_int(s, 1, (int64_t)id);
	int r = sql_step(s);
	if (r == 1)
		read_row(a, s, ret);
	sql_done(s);
	return r == 1 ? 0 : r == 0 ? ERR_NOT_FOUND : r;
}

/* Who may ask for a domain sees all of it. */
int account_find(struct engine *e, struct arena *a, const struct account_filter *f, const struct page *page,
		 struct account **ret, size_t *ret_n)
{
	struct sql_stmt *s = sql_prepare(e->db, f->domain ? of_domain : of_customer);
	sql_bind_int(s, 1, (int64_t)f->domain);
	sql_bind_blob(s, 2, page->after);
	sql_bind_int(s, 3, page_limit(page));
	sql_bind_int(s, 4, page->viewer);
	sql_bind_int(s, 5, f->login);
	sql_bind_int(s, 6, f->closed);
	sql_bind_int(s, 7, f->has_quota);
	sql_bind_int(s, 11, f->level);
	sql_bind_int(s, 8, f->now_ms);
	sql_bind_blob(s, 9, page->text);
	sql_bind_int(s, 10, (int64_t)f->customer);
	return read_all(a, s, ret, ret_n);
}

int account_list(struct engine *e, struct arena *a, uint64_t domain, uint64_t customer, const struct page *page,
		 struct account **ret, size_t *ret_n)
{
	struct account_filter f = { .domain = domain, .customer = customer };
	return account_find(e, a, &f, page, ret, ret_n);
}

int account_in_state(struct engine *e, struct arena *a, enum account_state state,
		     struct account **ret, size_t *ret_n)
{
	struct sql_stmt *s = sql_prepare(e->db, by_state);
	sql_bind_int(s, 1, (int64_t)state);
	return read_all(a, s, ret, ret_n);
}

static int changed_one(int r)
{
	return r < 0 ? r : r == 0 ? ERR_NOT_FOUND : 0;
}

int account_set_state(struct engine *e, uint64_t id, enum account_state state)
{
	return changed_one(sql_run(e->db, "UPDATE account SET state = ?2 WHERE id = ?1", "ii",
				   (int64_t)id, (int64_t)state));
}

int account_complete(struct engine *e, uint64_t id)
{
	return changed_one(sql_run(e->db,
				   "UPDATE account SET state = 1 WHERE id = ?1 AND state = 0", "i",
				   (int64_t)id));
}

int account_set_quota(struct engine *e, uint64_t id, uint64_t quota)
{
	return changed_one(sql_run(e->db, "UPDATE account SET quota = ?2 WHERE id = ?1", "ii",
				   (int64_t)id, (int64_t)quota));
}

int account_set_person(struct engine *e, uint64_t id, struct slice person)
{
	return changed_one(sql_run(e->db, "UPDATE account SET person = ?2 WHERE id = ?1", "it",
				   (int64_t)id, person));
}

int account_set_recovery(struct engine *e, uint64_t id, struct slice recovery)
{
	return changed_one(sql_run(e->db, "UPDATE account SET recovery = ?2 WHERE id = ?1", "ib",
				   (int64_t)id, recovery));
}

int account_set_language(struct engine *e, uint64_t id, struct slice language)
{
	return changed_one(sql_run(e->db, "UPDATE account SET language = ?2 WHERE id = ?1", "it",
				   (int64_t)id, language));
}

int account_set_send_any(struct engine *e, uint64_t id, bool on)
{
	return changed_one(sql_run(e->db, "UPDATE account SET send_any = ?2 WHERE id = ?1", "ii",
				   (int64_t)id, (int64_t)on));
}

int account_retire(struct engine *e, uint64_t id)
{
	int r = sql_run(e->db, "DELETE FROM address WHERE account = ?1", "i", (int64_t)id);
	if (r < 0)
		return r;
	r = sql_run(e->db, "DELETE FROM task WHERE account = ?1", "i", (int64_t)id);
	if (r < 0)
		return r;
	r = sql_run(e->db, "DELETE FROM credential WHERE account = ?1", "i", (int64_t)id);
	return r < 0 ? r : account_set_state(e, id, ACCOUNT_REMOVING);
}

int account_forget(struct engine *e, uint64_t id)
{
	return changed_one(sql_run(e->db, "DELETE FROM account WHERE id = ?1 AND state = 2", "i",
				   (int64_t)id));
}
