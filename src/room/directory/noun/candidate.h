/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Candidates: addresses that nobody has and that mail came for (M20). Their mail lies in the domain's area, a folder
 * each. The store is the truth about folders; the rows here are its picture, brought up to date from it before
 * anything is shown or done (area_sync.c). A row with messages whose address is there (as a list, a redirect or banished)
 * is mail that was left behind when the candidate became that.
 *
 * A folder's name is the row's generation and the local part. Mail that moves away closes the folder, and the row goes on
 * with the next generation: a delivery that still names the old one is sent back to ask where the address leads.
 */
#ifndef ROOM_DIRECTORY_CANDIDATE_H
#define ROOM_DIRECTORY_CANDIDATE_H

#include "room/directory/noun/addressing.h"

struct candidate {
	uint64_t domain;
	struct slice local;
	uint64_t generation, messages, bytes;
	int64_t first_ms, last_ms;
	struct slice type;	/* what the address is: "candidate", or "list" ... */
};

/* The folder of a local part: its name cannot be a path, INBOX, or another local part's. */
struct slice candidate_folder(struct arena *a, uint64_t generation, struct slice local);
/* And back. ERR_SYNTAX. */
NODISCARD int candidate_of_folder(struct arena *a, struct slice folder, uint64_t *ret_generation,
				  struct slice *ret_local);

/* Without a row: generation 0 and no messages, 0. */
NODISCARD int candidate_get(struct engine *e, struct arena *a, uint64_t domain, struct slice local,
			    struct candidate *ret);
/* Those with mail, by local part. */
NODISCARD int candidate_list(struct engine *e, struct arena *a, uint64_t domain, const struct page *page,
			     struct candidate **ret, size_t *ret_n);
struct candidate_sum {
	uint64_t candidates, messages, bytes;
};
NODISCARD int candidate_sums(struct engine *e, uint64_t domain, struct candidate_sum *ret);

/* The picture anew: what is not in rows has no mail. *ret_changed: something was. Needs a transaction. */
NODISCARD int candidate_refresh(struct engine *e, struct arena *a, uint64_t domain, const struct candidate *rows,
				size_t n, bool *ret_changed);
/* The folder's name until now, which goes out of use. Needs a transaction. */
NODISCARD int candidate_next(struct engine *e, struct arena *a, const struct candidate *c, struct slice *ret_folder);

/* Where mail for an address that nobody has goes: 0 into folder of the area, ERR_NOT_FOUND: nowhere (candidates are off,
 * or there are max already), ERR_QUOTA, ERR_UNAVAILABLE: the area is just being made. */
NODISCARD int candidate_route(struct engine *e, struct arena *a, const struct addressing *x, struct slice local,
			      struct account *ret_area, struct slice *ret_folder);

#endif
