/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a message, in a memfd: Return-Path (where it goes to a mailbox here), Received, then what the
 * client sent, octet for octet. A queue's copy has no Return-Path (RFC 5321 4.4: only final delivery makes
 * it), so where a message goes both ways it is written out a second time. Pieces are gathered, so that a
 * message of usual size is one write. Limits: smtp.max_size each, smtp.body_memory together.
 */
#include "room/smtpd/smtpd_priv.h"

#include "base/err.h"
#include "lib/ipc/memfd.h"

void body_init(struct body *b, struct smtpd *d)
{
	*b = (struct body){ .d = d, .fd = -1, .queue_fd = -1 };
}

int body_begin(struct body *b, const struct envelope *e, const struct trace *t)
{
	if (b->d->body_octets >= b->d->body_max)
		return ERR_FULL;
	int r = memfd_new("message", &b->fd);
	if (r < 0)
		return r;
	struct buf lines = BUF_INIT(TRACE_MAX);
	if (e->to_store)
		trace_return_path(&lines, e->sender);
	b->return_path_n = lines.n;
	trace_received(&lines, t, envelope_only_rcpt(e));
	r = buf_ok(&lines) ? body_add(b, buf_view(&lines)) : ERR_TOO_BIG;
	buf_fini(&lines);
	return r;
}

int body_flush(struct body *b)
{
	struct slice bytes = slice_of(b->d->gather, b->gathered);
	b->gathered = 0;
	return bytes.n ? memfd_write(b->fd, bytes) : 0;
}

int body_add(struct body *b, struct slice bytes)
{
	if (b->failed || b->d->body_octets + bytes.n > b->d->body_max)
		return ERR_FULL;
	b->d->body_octets += bytes.n;
	b->size += bytes.n;
	if (bytes.n > GATHER - b->gathered) {
		int r = body_flush(b);
		if (r < 0)
			return r;
	}
	if (bytes.n > GATHER)
		return memfd_write(b->fd, bytes);
	memcpy(b->d->gather + b->gathered, bytes.p, bytes.n);
	b->gathered += bytes.n;
	return 0;
}

void body_fail(struct body *b)
{
	b->failed = true;
}

static int without_return_path(struct body *b)
{
	struct slice all;
	int r = memfd_map(b->fd, UINT64_MAX, &all);
	if (r < 0)
		return r;
	r = memfd_of("message", slice_sub(all, b->return_path_n, all.n), &b->queue_fd);
	memfd_unmap(&all);
	return r;
}

int body_for_queue(struct body *b, int *ret_fd)
{
	int r = b->return_path_n && b->queue_fd < 0 ? without_return_path(b) : 0;
	if (r == 0)
		*ret_fd = b->queue_fd >= 0 ? b->queue_fd : b->fd;
	return r;
}

int body_seal(struct body *b)
{
	int r = b->failed ? ERR_FULL : body_flush(b);
	return r == 0 ? memfd_seal(b->fd) : r;
}

void body_fini(struct body *b)
{
	if (b->fd >= 0)
		close(b->fd);
	if (b->queue_fd >= 0)
		close(b->queue_fd);
	b->d->body_octets -= b->size;
	body_init(b, b->d);
}
