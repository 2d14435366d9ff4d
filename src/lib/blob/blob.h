/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An append-only log of self-describing records in segment files (docs/formats/segments.md): message bytes
 * as zstd frames, header and body apart, and small state records beside them. Used by store and queue.
 * Nothing counts before blob_sync returned 0 (or the caller's database holds the bytes, blob_pending) and that
 * database committed blob_end: on opening, what lies behind the committed end is cut off. The first failed sync is fatal (blob_fatal), never retried.
 */
#ifndef LIB_BLOB_BLOB_H
#define LIB_BLOB_BLOB_H

#include "base/buf.h"

struct blob_log;

enum {
	BLOB_META_MAX = 1 << 20,
	BLOB_MESSAGE_MAX = 1 << 30,	/* raw bytes; past it ERR_TOO_BIG */
	BLOB_RECORD_MAX = (1u << 30) + (1 << 24),
	BLOB_CUT_MAX = 1 << 29,		/* more than this behind the committed end is no torn batch */
};

struct blob_addr {
	uint32_t segment;
	uint64_t offset;	/* of the record's first byte */
	uint32_t length;	/* of the whole record */
};
struct blob_end {
	uint32_t segment;
	uint64_t offset;
};

enum blob_kind { BLOB_MESSAGE = 1, BLOB_STATE = 2 };

/* One record as a scan finds it. For BLOB_MESSAGE: meta (the caller's own bytes, the digest among them), the raw
 * lengths, SHA-256 of the raw bytes; for BLOB_STATE: meta only. Slices live until the next call. */
struct blob_record {
	enum blob_kind kind;
	struct blob_addr addr;
	uint64_t sequence;
	struct slice meta;
	uint64_t header_length, body_length;
	uint8_t sha256[32];
};

/* dir below the working directory, made where missing. end: what the database committed, the rest is cut off;
 * NULL or segment 0: take all that is whole. More than BLOB_CUT_MAX behind the end means that the database is
 * an old one: ERR_CONFLICT, and nothing is cut. A log that is shorter than its end goes on in a new segment. */
NODISCARD int blob_open(const char *dir, uint64_t segment_bytes, const struct blob_end *end, struct blob_log **ret);
void blob_close(struct blob_log **log);

/* Gathered in memory until blob_sync or blob_write. prefix goes in front of the header bytes. ERR_FULL leaves the log as it was. */
NODISCARD int blob_put_message(struct blob_log *log, struct slice meta, struct slice prefix, struct slice message,
			       uint64_t header_length, struct blob_addr *ret_addr, uint8_t ret_sha256[32]);
NODISCARD int blob_put_state(struct blob_log *log, struct slice meta, struct blob_addr *ret_addr);
/* Writes and syncs what was gathered (and the directory after a new segment). ERR_FULL: nothing was written, the batch is dropped. */
NODISCARD int blob_sync(struct blob_log *log);

/* One sync instead of two for a small batch: its bytes also go into the caller's database, in the transaction that
 * commits blob_end, and the log syncs them later together with those of other batches.
 *   blob_pending: what was gathered, where it is a plain addition of at most max bytes to the active segment; else false.
 *   blob_write:   writes it without a sync. ERR_FULL as above. blob_unsynced: how many bytes wait for blob_sync since.
 *   blob_put_back: before blob_open, which syncs them: what the database kept of the last segment's bytes.
 *                  1 they were not there, 0 they were. */
bool blob_pending(const struct blob_log *log, size_t max, struct blob_end *ret_at, struct slice *ret_bytes);
NODISCARD int blob_write(struct blob_log *log);
uint64_t blob_unsynced(const struct blob_log *log);
NODISCARD int blob_put_back(const char *dir, const struct blob_end *at, struct slice bytes);

void blob_drop(struct blob_log *log);		/* forgets what was gathered since the last sync */
/* Back to an end of earlier, for a batch that was synced but whose commit failed. */
void blob_revert(struct blob_log *log, const struct blob_end *end);
struct blob_end blob_end_of(const struct blob_log *log);	/* with what was gathered */
bool blob_fatal(const struct blob_log *log);

/* Reads and checks (checksum of the record, length); ERR_CORRUPT. want_body false: only the header frame is read and unpacked. */
NODISCARD int blob_read(struct blob_log *log, const struct blob_addr *addr, bool want_header, bool want_body, struct buf *out);
NODISCARD int blob_read_fd(struct blob_log *log, const struct blob_addr *addr, bool want_header, bool want_body, int out_fd);
/* The same with the record: fills ret (meta included, where BLOB_WANT_META) and appends to out, which may be NULL. */
enum { BLOB_WANT_META = 1, BLOB_WANT_HEADER = 2, BLOB_WANT_BODY = 4 };
NODISCARD int blob_read_record(struct blob_log *log, const struct blob_addr *addr, unsigned want,
			       struct blob_record *ret, struct buf *out);

/* All whole records of a segment, every checksum checked; damaged ones are told by on_damage and stepped over: the
 * next header is found by its magic, checksum and place. Returns < 0 for I/O errors, or what on_record returned < 0. */
NODISCARD int blob_scan(struct blob_log *log, uint32_t segment,
			int (*on_record)(void *ctx, const struct blob_record *r),
			void (*on_damage)(void *ctx, uint32_t segment, uint64_t offset, const char *what), void *ctx);
/* A piece of it for slices: from *offset (0 the start) on, about max_bytes; headers and meta only are read and
 * checked. 1 the end was reached, 0 go on. */
NODISCARD int blob_scan_part(struct blob_log *log, uint32_t segment, uint64_t *offset, uint64_t max_bytes,
			     int (*on_record)(void *ctx, const struct blob_record *r),
			     void (*on_damage)(void *ctx, uint32_t segment, uint64_t offset, const char *what), void *ctx);
/* A piece of the same kind with every byte read and checked, for damage alone. */
NODISCARD int blob_verify_part(struct blob_log *log, uint32_t segment, uint64_t *offset, uint64_t max_bytes,
			       void (*on_damage)(void *ctx, uint32_t segment, uint64_t offset, const char *what), void *ctx);
size_t blob_segments(const struct blob_log *log, uint32_t *ret, size_t max);	/* ids, ascending */
uint64_t blob_segment_size(const struct blob_log *log, uint32_t segment);
NODISCARD int blob_segment_remove(struct blob_log *log, uint32_t segment);	/* never the active one */
/* Copies a record as it is to the end of the log (compaction). */
NODISCARD int blob_copy(struct blob_log *log, const struct blob_addr *from, struct blob_addr *ret_addr);

#endif
