/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over the bytes, no look-back: quotes and parentheses are counted as they come, so that the end of a
 * line tells whether "{n}" there is a literal. Invariants: text never holds more than limits->line +
 * limits->literals bytes (and room for the literal marks, which count as line); nothing is kept of what is
 * streamed or read over but the last 24 bytes of a line, in which the next "{n+}" is looked for.
 *
 * Threats: THREATS I01-I06. A line that ends in "{n+}" inside an open quote is read differently by different
 * parsers, so the connection ends there. RFC 3501 2.2.1, 4.3; RFC 7888; RFC 6855 4.
 */
#include "proto/imap/reader.h"

#include "base/err.h"

const struct imap_limits imap_limits_login = {
	.line = 8192, .literal = 2048, .literals = 6144, .count = 4, .depth = 8, .skip = 65536,
};
const struct imap_limits imap_limits_user = {
	.line = 65536, .literal = 1 << 20, .literals = 1 << 20, .count = 1000, .depth = 100,
	.skip = 256u << 20,
};

enum { LINE_SKIP_MAX = 1 << 20 };
enum { LINE, ASK, TAKE, STREAM, SKIP, SKIP_LINE, REFUSED_NOW, DONE, CLOSED };

void imap_reader_init(struct imap_reader *r, const struct imap_limits *limits)
{
	*r = (struct imap_reader){ .limits = limits };
	buf_init(&r->text, limits->line + limits->literals);
}

void imap_reader_next(struct imap_reader *r)
{
	if (r->text.p)
		explicit_bzero(r->text.p, r->text.n);
	buf_fini(&r->text);
	imap_reader_init(r, r->limits);
}

void imap_reader_fini(struct imap_reader *r)
{
	imap_reader_next(r);
}

static enum imap_read close_with(struct imap_reader *r, const char *reason)
{
	r->state = CLOSED;
	r->reason = reason;
	return IMAP_READ_CLOSE;
}

/* From here on the command is only read over, to find its end. */
static void begin_refusing(struct imap_reader *r, const char *reason, bool too_big)
{
	if (r->refusing)
		return;
	r->refusing = true;
	r->reason = reason;
	r->too_big = too_big;
}

/* "...{123+}" at the end of a line: 1 and the number, 0 none, < 0 a number that no literal has. */
static int literal_mark(struct slice line, uint64_t *ret_n, bool *ret_sync, bool *ret_8)
{
	size_t end = line.n;

	if (end < 3 || line.p[end - 1] != '}')
		return 0;
	end--;
	bool sync = line.p[end - 1] != '+';
	if (!sync)
		end--;
	size_t from = end;
	while (from && ascii_is_digit(line.p[from - 1]))
		from--;
	if (from == end || !from || line.p[from - 1] != '{')
		return 0;
	uint64_t n;
	if (slice_u64(slice_sub(line, from, end), UINT32_MAX, &n) < 0) {
		*ret_sync = sync;
		return ERR_TOO_BIG;
	}
	*ret_n = n;
	*ret_sync = sync;
	*ret_8 = from >= 2 && line.p[from - 2] == '~';
	return 1;
}

/* Quotes and parentheses of one more byte. */
static void track(struct imap_reader *r, uint8_t c)
{
	if (r->escape) {
		r->escape = false;
	} else if (r->quoted) {
		if (c == '\\')
			r->escape = true;
		else if (c == '"')
			r->quoted = false;
	} else if (c == '"') {
		r->quoted = true;
	} else if (c == '(') {
		if (++r->depth > r->limits->depth)
			begin_refusing(r, "Too many parentheses", false);
	} else if (c == ')' && r->depth) {
		r->depth--;
	}
}

static void keep_tail(struct imap_reader *r, uint8_t c)
{
	if (r->tail_n == sizeof(r->tail)) {
		memmove(r->tail, r->tail + 1, sizeof(r->tail) - 1);
		r->tail_n--;
	}
	r->tail[r->tail_n++] = c;
}

static enum imap_read refused(struct imap_reader *r)
{
	r->state = DONE;
	return IMAP_READ_REFUSED;
}

/* A line of a refused command is over: a literal behind it is skipped, or that was its end. */
static enum imap_read skip_line_end(struct imap_reader *r)
{
	struct slice tail = slice_of(r->tail, r->tail_n);
	uint64_t n = 0;
	bool sync = true, eight;

	if (tail.n && tail.p[tail.n - 1] == '\r')
		tail.n--;
	int mark = r->raw_line ? 0 : literal_mark(tail, &n, &sync, &eight);
	r->tail_n = 0;
	if (mark == 0 || sync)
		return refused(r);
	if (mark < 0 || r->quoted || n > r->limits->skip - r->skipped)
		return close_with(r, "Literal too large");
	r->skipped += n;
	r->left = n;
	r->state = SKIP;
	return IMAP_READ_MORE;
}

static enum imap_read line_end(struct imap_reader *r)
{
	if (r->text.n && r->text.p[r->text.n - 1] == '\r')
		r->text.n--;
	if (r->raw_line) {
		r->state = DONE;
		return IMAP_READ_COMMAND;
	}
	uint64_t n = 0;
	bool sync = true, eight = false;
	int mark = literal_mark(buf_view(&r->text), &n, &sync, &eight);
	if (mark == 0) {
		r->state = DONE;
		return IMAP_READ_COMMAND;
	}
	if (mark < 0 && sync) {
		begin_refusing(r, "Literal too large", true);
		return refused(r);
	}
	if (mark < 0 || (r->quoted && !sync))
		return close_with(r, mark < 0 ? "Literal too large" : "Literal inside a quoted string");
	r->literal_size = n;
	r->literal_sync = sync;
	r->literal8 = eight;
	r->state = ASK;
	return IMAP_READ_LITERAL;
}

/* One byte of a line that is collected. */
static void line_byte(struct imap_reader *r, uint8_t c)
{
	if (!r->raw_line)
		track(r, c);
	keep_tail(r, c);
	if (!r->refusing && ++r->line_used > r->limits->line)
		begin_refusing(r, "Command line too long", true);
	if (r->refusing) {
		r->state = SKIP_LINE;
		r->line_skipped++;
	} else {
		buf_byte(&r->text, c);
	}
}

static enum imap_read step_line(struct imap_reader *r, struct slice in, size_t *used)
{
	while (*used < in.n) {
		uint8_t c = in.p[(*used)++];
		if (c == '\n') {
			if (!r->refusing)
				return line_end(r);
			enum imap_read end = skip_line_end(r);
			if (end != IMAP_READ_MORE || r->state == SKIP)
				return end;
			continue;
		}
		if (r->refusing) {
			if (!r->raw_line)
				track(r, c);
			keep_tail(r, c);
			if (++r->line_skipped > LINE_SKIP_MAX || r->line_skipped > r->limits->skip)
				return close_with(r, "Command line too long");
		} else {
			line_byte(r, c);
		}
	}
	return IMAP_READ_MORE;
}

static size_t literal_bytes(struct imap_reader *r, struct slice in, size_t *used)
{
	size_t n = in.n - *used;

	if (n > r->left)
		n = (size_t)r->left;
	*used += n;
	r->left -= n;
	return n;
}

/* Behind a literal the line goes on. */
static void resume_line(struct imap_reader *r)
{
	r->state = r->refusing ? SKIP_LINE : LINE;
	r->tail_n = 0;
}

static enum imap_read step_literal(struct imap_reader *r, struct slice in, size_t *used)
{
	size_t from = *used;
	size_t n = literal_bytes(r, in, used);
	uint8_t state = r->state;

	if (state == TAKE)
		buf_append(&r->text, in.p + from, n);
	if (!r->left)
		resume_line(r);
	if (state != STREAM || !n)
		return IMAP_READ_MORE;
	r->data = slice_of(in.p + from, n);
	return IMAP_READ_DATA;
}

enum imap_read imap_reader_step(struct imap_reader *r, struct slice in, size_t *ret_used)
{
	*ret_used = 0;
	for (;;) {
		enum imap_read what = IMAP_READ_MORE;

		switch (r->state) {
		case REFUSED_NOW:
			return refused(r);
		case CLOSED:
			return IMAP_READ_CLOSE;
		case ASK:
			return IMAP_READ_LITERAL;
		case DONE:
			return r->refusing ? IMAP_READ_REFUSED : IMAP_READ_COMMAND;
		case LINE:
		case SKIP_LINE:
			what = step_line(r, in, ret_used);
			break;
		default:
			what = step_literal(r, in, ret_used);
		}
		if (what != IMAP_READ_MORE || *ret_used == in.n)
			return what;
	}
}

/* The mark itself stays in the text with a CRLF behind it, whatever line end the client sent. */
static bool begin_literal(struct imap_reader *r, uint8_t state)
{
	bool sync = r->literal_sync;

	r->count++;
	buf_append(&r->text, "\r\n", 2);
	r->left = r->literal_size;
	r->state = state;
	if (!r->left && state != STREAM)
		resume_line(r);
	return sync;
}

bool imap_reader_take(struct imap_reader *r)
{
	const struct imap_limits *l = r->limits;

	if (r->count >= l->count || r->literal_size > l->literal ||
	    r->literal_size > l->literals - r->literals_used || r->line_used + 2 > l->line) {
		imap_reader_refuse(r, "Literal too large", true);
		return false;
	}
	r->line_used += 2;
	r->literals_used += (size_t)r->literal_size;
	return begin_literal(r, TAKE);
}

bool imap_reader_stream(struct imap_reader *r)
{
	return begin_literal(r, STREAM);
}

void imap_reader_refuse(struct imap_reader *r, const char *reason, bool too_big)
{
	bool small = r->literal_size <= r->limits->skip - r->skipped;

	begin_refusing(r, reason, too_big);
	if (r->literal_sync) {
		r->state = REFUSED_NOW;
	} else if (!small) {
		r->state = CLOSED;
		r->reason = "Literal too large";
	} else {
		r->skipped += r->literal_size;
		r->left = r->literal_size;
		r->state = SKIP;
		if (!r->left)
			resume_line(r);
	}
}
