/* SPDX-License-Identifier: Apache-2.0 */
/* Requests for a link that were answered, and are looked at behind the answer. */
#ifndef ROOM_DIRECTORY_OP_FORGOT_H
#define ROOM_DIRECTORY_OP_FORGOT_H

#include "room/directory/directory_priv.h"

enum {
	FORGOT_MS = 300,		/* so long behind the answer at least, twice that at most */
	FORGOT_LATEST_MS = 60 * 60 * 1000,	/* older than this, nobody waits any more */
};

/* Goes on with what a crash left. */
void forgot_start(struct directory *d);

#endif
