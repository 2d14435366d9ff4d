/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DATA's encoding. Invariant: what is in out is a row of whole CRLF lines and one begun line without CR or LF;
 * a begun line never starts with a single dot of ours but the final one. RFC 5321 2.3.8, 4.1.1.4, 4.5.2.
 */
#include "proto/smtp/client_body.h"

void smtp_body_init(struct smtp_body *b)
{
	*b = (struct smtp_body){ 0 };
}

static void line_end(struct smtp_body *b, struct buf *out)
{
	buf_append(out, "\r\n", 2);
	b->in_line = false;
	b->cr = false;
}

/* A run without CR and LF. */
static void text(struct smtp_body *b, struct slice run, struct buf *out)
{
	if (!run.n)
		return;
	if (!b->in_line && run.p[0] == '.')
		buf_byte(out, '.');
	buf_slice(out, run);
	b->in_line = true;
}

static size_t run_length(const uint8_t *p, size_t n)
{
	const uint8_t *lf = memchr(p, '\n', n);
	size_t len = lf ? (size_t)(lf - p) : n;
	const uint8_t *cr = memchr(p, '\r', len);
	return cr ? (size_t)(cr - p) : len;
}

void smtp_body_add(struct smtp_body *b, struct slice chunk, struct buf *out)
{
	for (size_t at = 0; at < chunk.n;) {
		uint8_t c = chunk.p[at];
		if (c == '\n') {
			line_end(b, out);
			at++;
		} else if (b->cr) {
			line_end(b, out);	/* the CR stood alone */
		} else if (c == '\r') {
			b->cr = true;
			at++;
		} else {
			size_t n = run_length(chunk.p + at, chunk.n - at);
			text(b, slice_sub(chunk, at, at + n), out);
			at += n;
		}
	}
}

void smtp_body_end(struct smtp_body *b, struct buf *out)
{
	if (b->in_line || b->cr)
		line_end(b, out);
	buf_append(out, ".\r\n", 3);
}
