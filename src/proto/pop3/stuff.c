/* SPDX-License-Identifier: Apache-2.0 */
/* Dot-stuffing (RFC 1939 3, 7 TOP). line counts the octets of a line up to its LF. */
#include "proto/pop3/stuff.h"

void pop3_stuff_init(struct pop3_stuff *s, uint64_t top_lines)
{
	*s = (struct pop3_stuff){ .limited = top_lines != POP3_TOP_NONE, .lines_left = top_lines };
}

/* A line came to its end: does TOP want more? */
static bool line_over(struct pop3_stuff *s, bool empty)
{
	if (!s->limited)
		return true;
	if (s->body)
		s->lines_left--;
	else
		s->body = empty;
	return !s->body || s->lines_left > 0;
}

bool pop3_stuff_step(struct pop3_stuff *s, struct slice in, struct buf *out)
{
	size_t at = 0;
	while (at < in.n) {
		const uint8_t *p = in.p + at;
		const uint8_t *lf = memchr(p, '\n', in.n - at);
		size_t n = lf ? (size_t)(lf - p) : in.n - at;
		if (!s->line && n && p[0] == '.')
			buf_byte(out, '.');
		buf_append(out, p, n);
		if (n) {
			s->cr = p[n - 1] == '\r';
			s->line += n;
		}
		at += n;
		if (!lf)
			return false;
		buf_str(out, s->cr ? "\n" : "\r\n");
		bool empty = s->line == s->cr;
		s->line = 0;
		s->cr = false;
		at++;
		if (!line_over(s, empty))
			return true;
	}
	return false;
}

void pop3_stuff_end(struct pop3_stuff *s, struct buf *out)
{
	if (s->line)
		buf_str(out, s->cr ? "\n" : "\r\n");
	buf_str(out, ".\r\n");
}
