/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoding and decoding of the fixed parts. What a disk gives back is as untrusted as what a peer sends:
 * every length is checked against the named limits and against the others before anyone uses it.
 */
#include "lib/blob/record.h"

#include "base/codec.h"
#include "base/err.h"

#include <endian.h>

static const uint8_t segment_magic[8] = { 'P', 's', 'S', 'e', 'g', 'm', 't', '1' };

static void put32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, 4);
}

static void put64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, 8);
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return le32toh(v);
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return le64toh(v);
}

void record_encode(const struct record_head *h, uint8_t out[MESSAGE_HEADER])
{
	size_t n = record_header_size(h->kind);

	memset(out, 0, MESSAGE_HEADER);
	put32(out, RECORD_MAGIC);
	out[8] = (uint8_t)h->kind;
	out[9] = (uint8_t)h->flags;
	put32(out + 12, h->length);
	put64(out + 16, h->sequence);
	put32(out + 24, h->meta_length);
	put32(out + 28, h->header_stored);
	put32(out + 32, h->body_stored);
	put32(out + 36, h->meta_crc);
	if (h->kind == BLOB_MESSAGE) {
		put32(out + 40, h->header_crc);
		put32(out + 44, h->body_crc);
		put64(out + 48, h->header_length);
		put64(out + 56, h->body_length);
		memcpy(out + 64, h->sha256, 32);
	}
	put32(out + 4, crc32c(0, out + 8, n - 8));
}

static bool lengths_fit(const struct record_head *h)
{
	uint64_t sum = record_header_size(h->kind);

	sum += h->meta_length;
	sum += h->header_stored;
	sum += h->body_stored;
	if (sum != h->length || h->length > BLOB_RECORD_MAX || h->meta_length > BLOB_META_MAX)
		return false;
	if (h->kind == BLOB_STATE)
		return h->header_stored == 0 && h->body_stored == 0 && h->flags == 0;
	if (h->header_length > BLOB_MESSAGE_MAX || h->body_length > BLOB_MESSAGE_MAX)
		return false;
	if ((h->flags & RECORD_HEADER_RAW) && h->header_stored != h->header_length)
		return false;
	return !(h->flags & RECORD_BODY_RAW) || h->body_stored == h->body_length;
}

int record_decode(struct slice in, struct record_head *ret)
{
	struct record_head h = { 0 };
	const uint8_t *p = in.p;

	if (in.n < STATE_HEADER)
		return 0;
	if (get32(p) != RECORD_MAGIC || (p[8] != BLOB_MESSAGE && p[8] != BLOB_STATE) ||
	    p[9] > (RECORD_HEADER_RAW | RECORD_BODY_RAW) || p[10] || p[11])
		return ERR_CORRUPT;
	h.kind = p[8];
	size_t n = record_header_size(h.kind);
	if (in.n < n)
		return 0;
	if (crc32c(0, p + 8, n - 8) != get32(p + 4))
		return ERR_CORRUPT;
	h.flags = p[9];
	h.length = get32(p + 12);
	h.sequence = get64(p + 16);
	h.meta_length = get32(p + 24);
	h.header_stored = get32(p + 28);
	h.body_stored = get32(p + 32);
	h.meta_crc = get32(p + 36);
	if (h.kind == BLOB_MESSAGE) {
		h.header_crc = get32(p + 40);
		h.body_crc = get32(p + 44);
		h.header_length = get64(p + 48);
		h.body_length = get64(p + 56);
		memcpy(h.sha256, p + 64, 32);
	}
	if (!lengths_fit(&h))
		return ERR_CORRUPT;
	*ret = h;
	return 1;
}

void segment_encode(uint32_t id, uint8_t out[SEGMENT_HEADER])
{
	memset(out, 0, SEGMENT_HEADER);
	memcpy(out, segment_magic, 8);
	put32(out + 8, id);
	put32(out + 28, crc32c(0, out, 28));
}

int segment_decode(struct slice in, uint32_t *ret_id)
{
	if (in.n < SEGMENT_HEADER || memcmp(in.p, segment_magic, 8) != 0 ||
	    crc32c(0, in.p, 28) != get32(in.p + 28))
		return ERR_CORRUPT;
	*ret_id = get32(in.p + 8);
	return 0;
}
