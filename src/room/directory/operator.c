/* SPDX-License-Identifier: Apache-2.0 */
/*
 * People of the provider who log in by name. `postern init` leaves the first one as a line "NAME HASH" in
 * a file, never a password; the room takes it into its database at its first start and removes the file.
 * A crash between the commit and the removal does no harm: the same line is taken again, the row is the same.
 */
#include "room/directory/engine_priv.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>

enum { LINE_MAX_BYTES = 1024 };

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

int operator_take_first(struct engine *e, const char *path, int64_t now_ms)
{
	char text[LINE_MAX_BYTES];
	struct slice line;
	int err = read_line(path, text, &line);
	if (err < 0)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	ptrdiff_t space = slice_find_byte(line, ' ', 0);
	struct slice name = slice_sub(line, 0, space > 0 ? (size_t)space : 0);
	struct slice hash = slice_sub(line, (size_t)space + 1, line.n);
	if (space <= 0 || !slice_starts(hash, SLICE("$argon2id$")))
		return ERR_SYNTAX;
	err = engine_begin(e);
	if (err == 0) {
		err = sql_run(e->db,
			      "INSERT INTO operator (name, hash, created) VALUES (?, ?, ?)"
			      " ON CONFLICT (name) DO UPDATE SET hash = excluded.hash",
			      "bbi", name, hash, now_ms);
		if (err < 0)
			engine_rollback(e);
		else
			err = engine_commit(e);
	}
	if (err < 0)
		return err;
	return unlink(path) < 0 ? -errno : ERR_OK;
}

int operator_hash(struct engine *e, struct arena *a, struct slice name, struct slice *ret_hash)
{
	struct sql_stmt *s = sql_prepare(e->db, "SELECT hash FROM operator WHERE name = ?");
	sql_bind_blob(s, 1, name);
	int err = sql_step(s);
	if (err == 1)
		*ret_hash = arena_dup(a, sql_blob(s, 0));
	sql_done(s);
	return err == 1 ? ERR_OK : err == 0 ? ERR_NOT_FOUND : err;
}
