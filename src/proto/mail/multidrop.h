/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mailbox that collects the mail of a domain gets a copy for each recipient, with lines in front that name it: this is
 * how fetchmail and getmail know whose it is. The digest of such a copy is made from the message's own.
 */
#ifndef PROTO_MAIL_MULTIDROP_H
#define PROTO_MAIL_MULTIDROP_H

#include "base/arena.h"
#include "base/buf.h"

enum { MULTIDROP_LINES_MAX = 1024 };

/* Delivered-To and X-Original-To. ERR_INVALID where the address is empty, too long for a line, or has control bytes. */
NODISCARD int multidrop_lines(struct buf *out, struct slice address);

/* The packed digest of a message as it is with these lines somewhere among its first header fields, none of which is a
 * Delivered-To. *ret lives in a. ERR_CORRUPT. */
NODISCARD int multidrop_digest(struct arena *a, struct slice digest, struct slice address, struct slice *ret);

#endif
