/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 5228 2.2-2.4, 8.1: tokens with their place. Lines may end in LF alone, as scripts from a text editor do;
 * strings keep their line ends as CRLF. The whole text is valid UTF-8 without NUL before the first token.
 */
#include "proto/sieve/sieve_priv.h"

#include "base/codec.h"

int sieve_error_at(struct sieve_error *e, struct sieve_pos at, int err, const char *what, struct slice arg)
{
	size_t n = arg.n < SIEVE_ERROR_ARG_MAX - 4 ? arg.n : SIEVE_ERROR_ARG_MAX - 4;
	while (n < arg.n && n && (arg.p[n] & 0xc0) == 0x80)
		n--;
	*e = (struct sieve_error){ .line = at.line, .column = at.column, .what = what };
	for (size_t i = 0; i < n; i++)
		e->arg[i] = (char)(arg.p[i] < 0x20 || arg.p[i] == 0x7f ? ' ' : arg.p[i]);
	if (n < arg.n)
		memcpy(e->arg + n, "...", 3);
	return err;
}

void sieve_error_text(const struct sieve_error *e, const char *language, struct buf *out)
{
	const char *what = text_in(language, e->what);
	if (e->line)
		buf_printf(out, text_in(language, "line %u, column %u: "), e->line, e->column);
	const char *hole = strstr(what, "%s");
	buf_append(out, what, hole ? (size_t)(hole - what) : strlen(what));
	if (hole) {
		buf_str(out, e->arg);
		buf_str(out, hole + 2);
	}
}

static int fail(struct sieve_lex *l, struct sieve_pos at, const char *what)
{
	return sieve_error_at(l->why, at, ERR_SYNTAX, what, slice_of(NULL, 0));
}

static int peek(const struct sieve_lex *l, size_t ahead)
{
	return l->at + ahead < l->in.n ? l->in.p[l->at + ahead] : -1;
}

/* One byte on; columns count characters, lines end at LF. */
static void step(struct sieve_lex *l)
{
	uint8_t c = l->in.p[l->at++];
	if (c == '\n') {
		l->pos.line++;
		l->pos.column = 1;
	} else if ((c & 0xc0) != 0x80) {
		l->pos.column++;
	}
}

static int skip_bracket_comment(struct sieve_lex *l)
{
	struct sieve_pos from = l->pos;
	for (step(l), step(l); l->at < l->in.n; step(l)) {
		if (peek(l, 0) == '*' && peek(l, 1) == '/') {
			step(l);
			step(l);
			return 0;
		}
	}
	return fail(l, from, N_("this comment is not closed"));
}

static int skip_white(struct sieve_lex *l)
{
	for (int c; (c = peek(l, 0)) >= 0;) {
		if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
			step(l);
		} else if (c == '#') {
			while (l->at < l->in.n && peek(l, 0) != '\n')
				step(l);
		} else if (c == '/' && peek(l, 1) == '*') {
			int err = skip_bracket_comment(l);
			if (err < 0)
				return err;
		} else {
			break;
		}
	}
	return 0;
}

static bool is_ident_byte(int c, bool first)
{
	return c == '_' || (c >= 0 && ascii_is_alpha((uint8_t)c)) || (!first && c >= '0' && c <= '9');
}

static struct slice ident(struct sieve_lex *l)
{
	size_t from = l->at;
	while (is_ident_byte(peek(l, 0), l->at == from))
		step(l);
	return slice_sub(l->in, from, l->at);
}

static int number(struct sieve_lex *l, struct sieve_token *t)
{
	uint64_t v = 0;
	size_t from = l->at;
	bool big = false;
	for (int c; (c = peek(l, 0)) >= '0' && c <= '9'; step(l))
		big |= __builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)(c - '0'), &v);
	int unit = peek(l, 0) < 0 ? 0 : ascii_lower((uint8_t)peek(l, 0));
	unsigned shift = unit == 'k' ? 10 : unit == 'm' ? 20 : unit == 'g' ? 30 : 0;
	if (shift) {
		step(l);
		big |= v > (uint64_t)INT64_MAX >> shift;
		v <<= shift;
	}
	if (is_ident_byte(peek(l, 0), false))
		return fail(l, t->at, N_("a number ends in a digit, or in K, M or G"));
	if (big || v > INT64_MAX)
		return sieve_error_at(l->why, t->at, ERR_TOO_BIG, N_("the number %s is too big"),
				      slice_sub(l->in, from, l->at));
	t->kind = TOKEN_NUMBER;
	t->number = v;
	return 0;
}

/* Line ends become CRLF; out has room for twice the text. */
static void put(struct buf *out, const struct sieve_lex *l)
{
	uint8_t c = l->in.p[l->at];
	if (c == '\n' && !(out->n && out->p[out->n - 1] == '\r'))
		buf_byte(out, '\r');
	buf_byte(out, c);
}

static int quoted(struct sieve_lex *l, struct sieve_token *t)
{
	struct buf out = BUF_INIT(2 * SIEVE_SCRIPT_MAX);
	for (step(l); peek(l, 0) != '"'; step(l)) {
		if (peek(l, 0) == '\\')
			step(l);
		if (peek(l, 0) < 0) {
			buf_fini(&out);
			return fail(l, t->at, N_("this string is not closed: its second \" is missing"));
		}
		put(&out, l);
	}
	step(l);
	t->kind = TOKEN_STRING;
	t->text = arena_dup(l->arena, buf_view(&out));
	buf_fini(&out);
	return 0;
}

/* Behind "text:": the rest of its line may hold blanks and a comment. */
static int skip_to_line_end(struct sieve_lex *l)
{
	while (peek(l, 0) == ' ' || peek(l, 0) == '\t')
		step(l);
	if (peek(l, 0) == '#') {
		while (peek(l, 0) >= 0 && peek(l, 0) != '\n')
			step(l);
	}
	if (peek(l, 0) == '\r')
		step(l);
	if (peek(l, 0) != '\n')
		return fail(l, l->pos, N_("behind text: the line must end; the text begins on the next one"));
	step(l);
	return 0;
}

/* At the start of a line: is it the dot that ends the text? */
static bool at_final_dot(const struct sieve_lex *l)
{
	if (peek(l, 0) != '.')
		return false;
	int c = peek(l, 1);
	return c < 0 || c == '\n' || (c == '\r' && (peek(l, 2) == '\n' || peek(l, 2) < 0));
}

static int multi_line(struct sieve_lex *l, struct sieve_token *t)
{
	int err = skip_to_line_end(l);
	if (err < 0)
		return err;
	struct buf out = BUF_INIT(2 * SIEVE_SCRIPT_MAX);
	while (l->at < l->in.n && !at_final_dot(l)) {
		if (peek(l, 0) == '.' && peek(l, 1) == '.')
			step(l);
		for (bool end = false; l->at < l->in.n && !end; step(l)) {
			end = peek(l, 0) == '\n';
			put(&out, l);
		}
	}
	if (l->at >= l->in.n) {
		buf_fini(&out);
		return fail(l, t->at, N_("this text is not closed: a line with a single dot is missing"));
	}
	step(l);
	t->kind = TOKEN_STRING;
	t->text = arena_dup(l->arena, buf_view(&out));
	buf_fini(&out);
	return 0;
}

static int word(struct sieve_lex *l, struct sieve_token *t)
{
	t->text = ident(l);
	t->kind = TOKEN_IDENT;
	if (peek(l, 0) != ':' || !slice_eq_ci(t->text, SLICE("text")))
		return 0;
	step(l);
	return multi_line(l, t);
}

int sieve_lex_next(struct sieve_lex *l, struct sieve_token *ret)
{
	int err = skip_white(l);
	if (err < 0)
		return err;
	*ret = (struct sieve_token){ .kind = TOKEN_END, .at = l->pos };
	int c = peek(l, 0);
	if (c < 0)
		return 0;
	if (c == '"')
		return quoted(l, ret);
	if (ascii_is_digit((uint8_t)c))
		return number(l, ret);
	if (is_ident_byte(c, true))
		return word(l, ret);
	if (c == ':') {
		step(l);
		ret->kind = TOKEN_TAG;
		ret->text = ident(l);
		return ret->text.n ? 0 : fail(l, ret->at, N_("behind a colon the name of a tag must follow"));
	}
	if (strchr(";,()[]{}", c)) {
		ret->kind = TOKEN_PUNCT;
		ret->text = slice_sub(l->in, l->at, l->at + 1);
		step(l);
		return 0;
	}
	uint32_t cp;
	struct slice rest = slice_sub(l->in, l->at, l->in.n);
	return sieve_error_at(l->why, ret->at, ERR_SYNTAX, N_("the character \"%s\" does not belong here"),
			      slice_sub(rest, 0, utf8_decode(rest, &cp)));
}
