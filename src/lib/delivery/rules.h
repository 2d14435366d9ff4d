/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mailbox's rules over one message, for every room that puts mail into mailboxes: directory has the scripts, filter runs
 * them, directory says where redirects go. What comes of it is a plan: places in the mailbox, letters for the queue, or
 * a refusal. Both are carried out by who asked, before anybody is told that the message was taken.
 *
 * Trouble of filter or of a script is a message that is kept, and directory is told of a script's, for its owner; trouble
 * of directory is no plan (try again later). A message that was judged junk is kept in Junk where a rule would pass it on,
 * and answered by no vacation; one that came by the mailbox's own redirect before (Delivered-To) is kept, too, and so is
 * one that a redirect leads to a mailbox here without room for it.
 */
#ifndef LIB_DELIVERY_RULES_H
#define LIB_DELIVERY_RULES_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "ipc/queue.pb-c.h"
#include "lib/room/room.h"

struct rules_place {
	struct slice mailbox;		/* empty: where the message would go without rules */
	bool create;
	ProtobufCBinaryData *flags;
	size_t n_flags;
};

struct rules_letter {
	struct slice sender;
	struct slice delivered_to;	/* not empty: the message itself, with this line in front */
	struct slice text;		/* else: this */
	Postern__QueueRecipient to;	/* without orcpt and original */
	struct slice once_key;
	uint32_t once_seconds;
};

struct rules_plan {
	int err;			/* not 0: directory could not be asked; nothing else is set */
	struct rules_place *places;
	size_t n_places;
	struct rules_letter *letters;
	size_t n_letters;
	struct slice reject;		/* not empty: what the sender is to be told; no places, no letters */
	bool mdn;			/* in an MDN, where it cannot be said in the session (RFC 5429 2.2); else in a DSN */
	bool no_mdn;			/* but not by one: a program or a list wrote the message (RFC 3834 2) */
};

struct rules_ask {
	struct room *room;
	struct arena *arena;		/* the plan lives in it; outlives the answer */
	uint64_t account;
	struct slice sender, recipient;	/* envelope */
	bool authenticated;		/* the sender logged in */
	struct slice digest;
	int fd;				/* the message, sealed */
	bool junk;
	int64_t now_ms;
	unsigned ms;			/* for each call */
};

typedef void rules_done_fn(void *ctx, const struct rules_plan *plan);
/* done is called once, from the loop. */
void rules_run(const struct rules_ask *ask, rules_done_fn *done, void *ctx);

#endif
