/* SPDX-License-Identifier: Apache-2.0 */
/* What sql.c (connection, transactions), sql_stmt.c (statements) and sql_wal.c (the WAL's file) share. */
#ifndef LIB_SQL_SQL_PRIV_H
#define LIB_SQL_SQL_PRIV_H

#include "lib/sql/sql.h"

#include <sqlite3.h>

enum { SQL_STMT_SLOTS = 512 };	/* distinct literals; a power of two */

struct sql_stmt {
	struct sql *db;
	const char *literal;	/* the key: the address of the text */
	sqlite3_stmt *st;
	bool busy;		/* between sql_prepare and the end of its rows */
};

struct sql {
	sqlite3 *c;
	struct sql_stmt *slots[SQL_STMT_SLOTS];
	size_t n_stmts;
	bool in_tx, committing;
	bool fatal;
	int broken;		/* why SQLite ended the transaction under us; 0 when it did not */
	int wal_pages;		/* length of the WAL after the last commit */
	size_t wal_ahead;	/* sql_wal_ahead */
	sqlite3_int64 wal_size;	/* the file has at least this */
};

/* The error of the last call on the connection as ours; logs it, notes a fatal one and a lost transaction. */
int sql_failed(struct sql *db, int rc, const char *what);

void sql_stmts_free(struct sql *db);

/* The name of the VFS to open with: as SQLite's own, but a commit is one write to the WAL. */
const char *sql_vfs(void);
/* Behind a rollback: what was gathered for the WAL belongs to nothing. */
void sql_wal_drop(sqlite3 *c);

#endif
