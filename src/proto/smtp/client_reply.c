/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies of other servers. Invariants: nothing of a former reply is left in a new one (the code, the
 * enhanced code and the text are reset together when the first line of a reply begins); no byte behind the
 * slice is read; every limit is checked before a byte is kept. Threats: S06, S12, S13.
 */
#include "proto/smtp/client_reply.h"

#include "base/err.h"

void smtp_reply_init(struct smtp_reply *r)
{
	*r = (struct smtp_reply){ .text = BUF_INIT(SMTP_REPLY_TEXT_MAX) };
}

void smtp_reply_fini(struct smtp_reply *r)
{
	buf_fini(&r->text);
}

static size_t digits(struct slice s, size_t at, size_t max)
{
	size_t n = 0;
	while (n < max && at + n < s.n && ascii_is_digit(s.p[at + n]))
		n++;
	return n;
}

/* RFC 3463 2: class "." subject "." detail, 1 to 3 digits each, no leading zeros. */
size_t smtp_enhanced_scan(struct slice s, unsigned code)
{
	unsigned class = code / 100;
	if (s.n < 5 || s.p[0] != '0' + class || s.p[1] != '.' || class == 3)
		return 0;
	size_t subject = digits(s, 2, 4);
	size_t at = 2 + subject;
	if (subject < 1 || subject > 3 || (subject > 1 && s.p[2] == '0') || at >= s.n ||
	    s.p[at] != '.')
		return 0;
	size_t detail = digits(s, ++at, 4);
	if (detail < 1 || detail > 3 || (detail > 1 && s.p[at] == '0'))
		return 0;
	at += detail;
	return at == s.n || s.p[at] == ' ' ? at : 0;
}

static void begin(struct smtp_reply *r)
{
	buf_clear(&r->text);
	r->code = 0;
	r->lines = 0;
	r->enhanced[0] = 0;
	r->partial = true;
}

static void keep_text(struct smtp_reply *r, struct slice text)
{
	size_t status = smtp_enhanced_scan(text, r->code);
	if (status && r->lines == 0) {
		memcpy(r->enhanced, text.p, status);
		r->enhanced[status] = 0;
	}
	if (status && slice_eq(slice_sub(text, 0, status), slice_str(r->enhanced)))
		text = slice_sub(text, status < text.n ? status + 1 : status, text.n);
	if (r->lines && r->text.n < r->text.max)
		buf_byte(&r->text, '\n');
	if (text.n > r->text.max - r->text.n)
		text.n = r->text.max - r->text.n;
	uint8_t *to = buf_reserve(&r->text, text.n);
	if (!to)
		return;
	for (size_t i = 0; i < text.n; i++)
		to[i] = (text.p[i] < 0x20 && text.p[i] != '\t') || text.p[i] == 0x7f ? '?'
										     : text.p[i];
	buf_added(&r->text, text.n);
}

/* Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF */
static int take_line(struct smtp_reply *r, struct slice line)
{
	if (line.n < 3 || digits(line, 0, 3) != 3 || line.p[0] < '2' || line.p[0] > '5')
		return ERR_SYNTAX;
	if (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-')
		return ERR_SYNTAX;
	uint16_t code =
		(uint16_t)((line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + line.p[2] - '0');
	if (r->lines && code != r->code)
		return ERR_SYNTAX;
	if (r->lines >= SMTP_REPLY_LINES_MAX)
		return ERR_TOO_BIG;
	r->code = code;
	keep_text(r, slice_sub(line, 4, line.n));
	r->lines++;
	r->partial = line.n > 3 && line.p[3] == '-';
	return !r->partial;
}

int smtp_reply_feed(struct smtp_reply *r, struct slice in, size_t *ret_used)
{
	size_t used = 0;
	int done = 0;
	if (!r->partial)
		begin(r);
	while (!done) {
		ptrdiff_t lf = slice_find_byte(in, '\n', used);
		size_t line_end = lf < 0 ? in.n : (size_t)lf + 1;
		if (line_end - used > SMTP_REPLY_LINE_MAX)
			return ERR_TOO_BIG;
		if (lf < 0)
			break;
		struct slice line = slice_sub(in, used, (size_t)lf);
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		done = take_line(r, line);
		if (done < 0)
			return done;
		used = line_end;
	}
	*ret_used = used;
	return done;
}
