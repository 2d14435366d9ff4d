/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an address is, made into something else (M20, M21): mailbox, alias, list, redirect, banished, candidate. This part
 * knows the rules and writes the rows; op/convert.c asks the store before and behind it.
 *
 *   from / to   mailbox     alias          list, redirect   banished
 *   mailbox     -           mail moves     mail must go     mail must go
 *   alias       new, empty  other target   yes              yes
 *   list,       new, empty  yes            other targets    yes
 *   redirect
 *   banished    new, empty  yes            yes              -
 *   candidate   mail moves  mail moves     mail stays       mail stays, or goes
 *
 * "Must go": only with discard_mail, where there is some. Nothing is made a candidate: an address without an owner becomes
 * one by its next mail.
 */
#ifndef ROOM_DIRECTORY_CONVERT_H
#define ROOM_DIRECTORY_CONVERT_H

#include "room/directory/noun/candidate.h"
#include "room/directory/noun/list_policy.h"
#include "room/directory/work/transfer.h"

struct convert {
	/* In: */
	enum address_type want;
	struct slice *targets;
	size_t n_targets;
	bool discard_mail;
	uint64_t quota;
	struct slice person, hash;
	uint32_t shard;
	/* Found by convert_look: */
	struct domain d;
	struct slice local, text;
	enum address_type was;	/* ADDRESS_CANDIDATE where only mail is there */
	struct address there;
	struct candidate candidate;
	struct account account;	/* of a mailbox */
	uint64_t target_account;	/* of an alias */
	/* Done by convert_apply: */
	struct account made;	/* id 0: none */
	struct slice *repointed;	/* aliases and lists that led to a mailbox that is an alias now */
	size_t n_repointed;
	size_t transfers;
	struct list_policy policy;	/* of a list that stays one */
	struct slice dropped_folder;	/* of the area: closed, and to be dropped */
};

/* What stands there now. text: an address. */
NODISCARD int convert_look(struct engine *e, struct arena *a, struct slice text, struct convert *c,
			   struct problem *why);
/* May it be? Nothing is changed. */
NODISCARD int convert_check(struct engine *e, struct arena *a, struct convert *c, struct problem *why);
/* Does its mail follow into the target's mailbox? */
bool convert_moves_mailbox(const struct convert *c);
/* The rows. Needs a transaction; what was found must have been looked at in this turn of the loop. */
NODISCARD int convert_apply(struct engine *e, struct arena *a, struct convert *c, int64_t now_ms, struct problem *why);

/* Which addresses lead to this one, as one problem; 0 where none does. */
NODISCARD int convert_unreferenced(struct engine *e, struct arena *a, struct slice text, struct problem *why);

#endif
