/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Message disposition notifications (RFC 8098, 6522, 6533), of one kind: a rule of the mailbox refused the message by the word
 * "reject", and the session is over (RFC 5429 2.2). It speaks in the name of the recipient.
 */
#ifndef ROOM_QUEUE_MDN_H
#define ROOM_QUEUE_MDN_H

#include "base/buf.h"

struct mdn {
	const char *host;	/* of this machine */
	struct slice to;	/* the sender of the message, a user here; never empty */
	struct slice recipient;	/* who refuses it */
	struct slice orcpt;	/* "rfc822;xtext" or empty */
	struct slice reason;	/* as the rule has it */
	int64_t now_ms;
	const char *boundary;	/* hex digits, random: of Message-ID, too */
	struct slice header;	/* of the message */
};

/* Into out, CRLF line ends; out bounds it. */
void mdn_write(struct buf *out, const struct mdn *m);

#endif
