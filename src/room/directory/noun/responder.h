/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a mailbox does by itself, as settings (M16, M28): mail that it passes on, and an automatic reply, each between two
 * dates of a time zone. They are turned into a Sieve script that people can read, which runs before the mailbox's own
 * (rules.c); the zone's clock and its summer time are filter's (RulesReply.zone).
 */
#ifndef ROOM_DIRECTORY_RESPONDER_H
#define ROOM_DIRECTORY_RESPONDER_H

#include "room/directory/db/engine.h"

enum {
	FORWARD_TARGETS_MAX = 4,	/* as many as a script may redirect to */
	FORWARD_FOLLOW_MAX = 50,	/* mailboxes that a circle is looked for in */
	REPLY_DAYS_MAX = 30,
};

struct span {
	struct slice start, end;	/* "2026-12-24"; empty: open; the end is the last day */
};

struct responder {
	struct slice zone;		/* "Europe/Berlin"; of both */
	struct slice *targets;		/* none: nothing is passed on */
	size_t n_targets;
	bool keep;			/* a copy stays */
	struct span forward;
	struct slice subject, text;	/* of the reply */
	unsigned days;			/* between two replies to one sender; 0: there is no reply */
	struct span reply;
};

/* All of it empty where nothing was ever set. */
NODISCARD int responder_get(struct engine *e, struct arena *a, uint64_t account, struct responder *ret);
/* Replaces it; a row without forward and reply goes. Needs a transaction. */
NODISCARD int responder_put(struct engine *e, uint64_t account, const struct responder *x, int64_t now_ms);

/* Dates, their order and the zone; field names as in the operations. */
NODISCARD int responder_check_span(const struct span *s, struct problem *why);
NODISCARD int responder_check_zone(struct slice zone, struct problem *why);
/* ERR_CONFLICT: mail for one of them would come back to this account, by what is set now. */
NODISCARD int responder_check_circle(struct engine *e, struct arena *a, const struct account *x,
				     const struct slice *targets, size_t n, int64_t now_ms, struct problem *why);

/* The script; empty where there is nothing to do. */
struct slice responder_script(struct arena *a, const struct responder *x);

#endif
