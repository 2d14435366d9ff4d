/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tolerant reading of parameters: blanks and comments anywhere, values with bytes that a token may
 * not have (up to the next ';' or blank), strings without an end. A field is read once, front to
 * back; pieces are capped, so joining them (quadratic in the cap) is bounded.
 */
#include "proto/mail/param.h"

#include "proto/mail/charset.h"
#include "proto/mail/words.h"

struct piece {
	struct slice base, name, value; /* base: name without *0* */
	int index;                      /* -1: not continued */
	bool coded, used;
};

struct reader {
	struct slice in;
	size_t at;
	struct arena *arena;
	bool limited;
};

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool at_end(const struct reader *r)
{
	return r->at >= r->in.n;
}

static void skip_cfws(struct reader *r)
{
	for (unsigned depth = 0; !at_end(r); r->at++) {
		uint8_t c = r->in.p[r->at];
		if (c == '(')
			depth++;
		else if (depth && c == ')')
			depth--;
		else if (depth && c == '\\' && r->at + 1 < r->in.n)
			r->at++;
		else if (!depth && !is_space(c))
			return;
	}
}

static bool is_token_byte(uint8_t c)
{
	return c > 0x20 && c != 0x7f && !strchr("()<>@,;:\\\"/[]?=", c);
}

static struct slice token(struct reader *r)
{
	size_t from = r->at;
	while (!at_end(r) && is_token_byte(r->in.p[r->at]))
		r->at++;
	return slice_sub(r->in, from, r->at);
}

/* A quoted string from its opening quote on: escapes and line ends gone; unfinished ones end with
 * the field. */
static struct slice quoted(struct reader *r)
{
	size_t from = ++r->at, n = 0;
	while (!at_end(r) && r->in.p[r->at] != '"')
		r->at += r->in.p[r->at] == '\\' && r->at + 1 < r->in.n ? 2 : 1;
	struct slice raw = slice_sub(r->in, from, r->at);
	if (!at_end(r))
		r->at++;
	if (raw.n == 0 || (!memchr(raw.p, '\\', raw.n) && !memchr(raw.p, '\n', raw.n)))
		return raw;
	if (raw.n > 2 * PARAM_VALUE_MAX) {
		raw.n = 2 * PARAM_VALUE_MAX;
		r->limited = true;
	}
	uint8_t *to = arena_alloc(r->arena, raw.n);
	for (size_t i = 0; i < raw.n; i++) {
		if (raw.p[i] == '\\' && i + 1 < raw.n)
			i++;
		else if (raw.p[i] == '\n' ||
			 (raw.p[i] == '\r' && i + 1 < raw.n && raw.p[i + 1] == '\n'))
			continue;
		to[n++] = raw.p[i];
	}
	return slice_of(to, n);
}

/* Token, or with bytes that it should not have: as far as blank, ';' or the end. */
static struct slice value(struct reader *r)
{
	skip_cfws(r);
	if (!at_end(r) && r->in.p[r->at] == '"')
		return quoted(r);
	size_t from = r->at;
	while (!at_end(r) && !is_space(r->in.p[r->at]) && r->in.p[r->at] != ';' &&
	       r->in.p[r->at] != '(')
		r->at++;
	return slice_sub(r->in, from, r->at);
}

/* name*12* -> base "name", index 12, coded. */
static void split_name(struct piece *p)
{
	struct slice n = p->name;
	p->index = -1;
	p->base = n;
	if (n.n > 1 && n.p[n.n - 1] == '*') {
		p->coded = true;
		n.n--;
		p->base = n;
	}
	ptrdiff_t star = slice_find_byte(n, '*', 0);
	uint64_t index = 0;
	struct slice digits = slice_sub(n, star < 0 ? n.n : (size_t)star + 1, n.n);
	if (star > 0 && slice_u64(digits, PARAM_PIECES_MAX, &index) == 0) {
		p->index = (int)index;
		p->base = slice_sub(n, 0, (size_t)star);
	}
}

/* To the next parameter; one that comes without its ';' counts too (real mail has them). */
static void skip_to_name(struct reader *r)
{
	bool blank = true;
	for (; !at_end(r) && r->in.p[r->at] != ';'; blank = false) {
		size_t from = r->at;
		skip_cfws(r);
		blank = blank || r->at > from;
		if (blank && !at_end(r) && is_token_byte(r->in.p[r->at])) {
			size_t name = r->at;
			token(r);
			if (!at_end(r) && r->in.p[r->at] == '=') {
				r->at = name;
				return;
			}
		} else if (!at_end(r) && r->in.p[r->at] == '"') {
			quoted(r);
		} else if (!at_end(r) && r->in.p[r->at] != ';') {
			r->at++;
		}
	}
}

static size_t read_pieces(struct reader *r, struct piece *pieces)
{
	size_t n = 0;
	while (!at_end(r)) {
		skip_to_name(r);
		if (at_end(r))
			break;
		if (n == PARAM_PIECES_MAX) {
			r->limited = true;
			break;
		}
		r->at += r->in.p[r->at] == ';';
		skip_cfws(r);
		struct piece p = { .name = token(r) };
		skip_cfws(r);
		if (p.name.n == 0 || at_end(r) || r->in.p[r->at] != '=')
			continue;
		r->at++;
		p.value = value(r);
		split_name(&p);
		if (p.name.n > PARAM_NAME_MAX)
			r->limited = true;
		else
			pieces[n++] = p;
	}
	return n;
}

static struct piece *piece_at(struct piece *pieces, size_t n, struct slice base, int index)
{
	for (size_t i = 0; i < n; i++) {
		if (!pieces[i].used && pieces[i].index == index &&
		    slice_eq_ci(pieces[i].base, base))
			return &pieces[i];
	}
	return NULL;
}

static void append_hex(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		bool plain = ascii_is_alpha(s.p[i]) || ascii_is_digit(s.p[i]) ||
			     strchr("-._~!#$&+^`{|}", s.p[i]);
		if (plain && s.p[i])
			buf_byte(out, s.p[i]);
		else
			buf_printf(out, "%%%02X", s.p[i]);
	}
}

/* All pieces of one parameter from 0 on. Where one of them is coded the plain ones get codes too.
 */
static struct param join(struct reader *r, struct piece *pieces, size_t n, struct piece *first)
{
	struct buf b = BUF_INIT(PARAM_VALUE_MAX);
	bool coded = first->coded;
	struct piece *p = first;
	for (int i = 0; p; p = piece_at(pieces, n, first->base, ++i)) {
		p->used = true;
		if (coded && !p->coded)
			append_hex(&b, p->value);
		else
			buf_slice(&b, p->value);
	}
	r->limited |= !buf_ok(&b);
	struct param ret = {
		.name = first->base,
		.value = arena_dup(r->arena, buf_view(&b)),
	};
	if (coded)
		ret.name = slice_str(arena_printf(r->arena, SLICE_FMT "*", SLICE_ARG(first->base)));
	buf_fini(&b);
	return ret;
}

static void finish(struct reader *r, struct piece *pieces, size_t n, struct param_list *ret)
{
	ret->params = n ? ARENA_ARRAY(r->arena, struct param, n) : NULL;
	for (size_t i = 0; i < n; i++) {
		struct piece *p = &pieces[i];
		struct piece *zero =
			p->index >= 0 && !p->used ? piece_at(pieces, n, p->base, 0) : NULL;
		if (zero) {
			ret->params[ret->n++] = join(r, pieces, n, zero);
		} else if (!p->used) {
			r->limited |= p->value.n > PARAM_VALUE_MAX;
			p->value = slice_sub(p->value, 0, PARAM_VALUE_MAX);
			ret->params[ret->n++] = (struct param){ p->name, p->value };
		}
	}
	ret->limited = r->limited;
}

static bool read_type(struct reader *r, bool slash, struct param_list *ret)
{
	skip_cfws(r);
	ret->type = token(r);
	skip_cfws(r);
	if (slash) {
		if (at_end(r) || r->in.p[r->at] != '/')
			return false;
		r->at++;
		skip_cfws(r);
		ret->subtype = token(r);
		skip_cfws(r);
	}
	return ret->type.n && ret->type.n <= PARAM_TOKEN_MAX && (!slash || ret->subtype.n) &&
	       ret->subtype.n <= PARAM_TOKEN_MAX;
}

bool param_parse(struct slice raw, bool slash, struct arena *arena, struct param_list *ret)
{
	struct piece pieces[PARAM_PIECES_MAX];
	struct reader r = { .in = raw, .arena = arena };
	*ret = (struct param_list){ .n = 0 };
	bool ok = read_type(&r, slash, ret);
	if (!ok)
		ret->type = ret->subtype = slice_of(NULL, 0);
	ret->garbled = !at_end(&r) && r.in.p[r.at] != ';';
	size_t n = read_pieces(&r, pieces);
	finish(&r, pieces, n, ret);
	return ok;
}

const struct param *param_find(const struct param_list *l, struct slice name)
{
	for (size_t i = 0; i < l->n; i++) {
		struct slice n = l->params[i].name;
		if (slice_eq_ci(n, name) ||
		    (n.n == name.n + 1 && n.p[name.n] == '*' && slice_starts_ci(n, name)))
			return &l->params[i];
	}
	return NULL;
}

static int hex_value(uint8_t c)
{
	return ascii_is_digit(c)                                ? c - '0'
	       : ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f' ? ascii_lower(c) - 'a' + 10
								: -1;
}

void param_bytes(const struct param *p, struct buf *out, struct slice *ret_charset)
{
	struct slice v = p->value;
	*ret_charset = slice_of(NULL, 0);
	if (p->name.n == 0 || p->name.p[p->name.n - 1] != '*') {
		buf_slice(out, v);
		return;
	}
	ptrdiff_t q1 = slice_find_byte(v, '\'', 0);
	ptrdiff_t q2 = q1 < 0 ? -1 : slice_find_byte(v, '\'', (size_t)q1 + 1);
	if (q2 >= 0) {
		*ret_charset = slice_sub(v, 0, (size_t)q1);
		v = slice_sub(v, (size_t)q2 + 1, v.n);
	}
	for (size_t i = 0; i < v.n; i++) {
		bool code = v.p[i] == '%' && i + 2 < v.n && hex_value(v.p[i + 1]) >= 0 &&
			    hex_value(v.p[i + 2]) >= 0;
		buf_byte(out, code ? (uint8_t)(hex_value(v.p[i + 1]) << 4 | hex_value(v.p[i + 2]))
				   : v.p[i]);
		i += code ? 2 : 0;
	}
}

void param_text(const struct param *p, struct buf *out)
{
	struct buf bytes = BUF_INIT(PARAM_VALUE_MAX);
	struct slice charset;
	param_bytes(p, &bytes, &charset);
	if (p->name.n && p->name.p[p->name.n - 1] == '*')
		charset_to_utf8(charset, buf_view(&bytes), out);
	else
		words_decode(buf_view(&bytes), out);
	buf_fini(&bytes);
}
