/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operation ids: the reply of a change is kept in the transaction of the change, so that whoever did not hear it may
 * ask again and gets the same answer for the one change. Forgotten after a day.
 */
#include "room/store/engine_priv.h"

#include "base/err.h"

int shard_operation_find(struct shard *e, uint64_t account, struct slice id, struct buf *ret)
{
	if (!id.n)
		return 0;
	if (id.n > OPERATION_ID_MAX)
		return ERR_INVALID;
	struct sql_stmt *s = sql_prepare(e->db, "SELECT reply FROM operation WHERE id = ?1 AND account = ?2");
	sql_bind_blob(s, 1, id);
	sql_bind_int(s, 2, (int64_t)account);
	int err = sql_step(s);
	if (err == 1) {
		buf_slice(ret, sql_blob(s, 0));
		if (!buf_ok(ret))
			err = ERR_TOO_BIG;
	}
	sql_done(s);
	return err;
}

int shard_operation_keep(struct shard *e, uint64_t account, struct slice id, struct slice reply)
{
	if (!id.n)
		return 0;
	int n = sql_run(e->db, "INSERT INTO operation VALUES (?1, ?2, ?3, ?4)", "iibb", e->now, (int64_t)account, id, reply);
	return n < 0 ? n : 0;
}

int shard_prune(struct shard *e)
{
	int n = sql_run(e->db,
			"DELETE FROM operation WHERE rowid IN"
			" (SELECT rowid FROM (SELECT rowid, at FROM operation ORDER BY rowid LIMIT 500) WHERE at < ?1)",
			"i", e->now - OPERATION_KEEP_MS);
	return n < 0 ? n : 0;
}
