/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log to read; it is written by admin_commit (admin.h), in the transaction of each change, and by audit_look. */
#ifndef ROOM_DIRECTORY_AUDIT_H
#define ROOM_DIRECTORY_AUDIT_H

#include "room/directory/db/engine.h"

struct audit_filter {
	uint64_t customer, domain;	/* 0: any */
	struct slice actor, operation, object;	/* empty: any; an operation or its noun */
	int64_t since_ms;
};

struct audit_row {
	uint64_t id;
	struct audit row;
};

/* The latest first, of what page->viewer may see; page->after is a row's number. */
NODISCARD int audit_list(struct engine *e, struct arena *a, const struct audit_filter *f, const struct page *page,
			 struct audit_row **ret, size_t *ret_n);

#endif
