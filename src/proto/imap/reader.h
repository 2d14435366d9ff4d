/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collects one command of a client: lines and literals, byte by byte if need be, within limits.
 *
 *   owner: imap_reader_step(r, in, &used)  ->  MORE      all of in was taken, nothing to do yet
 *                                              COMMAND   r->text is a whole command; imap_reader_next() then
 *                                              LITERAL   the line ends in {n}: say what becomes of it with
 *                                                        imap_reader_take, _stream or _refuse
 *                                              DATA      r->data: bytes of a streamed literal
 *                                              REFUSED   the command is over and was not collected: answer
 *                                                        with NO or BAD r->reason; imap_reader_next() then
 *                                              CLOSE     cannot go on: BYE r->reason, close
 *
 * A literal that is refused is either never asked for (synchronising: the command ends there) or skipped to
 * its exact last byte; where that is too much the answer is CLOSE. So no byte of a literal is ever read as a
 * command (THREATS I03, I04). Between commands the reader holds no memory.
 */
#ifndef PROTO_IMAP_READER_H
#define PROTO_IMAP_READER_H

#include "base/buf.h"

struct imap_limits {
	size_t line;		/* bytes of a command outside literals */
	size_t literal;		/* of one buffered literal */
	size_t literals;	/* of all buffered literals of a command */
	unsigned count;		/* of literals of a command */
	unsigned depth;		/* of parentheses */
	uint64_t skip;		/* bytes of a refused command that are read over */
};
extern const struct imap_limits imap_limits_login;	/* before login: 8 KiB in all */
extern const struct imap_limits imap_limits_user;	/* after */

enum imap_read {
	IMAP_READ_MORE,
	IMAP_READ_COMMAND,
	IMAP_READ_LITERAL,
	IMAP_READ_DATA,
	IMAP_READ_REFUSED,
	IMAP_READ_CLOSE,
};

struct imap_reader {
	const struct imap_limits *limits;
	struct buf text;	/* without the last CRLF; buffered literals stand behind their "{n}" CRLF */
	struct slice data;	/* DATA: points into the input */
	const char *reason;	/* REFUSED, CLOSE: static text */
	bool too_big;		/* REFUSED: answer NO [TOOBIG]; else BAD */
	uint64_t literal_size;	/* LITERAL */
	bool literal_sync;	/* LITERAL: the client waits for "+" */
	bool literal8;		/* "~{n}" (RFC 6855 4) */
	bool raw_line;		/* the next line is no command: answer to AUTHENTICATE, DONE */

	/* inside */
	uint8_t state;
	bool quoted, escape, refusing;
	unsigned depth, count;
	size_t line_used, literals_used;
	uint64_t left;		/* of the literal */
	uint64_t skipped, line_skipped;
	uint8_t tail[24];	/* last bytes of the line that is read over */
	uint8_t tail_n;
};

void imap_reader_init(struct imap_reader *r, const struct imap_limits *limits);
void imap_reader_fini(struct imap_reader *r);

enum imap_read imap_reader_step(struct imap_reader *r, struct slice in, size_t *ret_used);

/* After LITERAL. They return whether "+ OK" is due. take: into text, if the limits allow (else it is refused). */
NODISCARD bool imap_reader_take(struct imap_reader *r);
NODISCARD bool imap_reader_stream(struct imap_reader *r);
void imap_reader_refuse(struct imap_reader *r, const char *reason, bool too_big);

/* After COMMAND and REFUSED: wipes and frees the text, ready for the next command. */
void imap_reader_next(struct imap_reader *r);

#endif
