/* SPDX-License-Identifier: Apache-2.0 */
#include "room/queue/report.h"

#include "base/codec.h"
#include "proto/mail/compose.h"
#include "proto/mail/date.h"
#include "proto/smtp/xtext.h"

struct slice report_cut(struct slice value)
{
	return slice_sub(value, 0, REPORT_TEXT_MAX);
}

/* What was said here may have lines: the reason of a mailbox's rule (RFC 5429 2.1.2). */
void report_lines(struct buf *out, struct slice text)
{
	while (text.n) {
		ptrdiff_t end = slice_find_byte(text, '\n', 0);
		size_t n = end < 0 ? text.n : (size_t)end;
		compose_lines(out, "    ", slice_sub(text, 0, n));
		text = slice_sub(text, end < 0 ? n : n + 1, text.n);
	}
}

/* A text of the catalogue with CRLF line ends, and the end of the attempts where it has a place for that. */
void report_words(struct buf *out, int64_t until_ms, const char *text)
{
	for (; *text; text++) {
		if (text[0] == '%' && text[1] == 's') {
			mail_date_format(out, until_ms, 0);
			text++;
		} else if (*text == '\n') {
			buf_str(out, "\r\n");
		} else {
			buf_byte(out, (uint8_t)*text);
		}
	}
}

void report_field(struct buf *out, const char *name, const char *type, struct slice value)
{
	struct buf text = BUF_INIT(2 * REPORT_TEXT_MAX);
	buf_str(&text, type);
	buf_slice(&text, report_cut(value));
	compose_plain(out, name, buf_view(&text));
	buf_fini(&text);
}

/* "\x{HEX}" of RFC 6533 3, where it stands for a character that may stand there; else 0. */
static size_t unicode_escape(struct slice s, uint32_t *ret)
{
	uint32_t cp = 0;
	size_t at = 3;
	if (!slice_starts(s, SLICE("\\x{")))
		return 0;
	for (; at < s.n && at < 9; at++) {
		uint8_t c = s.p[at];
		if (!ascii_is_digit(c) && (c < 'A' || c > 'F'))
			break;
		cp = cp << 4 | (ascii_is_digit(c) ? c - '0' + 0u : c - 'A' + 10u);
	}
	if (at == 3 || at >= s.n || s.p[at] != '}' || cp < 0x20 || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
		return 0;
	*ret = cp;
	return at + 1;
}

/* utf-8-addr-xtext or utf-8-addr-unitext, as UTF-8. */
static void utf8_address(struct buf *out, struct slice s)
{
	while (s.n) {
		uint32_t cp;
		size_t n = unicode_escape(s, &cp);
		if (n)
			utf8_encode(out, cp);
		else
			buf_byte(out, s.p[0]);
		s = slice_sub(s, n ? n : 1, s.n);
	}
}

void report_original_recipient(struct buf *out, struct slice orcpt)
{
	ptrdiff_t semicolon = slice_find_byte(orcpt, ';', 0);
	if (semicolon <= 0)
		return;
	size_t prefix = (size_t)semicolon + 1;
	struct slice type = slice_sub(orcpt, 0, prefix), coded = slice_sub(orcpt, prefix, orcpt.n);
	struct buf plain = BUF_INIT(2048), text = BUF_INIT(4096);
	bool decoded = xtext_decode(&plain, coded) == 0;
	buf_slice(&text, type);
	if (slice_eq_ci(type, SLICE("utf-8;")))
		utf8_address(&text, decoded ? buf_view(&plain) : coded);
	else
		buf_slice(&text, decoded ? buf_view(&plain) : coded);
	report_field(out, "Original-Recipient", "", buf_view(&text));
	buf_fini(&plain);
	buf_fini(&text);
}

void report_final_recipient(struct buf *out, struct slice address)
{
	report_field(out, "Final-Recipient", ascii_only(address) ? "rfc822; " : "utf-8; ", address);
}

const char *report_original_type(struct slice original, bool headers_only)
{
	ptrdiff_t end = slice_find(original, SLICE("\r\n\r\n"), 0);
	struct slice header = slice_sub(original, 0, end < 0 ? original.n : (size_t)end);
	if (ascii_only(header) || !utf8_valid(header))
		return headers_only ? "text/rfc822-headers" : "message/rfc822";
	return headers_only ? "message/global-headers" : "message/global";
}
