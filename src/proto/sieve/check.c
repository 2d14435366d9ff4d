/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 5228 2.10.5, 3.1, 3.2: does every name exist, was it required, are its arguments the right ones, does
 * elsif follow if? Each node comes out with its spec and its arguments in place.
 */
#include "proto/sieve/sieve_priv.h"

#include "base/map.h"

static const struct slice none = { NULL, 0 };

static int fail(struct sieve_check *c, struct sieve_pos at, const char *what, struct slice arg)
{
	return sieve_error_at(c->why, at, ERR_SYNTAX, what, arg);
}

static int not_required(struct sieve_check *c, struct sieve_pos at, enum sieve_cap cap)
{
	return fail(c, at, N_("this needs require \"%s\" at the beginning of the script"),
		    slice_str(sieve_cap_name(cap)));
}

static bool has_cap(const struct sieve_check *c, enum sieve_cap cap)
{
	if (cap == CAP_NONE || (c->script->caps >> cap & 1))
		return true;
	/* RFC 6131 2: vacation-seconds brings vacation with it. */
	return cap == CAP_VACATION && (c->script->caps & CAP_BIT(VACATION_SECONDS));
}

/* ---- arguments ---- */

static bool fits(char want, const struct sieve_arg *a)
{
	switch (want) {
	case 's': return a->kind == ARG_STRING;
	case 'l': return a->kind == ARG_STRING || a->kind == ARG_LIST;
	default: return a->kind == ARG_NUMBER;
	}
}

static const char *wanted(char want)
{
	return want == 's'   ? N_("\"%s\" takes one string here")
	       : want == 'l' ? N_("\"%s\" takes a string or a list of strings here")
			     : N_("\"%s\" takes a number here");
}

static bool excluded(const struct sieve_node *n, enum sieve_tag t)
{
	for (int i = 0; i < TAG_COUNT_OF; i++) {
		uint8_t group = sieve_tag_spec((enum sieve_tag)i)->group;
		if (sieve_tag(n, (enum sieve_tag)i) &&
		    (i == (int)t || (group && group == sieve_tag_spec(t)->group)))
			return true;
	}
	return false;
}

/* A tag, with its argument behind it; *at moves past both. */
static int place_tag(struct sieve_check *c, struct sieve_node *n, struct sieve_arg **at)
{
	struct sieve_arg *a = *at, *value = a->next;
	int t = sieve_tag_find(a->tag);
	if (t < 0 || !(n->spec->tags >> t & 1))
		return fail(c, a->at, N_("there is no tag \":%s\" here"), a->tag);
	const struct sieve_tag_spec *spec = sieve_tag_spec((enum sieve_tag)t);
	if (!has_cap(c, spec->cap))
		return not_required(c, a->at, spec->cap);
	if (excluded(n, (enum sieve_tag)t))
		return fail(c, a->at, N_("the tag \":%s\" stands here with another of its kind, or twice"), a->tag);
	n->tags |= 1ull << t;
	*at = value;
	if (!spec->arg)
		return 0;
	if (!value || !fits(spec->arg, value))
		return fail(c, a->at, wanted(spec->arg), a->tag);
	*at = value->next;
	a->next = n->tag_args;
	n->tag_args = a;
	a->number = (uint64_t)t;
	a->strings = value->strings;
	a->n = value->n;
	if (value->kind == ARG_NUMBER)
		a->n = (size_t)value->number;
	return 0;
}

const struct sieve_arg *sieve_tag_arg(const struct sieve_node *n, enum sieve_tag t)
{
	for (const struct sieve_arg *a = n->tag_args; a; a = a->next) {
		if (a->number == (uint64_t)t)
			return a;
	}
	return NULL;
}

static int place_positional(struct sieve_check *c, struct sieve_node *n, struct sieve_arg **args, size_t count)
{
	const char *want = n->spec->positional;
	size_t needed = strlen(want), i = 0;
	if (want[0] == '?') {
		want++;
		needed--;
		if (count < needed) {	/* the optional one is not there */
			want++;
			needed--;
			i = 1;
		}
	}
	if (count < needed)
		return fail(c, n->at, N_("\"%s\" lacks an argument"), n->name);
	if (count > needed)
		return fail(c, args[needed]->at, N_("\"%s\" has an argument too many"), n->name);
	for (size_t k = 0; k < needed; k++, i++) {
		if (!fits(want[k], args[k]))
			return fail(c, args[k]->at, wanted(want[k]), n->name);
		n->positional[i] = args[k];
	}
	return 0;
}

static int check_arguments(struct sieve_check *c, struct sieve_node *n)
{
	struct sieve_arg *positional[SIEVE_POSITIONAL_MAX + 1];
	size_t count = 0;
	for (struct sieve_arg *a = n->args; a;) {
		if (a->kind == ARG_TAG) {
			int err = place_tag(c, n, &a);
			if (err < 0)
				return err;
			continue;
		}
		for (size_t i = 0; i < a->n; i++) {
			int err = sieve_check_text(c, &a->strings[i]);
			if (err < 0)
				return err;
		}
		if (count <= SIEVE_POSITIONAL_MAX)
			positional[count++] = a;
		a = a->next;
	}
	for (struct sieve_arg *a = n->tag_args; a; a = a->next) {
		for (size_t i = 0; a->strings && i < a->n; i++) {
			int err = sieve_check_text(c, &a->strings[i]);
			if (err < 0)
				return err;
		}
	}
	return place_positional(c, n, positional, count);
}

/* ---- commands and tests ---- */

static int check_tests(struct sieve_check *c, struct sieve_node *n);

static int check_node(struct sieve_check *c, struct sieve_node *n, bool test)
{
	n->spec = sieve_spec_find(n->name, test);
	if (!n->spec && sieve_spec_find(n->name, !test))
		return fail(c, n->at, test ? N_("\"%s\" is a command; a test is expected here")
					   : N_("\"%s\" is a test; it stands behind if or elsif"), n->name);
	if (!n->spec)
		return fail(c, n->at, test ? N_("there is no test \"%s\"") : N_("there is no command \"%s\""), n->name);
	if (!has_cap(c, n->spec->cap))
		return not_required(c, n->at, n->spec->cap);
	if (n->has_block != n->spec->block)
		return fail(c, n->at, n->spec->block ? N_("behind \"%s\" a block in { } must stand")
						     : N_("\"%s\" has no block; it ends with ;"), n->name);
	c->script->asks_mailboxes |= n->spec->op == OP_MAILBOXEXISTS;
	int err = check_arguments(c, n);
	if (err == 0)
		err = check_tests(c, n);
	return err < 0 ? err : sieve_check_values(c, n);
}

static int check_tests(struct sieve_check *c, struct sieve_node *n)
{
	if (n->spec->tests == TESTS_NONE && n->tests)
		return fail(c, n->tests->at, N_("\"%s\" takes no test"), n->name);
	if (n->spec->tests != TESTS_NONE && !n->tests)
		return fail(c, n->at, N_("\"%s\" lacks its test"), n->name);
	if (n->spec->tests == TESTS_ONE && n->tests_in_parentheses)
		return fail(c, n->tests->at, N_("\"%s\" takes one test without parentheses; anyof and allof take several"), n->name);
	if (n->spec->tests == TESTS_LIST && !n->tests_in_parentheses)
		return fail(c, n->tests->at, N_("\"%s\" takes tests in parentheses"), n->name);
	for (struct sieve_node *t = n->tests; t; t = t->next) {
		int err = check_node(c, t, true);
		if (err < 0)
			return err;
	}
	return 0;
}

static int take_require(struct sieve_check *c, const struct sieve_node *n)
{
	for (size_t i = 0; i < n->positional[0]->n; i++) {
		const struct sieve_string *s = &n->positional[0]->strings[i];
		int cap = sieve_cap_find(s->text);
		if (cap < 0)
			return fail(c, s->at, N_("the extension \"%s\" is not known here"), s->text);
		c->script->caps |= 1u << cap;
	}
	return 0;
}

static bool may_follow(enum sieve_op before)
{
	return before == OP_IF || before == OP_ELSIF;
}

/* nodes one after the other; outer: the script itself, where require may stand first. */
static int check_block(struct sieve_check *c, struct sieve_node *n, bool outer)
{
	enum sieve_op before = OP_REQUIRE;
	for (; n; n = n->next) {
		int err = check_node(c, n, false);
		if (err < 0)
			return err;
		enum sieve_op op = n->spec->op;
		if (op == OP_REQUIRE && (!outer || before != OP_REQUIRE))
			return fail(c, n->at, N_("require stands at the beginning of a script only"), none);
		if ((op == OP_ELSIF || op == OP_ELSE) && !may_follow(before))
			return fail(c, n->at, N_("\"%s\" must follow the block of an if or an elsif"), n->name);
		if (op == OP_REQUIRE)
			err = take_require(c, n);
		if (err == 0 && n->has_block)
			err = check_block(c, n->block, false);
		if (err < 0)
			return err;
		before = op;
	}
	return 0;
}

/* Names of included scripts, and of global variables, for those who load and run it. */
static void count_names(const struct sieve_node *n, size_t *includes, size_t *globals)
{
	for (; n; n = n->next) {
		*includes += n->spec->op == OP_INCLUDE;
		*globals += n->spec->op == OP_GLOBAL ? n->positional[0]->n : 0;
		count_names(n->block, includes, globals);
	}
}

static void gather_names(struct sieve_script *s, const struct sieve_node *n)
{
	for (; n; n = n->next) {
		if (n->spec->op == OP_INCLUDE) {
			const struct sieve_string *name = &n->positional[0]->strings[0];
			s->includes[s->n_includes++] = (struct sieve_include){
				name->variable ? none : name->text, sieve_tag(n, TAG_GLOBAL), sieve_tag(n, TAG_OPTIONAL),
			};
		}
		for (size_t i = 0; n->spec->op == OP_GLOBAL && i < n->positional[0]->n; i++)
			s->globals[s->n_globals++] = n->positional[0]->strings[i].text;
		gather_names(s, n->block);
	}
}

bool sieve_next_include(const struct sieve_script *s, size_t *at, struct sieve_include *ret)
{
	if (*at >= s->n_includes)
		return false;
	*ret = s->includes[(*at)++];
	return true;
}

bool sieve_asks_mailboxes(const struct sieve_script *s)
{
	return s->asks_mailboxes;
}

int sieve_compile(struct arena *a, struct slice text, struct sieve_script **ret, struct sieve_error *why)
{
	struct sieve_script *s = ARENA_NEW(a, struct sieve_script);
	struct sieve_check c = { a, s, why, map_new() };
	size_t includes = 0, globals = 0;
	int err = sieve_parse(a, text, &s->commands, why);
	if (err == 0)
		err = check_block(&c, s->commands, true);
	map_free(&c.set);
	if (err < 0)
		return err;
	count_names(s->commands, &includes, &globals);
	if (globals > SIEVE_VARIABLES_MAX)
		return sieve_error_at(why, (struct sieve_pos){ 0, 0 }, ERR_TOO_BIG, N_("the script has too many global variables"), none);
	s->includes = ARENA_ARRAY(a, struct sieve_include, includes + 1);
	s->globals = ARENA_ARRAY(a, struct slice, globals + 1);
	gather_names(s, s->commands);
	*ret = s;
	return 0;
}
