/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Space of mail that has left: a segment of the log without live records is removed, one that is mostly dead has its live
 * ones copied to the end of the log first. A segment counts as dead only where the database said so without an error.
 */
#ifndef ROOM_QUEUE_SPACE_H
#define ROOM_QUEUE_SPACE_H

#include "base/arena.h"
#include "lib/blob/blob.h"
#include "lib/sql/sql.h"

struct space {
	uint32_t *dead;		/* segments */
	size_t n_dead;
	bool more;		/* something was copied: call again */
};

/* Inside a batch: what is dead, and, unless look_only, the records of one segment that is nearly so copied away. */
NODISCARD int space_find(struct sql *db, struct blob_log *log, bool look_only, struct arena *a, struct space *ret);
/* Removes what is dead; the batch has been committed. */
void space_free(struct blob_log *log, const struct space *s);

#endif
