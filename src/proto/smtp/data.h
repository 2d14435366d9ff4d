/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The octets of a message on their way in: DATA with its dots (RFC 5321 4.5.2), or BDAT chunks
 * (RFC 3030). One policy for both:
 *
 *   - DATA ends at CRLF "." CRLF and nowhere else.
 *   - A CR without LF or a LF without CR, a NUL, a line over SMTP_TEXT_LINE_MAX octets, more than max
 *     octets: the message is read to its true end and then refused; what it holds is never half taken.
 *   - Everything else is passed on octet for octet.
 *
 *   do {
 *           struct slice out;
 *           r = smtp_data_step(&d, &in, &out);      takes some of in
 *           keep(out);                              a piece of the message, maybe empty
 *   } while (r == 0 && in.n);
 *   r == 1: that was the end; d.faults says whether it may be accepted; in is what follows.
 */
#ifndef PROTO_SMTP_DATA_H
#define PROTO_SMTP_DATA_H

#include "base/slice.h"
#include "proto/smtp/reply.h"

enum {
	SMTP_TEXT_LINE_MAX = 65536,	/* octets of a line, CRLF not counted; RFC 5321 4.5.3.1.6 asks for 998 */
};

enum smtp_fault {
	SMTP_FAULT_BARE_CR = 1,
	SMTP_FAULT_BARE_LF = 2,
	SMTP_FAULT_NUL = 4,
	SMTP_FAULT_LINE = 8,
	SMTP_FAULT_SIZE = 16,
};

struct smtp_data {
	enum smtp_data_state { SMTP_DATA_LINE, SMTP_DATA_DOT, SMTP_DATA_DOT_CR, SMTP_DATA_TEXT, SMTP_DATA_CR, SMTP_DATA_END } state;
	bool dots;
	unsigned faults;	/* bits of enum smtp_fault */
	uint64_t size;		/* octets of the message so far */
	uint64_t max;
	uint64_t line;		/* octets of the line so far */
};

void smtp_data_init(struct smtp_data *d, bool dots, uint64_t max);

/* 1: the end of DATA was read; 0: more is wanted. Moves *in on; *ret_out points into *in or to a constant, and is
 * empty once there is a fault: nothing of such a message is worth keeping. At least one octet is taken of a
 * non-empty *in. */
int smtp_data_step(struct smtp_data *d, struct slice *in, struct slice *ret_out);

/* The last chunk of BDAT was read: what is still to be appended to the message (a held CR is a fault; a
 * last line without end gets its CRLF, for a relay would have to add it). */
struct slice smtp_data_finish(struct smtp_data *d);

/* The refusal for d->faults; NULL where there are none. Static. */
const struct smtp_status *smtp_data_refusal(const struct smtp_data *d);

#endif
