/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base64 takes its alphabet and skips everything else; padding ends a quad, and concatenated runs
 * go on behind it. Quoted-printable holds back "=" with what may be its code, and blanks that may
 * be the end of a line.
 */
#include "proto/mail/decode.h"

enum transfer transfer_by_name(struct slice name)
{
	name = slice_trim(name);
	if (slice_eq_ci(name, SLICE("base64")))
		return TRANSFER_BASE64;
	if (slice_eq_ci(name, SLICE("quoted-printable")))
		return TRANSFER_QP;
	bool identity = name.n == 0 || slice_eq_ci(name, SLICE("7bit")) ||
			slice_eq_ci(name, SLICE("8bit")) || slice_eq_ci(name, SLICE("binary"));
	return identity ? TRANSFER_IDENTITY : TRANSFER_UNKNOWN;
}

static int base64_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (ascii_is_digit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static void base64_feed(struct decoder *d, struct slice in, struct buf *out)
{
	for (size_t i = 0; i < in.n; i++) {
		int v = base64_value(in.p[i]);
		if (v < 0) {
			if (in.p[i] == '=') {
				d->bits = 0;
				d->n_bits = 0;
			}
			continue;
		}
		d->bits = d->bits << 6 | (uint32_t)v;
		d->n_bits += 6;
		if (d->n_bits >= 8) {
			d->n_bits -= 8;
			buf_byte(out, (uint8_t)(d->bits >> d->n_bits));
			d->bits &= (1u << d->n_bits) - 1;
		}
	}
}

static int hex_value(uint8_t c)
{
	if (ascii_is_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void release(struct decoder *d, struct buf *out)
{
	buf_append(out, d->hold, d->n_hold);
	d->n_hold = 0;
}

/* At the end of a line: blanks go (RFC 2045 6.7 rule 3), a CR before it stays with it, "=" joins
 * the lines. */
static void qp_line_end(struct decoder *d, struct buf *out)
{
	bool soft = d->n_hold && d->hold[0] == '=';
	bool cr = d->n_hold && d->hold[d->n_hold - 1] == '\r';
	d->n_hold = 0;
	if (soft)
		return;
	if (cr)
		buf_byte(out, '\r');
	buf_byte(out, '\n');
}

static void qp_hold(struct decoder *d, uint8_t c, struct buf *out)
{
	if (d->n_hold == DECODER_HOLD_MAX)
		release(d, out);
	d->hold[d->n_hold++] = c;
}

static void qp_byte(struct decoder *d, uint8_t c, struct buf *out)
{
	if (c == '\n') {
		qp_line_end(d, out);
		return;
	}
	bool code = d->n_hold && d->hold[0] == '=';
	if (code && d->n_hold == 2 && hex_value(d->hold[1]) >= 0 && hex_value(c) >= 0) {
		buf_byte(out, (uint8_t)(hex_value(d->hold[1]) << 4 | hex_value(c)));
		d->n_hold = 0;
	} else if (code && d->n_hold == 1 && hex_value(c) >= 0) {
		d->hold[d->n_hold++] = c;
	} else if (is_blank(c) && !(code && d->n_hold == 2 && hex_value(d->hold[1]) >= 0)) {
		qp_hold(d, c, out);
	} else {
		release(d, out);
		if (c == '=' || is_blank(c))
			d->hold[d->n_hold++] = c;
		else
			buf_byte(out, c);
	}
}

/* Bytes at the front of in that mean themselves, whatever follows. */
static size_t qp_plain_run(struct slice in)
{
	size_t n = 0;
	while (n < in.n && in.p[n] > ' ' && in.p[n] != '=')
		n++;
	return n;
}

static void qp_feed(struct decoder *d, struct slice in, struct buf *out)
{
	for (size_t i = 0; i < in.n;) {
		size_t run = d->n_hold ? 0 : qp_plain_run(slice_of(in.p + i, in.n - i));
		buf_append(out, in.p + i, run);
		i += run;
		if (i < in.n)
			qp_byte(d, in.p[i++], out);
	}
}

void decoder_feed(struct decoder *d, struct slice in, struct buf *out)
{
	if (d->how == TRANSFER_BASE64) {
		base64_feed(d, in, out);
	} else if (d->how == TRANSFER_QP) {
		qp_feed(d, in, out);
	} else {
		buf_slice(out, in);
	}
}

void decoder_end(struct decoder *d, struct buf *out)
{
	/* "=" as the very last byte is a soft line end too. */
	if (!(d->n_hold && d->hold[0] == '=' && d->n_hold == 1))
		release(d, out);
	d->n_hold = 0;
	d->n_bits = 0;
}
