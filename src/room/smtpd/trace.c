/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lines in front of a message (RFC 5321 4.4, 6531 3.7.3, 3848). What is written into them comes from the
 * command parser, which let nothing but names, literals and addresses in normal form pass.
 */
#include "room/smtpd/smtpd_priv.h"

void trace_return_path(struct buf *out, struct slice sender)
{
	buf_str(out, "Return-Path: <");
	buf_slice(out, sender);
	buf_str(out, ">\r\n");
}

static void date(struct buf *out, int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	char text[64];
	if (gmtime_r(&seconds, &tm) && strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S +0000", &tm))
		buf_str(out, text);
}

static const char *protocol(const struct trace *t)
{
	bool tls = t->tls[0];
	if (t->smtputf8)
		return t->logged_in ? "UTF8SMTPSA" : tls ? "UTF8SMTPS" : "UTF8SMTP";
	if (!t->esmtp)
		return "SMTP";
	return t->logged_in ? "ESMTPSA" : tls ? "ESMTPS" : "ESMTP";
}

void trace_received(struct buf *out, const struct trace *t, struct slice only_rcpt)
{
	bool v6 = strchr(t->peer, ':');
	buf_str(out, "Received: from ");
	buf_slice(out, t->hello);
	buf_printf(out, " ([%s%s])\r\n\tby %s with %s id %s", v6 ? "IPv6:" : "", t->peer, t->host, protocol(t), t->id);
	if (t->tls[0])
		buf_printf(out, "\r\n\t(%s)", t->tls);
	if (only_rcpt.n) {
		buf_str(out, "\r\n\tfor <");
		buf_slice(out, only_rcpt);
		buf_byte(out, '>');
	}
	buf_str(out, ";\r\n\t");
	date(out, t->now_ms);
	buf_str(out, "\r\n");
}
