/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of convert.h. An address keeps its place and its `hosted`; all else is taken away and made anew. */
#include "room/directory/noun/convert.h"

#include "base/err.h"
#include "room/directory/db/engine_priv.h"

int convert_look(struct engine *e, struct arena *a, struct slice text, struct convert *c,
		 struct problem *why)
{
	struct name name;
	if (name_parse(a, text, &name) < 0 || name.literal)
		return problem_set(why, ERR_INVALID, "address", "\"" SLICE_FMT "\" is not an address",
				   SLICE_ARG(text));
	int r = domain_get(e, a, name.domain, &c->d);
	if (r == ERR_NOT_FOUND)
		return problem_set(why, r, "address", "there is no domain " SLICE_FMT,
				   SLICE_ARG(name.domain));
	c->local = name.local;
	if (r == 0) {
		c->text = name_text(a, name.local, c->d.name);
		r = candidate_get(e, a, c->d.id, c->local, &c->candidate);
	}
	if (r == 0)
		r = address_get(e, a, c->d.id, c->local, &c->there);
	if (r == ERR_NOT_FOUND && c->candidate.messages) {
		c->was = ADDRESS_CANDIDATE;
		return 0;
	}
	if (r == ERR_NOT_FOUND)
		return problem_set(why, r, "address", "there is no address " SLICE_FMT,
				   SLICE_ARG(c->text));
	c->was = r == 0 ? c->there.type : ADDRESS_CANDIDATE;
	if (r == 0 && c->was == ADDRESS_MAILBOX)
		r = account_by_id(e, a, c->there.account, &c->account);
	return r;
}

/* The domain whose catch-all it is. */
static int check_catch_all(struct engine *e, struct arena *a, struct slice text, struct problem *why)
{
	struct slice name = { 0 };
	struct sql_stmt *s = sql_prepare(e->db, "SELECT domain.name FROM addressing JOIN domain ON domain.id = domain"
						" WHERE catch_all = ?1 ORDER BY domain.name LIMIT 1");
	sql_bind_blob(s, 1, text);
	int r = sql_step(s);
	if (r == 1)
		name = column_dup(a, s, 0);
	sql_done(s);
	if (r == 1)
		return problem_set(why, ERR_CONFLICT, "address", SLICE_FMT " is the catch-all mailbox of " SLICE_FMT,
				   SLICE_ARG(text), SLICE_ARG(name));
	return r;
}

int convert_unreferenced(struct engine *e, struct arena *a, struct slice text, struct problem *why)
{
	struct slice *who;
	size_t n = 0;
	int r = check_catch_all(e, a, text, why);
	if (r == 0)
		r = address_pointing(e, a, text, &who, &n);
	if (r < 0 || !n)
		return r;
	struct buf list = BUF_INIT(2048);
	for (size_t i = 0; i < n && i < 5; i++)
		buf_printf(&list, "%s" SLICE_FMT, i ? ", " : "", SLICE_ARG(who[i]));
	if (n > 5)
		buf_str(&list, ", ...");
	if (n == 1)
		r = problem_set(why, ERR_CONFLICT, "address", "1 address leads to this mailbox: %s",
				buf_cstr(&list));
	else
		r = problem_set(why, ERR_CONFLICT, "address",
				"%zu addresses lead to this mailbox: %s", n, buf_cstr(&list));
	buf_fini(&list);
	return r;
}

static int check_same(const struct convert *c, struct problem *why)
{
	if (c->want == c->was && (c->was == ADDRESS_MAILBOX || c->was == ADDRESS_BANISHED))
		return problem_set(why, ERR_CONFLICT, "type", SLICE_FMT " is %s already",
				   SLICE_ARG(c->text), address_type_text(c->was, problem_language(why)));
	return 0;
}

static int check_self(const struct convert *c, const struct address *x, struct problem *why)
{
	for (size_t i = 0; i < x->n_targets; i++)
		if (slice_eq(x->targets[i], c->text))
			return problem_set(why, ERR_INVALID, "to", SLICE_FMT " cannot lead to itself",
					   SLICE_ARG(c->text));
	return 0;
}

/* The account behind the one target of an alias. */
static int find_target(struct engine *e, struct arena *a, struct convert *c)
{
	struct name name;
	struct domain d;
	struct address x;
	int r = name_parse(a, c->targets[0], &name);
	if (r == 0)
		r = domain_get(e, a, name.domain, &d);
	if (r == 0)
		r = address_get(e, a, d.id, name.local, &x);
	if (r == 0)
		c->target_account = x.account;
	return r;
}

static int check_mailbox(struct engine *e, struct arena *a, const struct convert *c, struct problem *why)
{
	bool busy = false;
	int r = transfer_into(e, c->account.id, &busy);
	if (r == 0 && (busy || c->account.state != ACCOUNT_LIVE))
		return problem_set(why, ERR_CONFLICT, "address",
				   "mail is being moved into " SLICE_FMT " just now", SLICE_ARG(c->text));
	if (r == 0 && c->want != ADDRESS_ALIAS)
		r = convert_unreferenced(e, a, c->text, why);
	return r;
}

int convert_check(struct engine *e, struct arena *a, struct convert *c, struct problem *why)
{
	struct address x = {
		.local = c->local, .type = c->want, .targets = c->targets, .n_targets = c->n_targets
	};
	int r = check_same(c, why);
	if (r == 0)
		r = address_check(e, a, &c->d, &x, why);
	if (r == 0)
		r = check_self(c, &x, why);
	if (r < 0)
		return r;
	c->targets = x.targets;
	c->n_targets = x.n_targets;
	if (c->want == ADDRESS_ALIAS)
		r = find_target(e, a, c);
	if (r == 0 && c->want == ADDRESS_MAILBOX)
		r = customer_check_pool(e, a, c->d.customer, 0, c->quota, why);
	if (r == 0 && c->was == ADDRESS_MAILBOX)
		r = check_mailbox(e, a, c, why);
	return r;
}

bool convert_moves_mailbox(const struct convert *c)
{
	return c->was == ADDRESS_MAILBOX && c->want == ADDRESS_ALIAS && !c->discard_mail;
}

/* What led to the mailbox leads to where it leads now: aliases of it must not become aliases of an alias. */
static int repoint(struct engine *e, struct arena *a, struct convert *c)
{
	int r = address_pointing(e, a, c->text, &c->repointed, &c->n_repointed);
	if (r < 0 || !c->n_repointed)
		return r;
	/* A list that has both keeps the one that is there. */
	r = sql_run(e->db,
		    "DELETE FROM target WHERE name = ?1 AND EXISTS (SELECT 1 FROM target AS o"
		    " WHERE o.address = target.address AND o.name = ?2)",
		    "bb", c->text, c->targets[0]);
	if (r >= 0)
		r = sql_run(e->db, "UPDATE target SET name = ?2 WHERE name = ?1", "bb", c->text,
			    c->targets[0]);
	return r < 0 ? r : 0;
}

static int take_away(struct engine *e, struct arena *a, struct convert *c)
{
	int r = 0;
	if (c->was == ADDRESS_CANDIDATE)
		return 0;
	if (c->was == ADDRESS_LIST)
		r = list_policy_get(e, a, c->there.id, &c->policy);
	if (c->was != ADDRESS_MAILBOX)
		return r < 0 ? r : address_remove(e, c->there.id);
	r = account_retire(e, c->account.id);
	if (r == 0 && convert_moves_mailbox(c))
		r = account_set_state(e, c->account.id, ACCOUNT_MOVING);
	if (r == 0 && c->want == ADDRESS_ALIAS)
		r = repoint(e, a, c);
	return r;
}

static int make(struct engine *e, struct arena *a, struct convert *c, int64_t now_ms, struct problem *why)
{
	struct address x = {
		.local = c->local,
		.type = c->want,
		.hosted = c->there.hosted,
		.targets = c->targets,
		.n_targets = c->n_targets,
	};
	if (c->want != ADDRESS_MAILBOX) {
		int r = address_add(e, a, &c->d, &x, now_ms, why);
		return r == 0 && c->want == ADDRESS_LIST && c->was == ADDRESS_LIST ? list_policy_put(e, x.id, &c->policy) : r;
	}
	c->made = (struct account){
		.quota = c->quota,
		.person = c->person,
		.shard = c->shard,
		.hash = c->hash,
		.hosted = c->there.hosted,
	};
	return account_add(e, a, &c->d, c->local, &c->made, now_ms, why);
}

static int move_mail(struct engine *e, struct arena *a, struct convert *c, int64_t now_ms)
{
	struct transfer t = {
		.from = c->account.id,
		.from_shard = c->account.shard,
		.to = c->target_account,
		.origin = c->text,
	};
	size_t settled = 0;
	int r = 0;
	if (convert_moves_mailbox(c)) {
		t.target = c->targets[0];
		r = transfer_add(e, &t, now_ms);
		c->transfers++;
	}
	if (r == 0 && c->candidate.messages && (c->want == ADDRESS_MAILBOX || c->want == ADDRESS_ALIAS))
		r = transfer_settle(e, a, c->d.id, c->local, now_ms, &settled);
	c->transfers += settled;
	if (r == 0 && c->candidate.messages && c->want == ADDRESS_BANISHED && c->discard_mail)
		r = candidate_next(e, a, &c->candidate, &c->dropped_folder);
	return r;
}

int convert_apply(struct engine *e, struct arena *a, struct convert *c, int64_t now_ms, struct problem *why)
{
	int r = take_away(e, a, c);
	if (r == 0)
		r = make(e, a, c, now_ms, why);
	return r < 0 ? r : move_mail(e, a, c, now_ms);
}
