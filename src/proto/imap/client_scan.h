/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole response (its small literals inside as "{n}" CRLF bytes) taken apart; insiders of the client only.
 * Strings that have escapes are written anew into scratch, whose bytes never move while one response is parsed.
 */
#ifndef PROTO_IMAP_CLIENT_SCAN_H
#define PROTO_IMAP_CLIENT_SCAN_H

#include "proto/imap/client.h"

/* Where the content of a message stood in the line: the parser puts this byte there instead of "{n}" CRLF. */
enum { IMAPC_BODY_MARK = 0x01 };

#define IMAPC_NO_BODY SIZE_MAX

/* line without its CRLF; body_at: where the mark stands, IMAPC_NO_BODY where nothing was streamed; scratch holds at
 * least line.n bytes. ERR_SYNTAX: no response at all. ERR_TOO_BIG: cut where that cannot be done without. */
NODISCARD int imapc_parse(struct slice line, bool cut, size_t body_at, uint8_t *scratch, struct imapc_response *ret);

/* May a literal stand in this line (else a "{5}" at its end is text)? */
bool imapc_takes_literals(struct slice line);
/* Is what stands at the end of line (before the literal) the name of a FETCH item that holds a whole message? */
bool imapc_ends_with_body(struct slice line);

#endif
