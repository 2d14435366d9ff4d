/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 5229: variables and their modifiers; RFC 6609 3.4: global ones, which scripts of one run share. Names
 * are compared without case; values live as long as the run and are charged, so they are bounded with it.
 */
#include "proto/sieve/run_priv.h"

#include "base/codec.h"

enum { TEXT_MAX = SIEVE_SCRIPT_MAX };	/* of a string with its variables in place; the rest is cut off */

static bool is_global(const struct sieve_runner *r, struct slice *name)
{
	if (slice_starts_ci(*name, SLICE("global."))) {
		*name = slice_sub(*name, 7, name->n);
		return true;
	}
	const struct sieve_script *s = r->scope->script;
	for (size_t i = 0; i < s->n_globals; i++) {
		if (slice_eq_ci(*name, s->globals[i]))
			return true;
	}
	return false;
}

static struct sieve_variable *find(struct sieve_runner *r, struct sieve_variables *vars, struct slice name)
{
	IGNORE(sieve_charge(r, vars->n), "the caller's loop sees err");
	for (size_t i = 0; i < vars->n; i++) {
		if (slice_eq_ci(vars->v[i].name, name))
			return &vars->v[i];
	}
	return NULL;
}

struct slice sieve_variable_get(struct sieve_runner *r, struct slice name)
{
	struct sieve_variables *vars = is_global(r, &name) ? &r->globals : &r->scope->variables;
	const struct sieve_variable *v = find(r, vars, name);
	return v ? v->value : slice_of(NULL, 0);
}

/* No character is cut in two. */
static struct slice cut(struct slice s, size_t max)
{
	if (s.n <= max)
		return s;
	while (max && (s.p[max] & 0xc0) == 0x80)
		max--;
	return slice_sub(s, 0, max);
}

void sieve_variable_set(struct sieve_runner *r, struct sieve_pos at, struct slice name, struct slice value)
{
	struct sieve_variables *vars = is_global(r, &name) ? &r->globals : &r->scope->variables;
	struct sieve_variable *v = find(r, vars, name);
	value = cut(value, SIEVE_VALUE_MAX);
	if (!sieve_charge(r, value.n + 1))
		return;
	if (!v && vars->n >= SIEVE_VARIABLES_MAX) {
		sieve_fail(r, at, N_("there are too many variables: \"%s\" is one more"), name);
		return;
	}
	if (!vars->v)
		vars->v = ARENA_ARRAY(r->arena, struct sieve_variable, SIEVE_VARIABLES_MAX);
	if (!v) {
		v = &vars->v[vars->n++];
		v->name = name;
	}
	v->value = arena_dup(r->arena, value);
}

/* ---- text with references ---- */

static struct slice ref_value(struct sieve_runner *r, const struct sieve_ref *ref)
{
	if (!ref->name.n)
		return ref->number < r->scope->n_captures ? r->scope->captures[ref->number] : slice_of(NULL, 0);
	if (!ref->space.n)
		return sieve_variable_get(r, ref->name);
	const struct sieve_variable *v = find(r, &r->globals, ref->name);
	return v ? v->value : slice_of(NULL, 0);
}

struct slice sieve_text(struct sieve_runner *r, const struct sieve_string *s)
{
	if (!s->variable)
		return s->text;
	struct buf out = BUF_INIT(TEXT_MAX);
	for (size_t at = 0; at < s->text.n && r->err == 0;) {
		struct sieve_ref ref;
		size_t n = s->text.p[at] == '$' ? sieve_ref_parse(slice_sub(s->text, at, s->text.n), &ref) : 0;
		if (n) {
			struct slice value = ref_value(r, &ref);
			buf_slice(&out, cut(value, TEXT_MAX - out.n));
			IGNORE(sieve_charge(r, value.n), "the loop sees err");
			at += n;
		} else if (out.n < TEXT_MAX) {
			buf_byte(&out, s->text.p[at++]);
		} else {
			break;
		}
	}
	IGNORE(sieve_charge(r, s->text.n), "the caller sees err");
	struct slice text = arena_dup(r->scratch, buf_view(&out));
	buf_fini(&out);
	return text;
}

struct slice *sieve_texts(struct sieve_runner *r, const struct sieve_string *s, size_t n)
{
	struct slice *v = ARENA_ARRAY(r->scratch, struct slice, n + 1);
	for (size_t i = 0; i < n; i++)
		v[i] = sieve_text(r, &s[i]);
	return v;
}

/* ---- set ---- */

static size_t characters(struct slice s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n += (s.p[i] & 0xc0) != 0x80;
	return n;
}

/* RFC 5229 4.1: case first, then its first letter, then quoting, then the length. ASCII letters only. */
static struct slice modified(struct sieve_runner *r, const struct sieve_node *n, struct slice s)
{
	struct buf out = BUF_INIT(2 * TEXT_MAX);
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		if (sieve_tag(n, TAG_LOWER))
			c = ascii_lower(c);
		else if (sieve_tag(n, TAG_UPPER))
			c = ascii_upper(c);
		if (i == 0 && sieve_tag(n, TAG_LOWERFIRST))
			c = ascii_lower(c);
		else if (i == 0 && sieve_tag(n, TAG_UPPERFIRST))
			c = ascii_upper(c);
		if (sieve_tag(n, TAG_QUOTEWILDCARD) && (c == '*' || c == '?' || c == '\\'))
			buf_byte(&out, '\\');
		buf_byte(&out, c);
	}
	if (sieve_tag(n, TAG_LENGTH)) {
		size_t length = characters(buf_view(&out));
		buf_clear(&out);
		buf_u64(&out, length);
	}
	struct slice text = arena_dup(r->scratch, buf_view(&out));
	buf_fini(&out);
	return text;
}

void sieve_do_set(struct sieve_runner *r, const struct sieve_node *n)
{
	struct slice value = sieve_text(r, &n->positional[1]->strings[0]);
	if (n->tags && sieve_charge(r, value.n))
		value = modified(r, n, value);
	sieve_variable_set(r, n->at, n->positional[0]->strings[0].text, value);
}
