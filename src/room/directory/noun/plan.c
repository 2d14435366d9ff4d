/* SPDX-License-Identifier: Apache-2.0 */
/* Plans: one row a domain, renewed by each start; ending one erases every password it held. */
#include "room/directory/noun/plan.h"

#include "base/err.h"
#include "room/directory/db/engine_priv.h"

#define COLUMNS \
	"SELECT id, domain, host, port, tls, verify, master_user, sealed, ended, started, " \
	"changed, pop3 FROM plan "

static const char by_domain[] = COLUMNS "WHERE domain = ?1";
static const char by_id[] = COLUMNS "WHERE id = ?1";

static int read_one(struct arena *a, struct sql_stmt *s, struct plan *p)
{
	int r = sql_step(s);
	if (r == 1)
		*p = (struct plan){
			.id = (uint64_t)sql_int(s, 0),
			.domain = (uint64_t)sql_int(s, 1),
			.host = column_dup(a, s, 2),
			.port = (unsigned)sql_int(s, 3),
			.tls = (unsigned)sql_int(s, 4),
			.verify = sql_int(s, 5),
			.master_user = column_dup(a, s, 6),
			.sealed = column_dup(a, s, 7),
			.ended = sql_int(s, 8),
			.started_ms = sql_int(s, 9),
			.changed_ms = sql_int(s, 10),
			.pop3 = sql_int(s, 11),
		};
	sql_done(s);
	return r == 1 ? 0 : r == 0 ? ERR_NOT_FOUND : r;
}

int plan_put(struct engine *e, struct plan *p, int64_t now_ms)
{
	static const char put[] = "INSERT INTO plan (domain, host, port, tls, verify, master_user, "
				  "sealed, ended, started, changed, pop3)"
				  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?8, ?9) ON CONFLICT "
				  "(domain) DO UPDATE SET host = excluded.host,"
				  " port = excluded.port, tls = excluded.tls, verify = "
				  "excluded.verify, master_user = excluded.master_user,"
				  " sealed = excluded.sealed, ended = 0, started = "
				  "excluded.started, changed = excluded.changed, pop3 = excluded.pop3";
	int64_t id = 0;
	int r = sql_run(e->db, put, "itiiibbii", (int64_t)p->domain, p->host, (int64_t)p->port,
			(int64_t)p->tls, (int64_t)p->verify, p->master_user, p->sealed, now_ms, (int64_t)p->pop3);
	if (r >= 0)
		r = sql_get(e->db, &id, "SELECT id FROM plan WHERE domain = ?1", "i",
			    (int64_t)p->domain);
	if (r < 0)
		return r;
	p->id = (uint64_t)id;
	p->ended = false;
	p->started_ms = p->changed_ms = now_ms;
	return 0;
}

int plan_get(struct engine *e, struct arena *a, uint64_t domain, struct plan *ret)
{
	struct sql_stmt *s = sql_prepare(e->db, by_domain);
	sql_bind_int(s, 1, (int64_t)domain);
	return read_one(a, s, ret);
}

int plan_by_id(struct engine *e, struct arena *a, uint64_t id, struct plan *ret)
{
	struct sql_stmt *s = sql_prepare(e->db, by_id);
	sql_bind_int(s, 1, (int64_t)id);
	return read_one(a, s, ret);
}

int plan_end(struct engine *e, uint64_t id, int64_t now_ms)
{
	int r = sql_run(e->db,
			"UPDATE plan SET ended = 1, sealed = x'', changed = ?2 WHERE id = ?1", "ii",
			(int64_t)id, now_ms);
	if (r < 0)
		return r;
	r = sql_run(e->db, "UPDATE task SET sealed = x'' WHERE plan = ?1", "i", (int64_t)id);
	if (r < 0)
		return r;
	r = sql_run(e->db,
		    "UPDATE task SET state = 4, holder = 0, lease = 0, changed = ?2 WHERE plan = "
		    "?1 AND state IN (0, 1)",
		    "ii", (int64_t)id, now_ms);
	return r < 0 ? r : 0;
}

int plan_idle(struct engine *e, int64_t since_ms, int64_t *ret_id)
{
	return sql_get(
		e->db, ret_id,
		"SELECT id FROM plan WHERE ended = 0 AND changed < ?1 AND NOT EXISTS"
		" (SELECT 1 FROM task WHERE task.plan = plan.id AND task.changed >= ?1) LIMIT 1",
		"i", since_ms);
}

int source_id(struct engine *e, uint64_t account, struct slice host, unsigned port,
	      struct slice user, uint64_t *ret)
{
	int64_t id = 0;
	int r = sql_run(
		e->db,
		"INSERT OR IGNORE INTO source (account, host, port, user) VALUES (?1, ?2, ?3, ?4)",
		"itib", (int64_t)account, host, (int64_t)port, user);
	if (r < 0)
		return r;
	r = sql_get(e->db, &id,
		    "SELECT id FROM source WHERE account = ?1 AND host = ?2 AND port = ?3 AND user "
		    "= ?4",
		    "itib", (int64_t)account, host, (int64_t)port, user);
	if (r < 0)
		return r;
	*ret = (uint64_t)id;
	return 0;
}
