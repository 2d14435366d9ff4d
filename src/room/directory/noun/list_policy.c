/* SPDX-License-Identifier: Apache-2.0 */
/* Everything is compared in normal form, and a domain under whichever of its names (other_name.h). */
#include "room/directory/noun/list_policy.h"

#include "base/err.h"
#include "room/directory/noun/addressing.h"
#include "room/directory/db/engine_priv.h"

static const char *const words[] = { "anyone", "members", "domain", "named" };

const char *list_who_name(enum list_who who)
{
	return (size_t)who < ARRAY_SIZE(words) ? words[who] : "unknown";
}

int list_who_by_name(struct slice name, enum list_who *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (slice_eq(name, slice_str(words[i]))) {
			*ret = (enum list_who)i;
			return 0;
		}
	}
	return ERR_NOT_FOUND;
}

int list_policy_get(struct engine *e, struct arena *a, uint64_t address, struct list_policy *ret)
{
	struct list_policy p = { 0 };
	int64_t who = 0;
	int r = sql_get(e->db, &who, "SELECT who FROM list_policy WHERE address = ?1", "i", (int64_t)address);
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	p.who = (enum list_who)who;
	struct sql_stmt *s = sql_prepare(e->db, "SELECT name FROM list_sender WHERE address = ?1 ORDER BY name");
	sql_bind_int(s, 1, (int64_t)address);
	while ((r = sql_step(s)) == 1)
		*ROWS_MORE(a, &p.names, &p.n_names) = column_dup(a, s, 0);
	sql_done(s);
	if (r < 0)
		return r;
	*ret = p;
	return 0;
}

/* The domain's own name where it is one of ours. */
static int own_domain(struct engine *e, struct arena *a, struct slice *name, bool *ret_hosted)
{
	struct domain d;
	int r = domain_get(e, a, *name, &d);
	if (r == 0)
		*name = d.name;
	*ret_hosted = r == 0 && d.hosted;
	return r == ERR_NOT_FOUND ? 0 : r;
}

/* "joe@example.test" or "@example.test" in the one form. */
static int normal(struct engine *e, struct arena *a, struct slice in, struct slice *ret)
{
	struct name name = { 0 };
	bool hosted;
	bool whole = in.n && in.p[0] == '@';
	int r = whole ? name_domain(a, slice_sub(in, 1, in.n), &name.domain) : name_parse(a, in, &name);
	if (r < 0 || name.literal)
		return r < 0 ? r : ERR_SYNTAX;
	r = own_domain(e, a, &name.domain, &hosted);
	if (r < 0)
		return r;
	*ret = whole ? slice_str(arena_printf(a, "@" SLICE_FMT, SLICE_ARG(name.domain)))
		     : name_text(a, name.local, name.domain);
	return 0;
}

int list_policy_check(struct engine *e, struct arena *a, const struct address *x, struct list_policy *p,
		      struct problem *why)
{
	if (x->type != ADDRESS_LIST)
		return problem_set(why, ERR_INVALID, "senders", "only a list has senders: " SLICE_FMT " is not one",
				   SLICE_ARG(name_text(a, x->local, x->domain_name)));
	if (p->who == LIST_NAMED && !p->n_names)
		return problem_set(why, ERR_INVALID, "sender", "named senders need at least one address or @domain");
	if (p->who != LIST_NAMED && p->n_names)
		return problem_set(why, ERR_INVALID, "sender", "senders are only named with named");
	if (p->n_names > LIST_SENDERS_MAX)
		return problem_set(why, ERR_TOO_BIG, "sender", "%zu senders are more than %d", p->n_names,
				   LIST_SENDERS_MAX);
	for (size_t i = 0; i < p->n_names; i++) {
		int r = normal(e, a, p->names[i], &p->names[i]);
		if (r == ERR_SYNTAX || r == ERR_TOO_BIG)
			return problem_set(why, ERR_INVALID, "sender", "\"" SLICE_FMT "\" is neither an address nor @domain",
					   SLICE_ARG(p->names[i]));
		if (r < 0)
			return r;
	}
	return 0;
}

int list_policy_put(struct engine *e, uint64_t address, const struct list_policy *p)
{
	int r = sql_run(e->db, "DELETE FROM list_sender WHERE address = ?1", "i", (int64_t)address);
	if (r >= 0)
		r = sql_run(e->db,
			    "INSERT INTO list_policy (address, who) VALUES (?1, ?2)"
			    " ON CONFLICT (address) DO UPDATE SET who = ?2",
			    "ii", (int64_t)address, (int64_t)p->who);
	for (size_t i = 0; r >= 0 && i < p->n_names; i++)
		r = sql_run(e->db, "INSERT OR IGNORE INTO list_sender (address, name) VALUES (?1, ?2)", "ib",
			    (int64_t)address, p->names[i]);
	return r < 0 ? r : 0;
}

/* --- may he? ------------------------------------------------------------------------------------------ */

/* The mailbox that an address stands for, 0 where it stands for none: itself, an alias's, without its detail. */
static int account_of(struct engine *e, struct arena *a, struct name at, uint64_t *ret)
{
	*ret = 0;
	for (int hop = 0; hop < 4; hop++) {
		struct domain d;
		struct addressing x;
		struct address row;
		struct slice base;
		int r = domain_get(e, a, at.domain, &d);
		if (r == 0)
			r = address_get(e, a, d.id, at.local, &row);
		if (r == ERR_NOT_FOUND && domain_get(e, a, at.domain, &d) == 0 &&
		    addressing_get(e, a, d.id, &x) == 0 && name_base(at.local, x.separator, &base))
			r = address_get(e, a, d.id, base, &row);
		if (r < 0)
			return r == ERR_NOT_FOUND ? 0 : r;
		if (row.type == ADDRESS_MAILBOX)
			*ret = row.account;
		if (row.type != ADDRESS_ALIAS || row.n_targets != 1 || name_parse(a, row.targets[0], &at) < 0)
			return 0;
	}
	return 0;
}

static int is_member(struct engine *e, struct arena *a, const struct address *x, const struct name *sender, bool *ret)
{
	uint64_t account, member;
	int r = account_of(e, a, *sender, &account);
	for (size_t i = 0; r == 0 && account && i < x->n_targets && !*ret; i++) {
		struct name name;
		if (name_parse(a, x->targets[i], &name) < 0)
			continue;
		r = account_of(e, a, name, &member);
		*ret = member == account;
	}
	return r;
}

static bool is_named(const struct list_policy *p, struct slice text, struct slice domain)
{
	for (size_t i = 0; i < p->n_names; i++) {
		struct slice n = p->names[i];
		if (slice_eq(n, text) || (n.n && n.p[0] == '@' && slice_eq(slice_sub(n, 1, n.n), domain)))
			return true;
	}
	return false;
}

/* One address that the message names, in its envelope or as its author. */
static int judge(struct engine *e, struct arena *a, const struct list_asked *q, struct slice address, enum list_answer *ret)
{
	struct name name;
	bool allowed = false, hosted = false;
	if (!address.n || name_parse(a, address, &name) < 0 || name.literal) {
		*ret = LIST_REFUSES;
		return 0;
	}
	int r = own_domain(e, a, &name.domain, &hosted);
	if (r == 0 && hosted && !q->authenticated) {
		*ret = LIST_WANTS_LOGIN;
		return 0;
	}
	if (r == 0 && q->policy->who == LIST_MEMBERS)
		r = is_member(e, a, q->list, &name, &allowed);
	else if (r == 0 && q->policy->who == LIST_DOMAIN)
		allowed = slice_eq(name.domain, q->domain->name);
	else if (r == 0)
		allowed = is_named(q->policy, name_text(a, name.local, name.domain), name.domain);
	if (r == 0)
		*ret = allowed ? LIST_TAKES : LIST_REFUSES;
	return r;
}

int list_policy_sender(struct engine *e, struct arena *a, const struct list_asked *q, enum list_answer *ret)
{
	if (q->policy->who != LIST_ANYONE)
		return judge(e, a, q, q->sender, ret);
	*ret = LIST_TAKES;
	return 0;
}

static int is_inside(struct engine *e, struct arena *a, struct slice address, bool *ret)
{
	struct name name;
	struct domain d;
	*ret = false;
	if (!address.n || name_parse(a, address, &name) < 0 || name.literal)
		return 0;
	int r = domain_get(e, a, name.domain, &d);
	*ret = r == 0;
	return r == ERR_NOT_FOUND ? 0 : r;
}

int list_policy_authors(struct engine *e, struct arena *a, const struct list_asked *q, enum list_answer *ret)
{
	enum list_answer answer = LIST_TAKES;
	bool inside = false;
	int r = q->policy->who == LIST_ANYONE || !q->n_authors ? 0 : is_inside(e, a, q->sender, &inside);
	for (size_t i = 0; r == 0 && q->policy->who != LIST_ANYONE && !inside && i < q->n_authors; i++)
		r = is_inside(e, a, q->authors[i], &inside);
	for (size_t i = 0; r == 0 && inside && answer == LIST_TAKES && i < q->n_authors; i++)
		r = judge(e, a, q, q->authors[i], &answer);
	if (r == 0)
		*ret = answer;
	return r;
}
