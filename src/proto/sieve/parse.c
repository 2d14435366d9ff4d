/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 5228 8.2: commands, arguments, tests, blocks; what they mean is check.c's. Nesting is bounded, so recursion is.
 */
#include "proto/sieve/sieve_priv.h"

#include "base/codec.h"

struct parser {
	struct sieve_lex lex;
	struct sieve_token token;	/* the next one */
	struct arena *arena;
	struct sieve_error *why;
	unsigned nodes, depth;
};

static int fail(struct parser *p, struct sieve_pos at, const char *what, struct slice arg)
{
	return sieve_error_at(p->why, at, ERR_SYNTAX, what, arg);
}

static int too_big(struct parser *p, const char *what)
{
	return sieve_error_at(p->why, p->token.at, ERR_TOO_BIG, what, slice_of(NULL, 0));
}

static int advance(struct parser *p)
{
	return sieve_lex_next(&p->lex, &p->token);
}

static bool is_punct(const struct parser *p, char c)
{
	return p->token.kind == TOKEN_PUNCT && p->token.text.p[0] == (uint8_t)c;
}

static int expect(struct parser *p, char c, const char *what, struct slice arg)
{
	if (!is_punct(p, c))
		return fail(p, p->token.at, what, arg);
	return advance(p);
}

static struct sieve_node *node_new(struct parser *p)
{
	struct sieve_node *n = ARENA_NEW(p->arena, struct sieve_node);
	n->at = p->token.at;
	n->name = p->token.text;
	p->nodes++;
	return n;
}

/* "[" string *("," string) "]"; the strings are first counted by keeping them in a chain. */
static int string_list(struct parser *p, struct sieve_arg *arg)
{
	struct link {
		struct link *next;
		struct sieve_string s;
	} *first = NULL, **tail = &first;
	int err = advance(p);
	while (err == 0 && !is_punct(p, ']')) {
		if (p->token.kind != TOKEN_STRING)
			return fail(p, p->token.at, N_("in [ ] stand strings with commas between them"), p->token.text);
		*tail = ARENA_NEW(p->arena, struct link);
		(*tail)->s = (struct sieve_string){ p->token.text, p->token.at, false };
		tail = &(*tail)->next;
		arg->n++;
		err = advance(p);
		if (err == 0 && is_punct(p, ',')) {
			err = advance(p);
			if (err == 0 && is_punct(p, ']'))
				return fail(p, p->token.at, N_("behind the comma another string must follow"), p->token.text);
		} else if (err == 0 && !is_punct(p, ']')) {
			return fail(p, p->token.at, N_("a comma or ] is missing here"), p->token.text);
		}
	}
	if (err < 0)
		return err;
	arg->strings = ARENA_ARRAY(p->arena, struct sieve_string, arg->n + 1);
	size_t i = 0;
	for (struct link *l = first; l; l = l->next)
		arg->strings[i++] = l->s;
	return arg->n ? advance(p) : fail(p, arg->at, N_("the list is empty"), p->token.text);
}

static int argument(struct parser *p, struct sieve_arg *arg)
{
	arg->at = p->token.at;
	switch (p->token.kind) {
	case TOKEN_TAG:
		arg->kind = ARG_TAG;
		arg->tag = p->token.text;
		return advance(p);
	case TOKEN_NUMBER:
		arg->kind = ARG_NUMBER;
		arg->number = p->token.number;
		return advance(p);
	case TOKEN_STRING:
		arg->kind = ARG_STRING;
		arg->n = 1;
		arg->strings = ARENA_NEW(p->arena, struct sieve_string);
		arg->strings[0] = (struct sieve_string){ p->token.text, p->token.at, false };
		return advance(p);
	default:
		arg->kind = ARG_LIST;
		return string_list(p, arg);
	}
}

static bool at_argument(const struct parser *p)
{
	return p->token.kind == TOKEN_TAG || p->token.kind == TOKEN_NUMBER || p->token.kind == TOKEN_STRING ||
	       is_punct(p, '[');
}

static int arguments(struct parser *p, struct sieve_node *n)
{
	struct sieve_arg **tail = &n->args;
	int err = 0;
	while (err == 0 && at_argument(p)) {
		*tail = ARENA_NEW(p->arena, struct sieve_arg);
		err = argument(p, *tail);
		tail = &(*tail)->next;
	}
	return err;
}

static int test(struct parser *p, struct sieve_node **ret);

static int test_list(struct parser *p, struct sieve_node *n)
{
	struct sieve_node **tail = &n->tests;
	n->tests_in_parentheses = true;
	int err = advance(p);
	while (err == 0) {
		err = test(p, tail);
		if (err < 0 || !is_punct(p, ','))
			break;
		tail = &(*tail)->next;
		err = advance(p);
	}
	return err < 0 ? err : expect(p, ')', N_("a comma or ) is missing here"), p->token.text);
}

/* What stands behind a name: arguments, then a test or a list of them. */
static int arguments_and_tests(struct parser *p, struct sieve_node *n)
{
	int err = arguments(p, n);
	if (err == 0 && is_punct(p, '('))
		return test_list(p, n);
	if (err == 0 && p->token.kind == TOKEN_IDENT)
		return test(p, &n->tests);
	return err;
}

static int enter(struct parser *p)
{
	if (p->nodes >= SIEVE_NODES_MAX)
		return too_big(p, N_("the script has too many commands and tests"));
	if (p->depth >= SIEVE_NEST_MAX)
		return too_big(p, N_("blocks and tests are nested too deep here"));
	p->depth++;
	return 0;
}

static int test(struct parser *p, struct sieve_node **ret)
{
	if (p->token.kind != TOKEN_IDENT)
		return fail(p, p->token.at, N_("the name of a test is missing here"), p->token.text);
	int err = enter(p);
	if (err < 0)
		return err;
	*ret = node_new(p);
	err = advance(p);
	if (err == 0)
		err = arguments_and_tests(p, *ret);
	p->depth--;
	return err;
}

static int commands(struct parser *p, struct sieve_node **tail);

static int block(struct parser *p, struct sieve_node *n)
{
	struct sieve_pos from = p->token.at;
	n->has_block = true;
	int err = advance(p);
	if (err == 0)
		err = commands(p, &n->block);
	if (err < 0)
		return err;
	return is_punct(p, '}') ? advance(p) : fail(p, from, N_("this block is not closed: its } is missing"), p->token.text);
}

static int command(struct parser *p, struct sieve_node **ret)
{
	if (p->token.kind != TOKEN_IDENT)
		return fail(p, p->token.at, N_("a command is expected here, not \"%s\""), p->token.text);
	int err = enter(p);
	if (err < 0)
		return err;
	struct sieve_node *n = *ret = node_new(p);
	err = advance(p);
	if (err == 0)
		err = arguments_and_tests(p, n);
	if (err == 0)
		err = is_punct(p, '{') ? block(p, n)
				       : expect(p, ';', N_("behind the command \"%s\" a ; is missing"), n->name);
	p->depth--;
	return err;
}

static int commands(struct parser *p, struct sieve_node **tail)
{
	int err = 0;
	while (err == 0 && p->token.kind != TOKEN_END && !is_punct(p, '}')) {
		err = command(p, tail);
		if (err == 0)
			tail = &(*tail)->next;
	}
	return err;
}

/* Where the first byte stands that is no text. */
static int check_bytes(struct slice text, struct sieve_error *why)
{
	struct sieve_pos at = { 1, 1 };
	for (size_t i = 0; i < text.n; at.column++) {
		uint32_t cp = 0;
		size_t n = utf8_decode(slice_sub(text, i, text.n), &cp);
		if (n == 0)
			return sieve_error_at(why, at, ERR_SYNTAX, N_("the script is not valid UTF-8 here"), slice_of(NULL, 0));
		if (cp == 0)
			return sieve_error_at(why, at, ERR_SYNTAX, N_("a script holds no NUL"), slice_of(NULL, 0));
		if (cp == '\n')
			at = (struct sieve_pos){ at.line + 1, 0 };
		i += n;
	}
	return 0;
}

int sieve_parse(struct arena *a, struct slice text, struct sieve_node **ret, struct sieve_error *why)
{
	struct parser p = { .lex = { text, 0, { 1, 1 }, a, why }, .arena = a, .why = why };
	struct sieve_node *first = NULL;
	if (text.n > SIEVE_SCRIPT_MAX)
		return sieve_error_at(why, (struct sieve_pos){ 0, 0 }, ERR_TOO_BIG,
				      N_("the script is bigger than 64 KiB"), slice_of(NULL, 0));
	int err = check_bytes(text, why);
	if (err == 0 && slice_starts(text, SLICE("\xef\xbb\xbf")))
		p.lex.at = 3;
	if (err == 0)
		err = advance(&p);
	if (err == 0)
		err = commands(&p, &first);
	if (err == 0 && p.token.kind != TOKEN_END)
		err = fail(&p, p.token.at, N_("this } closes nothing"), p.token.text);
	if (err == 0)
		*ret = first;
	return err;
}
