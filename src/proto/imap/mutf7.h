/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modified UTF-7 of mailbox names (RFC 3501 5.1.3) from and to UTF-8. Strict: one name has one spelling,
 * so what decodes also encodes back to the same bytes.
 */
#ifndef PROTO_IMAP_MUTF7_H
#define PROTO_IMAP_MUTF7_H

#include "base/buf.h"

/* ERR_SYNTAX: no modified UTF-7, or not the one spelling; ERR_TOO_BIG: out is full. out is appended to. */
NODISCARD int mutf7_decode(struct buf *out, struct slice in);
/* in must be valid UTF-8 (ERR_SYNTAX). */
NODISCARD int mutf7_encode(struct buf *out, struct slice in);

#endif
