/* SPDX-License-Identifier: Apache-2.0 */
#include "base/codec.h"

#include "base/err.h"

static const char b64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct buf *out, struct slice in)
{
	for (size_t i = 0; i < in.n; i += 3) {
		size_t left = in.n - i;
		uint32_t v = (uint32_t)in.p[i] << 16;
		if (left > 1)
			v |= (uint32_t)in.p[i + 1] << 8;
		if (left > 2)
			v |= in.p[i + 2];
		char quad[4] = { b64[v >> 18], b64[v >> 12 & 63],
				 left > 1 ? b64[v >> 6 & 63] : '=', left > 2 ? b64[v & 63] : '=' };
		buf_append(out, quad, 4);
	}
}

static int b64_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_decode(struct buf *out, struct slice in)
{
	if (in.n % 4)
		return ERR_SYNTAX;
	for (size_t i = 0; i < in.n; i += 4) {
		bool last = i + 4 == in.n;
		size_t pad = last && in.p[i + 3] == '=' ? (in.p[i + 2] == '=' ? 2 : 1) : 0;
		uint32_t v = 0;
		for (size_t k = 0; k < 4; k++) {
			int d = k >= 4 - pad ? 0 : b64_value(in.p[i + k]);
			if (d < 0)
				return ERR_SYNTAX;
			v = v << 6 | (uint32_t)d;
		}
		/* Bits behind the last byte must be zero: one text for one value. */
		if ((pad == 1 && (v & 0xff)) || (pad == 2 && (v & 0xffff)))
			return ERR_SYNTAX;
		uint8_t bytes[3] = { (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };
		buf_append(out, bytes, 3 - pad);
	}
	return buf_ok(out) ? ERR_OK : ERR_TOO_BIG;
}

void hex_encode(struct buf *out, struct slice in)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < in.n; i++) {
		buf_byte(out, (uint8_t)digits[in.p[i] >> 4]);
		buf_byte(out, (uint8_t)digits[in.p[i] & 15]);
	}
}

static int hex_value(uint8_t c)
{
	if (ascii_is_digit(c))
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int hex_decode(struct buf *out, struct slice in)
{
	if (in.n % 2)
		return ERR_SYNTAX;
	for (size_t i = 0; i < in.n; i += 2) {
		int hi = hex_value(in.p[i]), lo = hex_value(in.p[i + 1]);
		if (hi < 0 || lo < 0)
			return ERR_SYNTAX;
		buf_byte(out, (uint8_t)(hi << 4 | lo));
	}
	return buf_ok(out) ? ERR_OK : ERR_TOO_BIG;
}

size_t utf8_decode(struct slice s, uint32_t *ret_cp)
{
	static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	if (!s.n)
		return 0;
	uint8_t c = s.p[0];
	size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3
		: c >= 0xf0 && c < 0xf5 ? 4 : 0;
	if (n == 0 || n > s.n)
		return 0;
	uint32_t cp = n == 1 ? c : c & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s.p[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (s.p[i] & 0x3f);
	}
	if (cp < least[n] || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
		return 0;
	*ret_cp = cp;
	return n;
}

void utf8_encode(struct buf *out, uint32_t cp)
{
	if (cp < 0x80) {
		buf_byte(out, (uint8_t)cp);
		return;
	}
	if (cp >= 0x10000) {
		buf_byte(out, (uint8_t)(0xf0 | cp >> 18));
		buf_byte(out, (uint8_t)(0x80 | (cp >> 12 & 63)));
	} else if (cp >= 0x800) {
		buf_byte(out, (uint8_t)(0xe0 | cp >> 12));
	}
	if (cp >= 0x800)
		buf_byte(out, (uint8_t)(0x80 | (cp >> 6 & 63)));
	else
		buf_byte(out, (uint8_t)(0xc0 | cp >> 6));
	buf_byte(out, (uint8_t)(0x80 | (cp & 63)));
}

bool utf8_valid(struct slice s)
{
	while (s.n) {
		uint32_t cp;
		size_t n = utf8_decode(s, &cp);
		if (!n)
			return false;
		s = slice_sub(s, n, s.n);
	}
	return true;
}

bool ascii_only(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] >= 0x80)
			return false;
	return true;
}

#ifdef __x86_64__
/* The instruction of SSE 4.2, where the machine has it: three times as fast as the tables. */
__attribute__((target("sse4.2"))) static uint32_t crc32c_instruction(uint32_t crc, const uint8_t *at, size_t n)
{
	uint64_t c = ~crc;
	for (; n >= 8; at += 8, n -= 8) {
		uint64_t v;
		memcpy(&v, at, 8);
		c = __builtin_ia32_crc32di(c, v);
	}
	for (; n; at++, n--)
		c = __builtin_ia32_crc32qi((uint32_t)c, *at);
	return ~(uint32_t)c;
}
#endif

uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2"))
		return crc32c_instruction(crc, p, n);
#endif
	/* Slicing by eight: about 2 GB/s, enough to stay far below the disk. */
	static uint32_t table[8][256];
	if (!table[0][1]) {
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t c = i;
			for (int k = 0; k < 8; k++)
				c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
			table[0][i] = c;
		}
		for (uint32_t i = 0; i < 256; i++)
			for (int t = 1; t < 8; t++)
				table[t][i] = table[t - 1][i] >> 8 ^
					      table[0][table[t - 1][i] & 0xff];
	}
	const uint8_t *at = p;
	crc = ~crc;
	for (; n >= 8; at += 8, n -= 8) {
		uint32_t lo, hi;
		memcpy(&lo, at, 4);
		memcpy(&hi, at + 4, 4);
		lo ^= crc;
		crc = table[7][lo & 0xff] ^ table[6][lo >> 8 & 0xff] ^ table[5][lo >> 16 & 0xff] ^
		      table[4][lo >> 24] ^ table[3][hi & 0xff] ^ table[2][hi >> 8 & 0xff] ^
		      table[1][hi >> 16 & 0xff] ^ table[0][hi >> 24];
	}
	while (n--)
		crc = table[0][(crc ^ *at++) & 0xff] ^ crc >> 8;
	return ~crc;
}

bool secret_eq(struct slice a, struct slice b)
{
	uint8_t diff = a.n != b.n;
	for (size_t i = 0; i < a.n && i < b.n; i++)
		diff |= a.p[i] ^ b.p[i];
	return diff == 0;
}
