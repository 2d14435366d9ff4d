/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log as a row of segment files: opening, cutting, adding, removing.
 *
 * Invariants: segs is ascending, its last entry is the active one and open; ids are never used again once
 * their segment was committed; nothing before a committed end ever changes. Threats: a torn tail (cut at
 * open), a database older than the segments (refused instead of cut), a file whose name was not synced
 * (the folder is synced before the first commit that needs it), a sync that failed once (fatal).
 */
#include "lib/blob/blob_priv.h"

#include "base/err.h"
#include "base/event.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

int blob_fail_fatal(struct blob_log *log, const char *what, int error)
{
	if (!log->fatal)
		ev(EV_ERROR, "blob.sync.failed", KS("what", what), KS("error", err_name(error)));
	log->fatal = true;
	return ERR_INTERNAL;
}

bool blob_fatal(const struct blob_log *log)
{
	return log->fatal;
}

static void segment_name(uint32_t id, char out[16])
{
	snprintf(out, 16, "%08x.seg", id);
}

struct segment *segment_by_id(struct blob_log *log, uint32_t id)
{
	size_t lo = 0, hi = log->n_segs;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (log->segs[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < log->n_segs && log->segs[lo].id == id ? &log->segs[lo] : NULL;
}

static void close_oldest(struct blob_log *log)
{
	struct segment *oldest = NULL;
	size_t open = 0;

	for (size_t i = 0; i + 1 < log->n_segs; i++) {
		struct segment *s = &log->segs[i];
		if (s->fd < 0 || i >= log->first_dirty)
			continue;
		open++;
		if (!oldest || s->used < oldest->used)
			oldest = s;
	}
	if (open < READ_FDS)
		return;
	IGNORE(close(oldest->fd), "synced long ago");
	oldest->fd = -1;
}

int segment_fd(struct blob_log *log, struct segment *s)
{
	char name[16];

	s->used = ++log->tick;
	if (s->fd >= 0)
		return s->fd;
	close_oldest(log);
	segment_name(s->id, name);
	int fd = openat(log->dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	return s->fd = fd;
}

static struct segment *segs_add(struct blob_log *log, uint32_t id, uint64_t size)
{
	if (log->n_segs == log->cap_segs) {
		log->cap_segs = log->cap_segs ? log->cap_segs * 2 : 16;
		log->segs = realloc(log->segs, log->cap_segs * sizeof(*log->segs));
		bug_if(!log->segs);
	}
	struct segment *s = &log->segs[log->n_segs++];
	*s = (struct segment){ .id = id, .size = size, .promised = size, .fd = -1 };
	return s;
}

/* ERR_FULL leaves nothing behind. The caller has flushed the segment before. */
int segment_new(struct blob_log *log, uint32_t id)
{
	uint8_t head[SEGMENT_HEADER];
	char name[16];

	bug_if(log->g_n);
	segment_name(id, name);
	int fd = openat(log->dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return errno == ENOSPC || errno == EDQUOT ? ERR_FULL : -errno;
	segment_encode(id, head);
	ssize_t n = pwrite(fd, head, sizeof(head), 0);
	if (n != (ssize_t)sizeof(head)) {
		int err = n < 0 && errno != ENOSPC && errno != EDQUOT && errno != EFBIG ? -errno : ERR_FULL;
		IGNORE(close(fd), "being removed");
		IGNORE(unlinkat(log->dir_fd, name, 0), "an empty segment harms nobody");
		return err;
	}
	struct segment *s = segs_add(log, id, sizeof(head));
	s->fd = fd;
	s->promised = 0;
	log->g_base = sizeof(head);
	log->dir_dirty = true;
	return 0;
}

static void segment_unlink(struct blob_log *log, struct segment *s)
{
	char name[16];

	segment_name(s->id, name);
	if (s->fd >= 0)
		IGNORE(close(s->fd), "being removed");
	s->fd = -1;
	if (unlinkat(log->dir_fd, name, 0) < 0)
		ev(EV_WARN, "blob.segment.stays", KS("name", name), KS("error", err_name(-errno)));
}

int blob_cut(struct blob_log *log, uint32_t segment, uint64_t offset)
{
	while (active(log)->id > segment) {
		segment_unlink(log, active(log));
		log->n_segs--;
		bug_if(!log->n_segs);
	}
	struct segment *s = active(log);
	bug_if(s->id != segment);
	int fd = segment_fd(log, s);
	if (fd < 0)
		return blob_fail_fatal(log, "open", fd);
	if (ftruncate(fd, (off_t)offset) < 0)
		return blob_fail_fatal(log, "truncate", -errno);
	s->size = offset;
	if (s->promised > offset)
		s->promised = offset;
	log->g_n = 0;
	log->g_base = offset;
	if (log->first_dirty >= log->n_segs)
		log->first_dirty = log->n_segs - 1;
	return 0;
}

void blob_drop(struct blob_log *log)
{
	const struct segment *s = &log->segs[log->first_dirty];

	if (!log->fatal)
		IGNORE(blob_cut(log, s->id, s->promised), "fatal is set");
}

void blob_revert(struct blob_log *log, const struct blob_end *end)
{
	bug_if(end->segment > active(log)->id || end->offset < SEGMENT_HEADER);
	if (!log->fatal)
		IGNORE(blob_cut(log, end->segment, end->offset), "fatal is set");
}

struct blob_end blob_end_of(const struct blob_log *log)
{
	const struct segment *s = &log->segs[log->n_segs - 1];

	return (struct blob_end){ s->id, s->size };
}

static int by_id(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static bool parse_name(const char *name, uint32_t *ret)
{
	uint32_t id = 0;

	if (strlen(name) != 12 || strcmp(name + 8, ".seg") != 0)
		return false;
	for (int i = 0; i < 8; i++) {
		const char *digit = strchr("0123456789abcdef", name[i]);
		if (!digit)
			return false;
		id = id << 4 | (uint32_t)(digit - "0123456789abcdef");
	}
	*ret = id;
	return id != 0;
}

static int list_segments(struct blob_log *log)
{
	int fd = openat(log->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		return -errno;
	int err = 0;
	for (struct dirent *e; !err && (errno = 0, e = readdir(d));) {
		struct stat st;
		uint32_t id;
		if (!parse_name(e->d_name, &id))
			continue;
		if (fstatat(log->dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			err = -errno;
		else if (S_ISREG(st.st_mode))
			segs_add(log, id, (uint64_t)st.st_size);
	}
	if (!err)
		err = -errno;	/* of a readdir that failed: what is not listed would count as lost */
	closedir(d);
	if (log->n_segs)
		qsort(log->segs, log->n_segs, sizeof(*log->segs), by_id);
	return err;
}

struct whole {
	uint64_t until;
	bool unreadable;	/* behind it there are bytes that the disk does not give */
};

static int note_whole(void *ctx, const struct blob_record *r)
{
	*(struct whole *)ctx = (struct whole){ r->addr.offset + r->addr.length, false };
	return 0;
}

static void note_damage(void *ctx, uint32_t segment, uint64_t offset, const char *what)
{
	((struct whole *)ctx)->unreadable |= what == blob_unreadable;
}

static int end_by_scan(struct blob_log *log)
{
	struct segment *s = active(log);
	struct whole whole = { SEGMENT_HEADER, false };
	uint64_t offset = 0;

	if (s->size < SEGMENT_HEADER) {
		/* A segment whose making was interrupted: its header is written again. */
		uint8_t head[SEGMENT_HEADER];
		int fd = segment_fd(log, s);
		segment_encode(s->id, head);
		if (fd < 0 || pwrite(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head))
			return ERR_FULL;
	} else {
		int err = scan_from(log, s->id, &offset, UINT64_MAX, true, note_whole, note_damage, &whole);
		if (err < 0)
			return err;
	}
	/* What a disk gives again later is no torn end. */
	return whole.unreadable ? segment_new(log, s->id + 1) : blob_cut(log, s->id, whole.until);
}

/* Cuts what the database does not know. */
static int end_by_database(struct blob_log *log, const struct blob_end *end)
{
	struct segment *s = segment_by_id(log, end->segment);
	uint64_t behind = 0;

	for (size_t i = 0; i < log->n_segs; i++) {
		if (log->segs[i].id > end->segment)
			behind += log->segs[i].size;
		else if (log->segs[i].id == end->segment && log->segs[i].size > end->offset)
			behind += log->segs[i].size - end->offset;
	}
	if (behind > BLOB_CUT_MAX) {
		ev(EV_ERROR, "blob.end.old", KI("segment", end->segment), KI("behind", behind));
		return ERR_CONFLICT;
	}
	if (s && s->size >= end->offset && end->offset >= SEGMENT_HEADER)
		return blob_cut(log, end->segment, end->offset);
	ev(EV_ERROR, "blob.segment.short", KI("segment", end->segment), KI("size", s ? (int64_t)s->size : -1),
	   KI("committed", end->offset));
	while (log->n_segs && active(log)->id > end->segment) {
		segment_unlink(log, active(log));
		log->n_segs--;
	}
	/* What is missing stays missing; no address that was given away is written again. */
	return segment_new(log, end->segment + 1);
}

static int open_segments(struct blob_log *log, const struct blob_end *end)
{
	int err = list_segments(log);

	if (err)
		return err;
	if (end && end->segment)
		err = end_by_database(log, end);
	else if (log->n_segs)
		err = end_by_scan(log);
	else
		err = segment_new(log, 1);
	if (err)
		return err;
	log->first_dirty = log->n_segs - 1;
	log->dir_dirty = true;
	err = blob_sync(log);
	return err;
}

int blob_open(const char *dir, uint64_t segment_bytes, const struct blob_end *end, struct blob_log **ret)
{
	struct blob_log *log = calloc(1, sizeof(*log));
	int err = 0;

	bug_if(!log || segment_bytes > BLOB_MESSAGE_MAX);
	log->segment_bytes = segment_bytes;
	log->dir_fd = -1;
	buf_init(&log->scratch, BLOB_RECORD_MAX);
	if (snprintf(log->dir, sizeof(log->dir), "%s", dir) >= (int)sizeof(log->dir))
		err = -ENAMETOOLONG;
	if (!err && mkdir(dir, 0700) < 0 && errno != EEXIST)
		err = errno == ENOSPC ? ERR_FULL : -errno;
	if (!err && (log->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		err = -errno;
	log->cctx = ZSTD_createCCtx();
	log->dctx = ZSTD_createDCtx();
	bug_if(!log->cctx || !log->dctx);
	ZSTD_CCtx_setParameter(log->cctx, ZSTD_c_compressionLevel, 1);
	if (!err)
		err = open_segments(log, end);
	if (err) {
		ev(EV_ERROR, "blob.open.failed", KS("dir", dir), KS("error", err_name(err)));
		blob_close(&log);
		return err;
	}
	*ret = log;
	return 0;
}

void blob_close(struct blob_log **log)
{
	struct blob_log *l = *log;

	if (!l)
		return;
	for (size_t i = 0; i < l->n_segs; i++)
		if (l->segs[i].fd >= 0)
			IGNORE(close(l->segs[i].fd), "what counts was synced");
	if (l->dir_fd >= 0)
		IGNORE(close(l->dir_fd), "read only");
	ZSTD_freeCCtx(l->cctx);
	ZSTD_freeDCtx(l->dctx);
	buf_fini(&l->scratch);
	free(l->g);
	free(l->segs);
	free(l);
	*log = NULL;
}

size_t blob_segments(const struct blob_log *log, uint32_t *ret, size_t max)
{
	for (size_t i = 0; i < log->n_segs && i < max; i++)
		ret[i] = log->segs[i].id;
	return log->n_segs;
}

uint64_t blob_segment_size(const struct blob_log *log, uint32_t segment)
{
	const struct segment *s = segment_by_id((struct blob_log *)log, segment);

	return s ? s->size : 0;
}

int blob_segment_remove(struct blob_log *log, uint32_t segment)
{
	struct segment *s = segment_by_id(log, segment);

	if (!s)
		return ERR_NOT_FOUND;
	if (s == active(log))
		return ERR_CONFLICT;
	size_t at = (size_t)(s - log->segs);
	if (at >= log->first_dirty)
		return ERR_CONFLICT;
	segment_unlink(log, s);
	/* A removed segment that a crash brings back could revive what its tombstones buried. */
	if (fsync(log->dir_fd) < 0)
		return blob_fail_fatal(log, "directory", -errno);
	memmove(s, s + 1, (log->n_segs - at - 1) * sizeof(*s));
	log->n_segs--;
	log->first_dirty--;
	return 0;
}
