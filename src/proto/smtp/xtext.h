/* SPDX-License-Identifier: Apache-2.0 */
/* xtext of RFC 3461 4: printable ASCII without '+' and '=', the rest as "+HH" in upper-case hex. */
#ifndef PROTO_SMTP_XTEXT_H
#define PROTO_SMTP_XTEXT_H

#include "base/buf.h"

/* Appends. ERR_SYNTAX where in is no xtext, ERR_TOO_BIG where out is full. What it decodes to may hold any
 * byte: whoever uses it checks it (NUL and line ends above all). */
NODISCARD int xtext_decode(struct buf *out, struct slice in);
void xtext_encode(struct buf *out, struct slice in);

#endif
