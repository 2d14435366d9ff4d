/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs over a mailbox's mail: its active script, and those that it includes, however deep: the mailbox's own, and by
 * :global those of its domain. All together have SIEVE_BYTES_MAX bytes; one that would be too much is not there.
 */
#include "base/err.h"
#include "room/directory/db/engine_priv.h"
#include "room/directory/noun/responder.h"
#include "room/directory/noun/script.h"

#define SAYS(word) "instr(text, CAST('" word "' AS BLOB)) > 0"

int rules_refuse(struct engine *e, uint64_t account, uint64_t domain, bool *ret)
{
	/* No require without the word as it is, so none is overlooked; the domain's only by an include that needs its word, too. */
	static const char of_mailbox[] =
		"SELECT EXISTS (SELECT 1 FROM script WHERE account = ?1 AND active = 1) AND"
		" EXISTS (SELECT 1 FROM script WHERE account = ?1 AND " SAYS("ereject") ")";
	static const char of_domain[] =
		"SELECT EXISTS (SELECT 1 FROM script WHERE account = ?1 AND active = 1) AND"
		" EXISTS (SELECT 1 FROM script WHERE account = ?1 AND " SAYS("include") ") AND"
		" EXISTS (SELECT 1 FROM global_script WHERE domain = ?2 AND " SAYS("ereject") ")";
	int64_t there = 0;
	int r = sql_get(e->db, &there, of_mailbox, "i", (int64_t)account);
	if (r == 0 && !there)
		r = sql_get(e->db, &there, of_domain, "ii", (int64_t)account, (int64_t)domain);
	if (r == 0)
		*ret = there;
	return r;
}

/* What the settings make runs first. */
static int add_settings(struct engine *e, struct arena *a, uint64_t account, struct rules *rules)
{
	struct responder x;
	int r = responder_get(e, a, account, &x);
	struct slice text = r < 0 ? slice_of(NULL, 0) : responder_script(a, &x);
	if (text.n)
		*ROWS_MORE(a, &rules->scripts, &rules->n) = (struct script){ .name = SLICE("(settings)"), .text = text };
	rules->zone = r < 0 ? slice_of(NULL, 0) : x.zone;
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

struct collector {
	struct engine *e;
	struct arena *a;
	uint64_t account, domain;
	size_t bytes;
	struct rules *rules;
};

static bool has(const struct rules *rules, struct slice name, bool global)
{
	for (size_t i = 0; i < rules->n; i++) {
		if (rules->scripts[i].global == global && slice_eq(rules->scripts[i].name, name))
			return true;
	}
	return false;
}

/* One more, where it is there and not among them; a name that leads nowhere is told in the run. */
static int add(struct collector *c, struct slice name, bool global)
{
	struct script script;
	if (has(c->rules, name, global))
		return 0;
	int r = global ? global_script_get(c->e, c->a, c->domain, name, &script)
		       : script_get(c->e, c->a, c->account, name, &script);
	if (r == 0 && c->bytes + script.size <= SIEVE_BYTES_MAX) {
		c->bytes += script.size;
		*ROWS_MORE(c->a, &c->rules->scripts, &c->rules->n) = script;
	}
	return r == ERR_NOT_FOUND ? 0 : r;
}

static int add_included(struct collector *c, size_t i)
{
	struct rules *rules = c->rules;
	struct sieve_script *compiled;
	struct sieve_error why;
	struct sieve_include include;
	size_t at = 0;
	int r = sieve_compile(c->a, rules->scripts[i].text, &compiled, &why);
	if (r < 0)
		return 0;	/* told in the run, too */
	rules->mailboxes |= sieve_asks_mailboxes(compiled);
	while (r == 0 && sieve_next_include(compiled, &at, &include))
		r = add(c, include.name, include.global);
	return r;
}

int rules_of(struct engine *e, struct arena *a, uint64_t account, struct rules *ret)
{
	struct rules rules = { 0 };
	struct collector c = { .e = e, .a = a, .account = account, .rules = &rules };
	struct slice name;
	int64_t domain = 0;
	int r = sql_get(e->db, &domain, "SELECT domain FROM account WHERE id = ?1", "i", (int64_t)account);
	if (r == 0)
		r = add_settings(e, a, account, &rules);
	if (r < 0)
		return r;
	c.domain = (uint64_t)domain;
	r = active_name(e, a, account, &name);
	if (r == 0)
		r = add(&c, name, false);
	rules.run = rules.n;
	for (size_t i = 0; r == 0 && i < rules.n; i++)
		r = add_included(&c, i);
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	*ret = rules;
	return 0;
}
