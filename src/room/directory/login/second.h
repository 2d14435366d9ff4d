/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second factor of somebody whose password was right already: totp.h, with its guesses counted and its use told.
 * Guesses have counts of their own at the limiter ("totp LOGIN"), which a right password does not forgive: whoever
 * guesses codes knows that.
 *
 *   engine_begin; second_spend; ...; engine_commit; second_right
 *                 ERR_DENIED: engine_rollback; second_wrong
 */
#ifndef ROOM_DIRECTORY_SECOND_H
#define ROOM_DIRECTORY_SECOND_H

#include "room/directory/directory_priv.h"
#include "room/directory/login/guard.h"
#include "room/directory/login/person.h"
#include "room/directory/notice/notice.h"

struct second {
	const struct person *who;
	struct slice remote;
	int64_t now_ms;
	bool limited;		/* out: guessed too often, it was not looked at */
	bool recovery;		/* out: it was a recovery code */
	unsigned delay_ms;	/* out: how long a refusal is to be held back */
};

/* Has he one that is in force? */
NODISCARD int second_is_on(struct engine *e, struct arena *a, int64_t holder, bool *ret);
/* Is the main password of this mailbox refused by the protocols that take app passwords? */
NODISCARD int second_wants_apps(struct engine *e, struct arena *a, const struct account *x, bool *ret);

/* Does this version of a credential still open this protocol ("submission")? The main password where it is one's own and
 * enough, or an app password. */
NODISCARD int second_holds(struct engine *e, struct arena *a, const struct account *x, uint64_t version, const char *protocol,
			   bool *ret);
/* The mailboxes of a customer whose users have one that is in force. */
NODISCARD int second_accounts(struct engine *e, struct arena *a, uint64_t customer, struct account **ret, size_t *ret_n);

/* Before any check of a code: ERR_DENIED where that is done too often. */
NODISCARD int second_try(struct directory *d, struct arena *a, struct second *s);
/* second_try, and the code is spent; he is told of a recovery code. ERR_DENIED: it is none of his. */
NODISCARD int second_spend(struct directory *d, struct arena *a, struct second *s, struct slice code);
void second_right(struct directory *d, struct arena *a, const struct second *s);
/* In a transaction of its own. */
void second_wrong(struct directory *d, struct arena *a, const struct second *s);

/* Tells him, where he reads mail. Inside a transaction. */
NODISCARD int second_tell(struct directory *d, struct arena *a, const struct second *s, enum notice_kind kind);

#endif
