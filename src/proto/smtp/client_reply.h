/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads SMTP replies of a server that is not trusted (RFC 5321 4.2): bounded lines, bounded count, one code
 * for all lines of a reply, enhanced status codes (RFC 2034, 3463) believed only where they are well-formed
 * and of the reply's class. The text keeps what the server said as bytes, with lines joined by '\n' and
 * control bytes as '?'; it is never interpreted further.
 */
#ifndef PROTO_SMTP_CLIENT_REPLY_H
#define PROTO_SMTP_CLIENT_REPLY_H

#include "base/buf.h"

enum {
	SMTP_REPLY_LINE_MAX = 4096,	/* with its line end */
	SMTP_REPLY_LINES_MAX = 100,
	SMTP_REPLY_TEXT_MAX = 16384,	/* kept; what is beyond is dropped silently */
	SMTP_ENHANCED_MAX = 12,		/* "5.999.999" and its NUL, rounded up */
};

struct smtp_reply {
	uint16_t code;				/* 200..599 */
	char enhanced[SMTP_ENHANCED_MAX];	/* "" where there is none */
	struct buf text;			/* without codes; lines joined by '\n' */
	unsigned lines;
	bool partial;
};

void smtp_reply_init(struct smtp_reply *r);
void smtp_reply_fini(struct smtp_reply *r);

/* Eats from in, *ret_used bytes of it. 1: the reply is whole (and stays until the next call begins a new one);
 * 0: needs more, in front of which the unused rest of in must come again; ERR_TOO_BIG, ERR_SYNTAX: the
 * peer does not speak SMTP, the connection must end. */
NODISCARD int smtp_reply_feed(struct smtp_reply *r, struct slice in, size_t *ret_used);

/* "2.1.5" at the front of s, of the class of code: its length, else 0. */
size_t smtp_enhanced_scan(struct slice s, unsigned code);

#endif
