/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One sync a batch. What a small batch adds to the segments goes into its own transaction as well (table tail), so the
 * commit's sync of the WAL makes both durable; the segments are written at once and synced when tail_bytes have gathered,
 * when the shard has nothing to do, or by the next large batch. That transaction also empties the table.
 *
 * Threat: power is lost before the segments were synced. Then the table has their missing bytes, and opening puts
 * them back before anything is read or cut. A process that dies loses nothing: what it wrote is with the kernel.
 */
#include "room/store/engine_priv.h"

#include "base/err.h"
#include "base/event.h"

enum {
	BATCH_MAX = 128 << 10,	/* larger batches share their two syncs among many messages */
};

static int keep(struct shard *e, const struct blob_end *at, struct slice bytes)
{
	if (!bytes.n)
		return 0;
	int n = sql_run(e->db, "INSERT INTO tail VALUES (?1, ?2, ?3)", "iib", (int64_t)at->segment, (int64_t)at->offset, bytes);
	if (n < 0)
		return n;
	e->tail_rows_next++;
	return blob_write(e->log);
}

int shard_tail_promise(struct shard *e)
{
	struct blob_end at;
	struct slice bytes;

	e->tail_rows_next = e->tail_rows;
	if (!e->settle && blob_pending(e->log, BATCH_MAX, &at, &bytes) && 
	    blob_unsynced(e->log) + bytes.n <= e->options.tail_bytes)
		return keep(e, &at, bytes);
	e->tail_rows_next = 0;
	int n = e->tail_rows ? sql_run(e->db, "DELETE FROM tail", "") : 0;
	return n < 0 ? n : blob_sync(e->log);
}

int shard_tail_settle(struct shard *e)
{
	int err = shard_begin(e, e->now);

	e->settle = true;
	return err ? err : shard_commit(e);
}

/* A segment that is gone is told where its mail is read; the rest is served. */
static int put_back(struct sql *db, const char *segments, uint32_t *ret_rows)
{
	struct sql_stmt *s = sql_prepare(db, "SELECT segment, offset, bytes FROM tail ORDER BY segment, offset");
	int64_t missing = 0;
	int err;

	while ((err = sql_step(s)) == 1) {
		struct blob_end at = { (uint32_t)sql_int(s, 0), (uint64_t)sql_int(s, 1) };
		++*ret_rows;
		err = blob_put_back(segments, &at, sql_blob(s, 2));
		if (err < 0 && err != ERR_NOT_FOUND)
			break;
		missing += err == 1;
	}
	sql_done(s);
	if (missing)
		ev(EV_WARN, "store.tail.restored", KI("batches", *ret_rows), KI("missing", missing));
	return err;
}

int shard_tail_put_back(struct shard *e)
{
	return put_back(e->db, SEGMENTS_PATH, &e->tail_rows);
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
