/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When each domain moves (M38): a day and a place in the order, which the provider sets and the customer sees. A
 * domain without a row has no day and the usual place. It says nothing about where mail goes: that is the domain's.
 */
#ifndef ROOM_DIRECTORY_SCHEDULE_H
#define ROOM_DIRECTORY_SCHEDULE_H

#include "room/directory/db/engine.h"

enum { PLACE_FIRST = 1, PLACE_USUAL = 1000, PLACE_LAST = 1000000 };

struct schedule {
	uint64_t place;		/* PLACE_FIRST .. PLACE_LAST: who has the lower one moves first */
	struct slice day;	/* "2026-12-24", or empty */
	struct slice note;
};

struct planned {
	struct domain d;
	struct slice customer;
	struct schedule x;
};

NODISCARD int schedule_get(struct engine *e, struct arena *a, uint64_t domain, struct schedule *ret);
NODISCARD int schedule_put(struct engine *e, uint64_t domain, const struct schedule *x, int64_t now_ms);
/* In the order of the move: place, day (those without one last), name. page->after: a cursor of schedule_cursor. */
NODISCARD int schedule_list(struct engine *e, struct arena *a, uint64_t customer, const struct page *page,
			    struct planned **ret, size_t *ret_n);
struct slice schedule_cursor(struct arena *a, const struct planned *last);

/* By hand: announced and filtering of a domain that is forwarded, hosted and done of one that is hosted. */
NODISCARD int schedule_phase(struct domain *d, enum phase phase, struct problem *why);

#endif
