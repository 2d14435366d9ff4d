/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of transfers. */
#include "room/directory/work/transfer.h"

#include "base/err.h"
#include "room/directory/noun/candidate.h"
#include "room/directory/db/engine_priv.h"

int transfer_add(struct engine *e, struct transfer *t, int64_t now_ms)
{
	int64_t source;
	struct slice user = t->folder.n ? t->folder : SLICE("*");
	/* The same origin into the same account gets the same number: what was copied once is known. */
	int r = sql_run(e->db,
			"INSERT OR IGNORE INTO source (account, host, port, user) VALUES (?1, '', ?2, ?3)",
			"iib", (int64_t)t->to, (int64_t)t->from, user);
	if (r >= 0)
		r = sql_get(e->db, &source,
			    "SELECT id FROM source WHERE account = ?1 AND host = '' AND port = ?2 AND user = ?3",
			    "iib", (int64_t)t->to, (int64_t)t->from, user);
	if (r < 0)
		return r;
	t->source = (uint64_t)source;
	r = sql_run(e->db,
		    "INSERT INTO transfer (origin_account, origin_shard, folder, target_account, source, origin, target,"
		    " moved, error, created) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, x'', ?8)",
		    "iibiibbi", (int64_t)t->from, (int64_t)t->from_shard, t->folder, (int64_t)t->to, source,
		    t->origin, t->target, now_ms);
	if (r < 0)
		return r;
	t->id = (uint64_t)sql_last_id(e->db);
	return 0;
}

int transfer_list(struct engine *e, struct arena *a, uint64_t domain, struct transfer **ret,
		  size_t *ret_n)
{
	struct transfer *rows = NULL;
	size_t n = 0;
	struct sql_stmt *s = sql_prepare(
		e->db,
		"SELECT id, origin_account, target_account, origin_shard, folder, source, origin, target, moved,"
		" error, created FROM transfer WHERE ?1 = 0"
		" OR EXISTS (SELECT 1 FROM addressing WHERE area = origin_account AND domain = ?1)"
		" OR EXISTS (SELECT 1 FROM account WHERE id = origin_account AND domain = ?1) ORDER BY id");
	sql_bind_int(s, 1, (int64_t)domain);
	int r;
	while ((r = sql_step(s)) == 1)
		*ROWS_MORE(a, &rows, &n) = (struct transfer){
			.id = (uint64_t)sql_int(s, 0),
			.from = (uint64_t)sql_int(s, 1),
			.to = (uint64_t)sql_int(s, 2),
			.from_shard = (uint32_t)sql_int(s, 3),
			.folder = column_dup(a, s, 4),
			.source = (uint64_t)sql_int(s, 5),
			.origin = column_dup(a, s, 6),
			.target = column_dup(a, s, 7),
			.moved = (uint64_t)sql_int(s, 8),
			.error = column_dup(a, s, 9),
			.created_ms = sql_int(s, 10),
		};
	sql_done(s);
	if (r < 0)
		return r;
	*ret = rows;
	*ret_n = n;
	return 0;
}

int transfer_note(struct engine *e, uint64_t id, uint64_t moved, struct slice error)
{
	int r = sql_run(e->db, "UPDATE transfer SET moved = ?2, error = ?3 WHERE id = ?1", "iib",
			(int64_t)id, (int64_t)moved, error);
	return r < 0 ? r : 0;
}

int transfer_end(struct engine *e, const struct transfer *t)
{
	int r = engine_begin(e);
	if (r < 0)
		return r;
	r = sql_run(e->db, "DELETE FROM transfer WHERE id = ?1", "i", (int64_t)t->id);
	if (r >= 0 && !t->folder.n)
		r = account_set_state(e, t->from, ACCOUNT_REMOVING);
	if (r < 0 && r != ERR_NOT_FOUND) {
		engine_rollback(e);
		return r;
	}
	return engine_commit(e);
}

int transfer_into(struct engine *e, uint64_t account, bool *ret)
{
	int64_t n = 0;
	int r = sql_get(e->db, &n, "SELECT count(*) FROM transfer WHERE target_account = ?1", "i",
			(int64_t)account);
	if (r < 0)
		return r;
	*ret = n > 0;
	return 0;
}

/* The mailbox that the address leads to; 0 where it leads to none. */
static int mailbox_behind(struct engine *e, struct arena *a, const struct domain *d, struct slice local,
			  uint64_t *ret)
{
	struct name at = { .local = local, .domain = d->name };
	for (int hop = 0; hop < 3; hop++) {
		struct domain in;
		struct address x;
		int r = domain_get(e, a, at.domain, &in);
		if (r == 0)
			r = address_get(e, a, in.id, at.local, &x);
		if (r < 0)
			return r == ERR_NOT_FOUND ? 0 : r;
		if (x.type == ADDRESS_MAILBOX)
			*ret = x.account;
		if (x.type != ADDRESS_ALIAS || x.n_targets != 1 || name_parse(a, x.targets[0], &at) < 0)
			return 0;
	}
	return 0;
}

static int settle_one(struct engine *e, struct arena *a, const struct domain *d, const struct account *area,
		      const struct candidate *c, int64_t now_ms, size_t *n)
{
	uint64_t id = 0;
	struct account to;
	int r = mailbox_behind(e, a, d, c->local, &id);
	if (r < 0 || !id)
		return r;
	r = account_by_id(e, a, id, &to);
	if (r < 0)
		return r;
	struct transfer t = {
		.from = area->id,
		.from_shard = area->shard,
		.to = id,
		.origin = name_text(a, c->local, d->name),
		.target = to.address,
	};
	r = candidate_next(e, a, c, &t.folder);
	if (r == 0)
		r = transfer_add(e, &t, now_ms);
	*n += r == 0;
	return r;
}

int transfer_settle(struct engine *e, struct arena *a, uint64_t domain, struct slice local,
		    int64_t now_ms, size_t *ret_n)
{
	struct addressing x;
	struct domain d;
	struct account area;
	struct candidate *rows;
	struct page all = { 0 };
	size_t n = 0, done = 0;
	int r = addressing_get(e, a, domain, &x);
	if (r == 0 && !x.area) {
		*ret_n = 0;
		return 0;
	}
	if (r == 0)
		r = domain_by_id(e, a, domain, &d);
	if (r == 0)
		r = account_by_id(e, a, x.area, &area);
	if (r == 0)
		r = candidate_list(e, a, domain, &all, &rows, &n);
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (slice_eq(rows[i].type, SLICE("candidate")) ||
		    (local.n && !slice_eq(local, rows[i].local)))
			continue;
		r = settle_one(e, a, &d, &area, &rows[i], now_ms, &done);
	}
	if (r == 0)
		*ret_n = done;
	return r;
}
