/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements: prepared once, found again by the address of their literal. Everything is bound, nothing is
 * pasted. A statement is busy from sql_prepare until its rows end or sql_done; preparing it again while it
 * is busy would cut off the reader above, and is a bug.
 */
#include "lib/sql/sql_priv.h"

#include "base/err.h"
#include "base/event.h"

#include <stdarg.h>

static size_t slot_of(const char *literal)
{
	uint64_t h = (uint64_t)(uintptr_t)literal * 0x9e3779b97f4a7c15u;

	return (size_t)(h >> 40) % SQL_STMT_SLOTS;
}

static struct sql_stmt *stmt_new(struct sql *db, const char *literal)
{
	struct sql_stmt *s = calloc(1, sizeof(*s));
	bug_if(!s);
	bug_if(db->n_stmts == SQL_STMT_SLOTS - 1);
	s->db = db;
	s->literal = literal;
	int rc = sqlite3_prepare_v3(db->c, literal, -1, SQLITE_PREPARE_PERSISTENT, &s->st, NULL);
	if (rc == SQLITE_ERROR || (rc == SQLITE_OK && !s->st)) {
		ev(EV_ERROR, "sql.literal.invalid", KS("sql", literal), KS("text", sqlite3_errmsg(db->c)));
		bug_if(!"valid SQL");
	}
	if (rc != SQLITE_OK) {
		/* The schema could not be read: the disk's fault. sql_step tells it. */
		IGNORE(sql_failed(db, rc, literal), "told by sql_step");
		sqlite3_finalize(s->st);
		s->st = NULL;
	}
	db->n_stmts++;
	return s;
}

struct sql_stmt *sql_prepare(struct sql *db, const char *literal)
{
	size_t at = slot_of(literal);

	while (db->slots[at] && db->slots[at]->literal != literal)
		at = (at + 1) % SQL_STMT_SLOTS;
	if (!db->slots[at])
		db->slots[at] = stmt_new(db, literal);
	bug_if(db->slots[at]->busy);
	db->slots[at]->busy = true;
	return db->slots[at];
}

void sql_stmts_free(struct sql *db)
{
	for (size_t i = 0; i < SQL_STMT_SLOTS; i++) {
		if (!db->slots[i])
			continue;
		sqlite3_finalize(db->slots[i]->st);
		free(db->slots[i]);
		db->slots[i] = NULL;
	}
}

/* A bind fails for a wrong index only, which is ours. */
static void bound(struct sql_stmt *s, int rc)
{
	bug_if(s->st && rc != SQLITE_OK && rc != SQLITE_NOMEM && rc != SQLITE_TOOBIG);
}

void sql_bind_int(struct sql_stmt *s, int at, int64_t v)
{
	bound(s, sqlite3_bind_int64(s->st, at, v));
}

void sql_bind_blob(struct sql_stmt *s, int at, struct slice v)
{
	bound(s, sqlite3_bind_blob64(s->st, at, v.n ? (const void *)v.p : "", v.n, SQLITE_STATIC));
}

void sql_bind_text(struct sql_stmt *s, int at, struct slice v)
{
	bound(s, sqlite3_bind_text64(s->st, at, v.n ? (const char *)v.p : "", v.n, SQLITE_STATIC, SQLITE_UTF8));
}

void sql_bind_null(struct sql_stmt *s, int at)
{
	bound(s, sqlite3_bind_null(s->st, at));
}

int sql_step(struct sql_stmt *s)
{
	struct sql *db = s->db;

	bug_if(!s->busy);
	if (db->fatal || !s->st)
		return ERR_INTERNAL;
	if (db->in_tx && db->broken)
		return db->broken;
	int rc = sqlite3_step(s->st);
	if (rc == SQLITE_ROW)
		return 1;
	int err = rc == SQLITE_DONE ? 0 : sql_failed(db, rc, s->literal);
	sqlite3_reset(s->st);
	return err;
}

int64_t sql_int(struct sql_stmt *s, int column)
{
	return sqlite3_column_int64(s->st, column);
}

size_t sql_width(struct sql_stmt *s)
{
	return (size_t)sqlite3_column_count(s->st);
}

struct slice sql_blob(struct sql_stmt *s, int column)
{
	const void *p = sqlite3_column_blob(s->st, column);

	return slice_of(p, p ? (size_t)sqlite3_column_bytes(s->st, column) : 0);
}

bool sql_is_null(struct sql_stmt *s, int column)
{
	return sqlite3_column_type(s->st, column) == SQLITE_NULL;
}

void sql_done(struct sql_stmt *s)
{
	if (s->st) {
		sqlite3_reset(s->st);
		sqlite3_clear_bindings(s->st);
	}
	s->busy = false;
}

static void bind_all(struct sql_stmt *s, const char *fmt, va_list ap)
{
	for (int at = 1; *fmt; fmt++, at++) {
		switch (*fmt) {
		case 'i':
			sql_bind_int(s, at, va_arg(ap, int64_t));
			break;
		case 'b':
			sql_bind_blob(s, at, va_arg(ap, struct slice));
			break;
		case 't':
			sql_bind_text(s, at, va_arg(ap, struct slice));
			break;
		case 'n':
			sql_bind_null(s, at);
			break;
		default:
			bug_if(!"a known letter");
		}
	}
}

int sql_run(struct sql *db, const char *literal, const char *fmt, ...)
{
	struct sql_stmt *s = sql_prepare(db, literal);
	va_list ap;

	va_start(ap, fmt);
	bind_all(s, fmt, ap);
	va_end(ap);
	int err = sql_step(s);
	sql_done(s);
	return err < 0 ? err : sqlite3_changes(db->c);
}

int sql_get(struct sql *db, int64_t *ret, const char *literal, const char *fmt, ...)
{
	struct sql_stmt *s = sql_prepare(db, literal);
	va_list ap;

	va_start(ap, fmt);
	bind_all(s, fmt, ap);
	va_end(ap);
	int err = sql_step(s);
	if (err == 1)
		*ret = sql_int(s, 0);
	sql_done(s);
	return err == 1 ? 0 : err < 0 ? err : ERR_NOT_FOUND;
}
