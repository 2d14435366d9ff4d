/* SPDX-License-Identifier: Apache-2.0 */
/*
 * =?charset*language?Q or B?text?=  (RFC 2047 2, RFC 2231 5). Neighbours of one charset and
 * encoding are decoded as one run of bytes, because senders split characters between them. Linear:
 * a "=?" whose end is not within WORD_MAX bytes is plain text.
 */
#include "proto/mail/words.h"

#include "base/codec.h"
#include "proto/mail/charset.h"
#include "proto/mail/decode.h"

enum {
	WORD_MAX = 1024,
	DECODED_MAX = 64 * 1024, /* of one value; behind it words stay as they are */
};

struct word {
	struct slice charset, text;
	uint8_t how;   /* 'q' or 'b' */
	size_t length; /* with its brackets */
};

static bool parse_word(struct slice in, struct word *ret)
{
	in = slice_sub(in, 0, WORD_MAX);
	if (!slice_starts(in, SLICE("=?")))
		return false;
	ptrdiff_t q1 = slice_find_byte(slice_sub(in, 0, 2 + CHARSET_NAME_MAX), '?', 2);
	if (q1 < 3 || (size_t)q1 + 3 > in.n || in.p[q1 + 2] != '?')
		return false;
	ret->how = ascii_lower(in.p[q1 + 1]);
	size_t from = (size_t)q1 + 3;
	ptrdiff_t end = slice_find(in, SLICE("?="), from);
	if (end < 0 || (ret->how != 'q' && ret->how != 'b'))
		return false;
	ret->charset = slice_sub(in, 2, (size_t)q1);
	ptrdiff_t language = slice_find_byte(ret->charset, '*', 0);
	if (language >= 0)
		ret->charset.n = (size_t)language;
	ret->text = slice_sub(in, from, (size_t)end);
	ret->length = (size_t)end + 2;
	return true;
}

static int hex_value(uint8_t c)
{
	return ascii_is_digit(c)                                ? c - '0'
	       : ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f' ? ascii_lower(c) - 'a' + 10
								: -1;
}

static void decode_word(const struct word *w, struct buf *bytes)
{
	if (w->how == 'b') {
		struct decoder d = decoder_of(TRANSFER_BASE64);
		decoder_feed(&d, w->text, bytes);
		decoder_end(&d, bytes);
		return;
	}
	for (size_t i = 0; i < w->text.n; i++) {
		uint8_t c = w->text.p[i];
		if (c == '=' && i + 2 < w->text.n && hex_value(w->text.p[i + 1]) >= 0 &&
		    hex_value(w->text.p[i + 2]) >= 0) {
			c = (uint8_t)(hex_value(w->text.p[i + 1]) << 4 |
				      hex_value(w->text.p[i + 2]));
			i += 2;
		} else if (c == '_') {
			c = ' ';
		}
		buf_byte(bytes, c);
	}
}

static size_t blanks(struct slice in, size_t from)
{
	size_t at = from;
	while (at < in.n && strchr(" \t\r\n", in.p[at]) && in.p[at])
		at++;
	return at - from;
}

/* A run of encoded words at the front of in; how much of in it took, 0 where there is none. */
static size_t decode_run(struct slice in, struct buf *bytes, struct buf *out)
{
	struct word first, w;
	size_t at = 0, next = 0;
	while (parse_word(slice_sub(in, next, in.n), &w)) {
		if (at == 0)
			first = w;
		else if (!slice_eq_ci(first.charset, w.charset))
			break;
		decode_word(&w, bytes);
		at = next + w.length;
		next = at + blanks(in, at);
	}
	if (at == 0)
		return 0;
	charset_to_utf8(first.charset, buf_view(bytes), out);
	buf_clear(bytes);
	/* The blanks go only where another word, of another charset, follows. */
	return parse_word(slice_sub(in, next, in.n), &w) ? next : at;
}

/* Length of the plain text at the front of in: up to the next "=?", at least one byte. */
static size_t plain_length(struct slice in)
{
	ptrdiff_t next = slice_find(in, SLICE("=?"), 1);
	return next < 0 ? in.n : (size_t)next;
}

static void put_plain(struct slice s, struct buf *out)
{
	size_t from = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '\n' && s.p[i] != '\r')
			continue;
		charset_to_utf8(SLICE(""), slice_sub(s, from, i), out);
		from = i + 1;
	}
	charset_to_utf8(SLICE(""), slice_sub(s, from, s.n), out);
}

void words_decode(struct slice in, struct buf *out)
{
	struct buf bytes = BUF_INIT(in.n);
	for (size_t at = 0; at < in.n && buf_ok(out);) {
		struct slice rest = slice_sub(in, at, in.n);
		size_t used = at < DECODED_MAX ? decode_run(rest, &bytes, out) : 0;
		if (used == 0) {
			used = at < DECODED_MAX ? plain_length(rest) : rest.n;
			put_plain(slice_sub(rest, 0, used), out);
		}
		at += used;
	}
	buf_fini(&bytes);
}
