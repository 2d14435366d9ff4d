/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message as DATA sends it (RFC 5321 4.5.2): dots at the start of a line doubled, every line end CRLF,
 * CRLF "." CRLF at the end and nowhere else. A CR or LF that stands alone in the message becomes CRLF, so
 * no peer can read an end of data into the middle of a message (S01). All other bytes pass unchanged.
 */
#ifndef PROTO_SMTP_CLIENT_BODY_H
#define PROTO_SMTP_CLIENT_BODY_H

#include "base/buf.h"

struct smtp_body {
	bool in_line;	/* the last byte sent was not a line end */
	bool cr;	/* a CR was eaten whose line end is not sent yet */
};

void smtp_body_init(struct smtp_body *b);
void smtp_body_add(struct smtp_body *b, struct slice chunk, struct buf *out); /* out grows by at most 2 * chunk.n + 2 */
void smtp_body_end(struct smtp_body *b, struct buf *out);	/* the last line's end and the final dot */

#endif
