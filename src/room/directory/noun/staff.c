/* SPDX-License-Identifier: Apache-2.0 */
/*
 * People with a login of their own. `postern init` leaves the provider's first one as a line "NAME HASH" in a file,
 * never a password; the room takes it into its database at its first start and removes the file. A crash between the
 * commit and the removal does no harm: the same line is taken again, the row is the same.
 */
#include "room/directory/noun/staff.h"

#include "base/codec.h"
#include "base/err.h"
#include "room/directory/db/engine_priv.h"

#include <errno.h>
#include <fcntl.h>

enum { LINE_MAX_BYTES = 1024 };

#define COLUMNS "SELECT id, login, person, ifnull(customer, 0), hash, version, must_change, recovery, created, changed, language FROM staff "

static int read_one(struct arena *a, struct sql_stmt *s, struct staff *ret)
{
	int r = sql_step(s);
	if (r == 1)
		*ret = (struct staff){
			.id = (uint64_t)sql_int(s, 0),
			.login = column_dup(a, s, 1),
			.person = column_dup(a, s, 2),
			.customer = (uint64_t)sql_int(s, 3),
			.hash = column_dup(a, s, 4),
			.version = (uint64_t)sql_int(s, 5),
			.must_change = sql_int(s, 6),
			.recovery = column_dup(a, s, 7),
			.created_ms = sql_int(s, 8),
			.changed_ms = sql_int(s, 9),
			.language = column_dup(a, s, 10),
		};
	sql_done(s);
	return r == 1 ? 0 : r == 0 ? ERR_NOT_FOUND : r;
}

int staff_login(struct arena *a, struct slice in, struct slice *ret)
{
	struct name name;
	if (slice_find_byte(in, '@', 0) >= 0) {
		int r = name_parse(a, in, &name);
		if (r < 0 || name.literal)
			return r < 0 ? r : ERR_SYNTAX;
		*ret = name_text(a, name.local, name.domain);
		return 0;
	}
	if (!in.n || in.n > STAFF_LOGIN_MAX || !utf8_valid(in))
		return ERR_SYNTAX;
	uint8_t *out = arena_alloc(a, in.n + 1);
	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] <= 0x20 || in.p[i] == 0x7f)
			return ERR_SYNTAX;
		out[i] = ascii_lower(in.p[i]);
	}
	*ret = slice_of(out, in.n);
	return 0;
}

static int taken(const struct staff *s, struct problem *why)
{
	return problem_set(why, ERR_EXISTS, "login", "the login " SLICE_FMT " is taken", SLICE_ARG(s->login));
}

int staff_add(struct engine *e, struct staff *s, struct problem *why)
{
	int64_t account = 0;
	/* On the web staff comes first: its user would stand before a closed door. */
	int r = sql_get(e->db, &account, "SELECT account FROM login WHERE name = ?1", "b", s->login);
	if (r != ERR_NOT_FOUND)
		return r < 0 ? r : taken(s, why);
	r = engine_next(e, &s->version);
	if (r < 0)
		return r;
	static const char put[] = "INSERT INTO staff (login, person, customer, hash, version, must_change, recovery,"
				  " created, changed, language) VALUES (?1, ?2, nullif(?3, 0), ?4, ?5, ?6, ?7, ?8, ?8, ?9)";
	r = sql_run(e->db, put, "btibiibit", s->login, s->person, (int64_t)s->customer, s->hash, (int64_t)s->version,
		    (int64_t)s->must_change, s->recovery, s->created_ms, s->language.p ? s->language : SLICE(""));
	if (r == ERR_EXISTS)
		return taken(s, why);
	if (r < 0)
		return r;
	s->id = (uint64_t)sql_last_id(e->db);
	s->changed_ms = s->created_ms;
	return 0;
}

int staff_get(struct engine *e, struct arena *a, struct slice login, struct staff *ret)
{
	struct sql_stmt *s = sql_prepare(e->db, COLUMNS "WHERE login = ?1");
	sql_bind_blob(s, 1, login);
	return read_one(a, s, ret);
}

int staff_by_id(struct engine *e, struct arena *a, uint64_t id, struct staff *ret)
{
	struct sql_stmt *s = sql_prepare(e->db, COLUMNS "WHERE id = ?1");
	sql_bind_int(s, 1, (int64_t)id);
	return read_one(a, s, ret);
}

static int changed_one(int r)
{
	return r < 0 ? r : r == 0 ? ERR_NOT_FOUND : 0;
}

int staff_update(struct engine *e, const struct staff *s)
{
	return changed_one(sql_run(e->db, "UPDATE staff SET person = ?2, recovery = ?3, language = ?4 WHERE id = ?1",
				   "itbt", (int64_t)s->id, s->person, s->recovery, s->language));
}

int staff_set_password(struct engine *e, uint64_t id, struct slice hash, bool must_change, int64_t now_ms)
{
	uint64_t version = 0;
	int r = engine_next(e, &version);
	if (r < 0)
		return r;
	return changed_one(sql_run(e->db,
				   "UPDATE staff SET hash = ?2, version = ?3, must_change = ?4, changed = ?5"
				   " WHERE id = ?1",
				   "ibiii", (int64_t)id, hash, (int64_t)version, (int64_t)must_change, now_ms));
}

int staff_remove(struct engine *e, uint64_t id)
{
	return changed_one(sql_run(e->db, "DELETE FROM staff WHERE id = ?1", "i", (int64_t)id));
}

/* --- the first login -------------------------------------------------------------------------------- */

static int read_line(const char *path, char line[LINE_MAX_BYTES], struct slice *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? ERR_NOT_FOUND : -errno;
	ssize_t n = read(fd, line, LINE_MAX_BYTES);
	int err = n < 0 ? -errno : ERR_OK;
	close(fd);
	if (err == 0)
		*ret = slice_trim(slice_of(line, (size_t)n));
	return err;
}

static int put_first(struct engine *e, struct arena *a, struct slice name, struct slice hash, int64_t now_ms)
{
	struct staff s;
	int r = staff_get(e, a, name, &s);
	if (r == 0)
		return staff_set_password(e, s.id, hash, false, now_ms);
	if (r != ERR_NOT_FOUND)
		return r;
	s = (struct staff){ .login = name, .hash = hash, .created_ms = now_ms };
	r = staff_add(e, &s, NULL);
	if (r < 0)
		return r;
	struct office o = { .holder = holder_staff(s.id), .rank = RANK_PROVIDER, .created_ms = now_ms };
	return office_add(e, &o, NULL);
}

static int take_line(struct engine *e, struct arena *a, struct slice line, int64_t now_ms)
{
	ptrdiff_t space = slice_find_byte(line, ' ', 0);
	struct slice name, hash = slice_sub(line, (size_t)space + 1, line.n);
	if (space <= 0 || !slice_starts(hash, SLICE("$argon2id$")) ||
	    staff_login(a, slice_sub(line, 0, (size_t)space), &name) < 0)
		return ERR_SYNTAX;
	int r = engine_begin(e);
	if (r < 0)
		return r;
	r = put_first(e, a, name, hash, now_ms);
	if (r == 0)
		return engine_commit(e);
	engine_rollback(e);
	return r;
}

int staff_take_first(struct engine *e, const char *path, int64_t now_ms)
{
	char text[LINE_MAX_BYTES];
	struct slice line;
	int err = read_line(path, text, &line);
	if (err < 0)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	struct arena *a = arena_new();
	err = take_line(e, a, line, now_ms);
	arena_free(&a);
	if (err < 0)
		return err;
	return unlink(path) < 0 ? -errno : ERR_OK;
}
