/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small batches without a sync of their own. The caller's database is synced at each commit anyway, so it takes the few
 * bytes of a small batch along, and the log syncs them later, many batches at once. After a loss of power the
 * database has what the disk may not have got: it is put back before the log is opened.
 *
 * Only plain additions to an active segment whose file is known to be on the disk go this way; a new segment, a large
 * batch or one that was written early is synced as ever, and with it all that waited.
 */
#include "lib/blob/blob_priv.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>

bool blob_pending(const struct blob_log *log, size_t max, struct blob_end *ret_at, struct slice *ret_bytes)
{
	const struct segment *s = &log->segs[log->n_segs - 1];

	if (log->fatal || log->dir_dirty || log->first_dirty + 1 != log->n_segs || log->g_base != s->promised ||
	    log->g_n > max)
		return false;
	*ret_at = (struct blob_end){ s->id, log->g_base };
	*ret_bytes = slice_of(log->g, log->g_n);
	return true;
}

int blob_write(struct blob_log *log)
{
	uint64_t n = log->g_n;
	int err = blob_flush(log);

	if (err) {
		blob_drop(log);
		return err;
	}
	active(log)->promised = active(log)->size;
	log->unsynced += n;
	return 0;
}

uint64_t blob_unsynced(const struct blob_log *log)
{
	return log->unsynced;
}

static bool is_there(int fd, uint64_t offset, struct slice bytes)
{
	uint8_t chunk[16384];

	for (size_t at = 0; at < bytes.n;) {
		size_t want = bytes.n - at < sizeof(chunk) ? bytes.n - at : sizeof(chunk);
		ssize_t n = pread(fd, chunk, want, (off_t)(offset + at));
		if (n != (ssize_t)want || memcmp(chunk, bytes.p + at, want) != 0)
			return false;
		at += want;
	}
	return true;
}

static int put_back(int fd, uint64_t offset, struct slice bytes)
{
	for (size_t at = 0; at < bytes.n;) {
		ssize_t n = pwrite(fd, bytes.p + at, bytes.n - at, (off_t)(offset + at));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 || errno == ENOSPC || errno == EDQUOT ? ERR_FULL : -errno;
		at += (size_t)n;
	}
	return 1;
}

int blob_put_back(const char *dir, const struct blob_end *at, struct slice bytes)
{
	char path[PATH_BYTES];

	if (at->offset < SEGMENT_HEADER || at->offset > BLOB_RECORD_MAX ||
	    snprintf(path, sizeof(path), "%s/%08x.seg", dir, at->segment) >= (int)sizeof(path))
		return ERR_CORRUPT;
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? ERR_NOT_FOUND : -errno;
	int err = is_there(fd, at->offset, bytes) ? 0 : put_back(fd, at->offset, bytes);
	IGNORE(close(fd), "blob_open syncs it");
	return err;
}
