/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fields of a message header, one after the other, as slices of the message (RFC
 * 5322 2.2, 3.6). Nothing is copied or changed; any bytes are a header. Lines end with LF or CRLF;
 * a CR elsewhere is an ordinary byte.
 */
#ifndef PROTO_MAIL_HEADER_H
#define PROTO_MAIL_HEADER_H

#include "base/arena.h"
#include "base/buf.h"

struct header_scan {
	struct slice in;
	size_t at;
};

struct header_field {
	struct slice name;  /* without blanks before the colon; empty where the line has no colon */
	struct slice value; /* behind the colon: folded as it stands, without the last line end */
	struct slice whole; /* all lines of the field with their line ends */
};

static inline struct header_scan header_scan_of(struct slice in)
{
	return (struct header_scan){ in, 0 };
}

/* 1 and the next field; 0 at the end, where h->at is the start of the body (behind the empty line,
 * or in.n). */
int header_next(struct header_scan *h, struct header_field *ret);

/* The first field of that name (any case) in the header at the front of in; false where there is
 * none. */
bool header_find(struct slice in, struct slice name, struct header_field *ret);

/* The value on one line: each line end goes, and a TAB behind it becomes a space; no blanks around.
 * Points into the value where it had no folds, else into the arena; at most max bytes (the rest is
 * cut off). */
struct slice header_unfold(struct slice value, size_t max, struct arena *arena);

/* The same, appended to out. */
void header_unfold_to(struct slice value, struct buf *out);

/* Length of the header at the front of in, with its empty line. */
size_t header_length(struct slice in);

#endif
