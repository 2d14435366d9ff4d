/* SPDX-License-Identifier: Apache-2.0 */
/* See write.h. RFC 3501 4.3, 7.4.2, 9; RFC 6855 3 (UTF-8 in quoted strings). */
#include "proto/imap/write.h"

#include "base/codec.h"
#include "proto/imap/scan.h"

enum { QUOTED_MAX = 1000 };

static bool quotable(struct slice s, bool utf8)
{
	bool eight = false;

	if (s.n > QUOTED_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\r' || s.p[i] == '\n' || s.p[i] == '\0')
			return false;
		eight |= s.p[i] >= 0x80;
	}
	return !eight || (utf8 && utf8_valid(s));
}

static void put_literal(struct buf *out, struct slice s)
{
	buf_printf(out, "{%zu}\r\n", s.n);
	size_t at = out->n;
	buf_slice(out, s);
	if (!buf_ok(out))
		return;
	for (; at < out->n; at++) {
		if (!out->p[at])
			out->p[at] = 0x80;
	}
}

void imap_put_string(struct buf *out, struct slice s, bool utf8)
{
	if (!quotable(s, utf8)) {
		put_literal(out, s);
		return;
	}
	buf_byte(out, '"');
	for (size_t i = 0, plain = 0; i <= s.n; i++) {
		if (i < s.n && s.p[i] != '"' && s.p[i] != '\\')
			continue;
		buf_append(out, s.p + plain, i - plain);
		if (i < s.n)
			buf_byte(out, '\\');
		plain = i;
	}
	buf_byte(out, '"');
}

void imap_put_flag(struct buf *out, struct slice keyword)
{
	if (out->n && out->p[out->n - 1] != '(')
		buf_byte(out, ' ');
	buf_slice(out, keyword);
}

void imap_put_flags(struct buf *out, unsigned flags)
{
	static const char *const names[] = { "\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft" };

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (flags & 1u << i)
			imap_put_flag(out, slice_str(names[i]));
	}
}

/* Every line of a large FETCH has one: no printf. */
static void put_digits(uint8_t *p, int n, int v)
{
	while (n--) {
		p[n] = (uint8_t)('0' + v % 10);
		v /= 10;
	}
}

void imap_put_date_time(struct buf *out, int64_t ms)
{
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t seconds = (time_t)(ms / 1000 - (ms % 1000 < 0));
	struct tm tm = { 0 };

	gmtime_r(&seconds, &tm);
	int year = tm.tm_year + 1900;
	uint8_t text[] = "\"dd-mmm-yyyy hh:mm:ss +0000\"";
	put_digits(text + 1, 2, tm.tm_mday);
	memcpy(text + 4, months[tm.tm_mon], 3);
	put_digits(text + 8, 4, year < 0 ? 0 : year > 9999 ? 9999 : year);
	put_digits(text + 13, 2, tm.tm_hour);
	put_digits(text + 16, 2, tm.tm_min);
	put_digits(text + 19, 2, tm.tm_sec);
	buf_append(out, text, sizeof(text) - 1);
}

void imap_put_text(struct buf *out, struct slice text)
{
	for (size_t i = 0; i < text.n && i < 400; i++) {
		if (text.p[i] >= 0x20 && text.p[i] < 0x7f && text.p[i] != '[' && text.p[i] != ']')
			buf_byte(out, text.p[i]);
	}
}
