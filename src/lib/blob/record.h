/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of segments and records (docs/formats/segments.md), without I/O. All numbers little endian.
 *
 *   record:  0 magic "PsR1" | 4 crc of the header from 8 on | 8 kind | 9 flags | 10 zero u16 | 12 length of all
 *           16 sequence | 24 meta length | 28 header frame length | 32 body frame length | 36 crc of meta
 *           -- a state record's header ends here (40 bytes) --
 *           40 crc of header frame | 44 crc of body frame | 48 raw header length | 56 raw body length
 *           64 SHA-256 of the raw message (96 bytes)
 *           then meta, header frame, body frame
 */
#ifndef LIB_BLOB_RECORD_H
#define LIB_BLOB_RECORD_H

#include "lib/blob/blob.h"

enum {
	SEGMENT_HEADER = 32,
	STATE_HEADER = 40,
	MESSAGE_HEADER = 96,
	RECORD_MAGIC = 0x31527350,	/* "PsR1" */
};

enum { RECORD_HEADER_RAW = 1, RECORD_BODY_RAW = 2 };	/* flags: stored as they are, no zstd frame */

struct record_head {
	enum blob_kind kind;
	unsigned flags;
	uint32_t length, meta_length, header_stored, body_stored;
	uint32_t meta_crc, header_crc, body_crc;
	uint64_t sequence, header_length, body_length;
	uint8_t sha256[32];
};

/* A record's sequence is its place, so that a misplaced or stale one is not taken for a real one. */
static inline uint64_t record_sequence(uint32_t segment, uint64_t offset)
{
	return (uint64_t)segment << 32 | (offset & UINT32_MAX);
}

static inline size_t record_header_size(enum blob_kind kind)
{
	return kind == BLOB_MESSAGE ? MESSAGE_HEADER : STATE_HEADER;
}

void record_encode(const struct record_head *h, uint8_t out[MESSAGE_HEADER]);

/* From the front of in. 1 a header whose checksum and lengths fit, 0 fewer bytes than it takes, ERR_CORRUPT. */
NODISCARD int record_decode(struct slice in, struct record_head *ret);

void segment_encode(uint32_t id, uint8_t out[SEGMENT_HEADER]);
NODISCARD int segment_decode(struct slice in, uint32_t *ret_id);

#endif
