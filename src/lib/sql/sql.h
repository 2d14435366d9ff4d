/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLite as DESIGN.md wants it: WAL, synchronous=FULL (checked that both took), no mmap, foreign keys
 * on, one connection that writes and checkpoints; the file is locked for as long as it is open. Statements
 * are prepared once and kept by their text, which must be a literal; a statement whose rows were not read to
 * the end stays busy until sql_done. Only bound parameters; what comes out of mail is bound as BLOB.
 *
 * Errors: ERR_FULL (disk full), ERR_CORRUPT, ERR_EXISTS (a unique key), ERR_CONFLICT (a foreign key),
 * ERR_UNAVAILABLE (another process has the file), ERR_INTERNAL; the text was logged. After an error that ended
 * the whole transaction (disk full) every call in it gives the same error, up to and with sql_commit.
 * Statements may say holds(name, text): does the name hold the text, which went through name_search_fold?
 *
 * An I/O error on sync, on any other write, and a commit that failed for anything but a full disk are fatal: it is logged and
 * sql_fatal() is true; the room must exit, never retry. What cannot be read only fails where it is asked for.
 */
#ifndef LIB_SQL_SQL_H
#define LIB_SQL_SQL_H

#include "base/slice.h"

struct sql;
struct sql_stmt;

/* path below the working directory. migrations: literals, applied in order, each in a transaction;
 * PRAGMA user_version counts them. ERR_CORRUPT, ERR_INVALID for a database of a newer version. */
NODISCARD int sql_open(const char *path, const char *const *migrations, size_t n, struct sql **ret);
void sql_close(struct sql **db);
bool sql_fatal(const struct sql *db);

NODISCARD int sql_begin(struct sql *db);	/* BEGIN IMMEDIATE */
NODISCARD int sql_commit(struct sql *db);	/* durable when it returns 0; on an error it is rolled back */
void sql_rollback(struct sql *db);
NODISCARD int sql_savepoint(struct sql *db);	/* one level inside a transaction, for one operation of a batch */
NODISCARD int sql_release(struct sql *db);
void sql_undo(struct sql *db);			/* back to the savepoint, and releases it */

/* Ready to bind (reset, bindings cleared). Owned by db; sql_done when finished so that no read stays open. */
struct sql_stmt *sql_prepare(struct sql *db, const char *literal);	/* aborts on bad SQL: it is our literal */
void sql_bind_int(struct sql_stmt *s, int at, int64_t v);	/* at counts from 1 */
void sql_bind_blob(struct sql_stmt *s, int at, struct slice v);	/* the bytes must live until sql_done */
void sql_bind_text(struct sql_stmt *s, int at, struct slice v);
void sql_bind_null(struct sql_stmt *s, int at);
NODISCARD int sql_step(struct sql_stmt *s);	/* 1 a row, 0 done, < 0 error */
int64_t sql_int(struct sql_stmt *s, int column);	/* columns count from 0 */
struct slice sql_blob(struct sql_stmt *s, int column);	/* BLOB or TEXT; lives until the next step */
size_t sql_width(struct sql_stmt *s);	/* columns of a row */
bool sql_is_null(struct sql_stmt *s, int column);
void sql_done(struct sql_stmt *s);

/* One statement without rows, bound by a format: i int64_t, b/t struct slice, n NULL. Returns rows changed or an error. */
NODISCARD int sql_run(struct sql *db, const char *literal, const char *fmt, ...);
/* One integer of one row; ERR_NOT_FOUND without a row. */
NODISCARD int sql_get(struct sql *db, int64_t *ret, const char *literal, const char *fmt, ...);
int64_t sql_last_id(struct sql *db);
bool sql_in_transaction(const struct sql *db);
/* Moves with every row that a statement adds, changes or removes, and never back, not with a rollback either. */
int64_t sql_changes(struct sql *db);

/* Pages are kept in memory up to so many KiB; without it SQL_CACHE_KIB. */
enum { SQL_CACHE_KIB = 16 << 10 };
NODISCARD int sql_cache(struct sql *db, unsigned kib);

/* From now on the WAL's file is kept about so many bytes longer than what is in it, with zeros: a sync of bytes that do not
 * make a file longer needs no commit of the file system's journal. */
void sql_wal_ahead(struct sql *db, size_t bytes);

/* PRAGMA wal_checkpoint(PASSIVE) where the WAL passed its mark; call when idle. */
NODISCARD int sql_checkpoint(struct sql *db);
/* quick_check; ERR_CORRUPT with the first finding in the log. */
NODISCARD int sql_check(struct sql *db);

#endif
