/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a domain does with local parts beyond its list of addresses: sub-addresses, a catch-all mailbox, candidates
 * (M20). One row a domain, made with its first setting; a domain without a row has the defaults.
 */
#ifndef ROOM_DIRECTORY_ADDRESSING_H
#define ROOM_DIRECTORY_ADDRESSING_H

#include "room/directory/db/engine.h"

enum {
	CANDIDATE_DAYS = 30,
	CANDIDATE_BYTES = 100 << 20,
	CANDIDATES_MAX = 1000,
	CANDIDATES_LIMIT = 9000,	/* that a domain may be given: a shard's account has 10,000 folders at most */
};

struct addressing {
	uint64_t domain;
	uint8_t separator;	/* in front of the detail: '+'; 0: local parts are taken as they stand */
	struct slice catch_all;	/* full address of a mailbox here; empty: none */
	bool multidrop;		/* that mailbox gets a copy for each recipient, with lines that name it */
	bool candidates;
	unsigned days;		/* mail of candidates is kept for so long */
	uint64_t bytes;		/* of all candidates together; past it new mail is refused */
	unsigned max;		/* candidates */
	uint64_t area;		/* the account that keeps their mail; 0: there is none yet */
};

NODISCARD int addressing_get(struct engine *e, struct arena *a, uint64_t domain, struct addressing *ret);
NODISCARD int addressing_put(struct engine *e, const struct addressing *x);
/* The domain of an area. ERR_NOT_FOUND. */
NODISCARD int addressing_of_area(struct engine *e, struct arena *a, uint64_t account, struct addressing *ret);
/* All that have an area. */
NODISCARD int addressing_areas(struct engine *e, struct arena *a, struct addressing **ret, size_t *ret_n);
/* Makes the area's account row (MADE) and notes it. */
NODISCARD int addressing_make_area(struct engine *e, struct arena *a, const struct domain *d, struct addressing *x,
				   uint32_t shard, int64_t now_ms);

#endif
