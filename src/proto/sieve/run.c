/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 5228 2.10 and 3: commands in order, and the implicit keep at the end. Scripts run one after the other as if one
 * had included them (RFC 6609 3.2): stop ends all, return ends one. A script that fails takes its own actions
 * with it, not those of scripts before it, and the message is kept.
 */
#include "proto/sieve/run_priv.h"

static const struct slice none = { NULL, 0 };

static void fail(struct sieve_runner *r, struct sieve_pos at, int err, const char *what, struct slice arg)
{
	if (r->err < 0)
		return;
	r->err = sieve_error_at(&r->why, at, err, what, arg);
	r->within = r->scope ? r->scope->name : none;
}

void sieve_fail(struct sieve_runner *r, struct sieve_pos at, const char *what, struct slice arg)
{
	fail(r, at, ERR_INVALID, what, arg);
}

bool sieve_charge(struct sieve_runner *r, uint64_t steps)
{
	r->steps += steps;
	if (r->steps > SIEVE_STEPS_MAX)
		fail(r, (struct sieve_pos){ 0, 0 }, ERR_TOO_BIG, N_("the script takes too much work for this message"), none);
	return r->err == 0;
}

/* ---- include ---- */

static bool was_included(struct sieve_runner *r, struct slice name, bool global)
{
	for (unsigned i = 0; i < r->includes; i++) {
		if (r->seen[i].global == global && slice_eq(r->seen[i].name, name))
			return true;
	}
	return false;
}

static bool runs_already(const struct sieve_runner *r, struct slice name, bool global)
{
	for (const struct sieve_scope *s = r->scope; s; s = s->outer) {
		if (s->name.n && s->global == global && slice_eq(s->name, name))
			return true;
	}
	return false;
}

static enum sieve_flow run_script(struct sieve_runner *r, const struct sieve_script *s, struct slice name, bool global)
{
	struct sieve_scope scope = { .script = s, .outer = r->scope, .name = name, .global = global };
	r->scope = &scope;
	enum sieve_flow flow = sieve_run_block(r, s->commands);
	r->scope = scope.outer;
	return flow == FLOW_RETURN ? FLOW_ON : flow;
}

static enum sieve_flow do_include(struct sieve_runner *r, const struct sieve_node *n)
{
	struct slice name = n->positional[0]->strings[0].text;
	bool global = sieve_tag(n, TAG_GLOBAL);
	const struct sieve_script *s = NULL;
	struct sieve_error why = { .what = "" };
	if (sieve_tag(n, TAG_ONCE) && was_included(r, name, global))
		return FLOW_ON;
	if (runs_already(r, name, global)) {
		sieve_fail(r, n->at, N_("the script \"%s\" includes itself"), name);
		return FLOW_STOP;
	}
	if (r->depth >= SIEVE_INCLUDE_DEPTH_MAX || r->includes >= SIEVE_INCLUDES_MAX) {
		sieve_fail(r, n->at, N_("scripts include each other too often; the last one was \"%s\""), name);
		return FLOW_STOP;
	}
	int err = r->env->include ? r->env->include(r->env->ctx, global, name, &s, &why) : ERR_NOT_FOUND;
	if (err == ERR_NOT_FOUND && sieve_tag(n, TAG_OPTIONAL))
		return FLOW_ON;
	if (err < 0) {
		sieve_fail(r, n->at, err == ERR_NOT_FOUND ? N_("there is no script \"%s\" to include")
							  : N_("the included script \"%s\" has an error"), name);
		return FLOW_STOP;
	}
	r->seen[r->includes].name = name;
	r->seen[r->includes++].global = global;
	r->depth++;
	enum sieve_flow flow = run_script(r, s, name, global);
	r->depth--;
	return flow;
}

/* ---- commands ---- */

static enum sieve_flow run_command(struct sieve_runner *r, const struct sieve_node *n)
{
	switch (n->spec->op) {
	case OP_STOP: return FLOW_STOP;
	case OP_RETURN: return FLOW_RETURN;
	case OP_INCLUDE: return do_include(r, n);
	case OP_SET: sieve_do_set(r, n); return FLOW_ON;
	case OP_SETFLAG:
	case OP_ADDFLAG:
	case OP_REMOVEFLAG: sieve_do_flags(r, n); return FLOW_ON;
	case OP_VACATION: sieve_do_vacation(r, n); return FLOW_ON;
	case OP_REQUIRE:
	case OP_GLOBAL: return FLOW_ON;
	default: sieve_do_action(r, n); return FLOW_ON;
	}
}

static bool is_branch(const struct sieve_node *n)
{
	return n->spec->op == OP_IF || n->spec->op == OP_ELSIF || n->spec->op == OP_ELSE;
}

enum sieve_flow sieve_run_block(struct sieve_runner *r, const struct sieve_node *n)
{
	enum sieve_flow flow = FLOW_ON;
	bool taken = false;	/* a branch of the if before */
	for (; n && flow == FLOW_ON && sieve_charge(r, 1); n = n->next) {
		arena_reset(r->scratch);
		if (!is_branch(n)) {
			flow = run_command(r, n);
			continue;
		}
		if (n->spec->op == OP_IF)
			taken = false;
		if (!taken && (n->spec->op == OP_ELSE || sieve_test(r, n->tests))) {
			taken = true;
			flow = r->err < 0 ? FLOW_STOP : sieve_run_block(r, n->block);
		}
	}
	return r->err < 0 ? FLOW_STOP : flow;
}

/* ---- all of it ---- */

static bool is_refused(const struct sieve_action *a, size_t n)
{
	return n && (a[n - 1].kind == SIEVE_REJECT || a[n - 1].kind == SIEVE_EREJECT);
}

/* What an earlier script refused stays refused. */
static void give_up(struct sieve_runner *r, size_t n_actions, size_t script, struct sieve_result *ret)
{
	r->n_actions = n_actions;
	r->keep = !is_refused(r->actions, n_actions);
	r->flags.n = 0;
	ret->failed = true;
	ret->why = r->why;
	ret->failed_within = arena_dup(r->arena, r->within);
	ret->failed_script = script;
	r->err = 0;
}

static void finish(struct sieve_runner *r, struct sieve_result *ret)
{
	struct sieve_pos nowhere = { 0, 0 };
	r->rejected = false;
	if (r->keep) {
		if (r->n_actions == SIEVE_ACTIONS_MAX)
			r->n_actions--;
		sieve_take_flags(r, NULL, sieve_add_action(r, nowhere, SIEVE_KEEP));
	}
	if (r->n_actions == 0)
		sieve_add_action(r, nowhere, SIEVE_DISCARD);
	ret->actions = ARENA_ARRAY(r->arena, struct sieve_action, r->n_actions);
	ret->n_actions = r->n_actions;
	ret->steps = r->steps;
	for (size_t i = 0; i < r->n_actions; i++)
		ret->actions[i] = r->actions[i];
}

void sieve_run(struct arena *a, const struct sieve_script *const *scripts, size_t n, const struct sieve_env *env,
	       struct sieve_result *ret)
{
	struct sieve_runner r = { .arena = a, .scratch = arena_new(), .env = env, .keep = true };
	enum sieve_flow flow = FLOW_ON;
	*ret = (struct sieve_result){ 0 };
	for (size_t i = 0; i < n && flow == FLOW_ON; i++) {
		size_t before = r.n_actions;
		r.vacation = false;
		flow = run_script(&r, scripts[i], none, false);
		if (r.err < 0)
			give_up(&r, before, i, ret);
	}
	ret->stopped = flow == FLOW_STOP;
	finish(&r, ret);
	arena_free(&r.scratch);
}

void sieve_keep_for_error(struct arena *a, struct sieve_result *ret, const struct sieve_error *why, size_t script)
{
	bool kept = is_refused(ret->actions, ret->n_actions);
	size_t n = 0;
	if (ret->stopped)
		return;
	struct sieve_action *all = ARENA_ARRAY(a, struct sieve_action, ret->n_actions + 1);
	for (size_t i = 0; i < ret->n_actions; i++) {
		kept |= ret->actions[i].kind == SIEVE_KEEP;
		if (ret->actions[i].kind != SIEVE_DISCARD)
			all[n++] = ret->actions[i];
	}
	if (!kept)
		all[n++] = (struct sieve_action){ .kind = SIEVE_KEEP };
	ret->actions = all;
	ret->n_actions = n;
	ret->failed = true;
	ret->why = *why;
	ret->failed_within = none;
	ret->failed_script = script;
}
