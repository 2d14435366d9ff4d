/* SPDX-License-Identifier: Apache-2.0 */
/* Customers: who owns domains and a pool of storage that their mailboxes share (M1, M25). */
#include "room/directory/db/engine_priv.h"

#include "base/err.h"
#include "base/text.h"
#include "room/directory/noun/limits.h"
#include "room/directory/notice/language.h"

enum { CUSTOMER_NAME_MAX = 64 };

static const char columns_by_name[] =
	"SELECT id, name, pool, language, contact, created FROM customer WHERE name = ?1";
static const char columns_by_id[] =
	"SELECT id, name, pool, language, contact, created FROM customer WHERE id = ?1";
static const char columns_all[] = "SELECT id, name, pool, language, contact, created FROM customer"
				  " WHERE name > ?1 AND " SEEN("?3", "NULL", "customer.id")
				  " AND (" HOLDS("?4", "name") " OR holds(contact, ?4))"
				  " ORDER BY name LIMIT ?2";

static void read_row(struct arena *a, struct sql_stmt *s, struct customer *c)
{
	c->id = (uint64_t)sql_int(s, 0);
	c->name = column_dup(a, s, 1);
	c->pool = (uint64_t)sql_int(s, 2);
	c->language = column_dup(a, s, 3);
	c->contact = column_dup(a, s, 4);
	c->created_ms = sql_int(s, 5);
}

static int read_one(struct arena *a, struct sql_stmt *s, struct customer *ret)
{
	int r = sql_step(s);
	if (r == 1)
		read_row(a, s, ret);
	sql_done(s);
	return r == 1 ? 0 : r == 0 ? ERR_NOT_FOUND : r;
}

/* A handle for commands, not a title: lower-case letters, digits, '.', '-', '_'. */
static bool name_ok(struct slice name)
{
	if (!name.n || name.n > CUSTOMER_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		uint8_t c = name.p[i];
		bool plain = (c >= 'a' && c <= 'z') || ascii_is_digit(c);
		if (!plain && (i == 0 || !c || !strchr(".-_", c)))
			return false;
	}
	return true;
}

static int check(struct arena *a, struct customer *c, struct problem *why)
{
	if (!name_ok(c->name))
		return problem_set(why, ERR_INVALID, "name",
				   "\"" SLICE_FMT
				   "\": a customer's name is 1 to %d lower-case letters, digits, "
				   "'.', '-' or '_', a letter or digit first",
				   SLICE_ARG(c->name), CUSTOMER_NAME_MAX);
	int r = language_take(c->language, &c->language, why);
	if (r < 0)
		return r;
	struct name contact;
	if (c->contact.n && (name_parse(a, c->contact, &contact) < 0 || contact.literal))
		return problem_set(why, ERR_INVALID, "contact",
				   "\"" SLICE_FMT "\" is not an email address",
				   SLICE_ARG(c->contact));
	if (c->contact.n)
		c->contact = name_text(a, contact.local, contact.domain);
	return 0;
}

int customer_add(struct engine *e, struct arena *a, struct customer *c, struct problem *why)
{
	int r = check(a, c, why);
	if (r < 0)
		return r;
	r = sql_run(e->db,
		    "INSERT INTO customer (name, pool, language, contact, created) VALUES (?1, ?2, "
		    "?3, ?4, ?5)",
		    "titti", c->name, (int64_t)c->pool, c->language, c->contact, c->created_ms);
	if (r == ERR_EXISTS)
		return problem_set(why, r, "name", "the customer " SLICE_FMT " exists already",
				   SLICE_ARG(c->name));
	if (r < 0)
		return r;
	c->id = (uint64_t)sql_last_id(e->db);
	return 0;
}

int customer_update(struct engine *e, struct arena *a, struct customer *c, struct problem *why)
{
	int r = check(a, c, why);
	if (r < 0)
		return r;
	r = sql_run(e->db, "UPDATE customer SET pool = ?2, language = ?3, contact = ?4 WHERE id = ?1", "iitt",
		    (int64_t)c->id, (int64_t)c->pool, c->language, c->contact);
	return r < 0 ? r : 0;
}

int customer_get(struct engine *e, struct arena *a, struct slice name, struct customer *ret)
{
	struct sql_stmt *s = sql_prepare(e->db, columns_by_name);
	sql_bind_text(s, 1, name);
	return read_one(a, s, ret);
}

int customer_by_id(struct engine *e, struct arena *a, uint64_t id, struct customer *ret)
{
	struct sql_stmt *s = sql_prepare(e->db, columns_by_id);
	sql_bind_int(s, 1, (int64_t)id);
	return read_one(a, s, ret);
}

int customer_list(struct engine *e, struct arena *a, const struct page *page, struct customer **ret,
		  size_t *ret_n)
{
	struct customer *rows = NULL;
	size_t n = 0;
	struct sql_stmt *s = sql_prepare(e->db, columns_all);
	sql_bind_text(s, 1, page->after);
	sql_bind_int(s, 2, page_limit(page));
	sql_bind_int(s, 3, page->viewer);
	sql_bind_blob(s, 4, page->text);
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

int customer_remove(struct engine *e, uint64_t id, struct problem *why)
{
	int64_t domains = 0;
	int r = sql_get(e->db, &domains, "SELECT count(*) FROM domain WHERE customer = ?1", "i",
			(int64_t)id);
	if (r < 0)
		return r;
	if (domains == 1)
		return problem_set(why, ERR_CONFLICT, "name", "the customer still has 1 domain");
	if (domains)
		return problem_set(why, ERR_CONFLICT, "name", "the customer still has %lld domains", (long long)domains);
	r = sql_run(e->db, "DELETE FROM customer WHERE id = ?1", "i", (int64_t)id);
	return r < 0 ? r : 0;
}

int customer_counts(struct engine *e, uint64_t id, uint64_t *ret_domains, uint64_t *ret_mailboxes)
{
	struct sql_stmt *s =
		sql_prepare(e->db, "SELECT (SELECT count(*) FROM domain WHERE customer = ?1), "
				   "(SELECT count(*) FROM account JOIN domain"
				   " ON domain.id = account.domain WHERE domain.customer = ?1 AND "
				   "account.state NOT IN (2, 4))");
	sql_bind_int(s, 1, (int64_t)id);
	int r = sql_step(s);
	if (r == 1) {
		*ret_domains = (uint64_t)sql_int(s, 0);
		*ret_mailboxes = (uint64_t)sql_int(s, 1);
	}
	sql_done(s);
	return r == 1 ? 0 : r < 0 ? r : ERR_INTERNAL;
}

int customer_allotted(struct engine *e, uint64_t id, uint64_t *ret)
{
	int64_t sum = 0;
	int r = sql_get(e->db, &sum,
			"SELECT coalesce(sum(account.quota), 0) FROM account JOIN domain ON "
			"domain.id = account.domain"
			" WHERE domain.customer = ?1 AND account.state NOT IN (2, 4)",
			"i", (int64_t)id);
	if (r < 0)
		return r;
	*ret = (uint64_t)sum;
	return 0;
}

int customer_check_pool(struct engine *e, struct arena *a, uint64_t id, uint64_t before,
			uint64_t quota, struct problem *why)
{
	struct customer c;
	struct customer_limits l;
	uint64_t allotted = 0;
	char asked[TEXT_SIZE], free[TEXT_SIZE], pool[TEXT_SIZE];
	int r = customer_by_id(e, a, id, &c);
	if (r == 0)
		r = limits_of_customer(e, id, &l);
	if (r < 0 || !c.pool)
		return r;
	if (l.fixed && !quota)
		return problem_set(why, ERR_INVALID, "quota",
				   "no quota is asked for: each mailbox needs its part of the customer's pool of %s",
				   text_size(c.pool, pool));
	if (!l.fixed && quota > c.pool && quota > before)
		return problem_set(why, ERR_QUOTA, "quota",
				   "%s asked for, more than the customer's whole pool of %s", text_size(quota, asked),
				   text_size(c.pool, pool));
	if (!l.fixed || quota <= before)
		return 0;
	r = customer_allotted(e, id, &allotted);
	if (r < 0)
		return r;
	uint64_t others = allotted - before, left = others < c.pool ? c.pool - others : 0;
	if (quota <= left)
		return 0;
	return problem_set(
		why, ERR_QUOTA, "quota",
		"%s asked for, but only %s of the customer's pool of %s are left",
		text_size(quota, asked), text_size(left, free), text_size(c.pool, pool));
}
