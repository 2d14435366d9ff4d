/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of IMAP responses: puts lines and literals together and hands whole responses to client_scan.c.
 *
 *   LINE  --"...{n}" CRLF, small-->       LITERAL (kept) ------------> LINE
 *   LINE  --"BODY[] {n}" CRLF-->          BODY (through on_body) ----> LINE
 *   LINE  --"...{n}" CRLF, past limit-->  DRAIN (not kept, cut) -----> LINE
 *   LINE  --CRLF-->                       response
 *
 * Invariants: at most IMAPC_LINE_MAX bytes are kept; at most IMAPC_DRAIN_MAX are read past for one response.
 * Threats: I09 (sizes that lie, endless lines), I10 (names of 100 KB). RFC 3501 7, 9; RFC 3516 (literal8).
 */
#include "proto/imap/client_scan.h"

#include "base/err.h"

enum state { LINE, LITERAL, BODY, DRAIN };

struct imapc_parser {
	enum state state;
	struct buf line;
	bool quoted, escaped;	/* of the line part that is being read */
	bool cut;
	bool whole;		/* line holds a response that was given out */
	uint64_t left;		/* of a literal */
	uint64_t drained;
	uint64_t body_max;
	size_t body_at;		/* IMAPC_NO_BODY: none in this response */
	uint8_t tail;		/* last byte that was read past */
	size_t part;		/* where the current line part begins in line */
	uint8_t scratch[IMAPC_LINE_MAX];
	const struct imapc_body_ops *ops;
	void *ctx;
};

struct imapc_parser *imapc_parser_new(uint64_t body_max, const struct imapc_body_ops *ops, void *ctx)
{
	struct imapc_parser *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->line = BUF_INIT(IMAPC_LINE_MAX);
	p->body_max = body_max;
	p->body_at = IMAPC_NO_BODY;
	p->ops = ops;
	p->ctx = ctx;
	return p;
}

void imapc_parser_free(struct imapc_parser **p)
{
	if (!*p)
		return;
	buf_fini(&(*p)->line);
	free(*p);
	*p = NULL;
}

bool imapc_in_response(const struct imapc_parser *p)
{
	return p->state != LINE || (!p->whole && (p->line.n > 0 || p->cut));
}

static void start_response(struct imapc_parser *p)
{
	buf_clear(&p->line);
	p->quoted = p->escaped = p->cut = p->whole = false;
	p->drained = 0;
	p->part = 0;
	p->tail = 0;
	p->body_at = IMAPC_NO_BODY;
}

/* Keeps s while there is room; behind that only counts. */
static int keep(struct imapc_parser *p, struct slice s)
{
	size_t fits = IMAPC_LINE_MAX - p->line.n;

	buf_slice(&p->line, slice_sub(s, 0, fits));
	if (s.n <= fits)
		return 0;
	s = slice_sub(s, fits, s.n);
	p->cut = true;
	p->drained += s.n;
	for (size_t i = s.n; i > 0; i--)
		if (s.p[i - 1] != '\r') {
			p->tail = s.p[i - 1];
			break;
		}
	return p->drained > IMAPC_DRAIN_MAX ? ERR_TOO_BIG : 0;
}

/* A "{n}" or "~{n}" at the end of s (without CRLF): its length there, 0 where none. ERR_TOO_BIG: no number of ours. */
static int literal_at_end(struct slice s, size_t *ret_length, uint64_t *ret_n)
{
	size_t i = s.n;

	*ret_length = 0;
	if (i < 3 || s.p[i - 1] != '}')
		return 0;
	for (i--; i > 0 && ascii_is_digit(s.p[i - 1]); i--)
		;
	if (i == 0 || s.p[i - 1] != '{' || i == s.n - 1)
		return 0;
	int r = slice_u64(slice_sub(s, i, s.n - 1), INT64_MAX, ret_n);
	if (r < 0)
		return ERR_TOO_BIG;
	i--;
	if (i > 0 && s.p[i - 1] == '~')
		i--;
	*ret_length = s.n - i;
	return 0;
}

static int begin_body(struct imapc_parser *p, size_t marker, uint64_t n)
{
	if (p->body_at != IMAPC_NO_BODY)
		return ERR_SYNTAX;
	if (n > p->body_max)
		return ERR_TOO_BIG;
	p->line.n -= marker;
	p->body_at = p->line.n;
	buf_byte(&p->line, IMAPC_BODY_MARK);
	p->left = n;
	p->state = BODY;
	return p->ops->begin(p->ctx, n);
}

/* The line's CRLF was read and is not kept. 1: the response is whole. */
static int end_line(struct imapc_parser *p)
{
	struct slice line = buf_view(&p->line);
	size_t marker = 0;
	uint64_t n = 0;
	int r = 0;

	if (p->quoted)
		return ERR_SYNTAX;
	if (p->cut && p->tail == '}')	/* a literal behind what was not kept cannot be followed */
		return ERR_TOO_BIG;
	if (!p->cut && imapc_takes_literals(line))
		r = literal_at_end(slice_sub(line, p->part, line.n), &marker, &n);
	if (r < 0 || !marker)
		return r < 0 ? r : 1;
	if (imapc_ends_with_body(slice_sub(line, 0, line.n - marker)))
		return begin_body(p, marker, n);
	p->left = n;
	p->state = LITERAL;
	if (n > (uint64_t)IMAPC_LINE_MAX - p->line.n - 2) {
		p->cut = true;
		p->state = DRAIN;
		return n > IMAPC_DRAIN_MAX - p->drained ? ERR_TOO_BIG : 0;
	}
	return keep(p, SLICE("\r\n"));
}

/* Follows quotes, so that a "{5}" inside a string is no literal (a string cannot hold CRLF). */
static void follow_quotes(struct imapc_parser *p, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (p->escaped)
			p->escaped = false;
		else if (p->quoted && s.p[i] == '\\')
			p->escaped = true;
		else if (s.p[i] == '"')
			p->quoted = !p->quoted;
	}
}

static int take_line(struct imapc_parser *p, struct slice in, size_t *used)
{
	ptrdiff_t lf = slice_find_byte(in, '\n', 0);
	struct slice s = slice_sub(in, 0, lf < 0 ? in.n : (size_t)lf);
	int r = keep(p, s);

	*used += lf < 0 ? in.n : (size_t)lf + 1;
	if (r < 0 || lf < 0)
		return r;
	if (p->line.n > p->part && p->line.p[p->line.n - 1] == '\r')
		p->line.n--;
	if (!p->cut && imapc_takes_literals(buf_view(&p->line)))
		follow_quotes(p, slice_sub(buf_view(&p->line), p->part, p->line.n));
	r = end_line(p);
	p->quoted = p->escaped = false;
	p->part = p->line.n;
	return r;
}

static int take_literal(struct imapc_parser *p, struct slice in, size_t *used)
{
	struct slice s = slice_sub(in, 0, p->left < in.n ? (size_t)p->left : in.n);
	int r = 0;

	if (p->state == BODY)
		r = s.n ? p->ops->bytes(p->ctx, s) : 0;
	else
		r = keep(p, s);
	*used += s.n;
	p->left -= s.n;
	if (p->left == 0) {
		p->state = LINE;
		p->part = p->line.n;
	}
	return r < 0 ? r : 0;
}

int imapc_next(struct imapc_parser *p, struct slice in, size_t *used, struct imapc_response *ret)
{
	*used = 0;
	if (p->whole)
		start_response(p);
	while (*used < in.n || (p->state != LINE && p->left == 0)) {
		struct slice rest = slice_sub(in, *used, in.n);
		int r = p->state == LINE ? take_line(p, rest, used) : take_literal(p, rest, used);
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		p->whole = true;
		if (p->line.n == 0 && !p->cut) {	/* an empty line between responses harms nobody */
			start_response(p);
			continue;
		}
		r = imapc_parse(buf_view(&p->line), p->cut, p->body_at, p->scratch, ret);
		return r < 0 ? r : 1;
	}
	return 0;
}
