/* SPDX-License-Identifier: Apache-2.0 */
/* What a route wants to know of a mailbox alone, in one statement: it is read for every recipient of every message. */
#ifndef ROOM_DIRECTORY_POSTBOX_H
#define ROOM_DIRECTORY_POSTBOX_H

#include "room/directory/db/engine.h"

struct postbox {
	enum account_state state;
	uint32_t shard;
	uint64_t quota;
	unsigned level;		/* of its own quota (limits.h) */
	bool script;		/* one of its scripts is active */
	bool rules;		/* something runs over its mail: that script, or what its settings make */
};
NODISCARD int postbox_get(struct engine *e, uint64_t account, struct postbox *ret);

#endif
