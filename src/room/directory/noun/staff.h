/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who administers. Staff are people with a login of their own and no mailbox: those of the provider, and admins from
 * outside. An office is a rank that somebody holds over a customer or a domain; its holder is staff or a mailbox user,
 * named by one number: the staff's id, or minus the account's id.
 */
#ifndef ROOM_DIRECTORY_STAFF_H
#define ROOM_DIRECTORY_STAFF_H

#include "room/directory/db/engine.h"
#include "room/directory/rights/rights.h"

enum { STAFF_LOGIN_MAX = 320 };

struct staff {
	uint64_t id;
	struct slice login;	/* normal form */
	struct slice person;
	uint64_t customer;	/* whose person it is; 0: the provider's */
	struct slice hash;	/* empty: no password */
	uint64_t version;	/* of the password */
	bool must_change;
	struct slice recovery;	/* an address outside, or empty */
	struct slice language;	/* empty: the customer's, the instance's */
	int64_t created_ms, changed_ms;
};

/* A login in its one spelling: an address in normal form, or a name in lower case. ERR_SYNTAX. */
NODISCARD int staff_login(struct arena *a, struct slice in, struct slice *ret);
/* login in normal form; ret->id filled in. ERR_EXISTS with *why. */
NODISCARD int staff_add(struct engine *e, struct staff *s, struct problem *why);
NODISCARD int staff_get(struct engine *e, struct arena *a, struct slice login, struct staff *ret);
NODISCARD int staff_by_id(struct engine *e, struct arena *a, uint64_t id, struct staff *ret);
NODISCARD int staff_update(struct engine *e, const struct staff *s);	/* person, recovery, language */
/* A new password under a new version: sessions of the old one are over. */
NODISCARD int staff_set_password(struct engine *e, uint64_t id, struct slice hash, bool must_change, int64_t now_ms);
NODISCARD int staff_remove(struct engine *e, uint64_t id);

/* The file that `postern init` left ("NAME HASH"), taken into the database and removed; 0 where there is none,
 * ERR_SYNTAX where it holds no Argon2id hash. */
NODISCARD int staff_take_first(struct engine *e, const char *path, int64_t now_ms);

struct office {
	uint64_t id;
	int64_t holder;
	enum rank rank;
	uint64_t customer;	/* of a customer admin: his; of a domain admin: the domain's, read only */
	uint64_t domain;
	struct slice customer_name, domain_name;	/* office_list only */
	struct slice login, person, recovery, language;	/* office_list only */
	int64_t created_ms;
};

static inline int64_t holder_staff(uint64_t id)
{
	return (int64_t)id;
}

static inline int64_t holder_account(uint64_t id)
{
	return -(int64_t)id;
}

NODISCARD int office_add(struct engine *e, struct office *o, struct problem *why);
/* All offices of a holder, highest first. */
NODISCARD int office_of(struct engine *e, struct arena *a, int64_t holder, struct office **ret, size_t *ret_n);
/* customer and domain 0, rank -1: all that the viewer may see; page->after is an office's number. */
NODISCARD int office_list(struct engine *e, struct arena *a, uint64_t customer, uint64_t domain, int rank,
			  const struct page *page, struct office **ret, size_t *ret_n);
NODISCARD int office_remove(struct engine *e, uint64_t id);

#endif
