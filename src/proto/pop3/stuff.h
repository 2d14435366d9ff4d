/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message as a multi-line response of POP3 (RFC 1939 3): a dot in front of each line that begins with one,
 * the last line ended, then "." alone. Streams: a piece in, its response out. A bare LF of a stored message
 * (IMAP lets one in) goes out as CRLF, since clients that take LF for a line end would read "\n.\r\n" as the
 * end of the response; everything else goes out octet for octet.
 */
#ifndef PROTO_POP3_STUFF_H
#define PROTO_POP3_STUFF_H

#include "base/buf.h"

struct pop3_stuff {
	uint64_t line;		/* octets of the line so far */
	bool cr;		/* the last octet was CR */
	bool body;		/* behind the empty line */
	bool limited;		/* TOP */
	uint64_t lines_left;	/* of the body */
};

#define POP3_TOP_NONE UINT64_MAX
void pop3_stuff_init(struct pop3_stuff *s, uint64_t top_lines);	/* POP3_TOP_NONE: all of it */

/* Appends at most 2 * in.n octets. true: nothing more is wanted (TOP has its lines). */
bool pop3_stuff_step(struct pop3_stuff *s, struct slice in, struct buf *out);
void pop3_stuff_end(struct pop3_stuff *s, struct buf *out);

#endif
