/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may write to a distribution list. Judged at RCPT by the envelope's sender, like every route; and once more behind the
 * data where the message claims to come from inside, which is where its envelope or one of its authors has an address in a
 * domain that is here: then everybody that it names as author or sender has to be one who may write.
 *
 * An address of a domain that is hosted here counts only where its owner logged in, who can send as himself alone: its users
 * write from here, so from outside it is forged, or was passed on by somebody else. Addresses elsewhere, and those of domains
 * whose mail still lives on the customer's own server (gateway), count as they stand: nobody here can know more of them.
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

/* A message that wants to go to a list. */
struct list_asked {
	const struct domain *domain;		/* the list's */
	const struct address *list;		/* with its targets */
	const struct list_policy *policy;
	struct slice sender;			/* of the envelope; empty: null, or not known */
	const struct slice *authors;
	size_t n_authors;
	bool authenticated;			/* sender and authors are of who logged in */
};
enum list_answer { LIST_TAKES = 0, LIST_REFUSES, LIST_WANTS_LOGIN };

NODISCARD int list_policy_sender(struct engine *e, struct arena *a, const struct list_asked *q, enum list_answer *ret);
/* Of a message that claims to come from inside: all of them, too. Of others: LIST_TAKES. */
NODISCARD int list_policy_authors(struct engine *e, struct arena *a, const struct list_asked *q, enum list_answer *ret);

#endif
