/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the command line does with a stopped instance's data, implemented by the room that owns the format
 * (rooms are not included from elsewhere).
 */
#ifndef LIB_ROOM_TOOLS_H
#define LIB_ROOM_TOOLS_H

#include "base/slice.h"

struct store_report {
	uint64_t accounts, mailboxes, messages, blobs, bytes;
	uint64_t faults;	/* each was told to on_fault */
	bool rebuilt;
};

/* A shard's data folder (becomes the working directory). Compares index and segments, every byte read, and the index
 * with one that is made from the segments alone. rebuild: the index is made anew from the segments first; the old
 * one stays beside it as store.db.old. ERR_UNAVAILABLE: a room has it open; ERR_CONFLICT: no index, or an old one. */
NODISCARD int store_check_offline(const char *data, uint64_t segment_bytes, bool rebuild,
				  void (*on_fault)(void *ctx, const char *text), void *ctx, struct store_report *ret);

#endif
