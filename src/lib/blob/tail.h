/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One sync a batch, for who has a log and a database that commits its end. What a small batch adds to the segments goes
 * into its transaction as well (table "tail"), so the commit's sync of the WAL makes both durable; the segments are written
 * at once and synced when bytes_max have gathered, when the owner settles, or by the next large batch. That transaction
 * also empties the table.
 *
 * Threat: power is lost before the segments were synced. Then the table has their missing bytes, and opening puts
 * them back before anything is read or cut. A process that dies loses nothing: what it wrote is with the kernel.
 */
#ifndef LIB_BLOB_TAIL_H
#define LIB_BLOB_TAIL_H

#include "lib/blob/blob.h"
#include "lib/sql/sql.h"

/* The table, for the owner's list of migrations. */
#define TAIL_TABLE                                                                                              \
	"CREATE TABLE tail (segment INTEGER NOT NULL, offset INTEGER NOT NULL, bytes BLOB NOT NULL,"           \
	" PRIMARY KEY (segment, offset));"

enum {
	TAIL_BATCH_MAX = 128 << 10,	/* larger batches share their two syncs among many messages */
};

struct tail {
	uint64_t bytes_max;		/* of small batches may lie in the table; 0: none */
	uint32_t rows, rows_next;	/* batches there, now and after the commit */
};

/* Before the commit: what the batch gathered is durable with it. settle: the segments are synced whatever its size. Who gets
 * an error rolls back and drops what was gathered. */
NODISCARD int tail_promise(struct tail *t, struct sql *db, struct blob_log *log, bool settle);
void tail_committed(struct tail *t);

/* Before the log in dir is opened. Batches that the table has, and how many of these were missing; a segment that is gone is
 * told where its mail is read. */
NODISCARD int tail_put_back(struct sql *db, const char *dir, uint32_t *ret_rows, uint32_t *ret_missing);

#endif
