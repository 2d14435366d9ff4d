/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser of SEARCH programs. Recursion goes one C frame a level of NOT, OR or parentheses and is capped;
 * so are keys, text searches and ranges (THREATS I14). Strings are folded here, once, for all messages.
 */
#include "proto/imap/search_priv.h"

#include "base/codec.h"
#include "base/err.h"

#include <utf8proc.h>

struct parse {
	struct imap_scan *s;
	struct imap_search *out;
	unsigned keys;
	size_t texts, ranges;
};

enum argument {
	ARG_NONE,
	ARG_TEXT,	/* astring, folded */
	ARG_KEYWORD,
	ARG_DATE,
	ARG_NUMBER,
	ARG_HEADER,	/* the field is the key's own */
	ARG_SPECIAL,	/* a function of its own */
};

static const struct key_def {
	const char *name;
	enum search_kind kind;
	enum argument arg;
	unsigned number;
	unsigned needs;
} defs[] = {
	{ "ALL", SEARCH_ALL, ARG_NONE, 0, 0 },
	{ "ANSWERED", SEARCH_FLAG, ARG_NONE, IMAP_ANSWERED, 0 },
	{ "DELETED", SEARCH_FLAG, ARG_NONE, IMAP_DELETED, 0 },
	{ "DRAFT", SEARCH_FLAG, ARG_NONE, IMAP_DRAFT, 0 },
	{ "FLAGGED", SEARCH_FLAG, ARG_NONE, IMAP_FLAGGED, 0 },
	{ "SEEN", SEARCH_FLAG, ARG_NONE, IMAP_SEEN, 0 },
	{ "UNANSWERED", SEARCH_NO_FLAG, ARG_NONE, IMAP_ANSWERED, 0 },
	{ "UNDELETED", SEARCH_NO_FLAG, ARG_NONE, IMAP_DELETED, 0 },
	{ "UNDRAFT", SEARCH_NO_FLAG, ARG_NONE, IMAP_DRAFT, 0 },
	{ "UNFLAGGED", SEARCH_NO_FLAG, ARG_NONE, IMAP_FLAGGED, 0 },
	{ "UNSEEN", SEARCH_NO_FLAG, ARG_NONE, IMAP_SEEN, 0 },
	{ "RECENT", SEARCH_FLAG, ARG_NONE, IMAP_RECENT, 0 },
	{ "NEW", SEARCH_NEW, ARG_NONE, 0, 0 },
	{ "OLD", SEARCH_NO_FLAG, ARG_NONE, IMAP_RECENT, 0 },
	{ "KEYWORD", SEARCH_KEYWORD, ARG_KEYWORD, 0, 0 },
	{ "UNKEYWORD", SEARCH_KEYWORD, ARG_KEYWORD, 1, 0 },
	{ "BEFORE", SEARCH_BEFORE, ARG_DATE, 0, 0 },
	{ "ON", SEARCH_ON, ARG_DATE, 0, 0 },
	{ "SINCE", SEARCH_SINCE, ARG_DATE, 0, 0 },
	{ "SENTBEFORE", SEARCH_SENT_BEFORE, ARG_DATE, 0, IMAP_NEED_SENT },
	{ "SENTON", SEARCH_SENT_ON, ARG_DATE, 0, IMAP_NEED_SENT },
	{ "SENTSINCE", SEARCH_SENT_SINCE, ARG_DATE, 0, IMAP_NEED_SENT },
	{ "LARGER", SEARCH_LARGER, ARG_NUMBER, 0, 0 },
	{ "SMALLER", SEARCH_SMALLER, ARG_NUMBER, 0, 0 },
	{ "YOUNGER", SEARCH_YOUNGER, ARG_NUMBER, 1, 0 },
	{ "OLDER", SEARCH_OLDER, ARG_NUMBER, 1, 0 },
	{ "BCC", SEARCH_HEADER, ARG_HEADER, 0, IMAP_NEED_HEADER },
	{ "CC", SEARCH_HEADER, ARG_HEADER, 0, IMAP_NEED_HEADER },
	{ "FROM", SEARCH_HEADER, ARG_HEADER, 0, IMAP_NEED_HEADER },
	{ "SUBJECT", SEARCH_HEADER, ARG_HEADER, 0, IMAP_NEED_HEADER },
	{ "TO", SEARCH_HEADER, ARG_HEADER, 0, IMAP_NEED_HEADER },
	{ "HEADER", SEARCH_HEADER, ARG_SPECIAL, 0, IMAP_NEED_HEADER },
	{ "BODY", SEARCH_BODY, ARG_TEXT, 0, IMAP_NEED_BODY },
	{ "TEXT", SEARCH_TEXT, ARG_TEXT, 0, IMAP_NEED_BODY | IMAP_NEED_HEADER },
	{ "UID", SEARCH_UID, ARG_SPECIAL, 0, 0 },
	{ "MODSEQ", SEARCH_MODSEQ, ARG_SPECIAL, 0, 0 },
	{ "NOT", SEARCH_NOT, ARG_SPECIAL, 0, 0 },
	{ "OR", SEARCH_OR, ARG_SPECIAL, 0, 0 },
};

static int scan_key(struct parse *p, unsigned depth, struct imap_search_key **ret);

struct slice imap_search_fold(struct arena *a, struct slice utf8)
{
	utf8proc_uint8_t *out = NULL;
	utf8proc_ssize_t n = -1;

	if (!ascii_only(utf8))
		n = utf8proc_map(utf8.p, (utf8proc_ssize_t)utf8.n, &out,
				 UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD |
					 UTF8PROC_IGNORE);
	if (n >= 0) {
		struct slice folded = arena_dup(a, slice_of(out, (size_t)n));
		free(out);
		return folded;
	}
	free(out);
	struct slice copy = arena_dup(a, utf8);
	for (size_t i = 0; i < copy.n; i++)
		((uint8_t *)copy.p)[i] = ascii_lower(copy.p[i]);
	return copy;
}

static void free_set(void *set)
{
	imap_seqset_fini(set);
}

static int new_key(struct parse *p, enum search_kind kind, struct imap_search_key **ret)
{
	if (++p->keys > IMAP_SEARCH_KEYS)
		return ERR_TOO_BIG;
	struct imap_search_key *k = ARENA_NEW(p->s->arena, struct imap_search_key);
	k->kind = kind;
	k->number_of = p->keys - 1;
	*ret = k;
	return 0;
}

static int scan_set_key(struct parse *p, enum search_kind kind, struct imap_search_key **ret)
{
	struct imap_search_key *k;
	struct slice text;
	int err;

	if (imap_scan_set(p->s, &text) < 0)
		return ERR_SYNTAX;
	if ((err = new_key(p, kind, &k)) < 0 || (err = imap_seqset_parse(text, &k->set)) < 0)
		return err;
	arena_on_free(p->s->arena, free_set, &k->set);
	p->ranges += k->set.n;
	*ret = k;
	return p->ranges > IMAP_SEARCH_SETS_MAX ? ERR_TOO_BIG : 0;
}

static int scan_text(struct parse *p, struct slice *ret)
{
	struct slice text;

	if (imap_scan_astring(p->s, &text) < 0 || !utf8_valid(text))
		return ERR_SYNTAX;
	*ret = imap_search_fold(p->s->arena, text);
	return 0;
}

/* MODSEQ ["entry" SP priv/shared/all SP] number (RFC 7162 3.1.5); entries are not kept apart. */
static int scan_modseq(struct parse *p, struct imap_search_key *k)
{
	struct imap_scan *s = p->s;
	struct slice ignored;
	uint64_t v;

	if (imap_scan_is(s, '"')) {
		if (imap_scan_string(s, &ignored) < 0 || imap_scan_sp(s) < 0 ||
		    imap_scan_word(s, &ignored) < 0 || imap_scan_sp(s) < 0)
			return ERR_SYNTAX;
	}
	if (imap_scan_number(s, INT64_MAX, &v) < 0)
		return ERR_SYNTAX;
	k->number = (int64_t)v;
	p->out->has_modseq = true;
	return 0;
}

static int scan_nested(struct parse *p, unsigned depth, struct imap_search_key *k)
{
	int err = scan_key(p, depth + 1, &k->child);

	if (err < 0 || k->kind == SEARCH_NOT)
		return err;
	if (imap_scan_sp(p->s) < 0)
		return ERR_SYNTAX;
	return scan_key(p, depth + 1, &k->child->next);
}

static int scan_special(struct parse *p, const struct key_def *d, unsigned depth,
			struct imap_search_key *k)
{
	struct slice field;

	switch (d->kind) {
	case SEARCH_MODSEQ:
		return scan_modseq(p, k);
	case SEARCH_HEADER:
		if (imap_scan_astring(p->s, &field) < 0 || imap_scan_sp(p->s) < 0 || !field.n)
			return ERR_SYNTAX;
		k->field = field;
		return scan_text(p, &k->text);
	default:
		return scan_nested(p, depth, k);
	}
}

static int scan_argument(struct parse *p, const struct key_def *d, unsigned depth,
			 struct imap_search_key *k)
{
	uint64_t number;

	if (d->arg == ARG_NONE)
		return 0;
	if (imap_scan_sp(p->s) < 0)
		return ERR_SYNTAX;
	switch (d->arg) {
	case ARG_HEADER:
		k->field = slice_str(d->name);
		return scan_text(p, &k->text);
	case ARG_TEXT:
		if (++p->texts > IMAP_SEARCH_TEXTS)
			return ERR_TOO_BIG;
		return scan_text(p, &k->text);
	case ARG_KEYWORD:
		return imap_scan_atom(p->s, &k->text);
	case ARG_DATE:
		return imap_scan_date(p->s, &k->number);
	case ARG_NUMBER:
		if (imap_scan_number(p->s, INT64_MAX, &number) < 0 || (d->number && !number))
			return ERR_SYNTAX;
		k->number = (int64_t)number;
		return 0;
	default:
		return scan_special(p, d, depth, k);
	}
}

static int scan_named(struct parse *p, struct slice name, unsigned depth, struct imap_search_key **ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(defs); i++) {
		const struct key_def *d = &defs[i];
		struct imap_search_key *k, *no;
		int err;

		if (!slice_eq_ci(name, slice_str(d->name)))
			continue;
		if (d->kind == SEARCH_UID)
			return imap_scan_sp(p->s) < 0 ? ERR_SYNTAX : scan_set_key(p, SEARCH_UID, ret);
		if ((err = new_key(p, d->kind, &k)) < 0)
			return err;
		k->number = d->number;
		if ((err = scan_argument(p, d, depth, k)) < 0)
			return err;
		p->out->needs |= d->needs;
		if (d->kind == SEARCH_KEYWORD && d->number) {
			if ((err = new_key(p, SEARCH_NOT, &no)) < 0)
				return err;
			no->child = k;
			k = no;
		}
		*ret = k;
		return 0;
	}
	return ERR_SYNTAX;
}

/* search-key *(SP search-key), up to the end or ')'. */
static int scan_chain(struct parse *p, unsigned depth, struct imap_search_key **ret)
{
	struct imap_search_key *and, **tail;
	int err = new_key(p, SEARCH_AND, &and);

	if (err < 0)
		return err;
	tail = &and->child;
	do {
		if ((err = scan_key(p, depth, tail)) < 0)
			return err;
		tail = &(*tail)->next;
	} while (imap_scan_sp(p->s) == 0);
	*ret = and;
	return 0;
}

static int scan_key(struct parse *p, unsigned depth, struct imap_search_key **ret)
{
	struct slice word;
	int err;

	if (depth > IMAP_SEARCH_DEPTH)
		return ERR_TOO_BIG;
	if (imap_scan_char(p->s, '(') == 0) {
		if ((err = scan_chain(p, depth + 1, ret)) < 0)
			return err;
		return imap_scan_char(p->s, ')');
	}
	if (p->s->at < p->s->in.n && (ascii_is_digit(p->s->in.p[p->s->at]) || imap_scan_is(p->s, '*')))
		return scan_set_key(p, SEARCH_SEQ, ret);
	if (imap_scan_word(p->s, &word) < 0)
		return ERR_SYNTAX;
	return scan_named(p, word, depth, ret);
}

/* RETURN SP "(" [option *(SP option)] ")" SP */
static int scan_return(struct imap_scan *s, struct imap_search *out)
{
	static const char *const names[] = { "MIN", "MAX", "ALL", "COUNT" };
	struct slice word;

	if (imap_scan_keyword(s, "RETURN") < 0)
		return 0;
	out->extended = true;
	if (imap_scan_sp(s) < 0 || imap_scan_char(s, '(') < 0)
		return ERR_SYNTAX;
	while (imap_scan_char(s, ')') < 0) {
		size_t i = 0;
		if (out->returns && imap_scan_sp(s) < 0)
			return ERR_SYNTAX;
		if (imap_scan_word(s, &word) < 0)
			return ERR_SYNTAX;
		while (i < ARRAY_SIZE(names) && !slice_eq_ci(word, slice_str(names[i])))
			i++;
		if (i == ARRAY_SIZE(names))
			return ERR_SYNTAX;
		out->returns |= 1u << i;
	}
	if (!out->returns)
		out->returns = IMAP_RETURN_ALL;
	return imap_scan_sp(s);
}

static int scan_charset(struct imap_scan *s, struct imap_search *out)
{
	struct slice name;

	if (imap_scan_keyword(s, "CHARSET") < 0)
		return 0;
	/* RFC 6855 3: with UTF8=ACCEPT on, CHARSET is an error. */
	if (s->utf8 || imap_scan_sp(s) < 0 || imap_scan_astring(s, &name) < 0 || imap_scan_sp(s) < 0)
		return ERR_SYNTAX;
	out->bad_charset = !slice_eq_ci(name, SLICE("UTF-8")) && !slice_eq_ci(name, SLICE("US-ASCII"));
	return 0;
}

int imap_search_scan(struct imap_scan *s, struct imap_search *ret)
{
	struct imap_search out = { 0 };
	struct parse p = { .s = s, .out = &out };
	int err;

	if (scan_return(s, &out) < 0 || scan_charset(s, &out) < 0)
		return ERR_SYNTAX;
	if (!out.bad_charset) {
		if ((err = scan_chain(&p, 0, &out.root)) < 0)
			return err;
		if (!imap_scan_end(s))
			return ERR_SYNTAX;
	}
	out.n_keys = p.keys;
	*ret = out;
	return 0;
}
