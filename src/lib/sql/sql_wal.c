/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of the WAL as SQLite sees it. SQLite writes each page of a commit as two calls, 24 bytes and then 4096; here they
 * are gathered and reach the kernel as one write, right before the sync (or whatever else looks at them).
 *
 * Invariants: the bytes gathered are one run; no sync, no length and none of these bytes is answered before they are
 * written. Where that fails the error goes to whoever asked and the bytes stay, so the commit cannot pass without them;
 * its rollback drops them (sql_wal_drop). What a killed process had only gathered no sync had covered.
 */
#include "lib/sql/sql_priv.h"

enum {
	GATHER_MAX = 124 << 10,	/* SQLite's own file takes less than 128 KiB a call; a larger commit is several */
	PIECE_MAX = 8 << 10,	/* more at once is no page of a commit, and is not kept waiting */
};

struct wal_file {
	sqlite3_file file;
	sqlite3_file *real;	/* behind this struct, in the room that SQLite gave */
	uint8_t *gathered;
	size_t n;
	sqlite3_int64 at;	/* where gathered[0] belongs */
};

static struct wal_file *wal_file(sqlite3_file *f)
{
	return (struct wal_file *)f;
}

static int flush(struct wal_file *w)
{
	if (!w->n)
		return SQLITE_OK;
	int rc = w->real->pMethods->xWrite(w->real, w->gathered, (int)w->n, w->at);
	if (rc == SQLITE_OK)
		w->n = 0;
	return rc;
}

static int wal_close(sqlite3_file *f)
{
	struct wal_file *w = wal_file(f);
	IGNORE(flush(w), "never synced, so never promised");
	sqlite3_free(w->gathered);
	return w->real->pMethods->xClose(w->real);
}

/* What was committed is read on a full disk too: it never lies among the bytes that wait. */
static int wal_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
	struct wal_file *w = wal_file(f);
	bool waits = at < w->at + (sqlite3_int64)w->n && at + n > w->at;
	int rc = waits ? flush(w) : SQLITE_OK;
	return rc != SQLITE_OK ? rc : w->real->pMethods->xRead(w->real, to, n, at);
}

static int wal_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at)
{
	struct wal_file *w = wal_file(f);
	bool follows = w->n && at == w->at + (sqlite3_int64)w->n && (size_t)n <= GATHER_MAX - w->n;
	int rc = follows ? SQLITE_OK : flush(w);

	if (rc != SQLITE_OK)
		return rc;
	if (n > PIECE_MAX)
		return w->real->pMethods->xWrite(w->real, from, n, at);
	if (!w->n)
		w->at = at;
	memcpy(w->gathered + w->n, from, (size_t)n);
	w->n += (size_t)n;
	return SQLITE_OK;
}

static int wal_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	int rc = flush(wal_file(f));
	return rc != SQLITE_OK ? rc : wal_file(f)->real->pMethods->xTruncate(wal_file(f)->real, size);
}

static int wal_sync(sqlite3_file *f, int flags)
{
	int rc = flush(wal_file(f));
	return rc != SQLITE_OK ? rc : wal_file(f)->real->pMethods->xSync(wal_file(f)->real, flags);
}

static int wal_size(sqlite3_file *f, sqlite3_int64 *ret)
{
	int rc = flush(wal_file(f));
	return rc != SQLITE_OK ? rc : wal_file(f)->real->pMethods->xFileSize(wal_file(f)->real, ret);
}

static int wal_lock(sqlite3_file *f, int level)
{
	return wal_file(f)->real->pMethods->xLock(wal_file(f)->real, level);
}

static int wal_unlock(sqlite3_file *f, int level)
{
	return wal_file(f)->real->pMethods->xUnlock(wal_file(f)->real, level);
}

static int wal_locked(sqlite3_file *f, int *ret)
{
	return wal_file(f)->real->pMethods->xCheckReservedLock(wal_file(f)->real, ret);
}

static int wal_control(sqlite3_file *f, int op, void *arg)
{
	return wal_file(f)->real->pMethods->xFileControl(wal_file(f)->real, op, arg);
}

static int wal_sector(sqlite3_file *f)
{
	return wal_file(f)->real->pMethods->xSectorSize(wal_file(f)->real);
}

static int wal_device(sqlite3_file *f)
{
	return wal_file(f)->real->pMethods->xDeviceCharacteristics(wal_file(f)->real);
}

/* Version 1: a WAL is neither mapped nor has it shared memory of its own. */
static const sqlite3_io_methods wal_methods = {
	1, wal_close, wal_read, wal_write, wal_truncate, wal_sync, wal_size, wal_lock, wal_unlock, wal_locked, wal_control,
	wal_sector, wal_device,
};

void sql_wal_drop(sqlite3 *c)
{
	sqlite3_file *f = NULL;

	if (sqlite3_file_control(c, "main", SQLITE_FCNTL_JOURNAL_POINTER, &f) == SQLITE_OK && f && f->pMethods == &wal_methods)
		wal_file(f)->n = 0;
}

static sqlite3_vfs *below;

static int vfs_open(sqlite3_vfs *vfs UNUSED, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
	if (!(flags & SQLITE_OPEN_WAL))
		return below->xOpen(below, name, f, flags, ret_flags);
	struct wal_file *w = wal_file(f);
	memset(w, 0, sizeof(*w));
	w->real = (sqlite3_file *)(w + 1);
	w->gathered = sqlite3_malloc(GATHER_MAX);
	if (!w->gathered)
		return SQLITE_NOMEM;
	int rc = below->xOpen(below, name, w->real, flags, ret_flags);
	if (rc != SQLITE_OK) {
		if (w->real->pMethods)
			IGNORE(w->real->pMethods->xClose(w->real), "it was not opened");
		sqlite3_free(w->gathered);
		return rc;
	}
	f->pMethods = &wal_methods;
	return SQLITE_OK;
}

const char *sql_vfs(void)
{
	static sqlite3_vfs vfs;

	if (vfs.zName)
		return vfs.zName;
	below = sqlite3_vfs_find(NULL);
	bug_if(!below);
	vfs = *below;
	vfs.pNext = NULL;
	vfs.zName = "gather";
	vfs.szOsFile += (int)sizeof(struct wal_file);
	vfs.xOpen = vfs_open;
	bug_if(sqlite3_vfs_register(&vfs, 0) != SQLITE_OK);
	return vfs.zName;
}
