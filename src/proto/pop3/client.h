/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POP3 as a client reads it (RFC 1939 3): a status line, then for some commands lines or a message up to a line with
 * one dot. Pure: bytes in, events out. A response is read by what was said to be expected; whoever pipelines says so
 * again before each. A line ends with LF, with or without CR before it; a message's octets come as they are, dots
 * taken off.
 */
#ifndef PROTO_POP3_CLIENT_H
#define PROTO_POP3_CLIENT_H

#include "base/slice.h"

enum { POP3C_LINE_MAX = 2048 };	/* octets of a line that is not a message's; RFC 1939 and 2449 have 512 */

enum pop3c_want {
	POP3C_STATUS,	/* one line */
	POP3C_LINES,	/* a listing behind "+OK" */
	POP3C_MESSAGE,	/* a message behind "+OK" */
};

enum pop3c_kind {
	POP3C_OK,	/* text: behind "+OK " */
	POP3C_ERR,	/* text: behind "-ERR " */
	POP3C_LINE,	/* of a listing, without its end */
	POP3C_BYTES,	/* of a message */
	POP3C_END,	/* of the listing or message */
	POP3C_CONTINUE,	/* "+ " of AUTH; text: behind it */
};

struct pop3c {
	enum pop3c_want want;
	enum { POP3C_AT_STATUS, POP3C_AT_LINES, POP3C_AT_MESSAGE } at;
	bool inside;		/* a line of the message: no dot is looked for */
	uint64_t left;		/* octets that the message may still have */
};

struct pop3c_event {
	enum pop3c_kind kind;
	struct slice text;	/* in the input */
};

void pop3c_init(struct pop3c *p);
/* What the next response is the answer to; between two responses. message_max: a larger one is ERR_TOO_BIG. */
void pop3c_expect(struct pop3c *p, enum pop3c_want want, uint64_t message_max);

/* 1: an event, *used octets are gone. 0: more is needed, *used == 0. ERR_SYNTAX, ERR_TOO_BIG: no POP3. */
NODISCARD int pop3c_next(struct pop3c *p, struct slice in, size_t *used, struct pop3c_event *ret);

/* Does this status event end its response? */
bool pop3c_is_over(const struct pop3c *p, const struct pop3c_event *event);

/* "12 abc" of a listing; ERR_SYNTAX. max: of the number. */
NODISCARD int pop3c_pair(struct slice line, uint64_t max, uint64_t *ret_number, struct slice *ret_rest);

#endif
