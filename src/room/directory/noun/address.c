/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses and what they lead to. An alias has one target, a list mailboxes of the system, a redirect anything;
 * targets are kept by name and looked up when mail comes, so a mailbox may be made after the alias for it.
 */
#include "room/directory/db/engine_priv.h"

#include "base/err.h"
#include "base/text.h"

#define COLUMNS \
	"SELECT address.id, address.domain, address.local, address.type, address.account, " \
	"address.hosted, address.created"

static const char one[] = COLUMNS " FROM address WHERE address.domain = ?1 AND address.local = ?2";

/* Of address, or of candidate; of one domain, whose index gives the order, or of every one that the viewer sees: who may
 * ask for a domain sees all of it. */
#define CALLED(table) HOLDS("?7", "CAST(" table ".local AS TEXT) || '@' || domain.name")
#define IN_DOMAIN(table) \
	table ".domain = ?5 AND " table ".local > ?2 AND (?6 = 0 OR domain.customer = ?6) AND " CALLED(table) \
	" ORDER BY " table ".local LIMIT ?3"
#define ANYWHERE(table) \
	"(domain.name, " table ".local) > (?1, ?2) AND (?6 = 0 OR domain.customer = ?6) AND " \
	SEEN("?4", "domain.id", "domain.customer") " AND " CALLED(table) " ORDER BY domain.name, " table ".local LIMIT ?3"
#define OF_ADDRESS \
	COLUMNS ", domain.name FROM address JOIN domain ON domain.id = address.domain WHERE address.type <> 0 AND (?8 < 0 OR address.type = ?8) AND "
#define OF_CANDIDATE \
	"SELECT 0, candidate.domain, candidate.local, 5, 0, 0, candidate.first, domain.name FROM candidate" \
	" JOIN domain ON domain.id = candidate.domain WHERE candidate.messages > 0 AND ?8 = 5 AND NOT EXISTS (SELECT 1" \
	" FROM address WHERE address.domain = candidate.domain AND address.local = candidate.local) AND "
static const char *const lists[2][2] = {	/* [candidates][of one domain] */
	{ OF_ADDRESS ANYWHERE("address"), OF_ADDRESS IN_DOMAIN("address") },
	{ OF_CANDIDATE ANYWHERE("candidate"), OF_CANDIDATE IN_DOMAIN("candidate") },
};
static const char targets_of[] = "SELECT name FROM target WHERE address = ?1 ORDER BY place";

static const char *const type_names[] = {
	[ADDRESS_MAILBOX] = N_("mailbox"),   [ADDRESS_ALIAS] = N_("alias"),
	[ADDRESS_LIST] = N_("list"),         [ADDRESS_REDIRECT] = N_("redirect"),
	[ADDRESS_BANISHED] = N_("banished"), [ADDRESS_CANDIDATE] = N_("candidate"),
};

static const char *const type_texts[] = {
	[ADDRESS_MAILBOX] = N_("a mailbox"),	       [ADDRESS_ALIAS] = N_("an alias"),
	[ADDRESS_LIST] = N_("a list"),		       [ADDRESS_REDIRECT] = N_("a redirect"),
	[ADDRESS_BANISHED] = N_("a banished address"), [ADDRESS_CANDIDATE] = N_("a candidate"),
};

const char *address_type_text(enum address_type type, const char *language)
{
	return (size_t)type < ARRAY_SIZE(type_texts) ? text_in(language, type_texts[type]) : "?";
}

const char *address_type_word(enum address_type type, const char *language)
{
	return text_in(language, address_type_name(type));
}

const char *address_type_name(enum address_type type)
{
	return (size_t)type < ARRAY_SIZE(type_names) ? type_names[type] : "unknown";
}

int address_type_by_name(struct slice name, enum address_type *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(type_names); i++) {
		if (slice_eq(name, slice_str(type_names[i]))) {
			*ret = (enum address_type)i;
			return 0;
		}
	}
	return ERR_NOT_FOUND;
}

static void read_row(struct arena *a, struct sql_stmt *s, struct address *x)
{
	*x = (struct address){
		.id = (uint64_t)sql_int(s, 0),
		.domain = (uint64_t)sql_int(s, 1),
		.local = column_dup(a, s, 2),
		.type = (enum address_type)sql_int(s, 3),
		.account = (uint64_t)sql_int(s, 4),
		.hosted = sql_int(s, 5),
		.created_ms = sql_int(s, 6),
	};
}

static int read_targets(struct engine *e, struct arena *a, struct address *x)
{
	struct sql_stmt *s = sql_prepare(e->db, targets_of);
	sql_bind_int(s, 1, (int64_t)x->id);
	int r;
	while ((r = sql_step(s)) == 1)
		*ROWS_MORE(a, &x->targets, &x->n_targets) = column_dup(a, s, 0);
	sql_done(s);
	return r;
}

int address_get(struct engine *e, struct arena *a, uint64_t domain, struct slice local,
		struct address *ret)
{
	struct address x;
	struct sql_stmt *s = sql_prepare(e->db, one);
	sql_bind_int(s, 1, (int64_t)domain);
	sql_bind_blob(s, 2, local);
	int r = sql_step(s);
	if (r == 1)
		read_row(a, s, &x);
	sql_done(s);
	if (r != 1)
		return r == 0 ? ERR_NOT_FOUND : r;
	if (x.type != ADDRESS_MAILBOX && x.type != ADDRESS_BANISHED) {
		r = read_targets(e, a, &x);
		if (r < 0)
			return r;
	}
	*ret = x;
	return 0;
}

static struct sql_stmt *list_stmt(struct engine *e, struct arena *a, const struct address_filter *f,
				  const struct page *page)
{
	struct name after = { 0 };
	if (page->after.n && name_parse(a, page->after, &after) < 0)
		after = (struct name){ 0 };
	struct sql_stmt *s = sql_prepare(e->db, lists[f->type == ADDRESS_CANDIDATE][f->domain != 0]);
	sql_bind_text(s, 1, after.domain);
	sql_bind_blob(s, 2, after.local);
	sql_bind_int(s, 3, page_limit(page));
	sql_bind_int(s, 4, page->viewer);
	sql_bind_int(s, 5, (int64_t)f->domain);
	sql_bind_int(s, 6, (int64_t)f->customer);
	sql_bind_blob(s, 7, page->text);
	sql_bind_int(s, 8, f->type);
	return s;
}

int address_list(struct engine *e, struct arena *a, const struct address_filter *filter, const struct page *page,
		 struct address **ret, size_t *ret_n)
{
	static const struct address_filter any = { .type = -1 };
	struct address *rows = NULL;
	size_t n = 0;
	struct sql_stmt *s = list_stmt(e, a, filter ? filter : &any, page);
	int r;
	while ((r = sql_step(s)) == 1) {
		struct address *x = ROWS_MORE(a, &rows, &n);
		read_row(a, s, x);
		x->domain_name = column_dup(a, s, 7);
	}
	sql_done(s);
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = read_targets(e, a, &rows[i]);
	if (r < 0)
		return r;
	*ret = rows;
	*ret_n = n;
	return 0;
}

int address_target(struct arena *a, const struct domain *d, struct slice in, struct slice *ret)
{
	struct name name;
	struct slice local;
	int r = name_local(a, in, &local);
	if (r == 0) {
		*ret = name_text(a, local, d->name);
		return 0;
	}
	r = name_parse(a, in, &name);
	if (r < 0)
		return r;
	if (name.literal)
		return ERR_SYNTAX;
	*ret = name_text(a, name.local, name.domain);
	return 0;
}

/* Is this full address a mailbox of this customer? 1, 0, or an error. What another customer has here is elsewhere, like
 * what nobody has here: who asks does not learn which of the two it is. */
static int is_mailbox(struct engine *e, struct arena *a, uint64_t customer, struct slice text, bool *ret_local)
{
	struct name name;
	struct domain d;
	struct address x;
	*ret_local = false;
	if (name_parse(a, text, &name) < 0 || name.literal)
		return 0;
	int r = domain_get(e, a, name.domain, &d);
	if (r < 0)
		return r == ERR_NOT_FOUND ? 0 : r;
	if (d.customer != customer)
		return 0;
	*ret_local = true;
	r = address_get(e, a, d.id, name.local, &x);
	if (r < 0)
		return r == ERR_NOT_FOUND ? 0 : r;
	return x.type == ADDRESS_MAILBOX;
}

enum address_type address_type_of(struct engine *e, struct arena *a, const struct domain *d,
				  const struct slice *targets, size_t n)
{
	bool local;
	for (size_t i = 0; i < n; i++)
		if (is_mailbox(e, a, d->customer, targets[i], &local) != 1)
			return ADDRESS_REDIRECT;
	return n == 1 ? ADDRESS_ALIAS : ADDRESS_LIST;
}

/* A domain of this customer by its own name, so that what leads to an address is found by one spelling. */
static int own_name(struct engine *e, struct arena *a, uint64_t customer, struct slice *text)
{
	struct name name;
	struct domain d;
	int r = name_parse(a, *text, &name);
	if (r == 0)
		r = domain_get(e, a, name.domain, &d);
	if (r == 0 && d.customer == customer && !slice_eq(d.name, name.domain))
		*text = name_text(a, name.local, d.name);
	return r == ERR_NOT_FOUND ? 0 : r;
}

static int normal_targets(struct engine *e, struct arena *a, const struct domain *d, struct address *x,
			  struct problem *why)
{
	struct slice *out = NULL;
	size_t n = 0;
	for (size_t i = 0; i < x->n_targets; i++) {
		struct slice t;
		bool twice = false;
		if (address_target(a, d, x->targets[i], &t) < 0)
			return problem_set(why, ERR_INVALID, "to",
					   "\"" SLICE_FMT "\" is not an address",
					   SLICE_ARG(x->targets[i]));
		int r = own_name(e, a, d->customer, &t);
		if (r < 0)
			return r;
		for (size_t j = 0; j < n; j++)
			twice |= slice_eq(out[j], t);
		if (!twice)
			*ROWS_MORE(a, &out, &n) = t;
	}
	x->targets = out;
	x->n_targets = n;
	return 0;
}

static int check_members(struct engine *e, struct arena *a, const struct domain *d,
			 const struct address *x, struct problem *why)
{
	for (size_t i = 0; i < x->n_targets; i++) {
		bool local;
		int r = is_mailbox(e, a, d->customer, x->targets[i], &local);
		if (r < 0)
			return r;
		if (r == 0 && local)
			return problem_set(why, ERR_INVALID, "to", "\"" SLICE_FMT "\" is not a mailbox here",
					   SLICE_ARG(x->targets[i]));
		if (r == 0)
			return problem_set(why, ERR_INVALID, "to",
					   "\"" SLICE_FMT "\" is not a mailbox here: mail to elsewhere is a redirect",
					   SLICE_ARG(x->targets[i]));
	}
	return 0;
}

int address_check(struct engine *e, struct arena *a, const struct domain *d, struct address *x,
		  struct problem *why)
{
	if (x->type == ADDRESS_MAILBOX || x->type == ADDRESS_BANISHED)
		return x->n_targets == 0 ? 0
					 : problem_set(why, ERR_INVALID, "to", "%s leads nowhere",
						       address_type_text(x->type, problem_language(why)));
	if (!x->n_targets)
		return problem_set(why, ERR_INVALID, "to",
				   "%s needs an address that its mail goes to",
				   address_type_text(x->type, problem_language(why)));
	if (x->n_targets > ADDRESS_TARGETS_MAX)
		return problem_set(why, ERR_TOO_BIG, "to", "%zu addresses are more than %d",
				   x->n_targets, ADDRESS_TARGETS_MAX);
	int r = normal_targets(e, a, d, x, why);
	if (r < 0)
		return r;
	if (x->type == ADDRESS_ALIAS && x->n_targets != 1)
		return problem_set(why, ERR_INVALID, "to",
				   "an alias is a name of one mailbox: %zu are a list",
				   x->n_targets);
	return x->type == ADDRESS_REDIRECT ? 0 : check_members(e, a, d, x, why);
}

static int insert_targets(struct engine *e, const struct address *x)
{
	for (size_t i = 0; i < x->n_targets; i++) {
		int r = sql_run(e->db,
				"INSERT INTO target (address, place, name) VALUES (?1, ?2, ?3)",
				"iib", (int64_t)x->id, (int64_t)i, x->targets[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

int address_add(struct engine *e, struct arena *a, const struct domain *d, struct address *x,
		int64_t now_ms, struct problem *why)
{
	int r = address_check(e, a, d, x, why);
	if (r < 0)
		return r;
	x->domain = d->id;
	x->domain_name = d->name;
	x->created_ms = now_ms;
	static const char insert[] =
		"INSERT INTO address (domain, local, type, account, hosted, created)"
		" VALUES (?1, ?2, ?3, nullif(?4, 0), ?5, ?6)";
	r = sql_run(e->db, insert, "ibiiii", (int64_t)d->id, x->local, (int64_t)x->type,
		    (int64_t)x->account, (int64_t)x->hosted, now_ms);
	if (r == ERR_EXISTS) {
		struct address there = { 0 };
		r = address_get(e, a, d->id, x->local, &there);
		return r < 0 ? r
			     : problem_set(why, ERR_EXISTS, "address",
					   SLICE_FMT " exists already (%s)",
					   SLICE_ARG(name_text(a, x->local, d->name)),
					   address_type_word(there.type, problem_language(why)));
	}
	if (r < 0)
		return r;
	x->id = (uint64_t)sql_last_id(e->db);
	return insert_targets(e, x);
}

int address_remove(struct engine *e, uint64_t id)
{
	int r = sql_run(e->db, "DELETE FROM address WHERE id = ?1", "i", (int64_t)id);
	return r < 0 ? r : r == 0 ? ERR_NOT_FOUND : 0;
}

int address_set_hosted(struct engine *e, uint64_t id, bool hosted)
{
	int r = sql_run(e->db, "UPDATE address SET hosted = ?2 WHERE id = ?1", "ii", (int64_t)id,
			(int64_t)hosted);
	return r < 0 ? r : r == 0 ? ERR_NOT_FOUND : 0;
}

/* type < 0: of any. */
static int pointing(struct engine *e, struct arena *a, struct slice text, int type, struct slice **ret, size_t *ret_n)
{
	struct slice *rows = NULL;
	size_t n = 0;
	struct sql_stmt *s = sql_prepare(
		e->db, "SELECT address.local, domain.name FROM target JOIN address ON address.id = "
		       "target.address"
		       " JOIN domain ON domain.id = address.domain WHERE target.name = ?1"
		       " AND (?2 < 0 OR address.type = ?2)"
		       " ORDER BY domain.name, address.local LIMIT 1000");
	sql_bind_blob(s, 1, text);
	sql_bind_int(s, 2, type);
	int r;
	while ((r = sql_step(s)) == 1)
		*ROWS_MORE(a, &rows, &n) = name_text(a, sql_blob(s, 0), sql_blob(s, 1));
	sql_done(s);
	if (r < 0)
		return r;
	*ret = rows;
	*ret_n = n;
	return 0;
}

int address_pointing(struct engine *e, struct arena *a, struct slice text, struct slice **ret, size_t *ret_n)
{
	return pointing(e, a, text, -1, ret, ret_n);
}

int address_aliases(struct engine *e, struct arena *a, struct slice text, struct slice **ret, size_t *ret_n)
{
	return pointing(e, a, text, ADDRESS_ALIAS, ret, ret_n);
}
