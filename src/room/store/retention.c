/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retention: mail whose internal date is more days ago than its account keeps mail is expunged, in every folder and
 * whatever its flags. Account by account and folder by folder, a few messages a batch, so that nobody waits for it.
 */
#include "room/store/engine_priv.h"

#include "base/err.h"

#define DAY_MS (24 * 3600 * 1000LL)

enum { STEP_MESSAGES = 200 };

/* The account at the cursor, or the next one that has a retention. */
static int next_account(struct shard *e, struct retention_cursor *c, struct account *ret)
{
	int64_t id;

	if (c->account) {
		int err = shard_account(e, c->account, ret);
		if (err && err != ERR_NOT_FOUND)
			return err;
		if (!err && ret->retention)
			return 0;
	}
	int err = sql_get(e->db, &id, "SELECT id FROM account WHERE retention != 0 AND id > ?1 ORDER BY id LIMIT 1", "i",
			  (int64_t)c->account);
	if (err)
		return err;
	*c = (struct retention_cursor){ .account = (uint64_t)id };
	return shard_account(e, c->account, ret);
}

static size_t expired(struct shard *e, uint64_t mailbox, int64_t before, struct uid_range *ret, int *ret_err)
{
	struct sql_stmt *s = sql_prepare(e->db, "SELECT uid FROM message WHERE mailbox = ?1 AND internal_date < ?2"
						" ORDER BY uid LIMIT ?3");
	size_t n = 0;
	int err;

	sql_bind_int(s, 1, (int64_t)mailbox);
	sql_bind_int(s, 2, before);
	sql_bind_int(s, 3, STEP_MESSAGES);
	while ((err = sql_step(s)) == 1) {
		uint32_t uid = (uint32_t)sql_int(s, 0);
		if (n && ret[n - 1].last + 1 == uid)
			ret[n - 1].last = uid;
		else
			ret[n++] = (struct uid_range){ uid, uid };
	}
	sql_done(s);
	*ret_err = err;
	return n;
}

/* 1 it has no more such mail. */
static int step_in(struct shard *e, uint64_t mailbox, int64_t before, size_t *ret_removed)
{
	struct uid_range uids[STEP_MESSAGES];
	struct expunge_result r;
	int err;
	size_t n = expired(e, mailbox, before, uids, &err);

	if (err || !n)
		return err ? err : 1;
	struct arena *a = arena_new();
	err = shard_expunge(e, mailbox, uids, n, false, a, &r);
	for (size_t i = 0; !err && i < r.n_expunged; i++)
		*ret_removed += r.expunged[i].last - r.expunged[i].first + 1;
	arena_free(&a);
	return err;
}

int shard_retention_step(struct shard *e, struct retention_cursor *c, size_t *ret_removed)
{
	struct account a;
	int64_t mailbox;
	int err = next_account(e, c, &a);

	*ret_removed = 0;
	if (err)
		return err == ERR_NOT_FOUND ? 1 : err;
	err = sql_get(e->db, &mailbox, "SELECT min(id) FROM mailbox WHERE account = ?1 AND id > ?2 HAVING min(id) IS NOT NULL",
		      "ii", (int64_t)c->account, (int64_t)c->mailbox);
	if (err == ERR_NOT_FOUND) {
		/* On to the next account: this one's number is behind us then. */
		err = sql_get(e->db, &mailbox, "SELECT id FROM account WHERE retention != 0 AND id > ?1 ORDER BY id LIMIT 1",
			      "i", (int64_t)c->account);
		if (err)
			return err == ERR_NOT_FOUND ? 1 : err;
		*c = (struct retention_cursor){ .account = (uint64_t)mailbox };
		return 0;
	}
	if (err)
		return err;
	int done = step_in(e, (uint64_t)mailbox, e->now - (int64_t)a.retention * DAY_MS, ret_removed);
	if (done == 1)
		c->mailbox = (uint64_t)mailbox;
	return done < 0 ? done : 0;
}
