/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What holds for all recipients of a domain. It is wanted for every recipient of every message, so it is kept from one to
 * the next, but only while no row of the database is touched: after any change, whosever it is, everything is read again.
 */
#ifndef ROOM_DIRECTORY_STANDING_H
#define ROOM_DIRECTORY_STANDING_H

#include "room/directory/noun/addressing.h"
#include "room/directory/noun/limits.h"

enum { STANDINGS_MAX = 4096 };	/* that are kept; one more, and it begins anew */

struct standing {
	struct domain domain;
	struct addressing addressing;
	struct limits limits;	/* of its mailboxes, as far as nothing is set for one */
};
/* By any name of the domain, as domain_get. */
NODISCARD int standing_get(struct engine *e, struct arena *a, struct slice name, struct standing *ret);

#endif
