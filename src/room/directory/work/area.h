/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The room's side of areas and of transfers: the picture of an area's folders is fetched from its shard, old mail is
 * removed, and mail moves between accounts. docs/formats/directory.md.
 */
#ifndef ROOM_DIRECTORY_AREA_H
#define ROOM_DIRECTORY_AREA_H

#include "room/directory/noun/candidate.h"
#include "room/directory/directory_priv.h"
#include "room/directory/work/transfer.h"

/* Behind a route into an area its folders are looked at, and again behind pauses that double: the mail may come at once, or
 * at the end of a long message. */
enum { AREA_LOOK_MS = 1000, AREA_LOOK_LAST_MS = 512 * 1000 };

typedef void area_done_fn(void *ctx, int err);

/* Brings the rows of a domain's candidates up to date; fn is called behind it (from the loop, or at once where the
 * domain has no area). Candidates whose address became a mailbox or an alias have their mail sent after it. */
void area_sync(struct directory *d, uint64_t domain, area_done_fn *fn, void *ctx);
/* A route into this area was given: mail may come. */
void area_touch(struct directory *d, uint64_t account);
void area_init(struct directory *d);
/* Jobs by time: every area's picture anew; what is older than a domain keeps goes. */
void area_look_all(struct directory *d);
void area_prune_all(struct directory *d, int64_t now_ms);

/* Starts what is not under way yet. */
void transfers_run(struct directory *d);

#endif
