/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 5232: lists of flags in the internal variable or a named one, where they are kept as words with blanks
 * between them. What cannot be a flag is left out; no flag stands twice.
 */
#include "proto/sieve/run_priv.h"

static void flags_add(struct sieve_runner *r, struct sieve_flags *f, struct slice flag, bool lenient)
{
	if (!lenient && !sieve_flag_ok(flag))
		return;
	for (size_t i = 0; i < f->n; i++) {
		if (slice_eq_ci(f->v[i], flag))
			return;
	}
	if (f->n < SIEVE_FLAGS_MAX && sieve_charge(r, flag.n + f->n))
		f->v[f->n++] = arena_dup(r->arena, flag);
}

static void flags_remove(struct sieve_flags *f, struct slice flag)
{
	size_t n = 0;
	for (size_t i = 0; i < f->n; i++) {
		if (!slice_eq_ci(f->v[i], flag))
			f->v[n++] = f->v[i];
	}
	f->n = n;
}

/* Each word of a string. */
static bool next_word(struct slice s, size_t *at, struct slice *ret)
{
	while (*at < s.n && s.p[*at] == ' ')
		(*at)++;
	size_t from = *at;
	while (*at < s.n && s.p[*at] != ' ')
		(*at)++;
	*ret = slice_sub(s, from, *at);
	return ret->n > 0;
}

static void add_words(struct sieve_runner *r, struct sieve_flags *f, struct slice s)
{
	struct slice word;
	for (size_t at = 0; r->err == 0 && next_word(s, &at, &word);)
		flags_add(r, f, word, false);
}

static void add_strings(struct sieve_runner *r, struct sieve_flags *f, const struct sieve_string *s, size_t n)
{
	for (size_t i = 0; i < n && r->err == 0; i++)
		add_words(r, f, sieve_text(r, &s[i]));
}

static struct slice joined(struct sieve_runner *r, const struct sieve_flags *f)
{
	struct buf out = BUF_INIT(SIEVE_VALUE_MAX);
	for (size_t i = 0; i < f->n; i++) {
		if (i)
			buf_byte(&out, ' ');
		buf_slice(&out, f->v[i]);
	}
	struct slice text = arena_dup(r->scratch, buf_view(&out));
	buf_fini(&out);
	return text;
}

void sieve_do_flags(struct sieve_runner *r, const struct sieve_node *n)
{
	struct sieve_flags now = { .n = 0 }, given = { .n = 0 };
	const struct sieve_arg *variable = n->positional[0];
	struct slice name = variable ? variable->strings[0].text : slice_of(NULL, 0);
	if (n->spec->op != OP_SETFLAG) {
		if (variable)
			add_words(r, &now, sieve_variable_get(r, name));
		else
			now = r->flags;
	}
	add_strings(r, &given, n->positional[1]->strings, n->positional[1]->n);
	for (size_t i = 0; i < given.n; i++) {
		if (n->spec->op == OP_REMOVEFLAG)
			flags_remove(&now, given.v[i]);
		else
			flags_add(r, &now, given.v[i], true);
	}
	if (variable)
		sieve_variable_set(r, n->at, name, joined(r, &now));
	else
		r->flags = now;
}

/* RFC 5232 2: a string of flags with blanks between is a list of them, among the keys, too. */
static void split_keys(struct sieve_runner *r, struct sieve_matcher *m)
{
	size_t room = 0, n = 0;
	struct slice word;
	for (size_t i = 0; i < m->n_keys; i++)
		room += m->keys[i].n / 2 + 1;
	if (!sieve_charge(r, room))
		return;
	struct slice *keys = ARENA_ARRAY(r->scratch, struct slice, room + 1);
	for (size_t i = 0; i < m->n_keys; i++) {
		for (size_t at = 0; next_word(m->keys[i], &at, &word);)
			keys[n++] = word;
	}
	m->keys = keys;
	m->n_keys = n;
}

bool sieve_test_hasflag(struct sieve_runner *r, const struct sieve_node *n)
{
	struct sieve_flags f = { .n = 0 };
	struct sieve_matcher m;
	const struct sieve_arg *variables = n->positional[0];
	for (size_t i = 0; variables && i < variables->n; i++)
		add_words(r, &f, sieve_variable_get(r, variables->strings[i].text));
	if (!variables)
		f = r->flags;
	sieve_matcher_init(&m, r, n, n->positional[1]);
	split_keys(r, &m);
	for (size_t i = 0; i < f.n && r->err == 0; i++) {
		if (sieve_matcher_value(&m, f.v[i]))
			return true;
	}
	return sieve_matcher_end(&m);
}

/* :flags where given, else the internal variable; joined with what the action has already. n may be NULL. */
void sieve_take_flags(struct sieve_runner *r, const struct sieve_node *n, struct sieve_action *a)
{
	const struct sieve_arg *arg = n ? sieve_tag_arg(n, TAG_FLAGS) : NULL;
	struct sieve_flags f = { .n = 0 };
	if (!a)
		return;
	for (size_t i = 0; i < a->n_flags; i++)
		flags_add(r, &f, a->flags[i], true);
	if (arg)
		add_strings(r, &f, arg->strings, arg->n);
	for (size_t i = 0; !arg && i < r->flags.n; i++)
		flags_add(r, &f, r->flags.v[i], true);
	struct slice *v = ARENA_ARRAY(r->arena, struct slice, f.n + 1);
	for (size_t i = 0; i < f.n; i++)
		v[i] = f.v[i];
	a->flags = v;
	a->n_flags = f.n;
}
