/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mail on its way from one account to another: of a candidate that became a mailbox or an alias, or of a mailbox that
 * became an alias. The row is written in the transaction that changes where the address leads; the work (transfer_run.c)
 * closes the origin at its shard, copies message by message, each once by its source, and takes the origin away behind
 * the last. It can die anywhere and begins again.
 */
#ifndef ROOM_DIRECTORY_TRANSFER_H
#define ROOM_DIRECTORY_TRANSFER_H

#include "room/directory/db/engine.h"

struct transfer {
	uint64_t id;
	uint64_t from, to;	/* accounts */
	uint32_t from_shard;
	struct slice folder;	/* of an area; empty: all of the account, which is then forgotten */
	uint64_t source;	/* names the origin in the target's shard */
	struct slice origin, target;	/* addresses, for people */
	uint64_t moved;
	struct slice error;	/* of the last try */
	int64_t created_ms;
};

/* Fills in id and source. */
NODISCARD int transfer_add(struct engine *e, struct transfer *t, int64_t now_ms);
/* Those out of a domain; 0: all. */
NODISCARD int transfer_list(struct engine *e, struct arena *a, uint64_t domain, struct transfer **ret, size_t *ret_n);
NODISCARD int transfer_note(struct engine *e, uint64_t id, uint64_t moved, struct slice error);
/* Over: the row goes; an account that was emptied waits to be forgotten (REMOVING). */
NODISCARD int transfer_end(struct engine *e, const struct transfer *t);
/* Is mail on its way into this account? */
NODISCARD int transfer_into(struct engine *e, uint64_t account, bool *ret);

/* Candidates with mail whose address is a mailbox or an alias now: their mail follows. How many rows were written.
 * local empty: all of the domain. Needs a transaction. */
NODISCARD int transfer_settle(struct engine *e, struct arena *a, uint64_t domain, struct slice local, int64_t now_ms,
			      size_t *ret_n);

#endif
