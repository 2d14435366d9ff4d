/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking a segment record by record. Where a header is damaged, the next one is searched byte by byte: magic,
 * checksum and its own place in the file must agree, so that the bytes of a mail cannot play a record. A sector that the
 * disk does not give is damage like any other: what stands before and behind it is read in smaller pieces.
 */
#include "lib/blob/blob_priv.h"

#include "base/codec.h"
#include "base/err.h"
#include "base/text.h"

#include <errno.h>

typedef int record_fn(void *ctx, const struct blob_record *r);
typedef void damage_fn(void *ctx, uint32_t segment, uint64_t offset, const char *what);

enum { WINDOW = 1 << 20, PAGE = 4096 };

const char blob_unreadable[] = N_("cannot be read");

struct scan {
	struct blob_log *log;
	struct segment *s;
	uint64_t size;
	struct buf window;	/* bytes of the file from at on */
	uint64_t at;
};

static int fill(struct scan *w, uint64_t offset, size_t n)
{
	buf_clear(&w->window);
	bug_if(!buf_reserve(&w->window, n));
	int err = blob_pread(w->log, w->s, offset, w->window.p, n);
	if (err)
		return err;
	buf_added(&w->window, n);
	w->at = offset;
	return 0;
}

/* Makes n bytes from offset on available; NULL with *err set, or where the file ends before (*err 0). */
static const uint8_t *look(struct scan *w, uint64_t offset, size_t n, int *err)
{
	*err = 0;
	if (offset > w->size || n > w->size - offset)
		return NULL;
	if (offset < w->at || offset - w->at > w->window.n || w->window.n - (offset - w->at) < n) {
		size_t want = n > WINDOW ? n : WINDOW;
		if (want > w->size - offset)
			want = (size_t)(w->size - offset);
		*err = fill(w, offset, want);
		if (*err == -EIO && want > n)
			*err = fill(w, offset, n);
		if (*err)
			return NULL;
	}
	return w->window.p + (offset - w->at);
}

/* 1 a whole header that belongs here, ERR_CORRUPT none, -EIO unreadable, or another error. */
static int head_at(struct scan *w, uint64_t offset, struct record_head *h)
{
	int err;
	size_t n = w->size - offset < MESSAGE_HEADER ? (size_t)(w->size - offset) : MESSAGE_HEADER;
	const uint8_t *p = look(w, offset, n, &err);

	if (!p)
		return err ? err : ERR_CORRUPT;
	if (record_decode(slice_of(p, n), h) != 1 || h->sequence != record_sequence(w->s->id, offset) ||
	    h->length > w->size - offset)
		return ERR_CORRUPT;
	return 1;
}

static bool is_damage(int err)
{
	return err == ERR_CORRUPT || err == -EIO;
}

/* The first place from at on, before end, where a header's first bytes stand; end where there is none. */
static int find_magic(struct scan *w, uint64_t at, uint64_t end, uint64_t *ret)
{
	static const uint8_t magic[4] = { 'P', 's', 'R', '1' };
	uint64_t last = w->size - end < 3 ? w->size : end + 3;	/* one may begin just before the end */
	int err;
	const uint8_t *p = look(w, at, (size_t)(last - at), &err);
	const uint8_t *hit = p ? memmem(p, (size_t)(last - at), magic, 4) : NULL;

	*ret = hit ? at + (uint64_t)(hit - p) : end;
	return err;
}

/* Goes on in pages as soon as one of them cannot be read. */
static int resync(struct scan *w, uint64_t *offset)
{
	uint64_t at = *offset + 1;
	bool by_page = false;
	struct record_head h;

	while (at < w->size && w->size - at >= STATE_HEADER) {
		uint64_t end = by_page ? at - at % PAGE + PAGE : at + WINDOW / 2, hit = 0;
		if (end > w->size)
			end = w->size;
		int err = find_magic(w, at, end, &hit);
		if (err == -EIO && !by_page) {
			by_page = true;
			continue;
		}
		if (err && err != -EIO)
			return err;
		if (err || hit == end) {
			at = end;
			continue;
		}
		err = head_at(w, hit, &h);
		if (err == 1) {
			*offset = hit;
			return 0;
		}
		if (!is_damage(err))
			return err;
		at = hit + 1;
	}
	*offset = w->size;
	return 0;
}

static const char *check_payload(const struct record_head *h, const uint8_t *p, bool payload)
{
	if (crc32c(0, p, h->meta_length) != h->meta_crc)
		return N_("meta checksum");
	if (!payload || h->kind != BLOB_MESSAGE)
		return NULL;
	p += h->meta_length;
	if (crc32c(0, p, h->header_stored) != h->header_crc)
		return N_("header checksum");
	return crc32c(0, p + h->header_stored, h->body_stored) == h->body_crc ? NULL : N_("body checksum");
}

/* One record at *offset: told or complained of, and stepped over. */
static int step(struct scan *w, uint64_t *offset, bool payload, record_fn *on_record, damage_fn *on_damage, void *ctx)
{
	struct record_head h;
	int err = head_at(w, *offset, &h);

	if (is_damage(err)) {
		on_damage(ctx, w->s->id, *offset, err == -EIO ? blob_unreadable : N_("header"));
		return resync(w, offset);
	}
	if (err < 0)
		return err;
	size_t head = record_header_size(h.kind), n = payload ? h.length : head + h.meta_length;
	const uint8_t *p = look(w, *offset, n, &err);
	if (err == -EIO) {
		on_damage(ctx, w->s->id, *offset, blob_unreadable);
		*offset += h.length;
		return 0;
	}
	if (!p)
		return err ? err : ERR_CORRUPT;
	const char *what = check_payload(&h, p + head, payload);
	struct blob_record r = { .kind = h.kind, .addr = { w->s->id, *offset, h.length }, .sequence = h.sequence,
				 .meta = slice_of(p + head, h.meta_length), .header_length = h.header_length,
				 .body_length = h.body_length };
	memcpy(r.sha256, h.sha256, 32);
	if (what)
		on_damage(ctx, w->s->id, *offset, what);
	else
		err = on_record(ctx, &r);
	*offset += h.length;
	return err < 0 ? err : 0;
}

int scan_from(struct blob_log *log, uint32_t segment, uint64_t *offset, uint64_t max_bytes, bool payload,
	      record_fn *on_record, damage_fn *on_damage, void *ctx)
{
	struct scan w = { .log = log, .s = segment_by_id(log, segment) };
	int err = 0;

	if (!w.s)
		return ERR_NOT_FOUND;
	if (w.s == active(log) && (err = blob_flush(log)))
		return err;
	w.size = w.s->size;
	buf_init(&w.window, BLOB_RECORD_MAX);
	if (*offset < SEGMENT_HEADER) {
		uint32_t id;
		const uint8_t *p = look(&w, 0, SEGMENT_HEADER, &err);
		if (err == -EIO)
			err = 0;
		if (!err && (!p || segment_decode(slice_of(p, SEGMENT_HEADER), &id) < 0 || id != segment))
			on_damage(ctx, segment, 0, N_("segment header"));
		*offset = SEGMENT_HEADER;
	}
	uint64_t start = *offset;
	while (!err && *offset < w.size && *offset - start < max_bytes) {
		err = step(&w, offset, payload, on_record, on_damage, ctx);
		w.s = segment_by_id(log, segment);	/* the table may have moved under a put */
	}
	buf_fini(&w.window);
	return err < 0 ? err : *offset >= w.size;
}

int blob_scan(struct blob_log *log, uint32_t segment, record_fn *on_record, damage_fn *on_damage, void *ctx)
{
	uint64_t offset = 0;
	int err = scan_from(log, segment, &offset, UINT64_MAX, true, on_record, on_damage, ctx);

	return err < 0 ? err : 0;
}

int blob_scan_part(struct blob_log *log, uint32_t segment, uint64_t *offset, uint64_t max_bytes, record_fn *on_record,
		   damage_fn *on_damage, void *ctx)
{
	return scan_from(log, segment, offset, max_bytes, false, on_record, on_damage, ctx);
}

static int pass_over(void *ctx, const struct blob_record *r)
{
	return 0;
}

int blob_verify_part(struct blob_log *log, uint32_t segment, uint64_t *offset, uint64_t max_bytes, damage_fn *on_damage, void *ctx)
{
	return scan_from(log, segment, offset, max_bytes, true, pass_over, on_damage, ctx);
}
