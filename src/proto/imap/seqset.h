/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sequence sets (RFC 3501 9: sequence-set), of message numbers or UIDs. Read as written ('*' is kept),
 * then resolved against the highest number there is: ordered, without overlap.
 */
#ifndef PROTO_IMAP_SEQSET_H
#define PROTO_IMAP_SEQSET_H

#include "base/buf.h"

enum { IMAP_SEQSET_MAX = 20000 };	/* ranges */

struct imap_range {
	uint32_t first, last;	/* before imap_seqset_resolve 0 stands for '*' */
};

struct imap_seqset {
	struct imap_range *ranges;	/* owned */
	size_t n, cap;
};

/* "1,3:5,7:*". ERR_SYNTAX; ERR_TOO_BIG past IMAP_SEQSET_MAX ranges. Free with imap_seqset_fini. */
NODISCARD int imap_seqset_parse(struct slice text, struct imap_seqset *ret);
void imap_seqset_fini(struct imap_seqset *s);

/* '*' becomes highest; ranges are turned, sorted and joined. Of an empty mailbox (highest 0) nothing stays. */
void imap_seqset_resolve(struct imap_seqset *s, uint32_t highest);

/* Resolved sets only. */
bool imap_seqset_has(const struct imap_seqset *s, uint32_t v);
uint64_t imap_seqset_count(const struct imap_seqset *s);

/* Behind all that is in it; joined to the last range where it is the next number. Aborts where v is not higher. */
void imap_seqset_add(struct imap_seqset *s, uint32_t v);
void imap_seqset_add_range(struct imap_seqset *s, uint32_t first, uint32_t last);
/* In any order; sorts again. */
void imap_seqset_normalise(struct imap_seqset *s);

void imap_seqset_write(struct buf *out, const struct imap_seqset *s);

#endif
