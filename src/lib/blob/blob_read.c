/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading one record by its address. What the disk gives is checked before it is used: the header's own
 * checksum, that it is the record of this place, and the checksum of every part that is asked for. A part's
 * unpacked length is known from the header and bounds the unpacking.
 */
#include "lib/blob/blob_priv.h"

#include "base/codec.h"
#include "base/err.h"

#include <errno.h>

enum {
	FIRST_READ = 8192,	/* usually holds header, meta and header frame */
	SCRATCH_KEEP = 1 << 20,
};

int blob_pread(struct blob_log *log, struct segment *s, uint64_t at, void *p, size_t n)
{
	int fd = segment_fd(log, s);
	uint8_t *to = p;

	if (fd < 0)
		return fd == -ENOENT ? ERR_CORRUPT : fd;
	while (n) {
		ssize_t done = pread(fd, to, n, (off_t)at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		if (done == 0)
			return ERR_CORRUPT;
		to += done;
		at += (size_t)done;
		n -= (size_t)done;
	}
	return 0;
}

/* For whoever asks for one message: bytes that the disk does not give are as lost as wrong ones, and harm no other. */
static int read_record(struct blob_log *log, struct segment *s, uint64_t at, size_t n)
{
	int err = blob_pread(log, s, at, log->scratch.p, n);

	return err == -EIO ? ERR_CORRUPT : err;
}

static void give(struct buf *scratch, size_t n)
{
	if (scratch->cap > SCRATCH_KEEP && n <= SCRATCH_KEEP)
		buf_fini(scratch);
	buf_clear(scratch);
	bug_if(!buf_reserve(scratch, n));
	buf_added(scratch, n);
}

static int unpack(struct blob_log *log, struct slice stored, bool raw, uint64_t length, struct buf *out)
{
	if (!out)
		return 0;
	if (raw || !length) {
		buf_slice(out, length ? stored : (struct slice){ 0 });
		return buf_ok(out) ? 0 : ERR_TOO_BIG;
	}
	uint8_t *to = buf_reserve(out, (size_t)length);
	if (!to)
		return ERR_TOO_BIG;
	size_t n = ZSTD_decompressDCtx(log->dctx, to, (size_t)length, stored.p, stored.n);
	if (ZSTD_isError(n) || n != length)
		return ERR_CORRUPT;
	buf_added(out, n);
	return 0;
}

static int check_part(struct slice part, uint32_t crc)
{
	return crc32c(0, part.p, part.n) == crc ? 0 : ERR_CORRUPT;
}

/* The record's bytes up to the last part that is wanted, in scratch. */
static int load(struct blob_log *log, const struct blob_addr *addr, unsigned want, struct record_head *h)
{
	struct segment *s = segment_by_id(log, addr->segment);
	size_t n = want & BLOB_WANT_BODY ? addr->length : FIRST_READ;

	if (!s || addr->length < STATE_HEADER || addr->offset + addr->length > s->size ||
	    addr->length > BLOB_RECORD_MAX)
		return ERR_CORRUPT;
	if (addr->offset + addr->length > log->g_base && s == active(log)) {
		int err = blob_flush(log);
		if (err)
			return err;
	}
	if (n > addr->length)
		n = addr->length;
	give(&log->scratch, n);
	int err = read_record(log, s, addr->offset, n);
	if (err)
		return err;
	if (record_decode(buf_view(&log->scratch), h) != 1 || h->length != addr->length ||
	    h->sequence != record_sequence(addr->segment, addr->offset))
		return ERR_CORRUPT;
	size_t need = record_header_size(h->kind) + h->meta_length;
	if (want & (BLOB_WANT_HEADER | BLOB_WANT_BODY))
		need += h->header_stored;
	if (need <= n)
		return 0;
	give(&log->scratch, need);
	return read_record(log, s, addr->offset, need);
}

int blob_read_record(struct blob_log *log, const struct blob_addr *addr, unsigned want, struct blob_record *ret,
		     struct buf *out)
{
	struct record_head h;
	int err = load(log, addr, want, &h);

	if (err)
		return err;
	size_t at = record_header_size(h.kind), had = out ? out->n : 0;
	const uint8_t *p = log->scratch.p;
	struct slice meta = slice_of(p + at, h.meta_length);
	struct slice header = slice_of(meta.p + meta.n, h.header_stored);
	struct slice body = slice_of(header.p + header.n, h.body_stored);

	if (want & BLOB_WANT_META)
		err = check_part(meta, h.meta_crc);
	if (!err && (want & BLOB_WANT_HEADER) && !(err = check_part(header, h.header_crc)))
		err = unpack(log, header, h.flags & RECORD_HEADER_RAW, h.header_length, out);
	if (!err && (want & BLOB_WANT_BODY) && !(err = check_part(body, h.body_crc)))
		err = unpack(log, body, h.flags & RECORD_BODY_RAW, h.body_length, out);
	if (err) {
		if (out)
			out->n = had;
		return err;
	}
	*ret = (struct blob_record){ .kind = h.kind, .addr = *addr, .sequence = h.sequence,
				     .meta = want & BLOB_WANT_META ? meta : (struct slice){ 0 },
				     .header_length = h.header_length, .body_length = h.body_length };
	memcpy(ret->sha256, h.sha256, 32);
	return 0;
}

int blob_read(struct blob_log *log, const struct blob_addr *addr, bool want_header, bool want_body, struct buf *out)
{
	struct blob_record r;

	return blob_read_record(log, addr, (want_header ? BLOB_WANT_HEADER : 0) | (want_body ? BLOB_WANT_BODY : 0), &r,
				out);
}

static int write_all(int fd, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t done = write(fd, p, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done == 0 || errno == ENOSPC ? ERR_FULL : -errno;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

int blob_read_fd(struct blob_log *log, const struct blob_addr *addr, bool want_header, bool want_body, int out_fd)
{
	struct buf out = BUF_INIT(2u * BLOB_MESSAGE_MAX);
	int err = blob_read(log, addr, want_header, want_body, &out);

	if (!err)
		err = write_all(out_fd, out.p, out.n);
	buf_fini(&out);
	return err;
}
