/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may do what: the only place where that is decided. Callers say who asks and what the object is to them;
 * a table of all operations says the rest. Something of another customer does not exist for who asks.
 */
#ifndef ROOM_DIRECTORY_RIGHTS_H
#define ROOM_DIRECTORY_RIGHTS_H

#include "base/slice.h"

enum rank { RANK_PROVIDER, RANK_CUSTOMER_ADMIN, RANK_DOMAIN_ADMIN, RANK_USER, RANK_NOBODY };

/* What the object is to the one who asks. */
enum relation {
	RELATION_OWN,		/* his customer, a domain he looks after or what is in it, his own mailbox */
	RELATION_SIBLING,	/* of the same customer, but not his */
	RELATION_FOREIGN,	/* of another customer */
};

/* 0, ERR_DENIED, ERR_NOT_FOUND (foreign), ERR_UNSUPPORTED (no such operation). */
NODISCARD int rights_decide(struct slice operation, enum rank rank, enum relation relation);

/* "provider", ... as in AdminRequest.actor. */
enum rank rank_by_name(struct slice actor);

#endif
