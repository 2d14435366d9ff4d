/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A notification is a multipart/report: a text for people, message/delivery-status for machines, and the message
 * or its header. Invariants: every line ends with CRLF; a value that came from outside holds printable bytes and
 * spaces only, and a folded line of it starts with a space. RFC 3461 6, RFC 3464 2, RFC 6522, RFC 6533 (UTF-8).
 */
#include "room/queue/dsn.h"

#include "base/codec.h"
#include "base/err.h"

void dsn_date(struct buf *out, int64_t ms)
{
	static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t t = (time_t)(ms / 1000);
	struct tm tm;
	gmtime_r(&t, &tm);
	buf_printf(out, "%s, %d %s %d %02d:%02d:%02d +0000", days[tm.tm_wday], tm.tm_mday,
		   months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* One logical line, cleaned: control bytes are spaces, what is not UTF-8 is '?'. */
static void clean(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.n;) {
		uint32_t cp;
		size_t n = utf8_decode(slice_sub(s, i, s.n), &cp);
		if (n == 0)
			buf_byte(out, '?');
		else if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0x2028 || cp == 0x2029)
			buf_byte(out, ' ');
		else
			buf_append(out, s.p + i, n);
		i += n ? n : 1;
	}
}

/* Folds at spaces where there are some, else hard; used is what stands on the line already. */
static void fold(struct buf *out, struct slice raw, size_t used, const char *indent)
{
	struct buf line = BUF_INIT(4 * DSN_TEXT_MAX);
	clean(&line, slice_sub(raw, 0, DSN_TEXT_MAX));
	struct slice s = slice_trim(buf_view(&line));
	while (s.n) {
		size_t room = used < DSN_LINE_MAX - 10 ? DSN_LINE_MAX - used : 10;
		size_t take = s.n <= room ? s.n : room;
		if (take < s.n) {
			size_t space = take;
			while (space && s.p[space] != ' ')
				space--;
			take = space ? space : take;
			while (take < s.n && (s.p[take] & 0xc0) == 0x80)
				take++;
		}
		buf_slice(out, slice_sub(s, 0, take));
		s = slice_trim(slice_sub(s, take, s.n));
		buf_str(out, s.n ? "\r\n" : "");
		buf_str(out, s.n ? indent : "");
		used = strlen(indent);
	}
	buf_fini(&line);
	buf_str(out, "\r\n");
}

static void field(struct buf *out, const char *name, struct slice value)
{
	size_t before = out->n;
	buf_str(out, name);
	fold(out, value, out->n - before, "    ");
}

static unsigned hex_digit(uint8_t c)
{
	return ascii_is_digit(c) ? c - '0' + 0u : c >= 'A' && c <= 'F' ? c - 'A' + 10u : 16;
}

/* RFC 3461 4: back from xtext; what is no xtext stays as it is. */
static void xtext_decode(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned hi = i + 2 < s.n && s.p[i] == '+' ? hex_digit(s.p[i + 1]) : 16;
		unsigned lo = hi < 16 ? hex_digit(s.p[i + 2]) : 16;
		buf_byte(out, lo < 16 ? (uint8_t)(hi << 4 | lo) : s.p[i]);
		i += lo < 16 ? 2 : 0;
	}
}

static void xtext_field(struct buf *out, const char *name, struct slice value, size_t prefix)
{
	struct buf plain = BUF_INIT(2048);
	buf_slice(&plain, slice_sub(value, 0, prefix));
	xtext_decode(&plain, slice_sub(value, prefix, value.n));
	field(out, name, buf_view(&plain));
	buf_fini(&plain);
}

static const struct {
	const char *subject, *action, *text;
} words[] = {
	[DSN_FAILED] =
		{"Undelivered mail returned to sender", "failed",
		 "Your message could not be delivered to the recipients below. No further\r\n"
		 "attempt will be made.\r\n"},
	[DSN_DELAYED] =
		{"Delivery of your mail is delayed", "delayed",
		 "Your message has not been delivered yet to the recipients below. You need\r\n"
		 "not send it again: further attempts will be made"},
	[DSN_RELAYED] =
		{"Your mail was passed on", "relayed",
		 "Your message was passed on to the servers of the recipients below. These\r\n"
		 "servers do not confirm deliveries.\r\n"},
	[DSN_DELIVERED] = {"Your mail was delivered", "delivered",
			   "Your message was delivered to the recipients below.\r\n"},
	[DSN_EXPANDED] = {"Your mail was delivered to a list", "expanded",
			  "Your message was passed on to everybody behind the addresses below.\r\n"},
};

static void head(struct buf *out, const struct dsn *d, bool utf8)
{
	buf_printf(out, "From: Mail Delivery System <MAILER-DAEMON@%s>\r\n", d->host);
	field(out, "To: ", d->sender);
	buf_printf(out, "Subject: %s\r\nDate: ", words[d->action].subject);
	dsn_date(out, d->now_ms);
	buf_printf(out, "\r\nMessage-ID: <%s@%s>\r\n", d->boundary, d->host);
	buf_str(out, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
		     "Content-Type: multipart/report; report-type=delivery-status;\r\n");
	buf_printf(out, "\tboundary=\"%s\"\r\n", d->boundary);
	buf_printf(out, "Content-Transfer-Encoding: %s\r\n\r\n", utf8 ? "8bit" : "7bit");
}

static void text_part(struct buf *out, const struct dsn *d)
{
	buf_printf(out,
		   "--%s\r\nContent-Type: text/plain; charset=utf-8\r\n"
		   "Content-Transfer-Encoding: 8bit\r\n\r\nThis is the mail server %s.\r\n\r\n%s",
		   d->boundary, d->host, words[d->action].text);
	if (d->action == DSN_DELAYED) {
		buf_str(out, " until\r\n");
		dsn_date(out, d->until_ms);
		buf_str(out, ".\r\n");
	}
	for (size_t i = 0; i < d->n_rcpts; i++) {
		const struct dsn_rcpt *r = &d->rcpts[i];
		buf_str(out, "\r\n");
		field(out, "    ", r->address);
		if (!r->text.n)
			continue;
		if (r->server.n)
			field(out, "    said by ", r->server);
		if (r->code)
			buf_printf(out, "    %u", r->code);
		buf_str(out, r->code ? " " : "    ");
		fold(out, r->text, 8, "    ");
	}
	buf_str(out, "\r\n");
}

static void status_rcpt(struct buf *out, const struct dsn *d, const struct dsn_rcpt *r)
{
	buf_str(out, "\r\n");
	ptrdiff_t semicolon = slice_find_byte(r->orcpt, ';', 0);
	if (semicolon > 0)
		xtext_field(out, "Original-Recipient: ", r->orcpt, (size_t)semicolon + 1);
	field(out,
	      ascii_only(r->address) ? "Final-Recipient: rfc822; " : "Final-Recipient: utf-8; ",
	      r->address);
	buf_printf(out, "Action: %s\r\n", words[d->action].action);
	field(out, "Status: ", r->enhanced);
	if (r->server.n)
		field(out, "Remote-MTA: dns; ", r->server);
	if (r->text.n) {
		struct buf text = BUF_INIT(2 * DSN_TEXT_MAX);
		if (r->code)
			buf_printf(&text, "smtp; %u ", r->code);
		else
			buf_str(&text, "x-postern; ");
		buf_slice(&text, slice_sub(r->text, 0, DSN_TEXT_MAX));
		field(out, "Diagnostic-Code: ", buf_view(&text));
		buf_fini(&text);
	}
	buf_str(out, "Last-Attempt-Date: ");
	dsn_date(out, d->now_ms);
	buf_str(out, "\r\n");
	if (d->action == DSN_DELAYED) {
		buf_str(out, "Will-Retry-Until: ");
		dsn_date(out, d->until_ms);
		buf_str(out, "\r\n");
	}
}

static void status_part(struct buf *out, const struct dsn *d, bool utf8)
{
	buf_printf(out, "--%s\r\nContent-Type: message/%sdelivery-status\r\n", d->boundary,
		   utf8 ? "global-" : "");
	buf_printf(out, "%s\r\nReporting-MTA: dns; %s\r\n",
		   utf8 ? "Content-Transfer-Encoding: 8bit\r\n" : "", d->host);
	if (d->envid.n)
		xtext_field(out, "Original-Envelope-Id: ", d->envid, 0);
	buf_str(out, "Arrival-Date: ");
	dsn_date(out, d->arrival_ms);
	buf_str(out, "\r\n");
	for (size_t i = 0; i < d->n_rcpts; i++)
		status_rcpt(out, d, &d->rcpts[i]);
	buf_str(out, "\r\n");
}

static void original_part(struct buf *out, const struct dsn *d)
{
	const char *type = d->headers_only ? "text/rfc822-headers" : "message/rfc822";
	buf_printf(out, "--%s\r\nContent-Type: %s\r\n", d->boundary, type);
	if (!ascii_only(d->original))
		buf_str(out, "Content-Transfer-Encoding: 8bit\r\n");
	buf_str(out, "\r\n");
	buf_slice(out, d->original);
	bool ended = d->original.n >= 2 && d->original.p[d->original.n - 1] == '\n';
	buf_printf(out, "%s--%s--\r\n", ended ? "" : "\r\n", d->boundary);
}

static bool any_utf8(const struct dsn *d)
{
	bool ascii = ascii_only(d->sender);
	for (size_t i = 0; i < d->n_rcpts; i++)
		ascii = ascii && ascii_only(d->rcpts[i].address) && ascii_only(d->rcpts[i].text);
	return !ascii;
}

void dsn_write(struct buf *out, const struct dsn *d)
{
	bool utf8 = any_utf8(d);
	head(out, d, utf8 || !ascii_only(d->original));
	text_part(out, d);
	status_part(out, d, utf8);
	original_part(out, d);
}
