/* SPDX-License-Identifier: Apache-2.0 */
/* Who a link or a name stands for: a mailbox user, or staff. */
#ifndef ROOM_DIRECTORY_OP_PERSON_H
#define ROOM_DIRECTORY_OP_PERSON_H

#include "room/directory/noun/staff.h"
#include "room/directory/op/admin.h"

struct person {
	int64_t holder;
	bool is_staff;
	struct account account;
	struct domain domain;	/* of a mailbox user */
	struct staff staff;
	uint64_t customer;	/* whose policy; 0: the provider's people */
	struct slice name, reach;
};

/* As at a login, staff first. ERR_NOT_FOUND. */
NODISCARD int person_by_name(struct engine *e, struct arena *a, struct slice in, int64_t now_ms, struct person *p);
NODISCARD int person_by_holder(struct engine *e, struct arena *a, int64_t holder, struct person *p);

#endif
