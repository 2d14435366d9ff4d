/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes replies. Invariant: each line is "ddd-" or "ddd " with printable ASCII and CRLF, at most
 * SMTP_REPLY_LINE_MAX octets; only the last has the space. Threat: text of another room or server
 * that holds CR, LF or terminal controls (S13).
 */
#include "proto/smtp/reply.h"

static bool enhanced_fits(const struct smtp_status *st)
{
	return st->enhanced && st->enhanced[0] == (char)('0' + st->code / 100) &&
	       st->enhanced[1] == '.' && st->code / 100 != 3;
}

static void write_line(struct buf *out, const struct smtp_status *st, struct slice text, bool last)
{
	size_t room = SMTP_REPLY_LINE_MAX - 2;
	size_t start = out->n;
	buf_printf(out, "%03u%c", st->code % 1000, last ? ' ' : '-');
	if (enhanced_fits(st))
		buf_printf(out, "%.11s ", st->enhanced);
	room -= out->n - start < room ? out->n - start : room;
	for (size_t i = 0; i < text.n && i < room; i++)
		buf_byte(out, text.p[i] >= ' ' && text.p[i] < 0x7f ? text.p[i] : '?');
	buf_str(out, "\r\n");
}

void smtp_reply_write(struct buf *out, const struct smtp_status *st)
{
	struct slice rest = slice_str(st->text);
	size_t start = out->n;
	for (;;) {
		ptrdiff_t nl = slice_find_byte(rest, '\n', 0);
		bool last = nl < 0 || out->n - start > SMTP_REPLY_MAX - 2 * SMTP_REPLY_LINE_MAX;
		write_line(out, st, nl < 0 ? rest : slice_sub(rest, 0, (size_t)nl), last);
		if (last)
			return;
		rest = slice_sub(rest, (size_t)nl + 1, rest.n);
	}
}
