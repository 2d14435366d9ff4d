/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 5228 2.7 (comparators of RFC 4790), RFC 5231 (relational), RFC 5229 3.2 (what * and ? matched). Values are
 * UTF-8; ? takes one character. Searching is linear; a pattern goes back to its last * only, and each step is charged.
 */
#include "proto/sieve/run_priv.h"

#include "base/codec.h"

static struct slice fold(struct sieve_runner *r, struct slice s)
{
	if (!sieve_charge(r, s.n / 8 + 1))
		return slice_of(NULL, 0);
	uint8_t *p = arena_alloc(r->scratch, s.n + 1);
	for (size_t i = 0; i < s.n; i++)
		p[i] = ascii_upper(s.p[i]);
	return slice_of(p, s.n);
}

/* RFC 4790 9.1.1: the digits at the front; none: infinity. Leading zeros are gone. */
static bool number_of(struct slice s, struct slice *ret)
{
	size_t n = 0;
	while (n < s.n && ascii_is_digit(s.p[n]))
		n++;
	if (n == 0)
		return false;
	*ret = slice_sub(s, 0, n);
	while (ret->n > 1 && ret->p[0] == '0')
		*ret = slice_sub(*ret, 1, ret->n);
	return true;
}

static int compare_numbers(struct slice a, struct slice b)
{
	struct slice x, y;
	bool fa = number_of(a, &x), fb = number_of(b, &y);
	if (!fa || !fb)
		return fa ? -1 : fb ? 1 : 0;
	if (x.n != y.n)
		return x.n < y.n ? -1 : 1;
	return slice_cmp(x, y);
}

static int compare(struct sieve_matcher *m, struct slice value, struct slice key)
{
	if (!sieve_charge(m->r, (value.n < key.n ? value.n : key.n) + 1))
		return -1;
	if (m->n->comparator == COMPARATOR_NUMERIC)
		return compare_numbers(value, key);
	return slice_cmp(value, key);
}

static bool relation_holds(enum sieve_relation relation, int c)
{
	switch (relation) {
	case RELATION_GT: return c > 0;
	case RELATION_GE: return c >= 0;
	case RELATION_LT: return c < 0;
	case RELATION_LE: return c <= 0;
	case RELATION_EQ: return c == 0;
	default: return c != 0;
	}
}

/* ---- :matches ---- */

struct capture {
	size_t from, to;
};

struct glob {
	struct slice pattern, value;
	struct capture captures[SIEVE_CAPTURES_MAX];
	size_t n;
};

static size_t character(struct slice s, size_t at)
{
	uint32_t cp;
	size_t n = utf8_decode(slice_sub(s, at, s.n), &cp);
	return n ? n : 1;
}

static void capture(struct glob *g, size_t which, size_t from, size_t to)
{
	if (which < SIEVE_CAPTURES_MAX)
		g->captures[which] = (struct capture){ from, to };
}

/* What stands at p of the pattern: a literal byte (with or without backslash), or a wildcard. */
static bool is_wild(struct slice p, size_t at, uint8_t *ret_literal, size_t *ret_next)
{
	uint8_t c = p.p[at];
	*ret_next = at + 1;
	if (c == '*' || c == '?')
		return true;
	if (c == '\\' && at + 1 < p.n) {
		c = p.p[at + 1];
		*ret_next = at + 2;
	}
	*ret_literal = c;
	return false;
}

/* One step without a star; false where it does not fit. */
static bool step(struct glob *g, size_t *p, size_t *v, size_t *wild)
{
	uint8_t literal = 0;
	size_t next;
	if (*p >= g->pattern.n || *v >= g->value.n)
		return false;
	if (!is_wild(g->pattern, *p, &literal, &next)) {
		if (g->value.p[*v] != literal)
			return false;
		(*v)++;
	} else {
		size_t n = character(g->value, *v);
		capture(g, (*wild)++, *v, *v + n);
		*v += n;
	}
	*p = next;
	return true;
}

static bool glob(struct sieve_runner *r, struct glob *g)
{
	size_t p = 0, v = 0, wild = 0;
	size_t star_p = SIZE_MAX, star_v = 0, star_from = 0, star_wild = 0;
	while (v < g->value.n || p < g->pattern.n) {
		if (!sieve_charge(r, 1))
			return false;
		if (p < g->pattern.n && g->pattern.p[p] == '*') {
			star_from = star_v = v;
			star_wild = wild++;
			capture(g, star_wild, v, v);
			star_p = ++p;
			if (p == g->pattern.n) {	/* the last one takes all the rest */
				capture(g, star_wild, v, g->value.n);
				v = g->value.n;
			}
		} else if (!step(g, &p, &v, &wild)) {
			if (star_p == SIZE_MAX || star_v >= g->value.n)
				return false;
			star_v += character(g->value, star_v);
			capture(g, star_wild, star_from, star_v);
			v = star_v;
			p = star_p;
			wild = star_wild + 1;
		}
	}
	g->n = wild < SIEVE_CAPTURES_MAX ? wild : SIEVE_CAPTURES_MAX;
	return true;
}

static void keep_captures(struct sieve_matcher *m, const struct glob *g, struct slice value)
{
	struct sieve_scope *scope = m->r->scope;
	if (m->no_captures || !(scope->script->caps & CAP_BIT(VARIABLES)))
		return;
	scope->n_captures = g->n + 1;
	for (size_t i = 0; i <= g->n; i++) {
		struct slice s = i ? slice_sub(value, g->captures[i - 1].from, g->captures[i - 1].to) : value;
		s = slice_sub(s, 0, SIEVE_VALUE_MAX);
		scope->captures[i] = sieve_charge(m->r, s.n + 1) ? arena_dup(m->r->arena, s) : slice_of(NULL, 0);
	}
}

/* value: as it was; folded: to be compared. Folding keeps lengths, so places are the same in both. */
static bool matches(struct sieve_matcher *m, struct slice value, struct slice folded, struct slice pattern)
{
	struct glob g = { .pattern = pattern, .value = folded };
	if (!glob(m->r, &g))
		return false;
	keep_captures(m, &g, value);
	return true;
}

/* ---- values against keys ---- */

static bool contains(struct sieve_matcher *m, struct slice value, struct slice key)
{
	return sieve_charge(m->r, value.n / 8 + key.n + 1) && slice_find(value, key, 0) >= 0;
}

static bool match_key(struct sieve_matcher *m, struct slice value, struct slice folded, struct slice key)
{
	switch (m->n->match) {
	case MATCH_IS: return compare(m, folded, key) == 0;
	case MATCH_CONTAINS: return contains(m, folded, key);
	case MATCH_MATCHES: return matches(m, value, folded, key);
	default: return relation_holds(m->n->relation, compare(m, folded, key));
	}
}

static bool match_keys(struct sieve_matcher *m, struct slice value)
{
	struct slice folded = m->n->comparator == COMPARATOR_CASEMAP ? fold(m->r, value) : value;
	for (size_t i = 0; i < m->n_keys && m->r->err == 0; i++) {
		if (match_key(m, value, folded, m->keys[i]))
			return m->r->err == 0;
	}
	return false;
}

void sieve_matcher_init(struct sieve_matcher *m, struct sieve_runner *r, const struct sieve_node *n,
			const struct sieve_arg *keys)
{
	*m = (struct sieve_matcher){ .r = r, .n = n, .n_keys = keys->n };
	m->keys = sieve_texts(r, keys->strings, keys->n);
	for (size_t i = 0; i < m->n_keys && n->comparator == COMPARATOR_CASEMAP; i++)
		m->keys[i] = fold(r, m->keys[i]);
}

bool sieve_matcher_value(struct sieve_matcher *m, struct slice value)
{
	m->count++;
	return m->n->match != MATCH_COUNT && match_keys(m, value);
}

bool sieve_matcher_end(struct sieve_matcher *m)
{
	char text[24];
	if (m->n->match != MATCH_COUNT)
		return false;
	int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)m->count);
	return match_keys(m, slice_of(text, (size_t)n));
}
