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
#include "room/queue/report.h"

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

/* ---- for people ---- */

static void text_rcpt(struct buf *out, const struct dsn_rcpt *r)
{
	struct buf said = BUF_INIT(2 * REPORT_TEXT_MAX);
	buf_str(out, "\r\n");
	compose_lines(out, "    ", report_cut(r->address));
	if (r->text.n && r->server.n) {
		buf_str(&said, "said by ");
		buf_slice(&said, report_cut(r->server));
		compose_lines(out, "    ", buf_view(&said));
		buf_clear(&said);
	}
	if (r->text.n && r->server.n) {
		if (r->code)
			buf_printf(&said, "%u ", r->code);
		buf_slice(&said, report_cut(r->text));
		compose_lines(out, "    ", buf_view(&said));
	}
	buf_fini(&said);
	if (!r->server.n)
		report_lines(out, slice_sub(r->text, 0, REPORT_REASON_MAX));
}

/* Whoever has a mailbox here reads it in every language that is here: the queue does not know in which he does. */
static void text_part(struct buf *out, const struct dsn *d)
{
	struct buf text = BUF_INIT(TEXT_MAX);
	buf_printf(&text, "This is the mail server %s.\r\n\r\n", d->host);
	report_words(&text, d->until_ms, words[d->action].text);
	for (size_t i = 0; d->ours && i < text_n_catalogs; i++) {
		buf_str(&text, "\r\n");
		report_words(&text, d->until_ms, text_in(text_catalogs[i].language, words[d->action].text));
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
	report_field(out, "Remote-MTA", "dns; ", buf_view(&text));
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
	report_original_recipient(out, r->orcpt);
	report_final_recipient(out, r->address);
	buf_printf(out, "Action: %s\r\n", words[d->action].action);
	report_field(out, "Status", "", r->enhanced);
	if (r->server.n)
		remote_mta(out, r->server);
	if (r->text.n) {
		char type[32] = "x-postern; ";
		if (r->code)
			snprintf(type, sizeof(type), "smtp; %u ", r->code);
		struct buf plain = BUF_INIT(REPORT_TEXT_MAX);
		one_line(&plain, report_cut(r->text), r->server.n);
		report_field(out, "Diagnostic-Code", type, buf_view(&plain));
		buf_fini(&plain);
	}
	compose_date(out, "Last-Attempt-Date", d->now_ms);
	if (d->action == DSN_DELAYED)
		compose_date(out, "Will-Retry-Until", d->until_ms);
}

static void write_status(struct buf *out, const struct dsn *d)
{
	report_field(out, "Reporting-MTA", "dns; ", slice_str(d->host));
	if (d->envid.n) {
		struct buf plain = BUF_INIT(2048);
		bool decoded = xtext_decode(&plain, d->envid) == 0;
		report_field(out, "Original-Envelope-Id", "", decoded ? buf_view(&plain) : d->envid);
		buf_fini(&plain);
	}
	compose_date(out, "Arrival-Date", d->arrival_ms);
	for (size_t i = 0; i < d->n_rcpts; i++)
		status_rcpt(out, d, &d->rcpts[i]);
}

/* ---- the message ---- */

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
	compose_as_is(out, report_original_type(d->original, d->headers_only), d->original);
	compose_end(out, d->boundary);
	buf_fini(&subject);
	buf_fini(&status);
}
