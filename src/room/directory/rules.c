/* SPDX-License-Identifier: Apache-2.0 */
/* What runs over a mailbox's mail (DIRECTORY_RULES): its active script, and those that it includes, however deep. */
#include "base/clock.h"
#include "base/err.h"
#include "room/directory/addressing.h"
#include "room/directory/directory_priv.h"
#include "room/directory/engine_priv.h"
#include "room/directory/name.h"
#include "room/directory/script.h"

int rules_any(struct engine *e, uint64_t account, bool *ret)
{
	int64_t there = 0;
	int r = sql_get(e->db, &there, "SELECT EXISTS (SELECT 1 FROM script WHERE account = ?1 AND active = 1)", "i",
			(int64_t)account);
	if (r == 0)
		*ret = there;
	return r;
}

static int active_name(struct engine *e, struct arena *a, uint64_t account, struct slice *ret)
{
	struct sql_stmt *s = sql_prepare(e->db, "SELECT name FROM script WHERE account = ?1 AND active = 1");
	sql_bind_int(s, 1, (int64_t)account);
	int r = sql_step(s);
	if (r == 1)
		*ret = column_dup(a, s, 0);
	sql_done(s);
	return r == 1 ? 0 : r == 0 ? ERR_NOT_FOUND : r;
}

static bool has(const struct rules *rules, struct slice name)
{
	for (size_t i = 0; i < rules->n; i++) {
		if (slice_eq(rules->scripts[i].name, name))
			return true;
	}
	return false;
}

/* One more, where it is there and not among them; a name that leads nowhere is told in the run. */
static int add(struct engine *e, struct arena *a, uint64_t account, struct slice name, struct rules *rules)
{
	struct script script;
	if (has(rules, name))
		return 0;
	int r = script_get(e, a, account, name, &script);
	if (r == 0)
		*ROWS_MORE(a, &rules->scripts, &rules->n) = script;
	return r == ERR_NOT_FOUND ? 0 : r;
}

static int add_included(struct engine *e, struct arena *a, uint64_t account, size_t i, struct rules *rules)
{
	struct sieve_script *compiled;
	struct sieve_error why;
	struct sieve_include include;
	size_t at = 0;
	int r = sieve_compile(a, rules->scripts[i].text, &compiled, &why);
	if (r < 0)
		return 0;	/* told in the run, too */
	while (r == 0 && sieve_next_include(compiled, &at, &include)) {
		if (!include.global)
			r = add(e, a, account, include.name, rules);
	}
	return r;
}

int rules_of(struct engine *e, struct arena *a, uint64_t account, struct rules *ret)
{
	struct rules rules = { 0 };
	struct slice name;
	int r = active_name(e, a, account, &name);
	if (r == 0)
		r = add(e, a, account, name, &rules);
	rules.run = rules.n;
	for (size_t i = 0; r == 0 && i < rules.n; i++)
		r = add_included(e, a, account, i, &rules);
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	*ret = rules;
	return 0;
}

/* The mailbox's address, then the aliases that lead to it alone. */
static int addresses_of(struct engine *e, struct arena *a, const struct account *x, struct slice **ret, size_t *ret_n)
{
	struct slice *rows = NULL;
	size_t n = 0;
	int r;
	*ROWS_MORE(a, &rows, &n) = x->address;
	struct sql_stmt *s = sql_prepare(
		e->db, "SELECT address.local, domain.name FROM target JOIN address ON address.id = target.address"
		       " JOIN domain ON domain.id = address.domain WHERE target.name = ?1 AND address.type = 1"
		       " ORDER BY address.id LIMIT 1000");
	sql_bind_blob(s, 1, x->address);
	while ((r = sql_step(s)) == 1)
		*ROWS_MORE(a, &rows, &n) = name_text(a, sql_blob(s, 0), sql_blob(s, 1));
	sql_done(s);
	*ret = rows;
	*ret_n = n;
	return r;
}

void serve_rules(struct ipc_call *call, void *ctx)
{
	struct room *room = ctx;
	struct directory *d = room->state;
	struct arena *a = call->arena;
	const Postern__RulesRequest *req = (const Postern__RulesRequest *)call->req;
	Postern__RulesReply reply = POSTERN__RULES_REPLY__INIT;
	struct rules rules = { 0 };
	struct slice *addresses = NULL;
	struct account x;
	struct addressing how;
	size_t n = 0;
	int r = account_by_id(d->e, a, req->account_id, &x);
	if (r == 0)
		r = rules_of(d->e, a, x.id, &rules);
	if (r == 0)
		r = addressing_get(d->e, a, x.domain, &how);
	if (r == 0)
		r = addresses_of(d->e, a, &x, &addresses, &n);
	if (r < 0) {
		ipc_fail(call, r == ERR_NOT_FOUND ? r : ERR_UNAVAILABLE, NULL);
		return;
	}
	reply.separator = how.separator ? arena_printf(a, "%c", how.separator) : (char *)"";
	reply.run = (uint32_t)rules.run;
	reply.n_scripts = rules.n;
	reply.scripts = ARENA_ARRAY(a, Postern__RulesScript *, rules.n + 1);
	for (size_t i = 0; i < rules.n; i++) {
		reply.scripts[i] = ARENA_NEW(a, Postern__RulesScript);
		postern__rules_script__init(reply.scripts[i]);
		reply.scripts[i]->name = arena_str(a, rules.scripts[i].name);
		reply.scripts[i]->text = data_of(rules.scripts[i].text);
	}
	reply.n_addresses = n;
	reply.addresses = ARENA_ARRAY(a, ProtobufCBinaryData, n + 1);
	for (size_t i = 0; i < n; i++)
		reply.addresses[i] = data_of(addresses[i]);
	ipc_reply(call, &reply.base, -1);
}
