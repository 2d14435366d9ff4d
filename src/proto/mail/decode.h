/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content-Transfer-Encoding undone as a stream (RFC 2045 6.7, 6.8), tolerant: what is no code is
 * skipped (base64) or kept as it stands (quoted-printable), so any bytes decode to something.
 * Output never exceeds input.
 */
#ifndef PROTO_MAIL_DECODE_H
#define PROTO_MAIL_DECODE_H

#include "base/buf.h"

enum transfer { TRANSFER_IDENTITY, TRANSFER_BASE64, TRANSFER_QP, TRANSFER_UNKNOWN };
enum { DECODER_HOLD_MAX = 80 };

/* "7bit", "8bit", "binary", "base64", "quoted-printable"; any case. UNKNOWN decodes as identity. */
enum transfer transfer_by_name(struct slice name);

struct decoder {
	enum transfer how;
	uint32_t bits; /* base64: not yet written */
	unsigned n_bits;
	uint8_t hold[DECODER_HOLD_MAX]; /* quoted-printable: "=" and what followed, or blanks */
	unsigned n_hold;
};

static inline struct decoder decoder_of(enum transfer how)
{
	return (struct decoder){ .how = how };
}

/* Any split of the input gives the same output. out keeps what fits its maximum. */
void decoder_feed(struct decoder *d, struct slice in, struct buf *out);
void decoder_end(struct decoder *d, struct buf *out);

#endif
