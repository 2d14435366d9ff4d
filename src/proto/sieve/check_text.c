/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may stand inside a string: ${hex:..} and ${unicode:..} (RFC 5228 2.4.2.4), undone here once and for all, and
 * references of variables (RFC 5229 3, RFC 6609 3.4.2), found here and expanded in a run. What only looks like
 * one is plain text.
 */
#include "proto/sieve/sieve_priv.h"

#include "base/codec.h"

static const struct slice none = { NULL, 0 };

static bool is_name_byte(uint8_t c, bool first)
{
	return c == '_' || ascii_is_alpha(c) || (!first && ascii_is_digit(c));
}

static size_t name_length(struct slice s)
{
	size_t n = 0;
	while (n < s.n && is_name_byte(s.p[n], n == 0))
		n++;
	return n;
}

bool sieve_variable_name_ok(struct slice name)
{
	if (slice_starts_ci(name, SLICE("global.")))
		name = slice_sub(name, 7, name.n);
	return name.n > 0 && name.n <= SIEVE_VARIABLE_NAME_MAX && name_length(name) == name.n;
}

static size_t number_ref(struct slice s, size_t at, struct sieve_ref *ret)
{
	unsigned v = 0;
	for (; at < s.n && ascii_is_digit(s.p[at]); at++)
		v = v > SIEVE_CAPTURES_MAX ? v : v * 10 + (s.p[at] - '0');
	ret->number = v;
	ret->too_big = v > SIEVE_CAPTURES_MAX;
	return at < s.n && s.p[at] == '}' ? at + 1 : 0;
}

size_t sieve_ref_parse(struct slice s, struct sieve_ref *ret)
{
	*ret = (struct sieve_ref){ 0 };
	if (!slice_starts(s, SLICE("${")))
		return 0;
	size_t at = 2;
	if (at < s.n && ascii_is_digit(s.p[at]))
		return number_ref(s, at, ret);
	for (;;) {
		size_t n = name_length(slice_sub(s, at, s.n));
		if (n == 0 || at + n >= s.n)
			return 0;
		ret->name = slice_sub(s, at, at + n);
		at += n;
		if (s.p[at] == '}')
			return at + 1;
		if (s.p[at] != '.')
			return 0;
		ret->space = slice_of(s.p + 2, at - 2);
		at++;
		if (at < s.n && ascii_is_digit(s.p[at]))
			return number_ref(s, at, ret);
	}
}

static int check_ref(struct sieve_check *c, struct sieve_pos at, const struct sieve_ref *ref)
{
	if (ref->space.n && !(slice_eq_ci(ref->space, SLICE("global")) && (c->script->caps & CAP_BIT(INCLUDE)) &&
			      ref->name.n))
		return sieve_error_at(c->why, at, ERR_SYNTAX, N_("there is no namespace \"%s\" of variables here"), ref->space);
	if (ref->too_big)
		return sieve_error_at(c->why, at, ERR_SYNTAX, N_("matches give variables up to ${32} only"), none);
	if (ref->name.n > SIEVE_VARIABLE_NAME_MAX)
		return sieve_error_at(c->why, at, ERR_TOO_BIG, N_("the name of a variable is too long: \"%s\""), ref->name);
	return 0;
}

static int find_refs(struct sieve_check *c, struct sieve_string *s)
{
	for (ptrdiff_t at = 0; (at = slice_find(s->text, SLICE("${"), (size_t)at)) >= 0;) {
		struct sieve_ref ref;
		size_t n = sieve_ref_parse(slice_sub(s->text, (size_t)at, s->text.n), &ref);
		if (n == 0) {
			at += 2;
			continue;
		}
		int err = check_ref(c, s->at, &ref);
		if (err < 0)
			return err;
		s->variable = true;
		at += (ptrdiff_t)n;
	}
	return 0;
}

/* ---- encoded characters ---- */

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int hex_value(uint8_t c)
{
	c = ascii_lower(c);
	return ascii_is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One number with blanks before it; false where none follows. */
static bool next_code(struct slice s, size_t *at, size_t max_digits, uint32_t *ret)
{
	while (*at < s.n && is_blank(s.p[*at]))
		(*at)++;
	size_t digits = 0;
	uint32_t v = 0;
	for (; *at < s.n && hex_value(s.p[*at]) >= 0; (*at)++, digits++)
		v = v > 0xffffff ? v : v << 4 | (uint32_t)hex_value(s.p[*at]);
	*ret = v;
	return digits > 0 && digits <= max_digits && (*at == s.n || is_blank(s.p[*at]));
}

static bool is_scalar(uint32_t cp)
{
	return cp <= 0x10ffff && !(cp >= 0xd800 && cp <= 0xdfff);
}

/* The codes between ':' and '}'. 1 done, 0 no codes: plain text, < 0 a code that is no character. */
static int decode_codes(struct sieve_check *c, struct sieve_pos pos, struct slice codes, bool unicode, struct buf *out)
{
	struct buf chars = BUF_INIT(codes.n * 2 + 8);
	size_t at = 0;
	int r = 1;
	codes = slice_trim(codes);
	do {
		uint32_t v;
		if (!next_code(codes, &at, unicode ? 64 : 2, &v)) {
			r = 0;
		} else if (unicode && !is_scalar(v)) {
			r = sieve_error_at(c->why, pos, ERR_SYNTAX, N_("\"%s\" is not a character of Unicode"), codes);
		} else if (unicode) {
			utf8_encode(&chars, v);
		} else {
			buf_byte(&chars, (uint8_t)v);
		}
	} while (r == 1 && at < codes.n);
	if (r == 1)
		buf_slice(out, buf_view(&chars));
	buf_fini(&chars);
	return r;
}

/* "${hex:" at the front of s: how much of it was taken; 0 nothing; < 0 an error. */
static ptrdiff_t decode_one(struct sieve_check *c, struct sieve_pos pos, struct slice s, struct buf *out)
{
	bool unicode = slice_starts_ci(s, SLICE("${unicode:"));
	if (!unicode && !slice_starts_ci(s, SLICE("${hex:")))
		return 0;
	size_t from = unicode ? 10 : 6, end = from;
	while (end < s.n && (is_blank(s.p[end]) || hex_value(s.p[end]) >= 0))
		end++;
	if (end == s.n || s.p[end] != '}')
		return 0;
	int r = decode_codes(c, pos, slice_sub(s, from, end), unicode, out);
	return r <= 0 ? r : (ptrdiff_t)end + 1;
}

static int decode_characters(struct sieve_check *c, struct sieve_string *s)
{
	ptrdiff_t hit = slice_find(s->text, SLICE("${"), 0);
	if (hit < 0)
		return 0;
	struct buf out = BUF_INIT(s->text.n * 2 + 8);
	int err = 0;
	for (size_t at = 0; at < s->text.n && err == 0;) {
		ptrdiff_t n = s->text.p[at] == '$' ? decode_one(c, s->at, slice_sub(s->text, at, s->text.n), &out) : 0;
		if (n < 0)
			err = (int)n;
		else if (n == 0)
			buf_byte(&out, s->text.p[at++]);
		else
			at += (size_t)n;
	}
	if (err == 0)
		s->text = arena_dup(c->arena, buf_view(&out));
	buf_fini(&out);
	return err;
}

int sieve_check_text(struct sieve_check *c, struct sieve_string *s)
{
	int err = 0;
	if (c->script->caps & CAP_BIT(ENCODED_CHARACTER))
		err = decode_characters(c, s);
	if (err == 0 && (c->script->caps & CAP_BIT(VARIABLES)))
		err = find_refs(c, s);
	return err;
}
