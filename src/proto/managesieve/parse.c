/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 5804 4: a command is a line, and literals "{5+}" at the end of a line bring bytes and another line. A line ends
 * in CRLF; strings in quotes hold none.
 */
#include "proto/managesieve/server_priv.h"

#include "base/codec.h"

/* "{123+}" at the end of a line without its CRLF. */
static bool literal_at_end(struct slice line, uint64_t *ret)
{
	size_t n = line.n;
	if (n < 4 || line.p[n - 1] != '}' || line.p[n - 2] != '+')
		return false;
	size_t from = n - 2;
	while (from && ascii_is_digit(line.p[from - 1]))
		from--;
	if (!from || line.p[from - 1] != '{')
		return false;
	int r = slice_u64(slice_sub(line, from, n - 2), UINT32_MAX, ret);
	if (r == ERR_TOO_BIG)
		*ret = UINT64_MAX;
	return r != ERR_SYNTAX;
}

int ms_frame(struct slice in, uint64_t max, size_t *ret_n, uint64_t *ret_literal)
{
	size_t at = 0, of_lines = 0;
	uint64_t all = 0;
	for (;;) {
		ptrdiff_t lf = slice_find_byte(slice_sub(in, 0, at + MANAGESIEVE_LINE_MAX - of_lines), '\n', at);
		if (lf < 0)
			return in.n - at >= MANAGESIEVE_LINE_MAX - of_lines ? ERR_SYNTAX : 0;
		size_t end = (size_t)lf;
		if (end == at || in.p[end - 1] != '\r')
			return ERR_SYNTAX;
		of_lines += end + 1 - at;
		uint64_t literal;
		bool more = literal_at_end(slice_sub(in, at, end - 1), &literal);
		at = end + 1;
		*ret_n = at;
		if (!more)
			return 1;
		if (literal > max || all + literal > max + MANAGESIEVE_NAMES_MAX) {
			*ret_literal = literal;
			return ERR_TOO_BIG;
		}
		if (literal > in.n - at)
			return 0;
		at += literal;
		all += literal;
	}
}

struct scan {
	struct slice in;
	size_t at;
	struct arena *arena;
};

static int quoted(struct scan *s, struct slice *ret)
{
	size_t n = 0;
	uint8_t *out = arena_alloc(s->arena, s->in.n - s->at + 1);
	for (s->at++; s->at < s->in.n; s->at++) {
		uint8_t c = s->in.p[s->at];
		if (c == '"') {
			s->at++;
			*ret = slice_of(out, n);
			return utf8_valid(*ret) ? 0 : ERR_SYNTAX;
		}
		if (c == '\\' && s->at + 1 < s->in.n)
			c = s->in.p[++s->at];
		if (c == '\r' || c == '\n' || c == 0)
			return ERR_SYNTAX;
		out[n++] = c;
	}
	return ERR_SYNTAX;
}

static int literal(struct scan *s, struct slice *ret)
{
	ptrdiff_t lf = slice_find_byte(s->in, '\n', s->at);
	uint64_t n;
	if (lf < 1 || !literal_at_end(slice_sub(s->in, s->at, (size_t)lf - 1), &n) || s->in.p[lf - 1] != '\r')
		return ERR_SYNTAX;
	size_t from = (size_t)lf + 1;
	if (n > s->in.n - from)
		return ERR_SYNTAX;
	*ret = slice_sub(s->in, from, from + n);
	s->at = from + n;
	return 0;
}

static int string(struct scan *s, struct slice *ret)
{
	if (s->at < s->in.n && s->in.p[s->at] == '"')
		return quoted(s, ret);
	if (s->at < s->in.n && s->in.p[s->at] == '{')
		return literal(s, ret);
	return ERR_SYNTAX;
}

static int argument(struct scan *s, struct ms_arg *ret)
{
	size_t from = s->at;
	if (from >= s->in.n || !ascii_is_digit(s->in.p[from]))
		return string(s, &ret->text);
	while (s->at < s->in.n && ascii_is_digit(s->in.p[s->at]))
		s->at++;
	ret->number = true;
	return slice_u64(slice_sub(s->in, from, s->at), UINT32_MAX, &ret->value) < 0 ? ERR_SYNTAX : 0;
}

static bool at_end(const struct scan *s)
{
	return slice_eq(slice_sub(s->in, s->at, s->in.n), SLICE("\r\n"));
}

int ms_parse(struct slice frame, struct arena *a, struct ms_command *ret)
{
	struct scan s = { frame, 0, a };
	*ret = (struct ms_command){ .n = 0 };
	while (s.at < frame.n && ascii_is_alpha(frame.p[s.at]))
		s.at++;
	ret->verb = slice_sub(frame, 0, s.at);
	while (!at_end(&s)) {
		if (s.at >= frame.n || frame.p[s.at] != ' ' || ret->n == MANAGESIEVE_ARGS_MAX)
			return ERR_SYNTAX;
		s.at++;
		if (at_end(&s))	/* a blank at the end of a line is forgiven */
			break;
		int err = argument(&s, &ret->args[ret->n++]);
		if (err < 0)
			return err;
	}
	return ret->verb.n ? 0 : ERR_SYNTAX;
}

int ms_parse_string(struct slice frame, struct arena *a, struct slice *ret)
{
	struct scan s = { frame, 0, a };
	int err = string(&s, ret);
	return err < 0 ? err : at_end(&s) ? 0 : ERR_SYNTAX;
}
