/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks. Two movers never hold one task: it is taken by one UPDATE, and progress counts only for who holds it. A
 * slot that asks again (its mover was started again, or the answer was lost) gets back what it holds.
 */
#include "room/directory/noun/plan.h"

#include "base/err.h"
#include "room/directory/db/engine_priv.h"

#define COLUMNS \
	"SELECT task.id, task.plan, task.account, task.source, task.user, task.sealed, " \
	"task.state, task.proof," \
	" task.holder, task.lease, task.attempts, task.error, folders_total, folders_done, " \
	"messages_total," \
	" messages_done, messages_new, messages_failed, bytes_new, task.started, task.changed, " \
	"task.finished," \
	" task.report, account.address, account.shard FROM task JOIN account ON account.id = " \
	"task.account "

static const char by_id[] = COLUMNS "WHERE task.id = ?1";
static const char of_plan[] =
	COLUMNS "WHERE task.plan = ?1 AND task.proof = ?2 ORDER BY account.address";

const char *task_state_name(enum task_state state)
{
	static const char *const names[] = { "waiting", "running", "done", "failed", "stopped" };
	return (size_t)state < ARRAY_SIZE(names) ? names[state] : "unknown";
}

static void read_counts(struct sql_stmt *s, int at, struct counts *c)
{
	c->folders_total = (uint64_t)sql_int(s, at);
	c->folders_done = (uint64_t)sql_int(s, at + 1);
	c->messages_total = (uint64_t)sql_int(s, at + 2);
	c->messages_done = (uint64_t)sql_int(s, at + 3);
	c->messages_new = (uint64_t)sql_int(s, at + 4);
	c->messages_failed = (uint64_t)sql_int(s, at + 5);
	c->bytes_new = (uint64_t)sql_int(s, at + 6);
}

static void read_row(struct arena *a, struct sql_stmt *s, struct task *t)
{
	*t = (struct task){
		.id = (uint64_t)sql_int(s, 0),
		.plan = (uint64_t)sql_int(s, 1),
		.account = (uint64_t)sql_int(s, 2),
		.source = (uint64_t)sql_int(s, 3),
		.user = column_dup(a, s, 4),
		.sealed = column_dup(a, s, 5),
		.state = (enum task_state)sql_int(s, 6),
		.proof = sql_int(s, 7),
		.holder = (uint64_t)sql_int(s, 8),
		.lease_ms = sql_int(s, 9),
		.attempts = (unsigned)sql_int(s, 10),
		.error = column_dup(a, s, 11),
		.started_ms = sql_int(s, 19),
		.changed_ms = sql_int(s, 20),
		.finished_ms = sql_int(s, 21),
		.report = column_dup(a, s, 22),
		.address = column_dup(a, s, 23),
		.shard = (uint32_t)sql_int(s, 24),
	};
	read_counts(s, 12, &t->counts);
}

int task_put(struct engine *e, const struct task *t, int64_t now_ms, uint64_t *ret_id)
{
	static const char put[] = "INSERT INTO task (plan, account, proof, source, user, sealed, "
				  "state, holder, lease, attempts, not_before,"
				  " error, folders_total, folders_done, messages_total, "
				  "messages_done, messages_new, messages_failed,"
				  " bytes_new, started, changed, finished, report)"
				  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, 0, 0, 0, x'', 0, 0, 0, "
				  "0, 0, 0, 0, 0, ?7, 0, x'')"
				  " ON CONFLICT (plan, account, proof) DO UPDATE SET source = "
				  "excluded.source, user = excluded.user,"
				  " sealed = excluded.sealed, state = 0, holder = 0, lease = 0, "
				  "attempts = 0, not_before = 0, error = x'',"
				  " folders_total = 0, folders_done = 0, messages_total = 0, "
				  "messages_done = 0, messages_new = 0,"
				  " messages_failed = 0, bytes_new = 0, started = 0, changed = "
				  "excluded.changed, report = x''";
	int64_t id = 0;
	int r = sql_run(e->db, put, "iiiibbi", (int64_t)t->plan, (int64_t)t->account,
			(int64_t)t->proof, (int64_t)t->source, t->user, t->sealed, now_ms);
	if (r >= 0)
		r = sql_get(e->db, &id,
			    "SELECT id FROM task WHERE plan = ?1 AND account = ?2 AND proof = ?3",
			    "iii", (int64_t)t->plan, (int64_t)t->account, (int64_t)t->proof);
	if (r < 0)
		return r;
	*ret_id = (uint64_t)id;
	return 0;
}

int task_list(struct engine *e, struct arena *a, uint64_t plan, bool proof, struct task **ret,
	      size_t *ret_n)
{
	struct task *rows = NULL;
	size_t n = 0;
	struct sql_stmt *s = sql_prepare(e->db, of_plan);
	sql_bind_int(s, 1, (int64_t)plan);
	sql_bind_int(s, 2, proof);
	int r;
	while ((r = sql_step(s)) == 1)
		read_row(a, s, ROWS_MORE(a, &rows, &n));
	sql_done(s);
	if (r < 0)
		return r;
	*ret = rows;
	*ret_n = n;
	return 0;
}

int task_by_id(struct engine *e, struct arena *a, uint64_t id, struct task *ret)
{
	struct sql_stmt *s = sql_prepare(e->db, by_id);
	sql_bind_int(s, 1, (int64_t)id);
	int r = sql_step(s);
	if (r == 1)
		read_row(a, s, ret);
	sql_done(s);
	return r == 1 ? 0 : r == 0 ? ERR_NOT_FOUND : r;
}

static int find_work(struct engine *e, uint64_t holder, int64_t now_ms, int64_t *ret)
{
	int r = sql_get(e->db, ret,
			"SELECT id FROM task WHERE state = 1 AND holder = ?1 ORDER BY id LIMIT 1",
			"i", (int64_t)holder);
	if (r != ERR_NOT_FOUND)
		return r;
	return sql_get(
		e->db, ret,
		"SELECT task.id FROM task JOIN account ON account.id = task.account"
		" WHERE ((task.state = 0 AND not_before <= ?1) OR (task.state = 1 AND lease < ?1))"
		" AND account.state = 1 ORDER BY proof DESC, task.id LIMIT 1",
		"i", now_ms);
}

int task_take(struct engine *e, struct arena *a, uint64_t holder, int64_t now_ms, struct task *ret)
{
	int64_t id = 0;
	int r = find_work(e, holder, now_ms, &id);
	if (r < 0)
		return r;
	r = sql_run(e->db,
		    "UPDATE task SET state = 1, holder = ?2, lease = ?3, changed = ?4,"
		    " started = CASE WHEN started = 0 THEN ?4 ELSE started END WHERE id = ?1",
		    "iiii", id, (int64_t)holder, now_ms + TASK_LEASE_MS, now_ms);
	return r < 0 ? r : task_by_id(e, a, (uint64_t)id, ret);
}

int task_progress(struct engine *e, uint64_t id, uint64_t holder, const struct counts *c,
		  int64_t now_ms)
{
	int r = sql_run(
		e->db,
		"UPDATE task SET lease = ?3, changed = ?4, folders_total = ?5, folders_done = ?6,"
		" messages_total = ?7, messages_done = ?8, messages_new = ?9, messages_failed = "
		"?10, bytes_new = ?11"
		" WHERE id = ?1 AND holder = ?2 AND state = 1",
		"iiiiiiiiiii", (int64_t)id, (int64_t)holder, now_ms + TASK_LEASE_MS, now_ms,
		(int64_t)c->folders_total, (int64_t)c->folders_done, (int64_t)c->messages_total,
		(int64_t)c->messages_done, (int64_t)c->messages_new, (int64_t)c->messages_failed,
		(int64_t)c->bytes_new);
	return r < 0 ? r : r == 0 ? ERR_CONFLICT : 0;
}

static int finish_ok(struct engine *e, uint64_t id, struct slice report, int64_t now_ms)
{
	int r = sql_run(e->db,
			"UPDATE task SET state = 2, holder = 0, lease = 0, error = x'', finished = "
			"?2, report = ?3"
			" WHERE id = ?1",
			"iib", (int64_t)id, now_ms, report);
	return r < 0 ? r : 0;
}

static int finish_failed(struct engine *e, uint64_t id, struct slice error, int64_t now_ms)
{
	int r = sql_run(
		e->db,
		"UPDATE task SET attempts = attempts + 1, holder = 0, lease = 0, error = ?2,"
		" state = CASE WHEN attempts + 1 >= ?3 THEN 3 ELSE 0 END, not_before = ?4 + ?5 * "
		"(attempts + 1)"
		" WHERE id = ?1",
		"ibiii", (int64_t)id, error, (int64_t)TASK_ATTEMPTS_MAX, now_ms,
		(int64_t)TASK_PAUSE_MS);
	return r < 0 ? r : 0;
}

int task_finish(struct engine *e, uint64_t id, uint64_t holder, bool ok, struct slice error,
		const struct counts *counts, struct slice report, int64_t now_ms)
{
	int r = task_progress(e, id, holder, counts, now_ms);
	if (r < 0)
		return r;
	return ok ? finish_ok(e, id, report, now_ms) : finish_failed(e, id, error, now_ms);
}

int task_release(struct engine *e, uint64_t mover)
{
	int r = sql_run(e->db,
			"UPDATE task SET state = 0, holder = 0, lease = 0 WHERE state = 1 AND "
			"holder >> 16 = ?1",
			"i", (int64_t)mover);
	return r < 0 ? r : 0;
}

int task_next_due(struct engine *e, int64_t *ret_ms)
{
	return sql_get(e->db, ret_ms,
		       "SELECT due FROM (SELECT min(CASE WHEN state = 0 THEN not_before ELSE lease "
		       "+ 1 END) AS due"
		       " FROM task WHERE state IN (0, 1)) WHERE due IS NOT NULL",
		       "");
}
