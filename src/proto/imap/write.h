/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words of responses. Whatever the bytes are, what is written parses as what it is meant to be: strings with
 * CR, LF or 8-bit bytes become literals (THREATS I30); NUL, which no literal may hold, becomes 0x80.
 */
#ifndef PROTO_IMAP_WRITE_H
#define PROTO_IMAP_WRITE_H

#include "base/buf.h"

/* utf8: the client enabled UTF8=ACCEPT, valid UTF-8 may be quoted. */
void imap_put_string(struct buf *out, struct slice s, bool utf8);

/* "\Seen \Deleted", space in front where out does not end in '('. */
void imap_put_flags(struct buf *out, unsigned flags);
void imap_put_flag(struct buf *out, struct slice keyword);

/* "01-Feb-1994 21:52:25 +0000" in quotes. */
void imap_put_date_time(struct buf *out, int64_t ms);

/* Printable ASCII of text for a human: what could end the line or be a code's bracket is left out. */
void imap_put_text(struct buf *out, struct slice text);

#endif
