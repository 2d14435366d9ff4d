/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the log share: blob.c (segments), blob_put.c (gather, sync), blob_read.c, blob_scan.c. */
#ifndef LIB_BLOB_BLOB_PRIV_H
#define LIB_BLOB_BLOB_PRIV_H

#include "lib/blob/record.h"

#include <sys/types.h>
#include <zstd.h>

enum {
	GATHER_MAX = 4 << 20,		/* gathered bytes are written early past this, synced only by blob_sync */
	GATHER_KEEP = 1 << 20,
	STREAM_MIN = 4 << 20,		/* bodies from here on are packed piece by piece */
	READ_FDS = 64,
	PATH_BYTES = 256,
};

struct segment {
	uint32_t id;
	uint64_t size;		/* with what was gathered */
	uint64_t promised;	/* up to here the bytes stay: synced, or kept by the caller's database */
	int fd;			/* -1: not open; the active one always is */
	uint64_t used;		/* for closing the one that was not used for longest */
};

struct blob_log {
	char dir[PATH_BYTES];
	int dir_fd;
	uint64_t segment_bytes;
	struct segment *segs;	/* ascending ids; the last is the active one */
	size_t n_segs, cap_segs;
	size_t first_dirty;	/* segments from here on have bytes that are not synced */
	bool dir_dirty;
	bool fatal;
	uint64_t unsynced;	/* bytes that blob_write wrote */
	uint64_t tick;

	uint8_t *g;		/* gathered, not written yet: the end of the active segment */
	size_t g_n, g_cap;
	uint64_t g_base;	/* where g[0] will stand */

	ZSTD_CCtx *cctx;
	ZSTD_DCtx *dctx;
	struct buf scratch;	/* reads */
};

static inline struct segment *active(struct blob_log *log)
{
	return &log->segs[log->n_segs - 1];
}

int blob_fail_fatal(struct blob_log *log, const char *what, int error);
struct segment *segment_by_id(struct blob_log *log, uint32_t id);
NODISCARD int segment_fd(struct blob_log *log, struct segment *s);
NODISCARD int segment_new(struct blob_log *log, uint32_t id);
/* Cuts the log to an end inside an existing segment. < 0 only where that failed, which is fatal. */
int blob_cut(struct blob_log *log, uint32_t segment, uint64_t offset);

NODISCARD int blob_flush(struct blob_log *log);
/* Reads exactly n bytes: ERR_CORRUPT where the file ends before, -EIO where the disk does not give them. */
NODISCARD int blob_pread(struct blob_log *log, struct segment *s, uint64_t at, void *p, size_t n);
extern const char blob_unreadable[];	/* what on_damage is told of bytes that the disk does not give */
/* The scan that both public ones are made of. */
NODISCARD int scan_from(struct blob_log *log, uint32_t segment, uint64_t *offset, uint64_t max_bytes, bool payload,
			int (*on_record)(void *ctx, const struct blob_record *r),
			void (*on_damage)(void *ctx, uint32_t segment, uint64_t offset, const char *what), void *ctx);

#endif
