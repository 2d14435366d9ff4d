/* SPDX-License-Identifier: Apache-2.0 */
/* The shard's side of lib/blob/tail.h: one sync a batch. */
#include "room/store/engine_priv.h"

#include "base/err.h"
#include "base/event.h"

int shard_tail_promise(struct shard *e)
{
	return tail_promise(&e->tail, e->db, e->log, e->settle);
}

int shard_tail_settle(struct shard *e)
{
	int err = shard_begin(e, e->now);

	e->settle = true;
	return err ? err : shard_commit(e);
}

static int put_back(struct sql *db, const char *segments, uint32_t *ret_rows)
{
	uint32_t missing = 0;
	int err = tail_put_back(db, segments, ret_rows, &missing);

	if (missing)
		ev(EV_WARN, "store.tail.restored", KI("batches", *ret_rows), KI("missing", missing));
	return err;
}

int shard_tail_put_back(struct shard *e)
{
	e->tail.bytes_max = e->options.tail_bytes;
	return put_back(e->db, SEGMENTS_PATH, &e->tail.rows);
}

int shard_put_back(const char *path, const char *segments)
{
	struct sql *db = NULL;
	uint32_t rows = 0;

	if (access(path, F_OK) < 0)
		return 0;
	int err = sql_open(path, store_schema, store_schema_n, &db);
	if (!err)
		err = put_back(db, segments, &rows);
	sql_close(&db);
	return err;
}
