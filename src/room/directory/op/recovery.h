/* SPDX-License-Identifier: Apache-2.0 */
/* Where a link for a password goes when its mailbox cannot be opened. */
#ifndef ROOM_DIRECTORY_OP_RECOVERY_H
#define ROOM_DIRECTORY_OP_RECOVERY_H

#include "room/directory/login/person.h"
#include "room/directory/op/admin.h"

/* The field "recovery" in its normal form; empty where it is absent. It must not lead back to the mailbox whose it is
 * (account; 0: of staff), and staff's is outside of this system. */
NODISCARD int recovery_take(struct admin *ad, uint64_t account, struct slice *ret);

/* Where somebody reads mail who cannot log in here: at the old server while that still has his mail, else the recovery
 * address. Empty: nowhere. */
struct slice recovery_reach(const struct domain *d, const struct account *x);

struct slice person_reach(const struct person *p);

#endif
