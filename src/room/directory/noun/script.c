/* SPDX-License-Identifier: Apache-2.0 */
#include "room/directory/noun/script.h"

#include "base/err.h"
#include "room/directory/db/engine_priv.h"

/* --- reading ---------------------------------------------------------------------------------------- */

int script_list(struct engine *e, struct arena *a, uint64_t account, struct script **ret, size_t *ret_n)
{
	struct script *rows = NULL;
	size_t n = 0;
	int r;
	struct sql_stmt *s = sql_prepare(e->db, "SELECT name, length(text), active, changed FROM script"
						" WHERE account = ?1 ORDER BY name");
	sql_bind_int(s, 1, (int64_t)account);
	while ((r = sql_step(s)) == 1)
		*ROWS_MORE(a, &rows, &n) = (struct script){
			.name = column_dup(a, s, 0), .size = (uint64_t)sql_int(s, 1),
			.active = sql_int(s, 2), .changed_ms = sql_int(s, 3),
		};
	sql_done(s);
	if (r < 0)
		return r;
	*ret = rows;
	*ret_n = n;
	return 0;
}

int script_get(struct engine *e, struct arena *a, uint64_t account, struct slice name, struct script *ret)
{
	struct sql_stmt *s = sql_prepare(e->db, "SELECT name, text, active, changed FROM script"
						" WHERE account = ?1 AND name = ?2");
	sql_bind_int(s, 1, (int64_t)account);
	sql_bind_blob(s, 2, name);
	int r = sql_step(s);
	if (r == 1) {
		*ret = (struct script){ .name = column_dup(a, s, 0), .text = column_dup(a, s, 1),
					.active = sql_int(s, 2), .changed_ms = sql_int(s, 3) };
		ret->size = ret->text.n;
	}
	sql_done(s);
	return r == 1 ? 0 : r == 0 ? ERR_NOT_FOUND : r;
}

/* --- changing --------------------------------------------------------------------------------------- */

int script_check(struct arena *a, struct slice text, struct problem *why)
{
	struct sieve_script *compiled;
	struct sieve_error error;
	int r = sieve_compile(a, text, &compiled, &error);
	if (r == 0)
		return 0;
	struct buf out = BUF_INIT(PROBLEM_TEXT_MAX);
	sieve_error_text(&error, why ? why->language : NULL, &out);
	problem_set(why, r, "file", "%s", buf_cstr(&out));
	buf_fini(&out);
	return r;
}

static int not_there(struct problem *why, struct slice name)
{
	return problem_set(why, ERR_NOT_FOUND, "name", "there is no script \"" SLICE_FMT "\"", SLICE_ARG(name));
}

static int check_name(struct slice name, const char *field, struct problem *why)
{
	if (sieve_name_ok(name))
		return 0;
	return problem_set(why, ERR_INVALID, field,
			   "\"" SLICE_FMT "\" cannot be the name of a script: 1 to %d bytes without controls and /",
			   SLICE_ARG(name), SIEVE_NAME_MAX);
}

/* The others of the account, and this one in place of one of its name. */
static int check_quota(struct engine *e, uint64_t account, struct slice name, size_t size, struct problem *why)
{
	int64_t bytes = 0, count = 0;
	int r = sql_get(e->db, &bytes, "SELECT ifnull(sum(length(text)), 0) FROM script WHERE account = ?1 AND name <> ?2",
			"ib", (int64_t)account, name);
	if (r == 0)
		r = sql_get(e->db, &count, "SELECT count(*) FROM script WHERE account = ?1 AND name <> ?2", "ib",
			    (int64_t)account, name);
	if (r < 0)
		return r;
	if (count >= SIEVE_SCRIPTS_MAX)
		return problem_set(why, ERR_QUOTA, "name", "a mailbox has at most %d scripts: remove one", SIEVE_SCRIPTS_MAX);
	if ((uint64_t)bytes + size > SIEVE_BYTES_MAX)
		return problem_set(why, ERR_QUOTA, "file", "the scripts of a mailbox have %d bytes together at most",
				   SIEVE_BYTES_MAX);
	return 0;
}

int script_put(struct engine *e, struct arena *a, uint64_t account, struct slice name, struct slice text, bool dry,
	       int64_t now_ms, struct problem *why)
{
	int r = check_name(name, "name", why);
	if (r == 0)
		r = script_check(a, text, why);
	if (r == 0)
		r = check_quota(e, account, name, text.n, why);
	if (r < 0 || dry)
		return r;
	r = sql_run(e->db, "INSERT INTO script (account, name, text, active, changed) VALUES (?1, ?2, ?3, 0, ?4)"
			   " ON CONFLICT (account, name) DO UPDATE SET text = excluded.text, changed = excluded.changed",
		    "ibbi", (int64_t)account, name, text.p ? text : SLICE(""), now_ms);
	return r < 0 ? r : 0;
}

int script_activate(struct engine *e, uint64_t account, struct slice name, struct problem *why)
{
	int r = sql_run(e->db, "UPDATE script SET active = 0 WHERE account = ?1 AND active = 1", "i", (int64_t)account);
	if (r < 0 || !name.n)
		return r < 0 ? r : 0;
	r = sql_run(e->db, "UPDATE script SET active = 1 WHERE account = ?1 AND name = ?2", "ib", (int64_t)account, name);
	return r < 0 ? r : r == 0 ? not_there(why, name) : 0;
}

int script_rename(struct engine *e, uint64_t account, struct slice name, struct slice to, int64_t now_ms,
		  struct problem *why)
{
	int r = check_name(to, "new_name", why);
	if (r < 0)
		return r;
	r = sql_run(e->db, "UPDATE script SET name = ?3, changed = ?4 WHERE account = ?1 AND name = ?2", "ibbi",
		    (int64_t)account, name, to, now_ms);
	if (r == ERR_EXISTS)
		return problem_set(why, r, "new_name", "there is a script \"" SLICE_FMT "\" already", SLICE_ARG(to));
	return r < 0 ? r : r == 0 ? not_there(why, name) : 0;
}

int script_remove(struct engine *e, uint64_t account, struct slice name, struct problem *why)
{
	int64_t active = 0;
	int r = sql_get(e->db, &active, "SELECT active FROM script WHERE account = ?1 AND name = ?2", "ib",
			(int64_t)account, name);
	if (r == ERR_NOT_FOUND)
		return not_there(why, name);
	if (r == 0 && active)
		return problem_set(why, ERR_CONFLICT, "name", "the script \"" SLICE_FMT "\" is active: deactivate it first",
				   SLICE_ARG(name));
	if (r == 0)
		r = sql_run(e->db, "DELETE FROM script WHERE account = ?1 AND name = ?2", "ib", (int64_t)account, name);
	return r < 0 ? r : 0;
}
