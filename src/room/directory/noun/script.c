/* SPDX-License-Identifier: Apache-2.0 */
#include "room/directory/noun/script.h"

#include "base/err.h"
#include "base/text.h"
#include "room/directory/db/engine_priv.h"

/* --- reading ---------------------------------------------------------------------------------------- */

#define HEAD "SELECT name, length(text), active, changed, failed, fail_within, fail_line, fail_column, fail_what, fail_arg"

static void read_row(struct arena *a, struct sql_stmt *s, struct script *ret)
{
	*ret = (struct script){
		.name = column_dup(a, s, 0), .size = (uint64_t)sql_int(s, 1), .active = sql_int(s, 2),
		.changed_ms = sql_int(s, 3), .failed_ms = sql_int(s, 4), .failed_within = column_dup(a, s, 5),
		.failure = { .line = (uint32_t)sql_int(s, 6), .column = (uint32_t)sql_int(s, 7),
			     .what = arena_str(a, sql_blob(s, 8)) },
	};
	snprintf(ret->failure.arg, sizeof(ret->failure.arg), SLICE_FMT, SLICE_ARG(sql_blob(s, 9)));
}

/* owner: an account, or a domain. */
static int list_of(struct engine *e, struct arena *a, const char *sql, uint64_t owner, struct script **ret, size_t *ret_n)
{
	struct script *rows = NULL;
	size_t n = 0;
	int r;
	struct sql_stmt *s = sql_prepare(e->db, sql);
	sql_bind_int(s, 1, (int64_t)owner);
	while ((r = sql_step(s)) == 1)
		read_row(a, s, ROWS_MORE(a, &rows, &n));
	sql_done(s);
	if (r < 0)
		return r;
	*ret = rows;
	*ret_n = n;
	return 0;
}

static int get_of(struct engine *e, struct arena *a, const char *sql, uint64_t owner, struct slice name, struct script *ret)
{
	struct sql_stmt *s = sql_prepare(e->db, sql);
	sql_bind_int(s, 1, (int64_t)owner);
	sql_bind_blob(s, 2, name);
	int r = sql_step(s);
	if (r == 1) {
		read_row(a, s, ret);
		ret->text = column_dup(a, s, 10);
	}
	sql_done(s);
	return r == 1 ? 0 : r == 0 ? ERR_NOT_FOUND : r;
}

int script_list(struct engine *e, struct arena *a, uint64_t account, struct script **ret, size_t *ret_n)
{
	return list_of(e, a, HEAD " FROM script WHERE account = ?1 ORDER BY name", account, ret, ret_n);
}

int script_get(struct engine *e, struct arena *a, uint64_t account, struct slice name, struct script *ret)
{
	return get_of(e, a, HEAD ", text FROM script WHERE account = ?1 AND name = ?2", account, name, ret);
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
	char max[TEXT_SIZE];
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
		return problem_set(why, ERR_QUOTA, "file", "the scripts of a mailbox have %s together at most",
				   text_size(SIEVE_BYTES_MAX, max));
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
	/* Any of them may include this one: what was said of it before may be mended. */
	r = sql_run(e->db, "UPDATE script SET failed = 0 WHERE account = ?1 AND failed <> 0", "i", (int64_t)account);
	if (r < 0)
		return r;
	r = sql_run(e->db, "INSERT INTO script (account, name, text, active, changed) VALUES (?1, ?2, ?3, 0, ?4)"
			   " ON CONFLICT (account, name) DO UPDATE SET text = excluded.text, changed = excluded.changed",
		    "ibbi", (int64_t)account, name, text.p ? text : SLICE(""), now_ms);
	return r < 0 ? r : 0;
}

int script_activate(struct engine *e, uint64_t account, struct slice name, struct problem *why)
{
	int r = sql_run(e->db, "UPDATE script SET active = 0 WHERE account = ?1 AND active = 1 AND name <> ?2", "ib",
			(int64_t)account, name.n ? name : SLICE(""));
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

/* --- failures --------------------------------------------------------------------------------------- */

static int failed_at(struct engine *e, uint64_t account, struct slice name, int64_t version, int64_t *ret)
{
	return sql_get(e->db, ret, "SELECT failed FROM script WHERE account = ?1 AND name = ?2 AND changed = ?3", "ibi",
		       (int64_t)account, name, version);
}

int script_failure_due(struct engine *e, uint64_t account, struct slice name, int64_t version, int64_t now_ms, bool *ret)
{
	int64_t at = 0;
	int r = failed_at(e, account, name, version, &at);
	if (r < 0)
		return r;
	*ret = !at || now_ms < at || now_ms - at >= SCRIPT_FAILED_MS;
	return 0;
}

int script_failed(struct engine *e, uint64_t account, struct slice name, int64_t version, const struct sieve_error *why,
		  struct slice within, int64_t now_ms, bool *ret_first)
{
	int64_t at = 0;
	int r = failed_at(e, account, name, version, &at);
	if (r < 0)
		return r;
	r = sql_run(e->db, "UPDATE script SET failed = ?3, fail_within = ?4, fail_line = ?5, fail_column = ?6,"
			   " fail_what = ?7, fail_arg = ?8 WHERE account = ?1 AND name = ?2", "ibibiibb",
		    (int64_t)account, name, now_ms, within.p ? within : SLICE(""), (int64_t)why->line, (int64_t)why->column,
		    slice_str(why->what), slice_str(why->arg));
	if (r < 0)
		return r;
	*ret_first = !at;
	return 0;
}

void script_failure_text(const struct sieve_error *why, struct slice within, const char *language, struct buf *out)
{
	if (within.n)
		buf_printf(out, text_in(language, "in the included script \"" SLICE_FMT "\": "), SLICE_ARG(within));
	sieve_error_text(why, language, out);
}

/* --- of a domain ------------------------------------------------------------------------------------ */

#define GLOBAL_HEAD "SELECT name, length(text), 0, changed, 0, x'', 0, 0, x'', x''"

int global_script_list(struct engine *e, struct arena *a, uint64_t domain, struct script **ret, size_t *ret_n)
{
	return list_of(e, a, GLOBAL_HEAD " FROM global_script WHERE domain = ?1 ORDER BY name", domain, ret, ret_n);
}

int global_script_get(struct engine *e, struct arena *a, uint64_t domain, struct slice name, struct script *ret)
{
	int r = get_of(e, a, GLOBAL_HEAD ", text FROM global_script WHERE domain = ?1 AND name = ?2", domain, name, ret);
	if (r == 0)
		ret->global = true;
	return r;
}

static int check_global_quota(struct engine *e, uint64_t domain, struct slice name, size_t size, struct problem *why)
{
	int64_t bytes = 0, count = 0;
	char max[TEXT_SIZE];
	int r = sql_get(e->db, &bytes,
			"SELECT ifnull(sum(length(text)), 0) FROM global_script WHERE domain = ?1 AND name <> ?2", "ib",
			(int64_t)domain, name);
	if (r == 0)
		r = sql_get(e->db, &count, "SELECT count(*) FROM global_script WHERE domain = ?1 AND name <> ?2", "ib",
			    (int64_t)domain, name);
	if (r < 0)
		return r;
	if (count >= SIEVE_GLOBAL_SCRIPTS_MAX)
		return problem_set(why, ERR_QUOTA, "name", "a domain has at most %d global scripts: remove one",
				   SIEVE_GLOBAL_SCRIPTS_MAX);
	if ((uint64_t)bytes + size > SIEVE_GLOBAL_BYTES_MAX)
		return problem_set(why, ERR_QUOTA, "file", "the global scripts of a domain have %s together at most",
				   text_size(SIEVE_GLOBAL_BYTES_MAX, max));
	return 0;
}

int global_script_put(struct engine *e, struct arena *a, uint64_t domain, struct slice name, struct slice text, bool dry,
		      int64_t now_ms, struct problem *why)
{
	int r = check_name(name, "name", why);
	if (r == 0)
		r = script_check(a, text, why);
	if (r == 0)
		r = check_global_quota(e, domain, name, text.n, why);
	if (r < 0 || dry)
		return r;
	r = sql_run(e->db, "INSERT OR REPLACE INTO global_script (domain, name, text, changed) VALUES (?1, ?2, ?3, ?4)",
		    "ibbi", (int64_t)domain, name, text.p ? text : SLICE(""), now_ms);
	return r < 0 ? r : 0;
}

int global_script_remove(struct engine *e, uint64_t domain, struct slice name, struct problem *why)
{
	int r = sql_run(e->db, "DELETE FROM global_script WHERE domain = ?1 AND name = ?2", "ib", (int64_t)domain, name);
	return r < 0 ? r : r == 0 ? not_there(why, name) : 0;
}
