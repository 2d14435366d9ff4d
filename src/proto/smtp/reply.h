/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SMTP replies (RFC 5321 4.2, enhanced codes of RFC 2034). What goes out is always printable
 * ASCII: other bytes of a text become '?', so that nothing from elsewhere can start a reply line.
 */
#ifndef PROTO_SMTP_REPLY_H
#define PROTO_SMTP_REPLY_H

#include "base/buf.h"

/* One answer: what a command parser, a room or a policy hands to the writer. */
struct smtp_status {
	unsigned code;		/* 200..599 */
	const char *enhanced;	/* "5.1.1", or NULL for replies that have none (greeting, EHLO, 3xx) */
	const char *text;	/* '\n' begins another line of the reply; never NULL */
};

enum {
	SMTP_REPLY_LINE_MAX = 512,	/* RFC 5321 4.5.3.1.5, CRLF included; longer texts are cut */
	SMTP_REPLY_MAX = 8192,		/* all lines of one reply */
};

/* An enhanced code is left out where it does not fit the reply's class. */
void smtp_reply_write(struct buf *out, const struct smtp_status *st);

#endif
