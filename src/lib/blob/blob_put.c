/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adding records: packed into one buffer that is the future end of the active segment, written in one
 * piece and synced by blob_sync. Past GATHER_MAX the buffer is written early (not synced), so that a message
 * of any size passes in bounded memory. A record that does not fit on the disk leaves no trace.
 */
#include <openssl/evp.h>	/* before the banned names: it uses one for a parameter */

#include "lib/blob/blob_priv.h"

#include "base/codec.h"
#include "base/err.h"

#include <errno.h>

static uint8_t *gather_reserve(struct blob_log *log, size_t n)
{
	if (log->g_cap - log->g_n < n) {
		size_t cap = log->g_cap ? log->g_cap : GATHER_KEEP;
		while (cap - log->g_n < n)
			cap *= 2;
		log->g = realloc(log->g, cap);
		bug_if(!log->g);
		log->g_cap = cap;
	}
	return log->g + log->g_n;
}

static void gather(struct blob_log *log, const void *p, size_t n)
{
	if (!n)
		return;
	memcpy(gather_reserve(log, n), p, n);
	log->g_n += n;
}

static bool no_room(int e)
{
	return e == ENOSPC || e == EDQUOT || e == EFBIG;
}

/* All or ERR_FULL; what was written behind the end before that is cut by whoever gives the batch up. */
static int write_at(struct blob_log *log, uint64_t at, const uint8_t *p, size_t n)
{
	int fd = segment_fd(log, active(log));

	if (fd < 0)
		return fd;
	while (n) {
		ssize_t done = pwrite(fd, p, n, (off_t)at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done == 0 || no_room(errno) ? ERR_FULL : blob_fail_fatal(log, "write", -errno);
		p += done;
		at += (size_t)done;
		n -= (size_t)done;
	}
	return 0;
}

int blob_flush(struct blob_log *log)
{
	if (log->fatal)
		return ERR_INTERNAL;
	if (!log->g_n)
		return 0;
	int err = write_at(log, log->g_base, log->g, log->g_n);
	if (err)
		return err;
	log->g_base += log->g_n;
	log->g_n = 0;
	if (log->g_cap > GATHER_MAX * 2) {
		free(log->g);
		log->g = NULL;
		log->g_cap = 0;
	}
	return 0;
}

static uint64_t gather_end(const struct blob_log *log)
{
	return log->g_base + log->g_n;
}

/* Takes back a record that could not be finished: the log ends at its first byte again. */
static int undo(struct blob_log *log, uint64_t start, int err)
{
	if (log->fatal)
		return err;
	if (start >= log->g_base)
		log->g_n = (size_t)(start - log->g_base);
	else if (blob_cut(log, active(log)->id, start) < 0)
		return ERR_INTERNAL;
	return err;
}

/* Room for a record in the active segment, or a new one. */
static int begin_record(struct blob_log *log, uint64_t *ret_start)
{
	if (log->fatal)
		return ERR_INTERNAL;
	if (active(log)->size >= log->segment_bytes) {
		int err = blob_flush(log);
		if (!err)
			err = segment_new(log, active(log)->id + 1);
		if (err)
			return err;
	} else if (log->g_n > GATHER_MAX) {
		int err = blob_flush(log);
		if (err)
			return err;
	}
	*ret_start = gather_end(log);
	return 0;
}

static int end_record(struct blob_log *log, uint64_t start, struct record_head *h, struct blob_addr *ret)
{
	uint8_t head[MESSAGE_HEADER];
	struct segment *s = active(log);

	h->length = (uint32_t)(gather_end(log) - start);
	h->sequence = record_sequence(s->id, start);
	record_encode(h, head);
	if (start >= log->g_base) {
		memcpy(log->g + (start - log->g_base), head, record_header_size(h->kind));
	} else {
		int err = write_at(log, start, head, record_header_size(h->kind));
		if (err)
			return undo(log, start, err);
	}
	s->size = gather_end(log);
	*ret = (struct blob_addr){ s->id, start, h->length };
	return 0;
}

int blob_put_state(struct blob_log *log, struct slice meta, struct blob_addr *ret_addr)
{
	struct record_head h = { .kind = BLOB_STATE, .meta_length = (uint32_t)meta.n };
	uint64_t start;

	if (meta.n > BLOB_META_MAX)
		return ERR_TOO_BIG;
	int err = begin_record(log, &start);
	if (err)
		return err;
	gather_reserve(log, STATE_HEADER);
	log->g_n += STATE_HEADER;
	gather(log, meta.p, meta.n);
	h.meta_crc = crc32c(0, meta.p, meta.n);
	return end_record(log, start, &h, ret_addr);
}

/* The bytes of a part in one or two pieces. */
struct part {
	struct slice piece[2];
};

static size_t part_size(const struct part *p)
{
	return p->piece[0].n + p->piece[1].n;
}

/* A part at once: packed if that saves at least a sixteenth, else as it is. */
static void pack_small(struct blob_log *log, const struct part *part, uint32_t *crc, bool *raw)
{
	size_t n = part_size(part), bound = ZSTD_compressBound(n), packed = n;
	uint8_t *out = gather_reserve(log, bound + n);
	uint8_t *joined = out + bound;

	if (part->piece[0].n && part->piece[1].n) {
		memcpy(joined, part->piece[0].p, part->piece[0].n);
		memcpy(joined + part->piece[0].n, part->piece[1].p, part->piece[1].n);
	} else {
		joined = (uint8_t *)(part->piece[0].n ? part->piece[0].p : part->piece[1].p);
	}
	if (n)
		packed = ZSTD_compress2(log->cctx, out, bound, joined, n);
	*raw = ZSTD_isError(packed) || packed >= n - n / 16;
	if (*raw && n)
		memmove(out, joined, n);
	packed = *raw ? n : packed;
	*crc = crc32c(*crc, out, packed);
	log->g_n += packed;
}

static bool worth_packing(struct blob_log *log, struct slice s)
{
	size_t n = s.n < 256 * 1024 ? s.n : 256 * 1024, bound = ZSTD_compressBound(n);
	size_t packed = ZSTD_compress2(log->cctx, gather_reserve(log, bound), bound, s.p, n);

	return !ZSTD_isError(packed) && packed < n - n / 16;
}

static int stream_out(struct blob_log *log, const uint8_t *from, uint32_t *crc)
{
	*crc = crc32c(*crc, from, (size_t)(log->g + log->g_n - from));
	return log->g_n > GATHER_MAX ? blob_flush(log) : 0;
}

/* A large part piece by piece through the gather buffer. */
static int pack_stream(struct blob_log *log, const struct part *part, uint32_t *crc, bool *raw)
{
	size_t step = ZSTD_CStreamOutSize();
	int err = 0;

	*raw = !worth_packing(log, part->piece[1]);
	ZSTD_CCtx_reset(log->cctx, ZSTD_reset_session_only);
	if (!*raw)
		ZSTD_CCtx_setPledgedSrcSize(log->cctx, part_size(part));
	for (int i = 0; i < 2 && !err; i++) {
		struct slice s = part->piece[i];
		for (size_t at = 0; *raw && at < s.n && !err;) {
			size_t n = s.n - at < step ? s.n - at : step;
			uint8_t *from = gather_reserve(log, n);
			gather(log, s.p + at, n);
			at += n;
			err = stream_out(log, from, crc);
		}
		ZSTD_inBuffer in = { s.p, s.n, 0 };
		size_t left = *raw ? 0 : 1;
		while (left && !err) {
			uint8_t *from = gather_reserve(log, step);
			ZSTD_outBuffer out = { from, step, 0 };
			left = ZSTD_compressStream2(log->cctx, &out, &in, i ? ZSTD_e_end : ZSTD_e_continue);
			if (ZSTD_isError(left))
				err = ERR_INTERNAL;
			else if (!i)
				left = in.size - in.pos;
			log->g_n += out.pos;
			if (!err)
				err = stream_out(log, from, crc);
		}
	}
	ZSTD_CCtx_reset(log->cctx, ZSTD_reset_session_only);
	return err;
}

static void digest_of(struct slice prefix, struct slice message, uint8_t ret[32])
{
	static EVP_MD_CTX *ctx;
	static EVP_MD *sha256;

	if (!ctx) {
		ctx = EVP_MD_CTX_new();
		sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	}
	bug_if(!ctx || !sha256 || EVP_DigestInit_ex2(ctx, sha256, NULL) != 1 ||
	       EVP_DigestUpdate(ctx, prefix.p, prefix.n) != 1 ||
	       EVP_DigestUpdate(ctx, message.p, message.n) != 1 || EVP_DigestFinal_ex(ctx, ret, NULL) != 1);
}

static int put_parts(struct blob_log *log, uint64_t start, struct record_head *h, const struct part *header,
		     const struct part *body)
{
	bool raw = false;
	int err = 0;
	uint64_t at = gather_end(log);

	if (part_size(header) >= STREAM_MIN)
		err = pack_stream(log, header, &h->header_crc, &raw);
	else
		pack_small(log, header, &h->header_crc, &raw);
	if (err)
		return err;
	h->flags |= raw ? RECORD_HEADER_RAW : 0;
	h->header_stored = (uint32_t)(gather_end(log) - at);
	at = gather_end(log);
	if (part_size(body) >= STREAM_MIN)
		err = pack_stream(log, body, &h->body_crc, &raw);
	else
		pack_small(log, body, &h->body_crc, &raw);
	h->flags |= raw ? RECORD_BODY_RAW : 0;
	h->body_stored = (uint32_t)(gather_end(log) - at);
	return err;
}

int blob_put_message(struct blob_log *log, struct slice meta, struct slice prefix, struct slice message,
		     uint64_t header_length, struct blob_addr *ret_addr, uint8_t ret_sha256[32])
{
	struct record_head h = { .kind = BLOB_MESSAGE, .meta_length = (uint32_t)meta.n };
	uint64_t start;

	if (meta.n > BLOB_META_MAX || message.n > BLOB_MESSAGE_MAX || prefix.n > BLOB_META_MAX ||
	    message.n + prefix.n > BLOB_MESSAGE_MAX)
		return ERR_TOO_BIG;
	if (header_length > message.n)
		header_length = message.n;
	struct part header = { { prefix, slice_of(message.p, (size_t)header_length) } };
	struct part body = { { { 0 }, slice_sub(message, (size_t)header_length, message.n) } };
	h.header_length = part_size(&header);
	h.body_length = part_size(&body);

	int err = begin_record(log, &start);
	if (err)
		return err;
	digest_of(prefix, message, h.sha256);
	gather_reserve(log, MESSAGE_HEADER);
	log->g_n += MESSAGE_HEADER;
	gather(log, meta.p, meta.n);
	h.meta_crc = crc32c(0, meta.p, meta.n);
	err = put_parts(log, start, &h, &header, &body);
	if (err)
		return undo(log, start, err);
	err = end_record(log, start, &h, ret_addr);
	if (!err)
		memcpy(ret_sha256, h.sha256, 32);
	return err;
}

static int copy_bytes(struct blob_log *log, struct segment *from, const struct blob_addr *addr, size_t header)
{
	uint64_t at = addr->offset + header, end = addr->offset + addr->length;

	while (at < end) {
		size_t n = end - at < GATHER_KEEP ? (size_t)(end - at) : GATHER_KEEP;
		uint8_t *p = gather_reserve(log, n);
		int err = blob_pread(log, from, at, p, n);
		if (err)
			return err;
		at += n;
		log->g_n += n;
		if (log->g_n > GATHER_MAX && (err = blob_flush(log)))
			return err;
	}
	return 0;
}

int blob_copy(struct blob_log *log, const struct blob_addr *from, struct blob_addr *ret_addr)
{
	uint8_t head[MESSAGE_HEADER];
	struct record_head h;
	uint64_t start;
	struct blob_record r;

	/* Damage is not carried on as if it were whole. */
	int err = blob_read_record(log, from, BLOB_WANT_META | BLOB_WANT_HEADER | BLOB_WANT_BODY, &r, NULL);
	if (!err)
		err = begin_record(log, &start);
	if (err)
		return err;
	struct segment *s = segment_by_id(log, from->segment);
	size_t n = record_header_size(r.kind);
	err = blob_pread(log, s, from->offset, head, n);
	if (err || record_decode(slice_of(head, n), &h) != 1)
		return err ? err : ERR_CORRUPT;
	gather_reserve(log, n);
	log->g_n += n;
	err = copy_bytes(log, s, from, n);
	return err ? undo(log, start, err) : end_record(log, start, &h, ret_addr);
}

int blob_sync(struct blob_log *log)
{
	int err = blob_flush(log);

	if (err) {
		blob_drop(log);
		return err;
	}
	for (size_t i = log->first_dirty; i < log->n_segs; i++) {
		struct segment *s = &log->segs[i];
		if (s->promised == s->size && !log->unsynced && i + 1 < log->n_segs)
			continue;
		int fd = segment_fd(log, s);
		if (fd < 0 || fdatasync(fd) < 0)
			return blob_fail_fatal(log, "segment", fd < 0 ? fd : -errno);
	}
	if (log->dir_dirty && fsync(log->dir_fd) < 0)
		return blob_fail_fatal(log, "directory", -errno);
	log->dir_dirty = false;
	for (size_t i = log->first_dirty; i < log->n_segs; i++)
		log->segs[i].promised = log->segs[i].size;
	log->unsynced = 0;
	log->first_dirty = log->n_segs - 1;
	return 0;
}
