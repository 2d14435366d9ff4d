/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection: how it is opened, its transactions, its checkpoints, its errors.
 *
 * Durability rests on two settings, journal_mode=WAL and synchronous=FULL; both are read back, because
 * SQLite answers a pragma that did not take with silence. locking_mode=EXCLUSIVE is set before the WAL
 * is touched: there is exactly one connection, the wal-index lives on the heap (no -shm file, nothing is
 * mapped), and a second process on the same file is refused. SQLite's own automatic checkpoint hides a
 * failed sync, so it is off and sql_commit and sql_checkpoint do it.
 *
 * A failed sync leaves the page cache in a state that nobody can know (THREATS.md, fsync), and after any other failed
 * write or commit nobody knows whether the transaction is in the WAL: the connection becomes fatal and refuses
 * everything, and the next start reads what is there. A page that cannot be read harms who asked for it alone, but SQLite
 * commits no transaction in which that happened (and calls it malformed from then on), which is a failed commit. SQLite
 * ends a transaction by itself after some errors (disk full among them); what follows in that transaction must not run in
 * autocommit mode, so it fails with the same error until sql_rollback, or sql_commit, which tells it.
 */
#include "lib/sql/sql_priv.h"

#include "base/err.h"
#include "base/event.h"
#include "proto/mail/name_search.h"

#include <errno.h>
#include <fcntl.h>

enum {
	WAL_MARK_PAGES = 1000,		/* sql_checkpoint works from here on */
	WAL_FORCE_PAGES = 8000,		/* sql_commit does not wait for an idle moment */
	BUSY_MS = 5000,			/* a predecessor that is just dying may still hold the lock */
};

static bool is_read_error(int rc)
{
	return rc == SQLITE_IOERR_READ || rc == SQLITE_IOERR_SHORT_READ || rc == SQLITE_IOERR_CORRUPTFS;
}

/* SQLite knows ENOSPC; a used-up quota and a file at its limit are told by errno. A commit keeps that with the WAL alone. */
static bool is_full(struct sql *db)
{
	sqlite3_file *wal = NULL;
	int e = sqlite3_system_errno(db->c);

	if (db->committing &&
	    sqlite3_file_control(db->c, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal) == SQLITE_OK && wal && wal->pMethods)
		IGNORE(wal->pMethods->xFileControl(wal, SQLITE_FCNTL_LAST_ERRNO, &e), "then it is no full disk");
	return e == ENOSPC || e == EDQUOT || e == EFBIG;
}

static int err_of(struct sql *db, int rc)
{
	switch (rc) {
	case SQLITE_CONSTRAINT_UNIQUE:
	case SQLITE_CONSTRAINT_PRIMARYKEY:
	case SQLITE_CONSTRAINT_ROWID:
		return ERR_EXISTS;
	case SQLITE_CONSTRAINT_FOREIGNKEY:
		return ERR_CONFLICT;
	}
	switch (rc & 0xff) {
	case SQLITE_FULL:
		return ERR_FULL;
	case SQLITE_IOERR:
		return rc == SQLITE_IOERR_WRITE && is_full(db) ? ERR_FULL : ERR_INTERNAL;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ERR_CORRUPT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_UNAVAILABLE;
	case SQLITE_TOOBIG:
		return ERR_TOO_BIG;
	default:
		return ERR_INTERNAL;
	}
}

static void die(struct sql *db, int rc, const char *what)
{
	db->fatal = true;
	ev(EV_ERROR, "sql.disk.failed", KS("what", what), KI("code", rc), KI("errno", sqlite3_system_errno(db->c)));
}

int sql_failed(struct sql *db, int rc, const char *what)
{
	int err = err_of(db, rc);

	if ((rc & 0xff) == SQLITE_IOERR && err != ERR_FULL && !is_read_error(rc) && !db->fatal) {
		die(db, rc, what);
	} else if (err != ERR_EXISTS && err != ERR_CONFLICT && err != ERR_FULL) {
		ev(EV_ERROR, "sql.statement.failed", KS("what", what), KI("code", rc),
		   KS("text", sqlite3_errmsg(db->c)));
	}
	if (db->in_tx && sqlite3_get_autocommit(db->c) && !db->broken)
		db->broken = err;
	return err;
}

bool sql_fatal(const struct sql *db)
{
	return db->fatal;
}

static int exec(struct sql *db, const char *text)
{
	if (db->fatal)
		return ERR_INTERNAL;
	int rc = sqlite3_exec(db->c, text, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : sql_failed(db, rc, text);
}

/* Runs a pragma and compares what it answers; SQLite tells a refused one in no other way. */
static int pragma_must(struct sql *db, const char *text, const char *want)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db->c, text, -1, &st, NULL);
	int err = 0;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc != SQLITE_ROW) {
		err = sql_failed(db, rc, text);
	} else {
		const char *got = (const char *)sqlite3_column_text(st, 0);
		if (!got || strcasecmp(got, want) != 0) {
			ev(EV_ERROR, "sql.pragma.refused", KS("pragma", text), KS("want", want), KS("got", got));
			err = ERR_INVALID;
		}
	}
	sqlite3_finalize(st);
	return err;
}

int sql_cache(struct sql *db, unsigned kib)
{
	char *set = sqlite3_mprintf("PRAGMA cache_size=-%u", kib);
	bug_if(!set);
	int err = exec(db, set);

	sqlite3_free(set);
	return err;
}

static int set_up(struct sql *db)
{
	static const char *const plain[] = {
		"PRAGMA wal_autocheckpoint=0",	"PRAGMA synchronous=FULL",
		"PRAGMA foreign_keys=ON",	"PRAGMA temp_store=MEMORY",
		"PRAGMA trusted_schema=OFF",	"PRAGMA journal_size_limit=67108864",
		"PRAGMA cell_size_check=ON",
		/* Overwrites what is deleted where that takes no further writes. */
		"PRAGMA secure_delete=FAST",
	};
	static const char *const must[][2] = {
		{ "PRAGMA locking_mode=EXCLUSIVE", "exclusive" },
		{ "PRAGMA mmap_size=0", "0" },
		{ "PRAGMA journal_mode=WAL", "wal" },
	};
	static const char *const check[][2] = {
		{ "PRAGMA journal_mode", "wal" },
		{ "PRAGMA synchronous", "2" },
		{ "PRAGMA foreign_keys", "1" },
		{ "PRAGMA wal_autocheckpoint", "0" },
	};
	int err = 0;

	sqlite3_busy_timeout(db->c, BUSY_MS);
	for (size_t i = 0; !err && i < ARRAY_SIZE(must); i++)
		err = pragma_must(db, must[i][0], must[i][1]);
	for (size_t i = 0; !err && i < ARRAY_SIZE(plain); i++)
		err = exec(db, plain[i]);
	if (!err)
		err = sql_cache(db, SQL_CACHE_KIB);
	for (size_t i = 0; !err && i < ARRAY_SIZE(check); i++)
		err = pragma_must(db, check[i][0], check[i][1]);
	return err;
}

static int note_wal(void *ctx, sqlite3 *c, const char *name, int pages)
{
	((struct sql *)ctx)->wal_pages = pages;
	return SQLITE_OK;
}

static int migrate(struct sql *db, const char *const *migrations, size_t n)
{
	int64_t have = 0;
	int err = sql_get(db, &have, "PRAGMA user_version", "");

	if (err)
		return err;
	if (have < 0 || (uint64_t)have > n) {
		ev(EV_ERROR, "sql.version.newer", KI("database", have), KI("program", n));
		return ERR_INVALID;
	}
	for (size_t i = (size_t)have; i < n; i++) {
		char *set = sqlite3_mprintf("PRAGMA user_version=%d", (int)(i + 1));
		bug_if(!set);
		err = sql_begin(db);
		if (!err)
			err = exec(db, migrations[i]);
		if (!err)
			err = exec(db, set);
		sqlite3_free(set);
		if (!err)
			err = sql_commit(db);
		else
			sql_rollback(db);
		if (err)
			return err;
	}
	return 0;
}

/* A new file counts only when the directory that names it is on the disk. */
static int sync_directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
	bug_if(!dir);
	int fd = open(*dir ? dir : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = fd < 0 ? -errno : 0;

	free(dir);
	if (fd >= 0) {
		if (fsync(fd) < 0)
			err = -errno;
		IGNORE(close(fd), "read only");
	}
	return err;
}

static void holds(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	struct slice in[2];
	for (int i = 0; i < 2; i++) {
		const void *p = sqlite3_value_blob(v[i]);
		in[i] = p ? slice_of(p, (size_t)sqlite3_value_bytes(v[i])) : SLICE("");
	}
	sqlite3_result_int(ctx, name_search_holds(in[0], in[1]));
}

static int add_functions(struct sql *db)
{
	int rc = sqlite3_create_function_v2(db->c, "holds", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL,
					    holds, NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : sql_failed(db, rc, "holds");
}

static void library_init(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	IGNORE(sqlite3_config(SQLITE_CONFIG_SINGLETHREAD), "refused where the library is in use; slower only");
	IGNORE(sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0), "as above");
	IGNORE(sqlite3_initialize(), "told by the open that follows");
}

int sql_open(const char *path, const char *const *migrations, size_t n, struct sql **ret)
{
	library_init();
	struct sql *db = calloc(1, sizeof(*db));
	bug_if(!db);
	int rc = sqlite3_open_v2(path, &db->c,
				 SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
					 SQLITE_OPEN_NOFOLLOW,
				 sql_vfs());
	int err;

	bug_if(!db->c);
	sqlite3_extended_result_codes(db->c, 1);
	err = rc == SQLITE_OK ? set_up(db) : sql_failed(db, rc, path);
	if (!err)
		err = add_functions(db);
	if (!err) {
		sqlite3_wal_hook(db->c, note_wal, db);
		err = migrate(db, migrations, n);
	}
	if (!err)
		err = sync_directory_of(path);
	if (err) {
		ev(EV_ERROR, "sql.open.failed", KS("path", path), KS("error", err_name(err)));
		sql_close(&db);
		return err;
	}
	*ret = db;
	return 0;
}

void sql_close(struct sql **db)
{
	if (!*db)
		return;
	sql_stmts_free(*db);
	if (sqlite3_close((*db)->c) != SQLITE_OK)
		ev(EV_ERROR, "sql.close.failed", KS("text", sqlite3_errmsg((*db)->c)));
	free(*db);
	*db = NULL;
}

/* What each batch says again is prepared once, as any other statement. */
static int say(struct sql *db, const char *literal)
{
	struct sql_stmt *s = sql_prepare(db, literal);
	int err = sql_step(s);

	sql_done(s);
	return err;
}

int sql_begin(struct sql *db)
{
	bug_if(db->in_tx);
	int err = say(db, "BEGIN IMMEDIATE");

	if (!err) {
		db->in_tx = true;
		db->broken = 0;
	}
	return err;
}

static int checkpoint(struct sql *db)
{
	int rc = sqlite3_wal_checkpoint_v2(db->c, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);

	if (rc == SQLITE_OK)
		db->wal_pages = 0;
	return rc == SQLITE_OK ? 0 : sql_failed(db, rc, "checkpoint");
}

/* A frame is a page and 24 bytes, the file's header 32; zeros are no frame, so a WAL ends where they begin. */
static void lengthen_wal(struct sql *db)
{
	static const uint8_t zeros[64 << 10];
	int64_t used = 32 + (int64_t)db->wal_pages * (4096 + 24), want = used + (int64_t)db->wal_ahead;
	sqlite3_file *f = NULL;

	if (!db->wal_ahead || used + (int64_t)db->wal_ahead / 2 < db->wal_size)
		return;
	if (sqlite3_file_control(db->c, "main", SQLITE_FCNTL_JOURNAL_POINTER, &f) != SQLITE_OK || !f || !f->pMethods ||
	    f->pMethods->xFileSize(f, &db->wal_size) != SQLITE_OK || db->wal_size < used)
		return;
	/* A disk that has no room for zeros may still have some for what counts. */
	while (db->wal_size < want && f->pMethods->xWrite(f, zeros, sizeof(zeros), db->wal_size) == SQLITE_OK)
		db->wal_size += (int64_t)sizeof(zeros);
}

void sql_wal_ahead(struct sql *db, size_t bytes)
{
	db->wal_ahead = bytes;
	lengthen_wal(db);
}

int sql_commit(struct sql *db)
{
	int err = db->broken;

	bug_if(!db->in_tx);
	if (!err) {
		db->committing = true;
		err = say(db, "COMMIT");
		db->committing = false;
		if (err && err != ERR_FULL && err != ERR_CONFLICT && !db->fatal)
			die(db, sqlite3_extended_errcode(db->c), "commit");
	}
	if (err) {
		sql_rollback(db);
		return err;
	}
	db->in_tx = false;
	lengthen_wal(db);
	/* The commit holds whatever comes of this; only a failed sync matters, and it is fatal. */
	if (db->wal_pages >= WAL_FORCE_PAGES)
		IGNORE(checkpoint(db), "a full disk: the WAL grows until there is room");
	return db->fatal ? ERR_INTERNAL : 0;
}

void sql_rollback(struct sql *db)
{
	if (!db->in_tx)
		return;
	if (!sqlite3_get_autocommit(db->c))
		IGNORE(sqlite3_exec(db->c, "ROLLBACK", NULL, NULL, NULL), "ends the transaction in any case");
	sql_wal_drop(db->c);
	db->in_tx = false;
	db->broken = 0;
}

int sql_savepoint(struct sql *db)
{
	bug_if(!db->in_tx);
	return say(db, "SAVEPOINT op");
}

int sql_release(struct sql *db)
{
	bug_if(!db->in_tx);
	return say(db, "RELEASE op");
}

void sql_undo(struct sql *db)
{
	bug_if(!db->in_tx);
	IGNORE(db->broken ? db->broken : exec(db, "ROLLBACK TO op; RELEASE op"), "sql_commit tells it");
}

bool sql_in_transaction(const struct sql *db)
{
	return db->in_tx;
}

int64_t sql_changes(struct sql *db)
{
	return sqlite3_total_changes64(db->c);
}

int64_t sql_last_id(struct sql *db)
{
	return sqlite3_last_insert_rowid(db->c);
}

int sql_checkpoint(struct sql *db)
{
	if (db->fatal)
		return ERR_INTERNAL;
	return db->in_tx || db->wal_pages < WAL_MARK_PAGES ? 0 : checkpoint(db);
}

int sql_check(struct sql *db)
{
	struct sql_stmt *s = sql_prepare(db, "PRAGMA quick_check(1)");
	int err = sql_step(s);

	if (err == 1) {
		struct slice text = sql_blob(s, 0);
		err = slice_eq(text, SLICE("ok")) ? 0 : ERR_CORRUPT;
		if (err)
			ev(EV_ERROR, "sql.check.failed", KSL("finding", text));
	}
	sql_done(s);
	return err;
}
