/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Old user names (M4, M5): names like "custo1" that an account had at its old server. Each belongs to one account and
 * logs in to it, beside its addresses, until the account is next modified; from then on for a grace, whose length is the
 * customer's policy, and then no more. A second modification moves nothing.
 *
 *   WAITING --the account is modified--> GRACE --deadline--> ENDED
 *
 * Triggers of the database note the modification (schema.c), whoever makes it; old_login_settle, which every
 * admin_commit runs in the same transaction, starts the grace and gives the notice. Whether a name still works is decided by
 * the clock at each login; ENDED only says so in lists.
 */
#ifndef ROOM_DIRECTORY_OLD_LOGIN_H
#define ROOM_DIRECTORY_OLD_LOGIN_H

#include "room/directory/db/engine.h"

enum { OLD_LOGIN_MAX = 320 };

enum old_login_state {
	OLD_LOGIN_WAITING = 0,
	OLD_LOGIN_TOUCHED = 1,	/* within a transaction only */
	OLD_LOGIN_GRACE = 2,
	OLD_LOGIN_ENDED = 3,
};

struct old_login {
	struct slice name;	/* normal form */
	uint64_t account;
	struct slice address;	/* the account's */
	enum old_login_state state;
	int64_t deadline_ms;	/* of GRACE and ENDED */
	int64_t created_ms;
};

const char *old_login_state_name(enum old_login_state state);

/* Its one spelling: lower case. ERR_INVALID: empty, too long, blanks or control characters. */
NODISCARD int old_login_name(struct arena *a, struct slice in, struct slice *ret);

/* Could this account (0: one that is not there yet) have this name? As old_login_add, without adding. */
NODISCARD int old_login_check(struct engine *e, struct arena *a, uint64_t account, struct slice in, struct problem *why);
/* Inside a transaction. The same name for the same account is no error. ERR_EXISTS: it is another account's, or an address
 * of a domain that is here. */
NODISCARD int old_login_add(struct engine *e, struct arena *a, uint64_t account, struct slice name, int64_t now_ms,
			    struct problem *why);
NODISCARD int old_login_remove(struct engine *e, uint64_t account, struct slice name);	/* ERR_NOT_FOUND */
/* The account that this name logs in to at this time. ERR_NOT_FOUND: none, or the grace is over. */
NODISCARD int old_login_find(struct engine *e, struct arena *a, struct slice name, int64_t now_ms, uint64_t *ret_account);
/* By name; domain, customer, account 0: any. ENDED where the deadline has passed, whether a timer ran or not. */
NODISCARD int old_login_list(struct engine *e, struct arena *a, uint64_t domain, uint64_t customer, uint64_t account,
			     int64_t now_ms, const struct page *page, struct old_login **ret, size_t *ret_n);
struct old_login_filter {
	uint64_t domain, customer, account;	/* 0: any */
	int64_t now_ms;
	int state;	/* OLD_LOGIN_TOUCHED for those that wait, too; -1: any */
};
NODISCARD int old_login_search(struct engine *e, struct arena *a, const struct old_login_filter *f, const struct page *page,
			       struct old_login **ret, size_t *ret_n);

/* Starts the grace of names whose accounts this transaction modified, with their notices. */
NODISCARD int old_login_settle(struct engine *e, struct arena *a, int64_t now_ms);
/* Names whose grace is over are marked so. A transaction of its own. How many, or an error. */
NODISCARD int old_login_expire(struct engine *e, int64_t now_ms);

#endif
