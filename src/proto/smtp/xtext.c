/* SPDX-License-Identifier: Apache-2.0 */
/* xtext, both ways (RFC 3461 4). Lower-case hex digits are refused as the grammar says. */
#include "proto/smtp/xtext.h"

#include "base/err.h"

static int hex_upper(uint8_t c)
{
	if (ascii_is_digit(c))
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool plain(uint8_t c)
{
	return c > ' ' && c < 0x7f && c != '+' && c != '=';
}

int xtext_decode(struct buf *out, struct slice in)
{
	for (size_t i = 0; i < in.n; i++) {
		if (plain(in.p[i])) {
			buf_byte(out, in.p[i]);
			continue;
		}
		if (in.p[i] != '+' || in.n - i < 3)
			return ERR_SYNTAX;
		int high = hex_upper(in.p[i + 1]), low = hex_upper(in.p[i + 2]);
		if (high < 0 || low < 0)
			return ERR_SYNTAX;
		buf_byte(out, (uint8_t)(high << 4 | low));
		i += 2;
	}
	return buf_ok(out) ? 0 : ERR_TOO_BIG;
}

void xtext_encode(struct buf *out, struct slice in)
{
	for (size_t i = 0; i < in.n; i++) {
		if (plain(in.p[i]))
			buf_byte(out, in.p[i]);
		else
			buf_printf(out, "+%02X", in.p[i]);
	}
}
