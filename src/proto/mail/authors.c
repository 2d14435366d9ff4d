/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scanner over the field's value: words (atoms with dots and 8-bit bytes, quoted strings), comments, and the
 * characters that mean something. What RFC 5322 calls obsolete in the middle of an address (routes, blanks and comments
 * around its dots and @) is a fault here: readers disagree about it.
 */
#include "proto/mail/authors.h"

#include "base/codec.h"
#include "base/err.h"
#include "proto/mail/address.h"
#include "proto/mail/words.h"

enum { COMMENT_DEPTH = 50, NAME_MAX_BYTES = 1024 };

struct reader {
	struct arena *a;
	struct slice in;
	size_t at;
	struct authors *to;
	bool in_group;
};

static int peek(const struct reader *r)
{
	return r->at < r->in.n ? r->in.p[r->at] : -1;
}

static bool is_blank(int c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_atom(int c)
{
	return c > ' ' && c != 0x7f && !strchr("()<>[]:;@\\,\"", c);
}

/* A quoted string or a comment: to behind its end. */
static int skip_enclosed(struct reader *r, uint8_t open, uint8_t close)
{
	unsigned depth = 0;
	for (; r->at < r->in.n; r->at++) {
		uint8_t c = r->in.p[r->at];
		if (c == '\\' && r->at + 1 < r->in.n) {
			r->at++;
		} else if (c == close && (open == close ? depth : --depth == 0)) {
			r->at++;
			return 0;
		} else if (c == open && ++depth > COMMENT_DEPTH) {
			return ERR_SYNTAX;
		}
	}
	return ERR_SYNTAX;
}

static int skip_blanks(struct reader *r)
{
	for (;;) {
		if (is_blank(peek(r)))
			r->at++;
		else if (peek(r) != '(')
			return 0;
		else if (skip_enclosed(r, '(', ')') < 0)
			return ERR_SYNTAX;
	}
}

/* Atoms and quoted strings without anything between them. */
static int word(struct reader *r)
{
	size_t from = r->at;
	while (is_atom(peek(r)) || peek(r) == '"')
		if (peek(r) != '"')
			r->at++;
		else if (skip_enclosed(r, '"', '"') < 0)
			return ERR_SYNTAX;
	return r->at > from ? 0 : ERR_SYNTAX;
}

static int keep(struct reader *r, struct slice **list, size_t *n, const struct addr *x)
{
	if (*n == AUTHORS_MAX)
		return ERR_TOO_BIG;
	if (!*list)
		*list = ARENA_ARRAY(r->a, struct slice, AUTHORS_MAX);
	(*list)[(*n)++] = arena_dup(r->a, addr_text(x));
	return 0;
}

/* No reader may find another address in it by decoding (S31). */
static bool has_encoded_word(struct slice s)
{
	ptrdiff_t at = slice_find(s, SLICE("=?"), 0);
	return at >= 0 && slice_find(s, SLICE("?="), (size_t)at + 2) >= 0;
}

static int address(struct reader *r, struct slice text)
{
	struct addr x;
	if (has_encoded_word(text) || addr_parse(text, ADDR_UTF8, &x) < 0)
		return ERR_SYNTAX;
	return keep(r, &r->to->list, &r->to->n, &x);
}

static bool in_address(uint8_t c)
{
	return c == '@' || is_atom(c);
}

/* What a reader of the name alone would take for an address. */
static int pretended(struct reader *r, struct slice name)
{
	struct buf text = BUF_INIT(4 * NAME_MAX_BYTES);
	int err = 0;
	words_decode(slice_sub(name, 0, NAME_MAX_BYTES), &text);
	struct slice s = buf_view(&text);
	for (size_t i = 0; i < s.n && err == 0;) {
		size_t end = i;
		struct addr x;
		while (end < s.n && in_address(s.p[end]))
			end++;
		struct slice piece = slice_sub(s, i, end);
		while (piece.n && strchr(".'!", piece.p[piece.n - 1]))
			piece.n--;
		while (piece.n && piece.p[0] == '\'')
			piece = slice_sub(piece, 1, piece.n);
		if (slice_find_byte(piece, '@', 0) > 0 && addr_parse(piece, ADDR_UTF8, &x) == 0 &&
		    slice_find_byte(addr_domain(&x), '.', 0) > 0)
			err = keep(r, &r->to->names, &r->to->n_names, &x);
		i = end + 1;
	}
	buf_fini(&text);
	return err;
}

/* "<" is next. */
static int in_angles(struct reader *r, struct slice name)
{
	size_t from = ++r->at;
	while (peek(r) >= 0 && peek(r) != '>' && peek(r) != '<')
		if (peek(r) == '"' && skip_enclosed(r, '"', '"') < 0)
			return ERR_SYNTAX;
		else if (peek(r) != '"')
			r->at++;
	if (peek(r) != '>')
		return ERR_SYNTAX;
	struct slice text = slice_trim(slice_sub(r->in, from, r->at));
	r->at++;
	int err = address(r, text);
	return err < 0 ? err : pretended(r, name);
}

/* joe@a.test <joe@a.test>, as some programs write it: the same one twice is one, another one is not clear. */
static int again_in_angles(struct reader *r)
{
	const struct slice *list;
	int err = in_angles(r, slice_of(NULL, 0));
	if (err < 0)
		return err;
	list = r->to->list + r->to->n - 2;
	r->to->n--;
	return slice_eq_ci(list[0], list[1]) ? 0 : ERR_SYNTAX;
}

/* "@" is next, and what is before it is one word. */
static int bare(struct reader *r, size_t from)
{
	r->at++;
	while (is_atom(peek(r)) || peek(r) == '[' || peek(r) == ']' || (peek(r) == ':' && !r->in_group))
		r->at++;
	int err = address(r, slice_sub(r->in, from, r->at));
	if (err == 0 && skip_blanks(r) < 0)
		err = ERR_SYNTAX;
	return err == 0 && peek(r) == '<' ? again_in_angles(r) : err;
}

/* An address, or the start of a group. */
static int element(struct reader *r)
{
	size_t from = r->at, words = 0, end = r->at;
	for (;;) {
		int c = peek(r);
		if (is_atom(c) || c == '"') {
			from = words ? from : r->at;
			if (word(r) < 0)
				return ERR_SYNTAX;
			words++;
			end = r->at;
		}
		if (peek(r) == '@')
			return words == 1 && end == r->at ? bare(r, from) : ERR_SYNTAX;
		if (skip_blanks(r) < 0)
			return ERR_SYNTAX;
		c = peek(r);
		if (c == '<')
			return in_angles(r, slice_sub(r->in, from, words ? end : from));
		if (c == ':' && words && !r->in_group) {
			r->at++;
			r->in_group = true;
			return 1;
		}
		if (!is_atom(c) && c != '"')
			return ERR_SYNTAX;
	}
}

/* Behind an element: a comma, the end of a group, the end. */
static int separator(struct reader *r)
{
	if (skip_blanks(r) < 0)
		return ERR_SYNTAX;
	while (peek(r) == ',' || (peek(r) == ';' && r->in_group)) {
		r->in_group = peek(r) == ',' && r->in_group;
		r->at++;
		if (skip_blanks(r) < 0)
			return ERR_SYNTAX;
		if (peek(r) < 0)
			return 0;
		if (peek(r) != ',' && peek(r) != ';')
			return 0;
	}
	return peek(r) < 0 ? 0 : ERR_SYNTAX;
}

int authors_read(struct arena *a, struct slice value, struct authors *to)
{
	struct reader r = { .a = a, .in = value, .to = to };
	if (value.n > AUTHORS_VALUE_MAX)
		return ERR_TOO_BIG;
	if (slice_find_byte(value, '@', 0) < 0)	/* MAILER-DAEMON <> */
		return 0;
	if (skip_blanks(&r) < 0)
		return ERR_SYNTAX;
	while (peek(&r) >= 0) {
		bool closes = r.in_group && peek(&r) == ';';	/* an empty group */
		int err = closes ? 0 : element(&r);
		if (err == 1) {
			if (skip_blanks(&r) < 0)
				return ERR_SYNTAX;
			continue;
		}
		if (err == 0)
			err = separator(&r);
		if (err < 0)
			return err;
	}
	return r.in_group ? ERR_SYNTAX : 0;
}
