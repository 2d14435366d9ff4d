/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sender enforcement (M29), the one way for every room that takes mail from somebody who logged in: DIRECTORY_SENDER is
 * asked about all addresses that the message would show as its author or sender, and what filter found wrong with these
 * fields has refused it already (origin "submission").
 */
#ifndef LIB_DELIVERY_SENDERS_H
#define LIB_DELIVERY_SENDERS_H

#include "base/arena.h"
#include "ipc/directory.pb-c.h"

enum { SENDERS_TEXT_MAX = 450 };

/* The question about the envelope sender (empty: the null sender) and every author, sender and pretended author of a
 * packed digest. ERR_CORRUPT where that is none. *ret lives in a, and points into sender. */
NODISCARD int senders_question(struct arena *a, uint64_t account, struct slice sender, struct slice digest,
			       Postern__SenderRequest *ret);

/* "You may not send as ...", one line of ASCII, for a reply 550 5.7.1. */
const char *senders_refusal(struct arena *a, const char *language, struct slice address);

#endif
