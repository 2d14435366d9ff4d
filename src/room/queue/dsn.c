/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A notification is a multipart/report: a text for people, message/delivery-status for machines, and the message
 * or its header. What came from outside is cut, and written by compose alone: one value stays one field, one line of the
 * text never begins in its first column. RFC 3461 6, RFC 3464 2, RFC 6522; RFC 6533 where something is not ASCII.
 */
#include "room/queue/dsn.h"

#include "base/codec.h"
#include "base/err.h"
#include "base/text.h"
#include "proto/mail/compose.h"
#include "proto/mail/date.h"
#include "proto/smtp/xtext.h"

#include <arpa/inet.h>

enum { STATUS_MAX = 4 << 20, TEXT_MAX = 4 << 20 };

static const struct {
	const char *subject, *action, *text;
} words[] = {
	[DSN_FAILED] = {N_("Undelivered mail returned to sender"), "failed",
			N_("Your message could not be delivered to the recipients below. No further\n"
			   "attempt will be made.\n")},
	[DSN_DELAYED] = {N_("Delivery of your mail is delayed"), "delayed",
			 N_("Your message has not been delivered yet to the recipients below. You need\n"
			    "not send it again: further attempts will be made until\n%s.\n")},
	[DSN_RELAYED] = {N_("Your mail was passed on"), "relayed",
			 N_("Your message was passed on to the servers of the recipients below. These\n"
			    "servers do not confirm deliveries.\n")},
	[DSN_DELIVERED] = {N_("Your mail was delivered"), "delivered",
			   N_("Your message was delivered to the recipients below.\n")},
	[DSN_EXPANDED] = {N_("Your mail was delivered to a list"), "expanded",
			  N_("Your message was passed on to everybody behind the addresses below.\n")},
};

static struct slice cut(struct slice value)
{
	return slice_sub(value, 0, DSN_TEXT_MAX);
}

/* ---- for people ---- */

/* What was said here may have lines: the reason of a mailbox's rule (RFC 5429 2.1.2). */
static void own_lines(struct buf *out, struct slice text)
{
	while (text.n) {
		ptrdiff_t end = slice_find_byte(text, '\n', 0);
		size_t n = end < 0 ? text.n : (size_t)end;
		compose_lines(out, "    ", slice_sub(text, 0, n));
		text = slice_sub(text, end < 0 ? n : n + 1, text.n);
	}
}

static void text_rcpt(struct buf *out, const struct dsn_rcpt *r)
{
	struct buf said = BUF_INIT(2 * DSN_TEXT_MAX);
	buf_str(out, "\r\n");
	compose_lines(out, "    ", cut(r->address));
	if (r->text.n && r->server.n) {
		buf_str(&said, "said by ");
		buf_slice(&said, cut(r->server));
		compose_lines(out, "    ", buf_view(&said));
		buf_clear(&said);
	}
	if (r->text.n && r->server.n) {
		if (r->code)
			buf_printf(&said, "%u ", r->code);
		buf_slice(&said, cut(r->text));
		compose_lines(out, "    ", buf_view(&said));
	}
	buf_fini(&said);
	if (!r->server.n)
		own_lines(out, slice_sub(r->text, 0, DSN_REASON_MAX));
}

/* A text of the catalogue with CRLF line ends, and the end of the attempts where it has a place for that. */
static void put_words(struct buf *out, const struct dsn *d, const char *text)
{
	for (; *text; text++) {
		if (text[0] == '%' && text[1] == 's') {
			mail_date_format(out, d->until_ms, 0);
			text++;
		} else if (*text == '\n') {
			buf_str(out, "\r\n");
		} else {
			buf_byte(out, (uint8_t)*text);
		}
	}
}

/* Whoever has a mailbox here reads it in every language that is here: the queue does not know in which he does. */
static void text_part(struct buf *out, const struct dsn *d)
{
	struct buf text = BUF_INIT(TEXT_MAX);
	buf_printf(&text, "This is the mail server %s.\r\n\r\n", d->host);
	put_words(&text, d, words[d->action].text);
	for (size_t i = 0; d->ours && i < text_n_catalogs; i++) {
		buf_str(&text, "\r\n");
		put_words(&text, d, text_in(text_catalogs[i].language, words[d->action].text));
	}
	for (size_t i = 0; i < d->n_rcpts; i++)
		text_rcpt(&text, &d->rcpts[i]);
	compose_text(out, "text/plain", buf_view(&text));
	buf_fini(&text);
}

static void put_subject(struct buf *out, const struct dsn *d)
{
	buf_str(out, words[d->action].subject);
	for (size_t i = 0; d->ours && i < text_n_catalogs; i++)
		buf_printf(out, " / %s", text_in(text_catalogs[i].language, words[d->action].subject));
}

/* ---- for machines ---- */

static void field(struct buf *out, const char *name, const char *type, struct slice value)
{
	struct buf text = BUF_INIT(2 * DSN_TEXT_MAX);
	buf_str(&text, type);
	buf_slice(&text, cut(value));
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

/* As the client named it, without its xtext; what is none stays as it is. */
static void original_recipient(struct buf *out, struct slice orcpt)
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
	field(out, "Original-Recipient", "", buf_view(&text));
	buf_fini(&plain);
	buf_fini(&text);
}

/* RFC 3464 2.1.2: a name, or an address literal, of what relay calls host[address]:port. */
static void remote_mta(struct buf *out, struct slice server)
{
	ptrdiff_t bracket = slice_find_byte(server, '[', 0);
	struct slice host = bracket > 0 ? slice_sub(server, 0, (size_t)bracket) : server;
	char name[INET6_ADDRSTRLEN];
	struct in6_addr a;

	snprintf(name, sizeof(name), "%.*s", (int)host.n, (const char *)host.p);
	bool v4 = inet_pton(AF_INET, name, &a) == 1, v6 = !v4 && inet_pton(AF_INET6, name, &a) == 1;
	struct buf text = BUF_INIT(1024);
	buf_str(&text, v6 ? "[IPv6:" : v4 ? "[" : "");
	buf_slice(&text, host);
	buf_str(&text, v4 || v6 ? "]" : "");
	field(out, "Remote-MTA", "dns; ", buf_view(&text));
	buf_fini(&text);
}

/* For machines: what was said here as ASCII, since only people need its letters. */
static void one_line(struct buf *out, struct slice text, bool as_said)
{
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];
		if (as_said || (c >= ' ' && c < 0x7f))
			buf_byte(out, c);
		else if (c == '\n' || c >= 0xc0)
			buf_byte(out, c == '\n' ? ' ' : '?');
	}
}

static void status_rcpt(struct buf *out, const struct dsn *d, const struct dsn_rcpt *r)
{
	buf_str(out, "\r\n");
	original_recipient(out, r->orcpt);
	field(out, "Final-Recipient", ascii_only(r->address) ? "rfc822; " : "utf-8; ", r->address);
	buf_printf(out, "Action: %s\r\n", words[d->action].action);
	field(out, "Status", "", r->enhanced);
	if (r->server.n)
		remote_mta(out, r->server);
	if (r->text.n) {
		char type[32] = "x-postern; ";
		if (r->code)
			snprintf(type, sizeof(type), "smtp; %u ", r->code);
		struct buf plain = BUF_INIT(DSN_TEXT_MAX);
		one_line(&plain, cut(r->text), r->server.n);
		field(out, "Diagnostic-Code", type, buf_view(&plain));
		buf_fini(&plain);
	}
	compose_date(out, "Last-Attempt-Date", d->now_ms);
	if (d->action == DSN_DELAYED)
		compose_date(out, "Will-Retry-Until", d->until_ms);
}

static void write_status(struct buf *out, const struct dsn *d)
{
	field(out, "Reporting-MTA", "dns; ", slice_str(d->host));
	if (d->envid.n) {
		struct buf plain = BUF_INIT(2048);
		bool decoded = xtext_decode(&plain, d->envid) == 0;
		field(out, "Original-Envelope-Id", "", decoded ? buf_view(&plain) : d->envid);
		buf_fini(&plain);
	}
	compose_date(out, "Arrival-Date", d->arrival_ms);
	for (size_t i = 0; i < d->n_rcpts; i++)
		status_rcpt(out, d, &d->rcpts[i]);
}

/* ---- the message ---- */

static const char *original_type(const struct dsn *d)
{
	ptrdiff_t end = slice_find(d->original, SLICE("\r\n\r\n"), 0);
	struct slice header = slice_sub(d->original, 0, end < 0 ? d->original.n : (size_t)end);
	if (ascii_only(header) || !utf8_valid(header))
		return d->headers_only ? "text/rfc822-headers" : "message/rfc822";
	return d->headers_only ? "message/global-headers" : "message/global";
}

void dsn_write(struct buf *out, const struct dsn *d)
{
	struct buf status = BUF_INIT(STATUS_MAX), subject = BUF_INIT(1024);
	put_subject(&subject, d);
	struct compose m = { .from_name = SLICE("Mail Delivery System"), .to = d->sender,
			     .subject = buf_view(&subject), .date_ms = d->now_ms,
			     .id = d->boundary, .host = d->host, .auto_submitted = "auto-replied" };
	char from[300];
	snprintf(from, sizeof(from), "MAILER-DAEMON@%s", d->host);
	m.from = slice_str(from);
	write_status(&status, d);
	bool utf8 = !ascii_only(buf_view(&status));
	compose_head(out, &m);
	compose_multipart(out, "report; report-type=delivery-status", d->boundary, utf8 || !ascii_only(d->original));
	compose_part(out, d->boundary);
	text_part(out, d);
	compose_part(out, d->boundary);
	compose_as_is(out, utf8 ? "message/global-delivery-status" : "message/delivery-status", buf_view(&status));
	compose_part(out, d->boundary);
	compose_as_is(out, original_type(d), d->original);
	compose_end(out, d->boundary);
	buf_fini(&subject);
	buf_fini(&status);
}
