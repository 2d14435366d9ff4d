/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may write to a distribution list. Judged at RCPT by the envelope's sender, like every route; and once more behind the
 * data where the message claims to come from inside, which is where its envelope or one of its authors has an address in a
 * domain that is here: then everybody that it names as author or sender has to be one who may write. Who logged in can only
 * send as himself; a stranger can forge envelope and author alike, and a list that must not be written to by strangers at
 * all wants the members' own server to be the only way in (docs/OPERATING.md).
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

/* x: the list, with its targets; d: its domain; p: its policy. sender empty: the null sender, or not known. */
NODISCARD int list_policy_allows(struct engine *e, struct arena *a, const struct domain *d, const struct address *x,
				 const struct list_policy *p, struct slice sender, bool *ret);
/* Of a message that claims to come from inside: all of them, too. Of others: true. */
NODISCARD int list_policy_authors(struct engine *e, struct arena *a, const struct domain *d, const struct address *x,
				  const struct list_policy *p, struct slice sender, const struct slice *authors, size_t n,
				  bool *ret);

#endif
