/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may write to a distribution list. Judged at RCPT by the envelope's sender, like every route. Who logged in can
 * only send as himself, in envelope and author alike, so for him the answer holds; a stranger can forge a sender, and a list
 * that must not be written to by strangers at all wants the members' own server to be the only way in (docs/OPERATING.md).
 */
#ifndef ROOM_DIRECTORY_LIST_POLICY_H
#define ROOM_DIRECTORY_LIST_POLICY_H

#include "room/directory/db/engine.h"

enum list_who { LIST_ANYONE = 0, LIST_MEMBERS = 1, LIST_DOMAIN = 2, LIST_NAMED = 3 };
enum { LIST_SENDERS_MAX = 1000 };

struct list_policy {
	enum list_who who;
	struct slice *names;	/* of LIST_NAMED: addresses and "@domain", in normal form */
	size_t n_names;
};

const char *list_who_name(enum list_who who);
NODISCARD int list_who_by_name(struct slice name, enum list_who *ret);

/* Without a row: anyone. */
NODISCARD int list_policy_get(struct engine *e, struct arena *a, uint64_t address, struct list_policy *ret);
/* Names as they were written come out in their normal form. */
NODISCARD int list_policy_check(struct engine *e, struct arena *a, const struct address *x, struct list_policy *in_out,
				struct problem *why);
/* Needs a transaction. */
NODISCARD int list_policy_put(struct engine *e, uint64_t address, const struct list_policy *p);

/* x: the list, with its targets; d: its domain. sender empty: the null sender, or not known. */
NODISCARD int list_policy_allows(struct engine *e, struct arena *a, const struct domain *d, const struct address *x,
				 struct slice sender, bool *ret);

#endif
