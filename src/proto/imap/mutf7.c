/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modified base64 runs between '&' and '-' hold UTF-16 in big-endian order, without padding, ',' for '/'.
 * Refused: characters in base64 that could stand for themselves, runs that follow each other directly, bits
 * left over that are not zero, lone surrogates, 8-bit bytes, control bytes (THREATS I12).
 */
#include "proto/imap/mutf7.h"

#include "base/codec.h"
#include "base/err.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int value_of(uint8_t c)
{
	const char *at = c ? strchr(alphabet, c) : NULL;
	return at ? (int)(at - alphabet) : -1;
}

static bool direct(uint32_t cp)
{
	return cp >= 0x20 && cp <= 0x7e;
}

/* State of one base64 run. */
struct run {
	uint32_t bits;
	unsigned n_bits;
	uint32_t high;	/* surrogate that waits for its other half */
};

static int put_unit(struct buf *out, struct run *r, uint32_t unit)
{
	bool is_low = unit >= 0xdc00 && unit <= 0xdfff;

	if ((r->high != 0) != is_low)
		return ERR_SYNTAX;
	if (is_low) {
		utf8_encode(out, 0x10000 + ((r->high - 0xd800) << 10) + (unit - 0xdc00));
		r->high = 0;
	} else if (unit >= 0xd800 && unit <= 0xdbff) {
		r->high = unit;
	} else if (unit <= 0x7f) {
		return ERR_SYNTAX;
	} else {
		utf8_encode(out, unit);
	}
	return 0;
}

/* Reads from behind '&' to behind '-'. */
static int decode_run(struct buf *out, struct slice in, size_t *at)
{
	struct run r = { 0 };

	for (;; (*at)++) {
		if (*at >= in.n)
			return ERR_SYNTAX;
		if (in.p[*at] == '-')
			break;
		int v = value_of(in.p[*at]);
		if (v < 0)
			return ERR_SYNTAX;
		r.bits = r.bits << 6 | (uint32_t)v;
		r.n_bits += 6;
		if (r.n_bits >= 16) {
			r.n_bits -= 16;
			if (put_unit(out, &r, r.bits >> r.n_bits & 0xffff) < 0)
				return ERR_SYNTAX;
			r.bits &= (1u << r.n_bits) - 1;
		}
	}
	(*at)++;
	return r.n_bits >= 6 || r.bits || r.high ? ERR_SYNTAX : 0;
}

int mutf7_decode(struct buf *out, struct slice in)
{
	bool after_run = false;

	for (size_t at = 0; at < in.n;) {
		uint8_t c = in.p[at++];
		if (!direct(c))
			return ERR_SYNTAX;
		if (c != '&') {
			buf_byte(out, c);
			after_run = false;
		} else if (at < in.n && in.p[at] == '-') {
			buf_byte(out, '&');
			at++;
			after_run = false;
		} else {
			if (after_run || decode_run(out, in, &at) < 0)
				return ERR_SYNTAX;
			after_run = true;
		}
	}
	return buf_ok(out) ? 0 : ERR_TOO_BIG;
}

static void encode_unit(struct buf *out, struct run *r, uint32_t unit)
{
	r->bits = r->bits << 16 | unit;
	r->n_bits += 16;
	while (r->n_bits >= 6) {
		r->n_bits -= 6;
		buf_byte(out, (uint8_t)alphabet[r->bits >> r->n_bits & 63]);
	}
	r->bits &= (1u << r->n_bits) - 1;
}

static void end_run(struct buf *out, struct run *r)
{
	if (r->n_bits)
		buf_byte(out, (uint8_t)alphabet[r->bits << (6 - r->n_bits) & 63]);
	buf_byte(out, '-');
	*r = (struct run){ 0 };
}

int mutf7_encode(struct buf *out, struct slice in)
{
	struct run r = { 0 };
	bool running = false;

	for (size_t at = 0; at < in.n;) {
		uint32_t cp;
		size_t n = utf8_decode(slice_sub(in, at, in.n), &cp);
		if (!n)
			return ERR_SYNTAX;
		at += n;
		if (running && direct(cp)) {
			end_run(out, &r);
			running = false;
		}
		if (direct(cp)) {
			buf_byte(out, (uint8_t)cp);
			if (cp == '&')
				buf_byte(out, '-');
			continue;
		}
		if (!running)
			buf_byte(out, '&');
		running = true;
		if (cp >= 0x10000) {
			encode_unit(out, &r, 0xd800 + ((cp - 0x10000) >> 10));
			cp = 0xdc00 + ((cp - 0x10000) & 0x3ff);
		}
		encode_unit(out, &r, cp);
	}
	if (running)
		end_run(out, &r);
	return buf_ok(out) ? 0 : ERR_TOO_BIG;
}
