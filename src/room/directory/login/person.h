/* SPDX-License-Identifier: Apache-2.0 */
/* Somebody who may log in: a mailbox user, or staff. */
#ifndef ROOM_DIRECTORY_PERSON_H
#define ROOM_DIRECTORY_PERSON_H

#include "room/directory/db/engine.h"
#include "room/directory/noun/staff.h"

struct person {
	int64_t holder;		/* staff.h */
	bool is_staff;
	struct account account;
	struct domain domain;	/* of a mailbox user */
	struct staff staff;
	uint64_t customer;	/* whose policy; 0: the provider's people */
	struct slice name;	/* the login in its normal form */
};

/* Staff first, as at a login. ERR_NOT_FOUND. */
NODISCARD int person_by_name(struct engine *e, struct arena *a, struct slice name, int64_t now_ms, struct person *ret);
/* ERR_NOT_FOUND: gone, or not there yet. */
NODISCARD int person_by_holder(struct engine *e, struct arena *a, int64_t holder, struct person *ret);

static inline uint64_t person_version(const struct person *p)	/* of the password */
{
	return p->is_staff ? p->staff.version : p->account.version;
}

static inline struct slice person_hash(const struct person *p)
{
	return p->is_staff ? p->staff.hash : p->account.hash;
}

static inline bool person_must_change(const struct person *p)
{
	return p->is_staff ? p->staff.must_change : p->account.must_change;
}

#endif
