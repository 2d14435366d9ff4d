/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/blob/tail.h"

#include "base/err.h"

static int keep(struct tail *t, struct sql *db, struct blob_log *log, const struct blob_end *at, struct slice bytes)
{
	if (!bytes.n)
		return 0;
	int n = sql_run(db, "INSERT INTO tail VALUES (?1, ?2, ?3)", "iib", (int64_t)at->segment, (int64_t)at->offset, bytes);
	if (n < 0)
		return n;
	t->rows_next++;
	return blob_write(log);
}

int tail_promise(struct tail *t, struct sql *db, struct blob_log *log, bool settle)
{
	struct blob_end at;
	struct slice bytes;

	t->rows_next = t->rows;
	if (!settle && blob_pending(log, TAIL_BATCH_MAX, &at, &bytes) && blob_unsynced(log) + bytes.n <= t->bytes_max)
		return keep(t, db, log, &at, bytes);
	t->rows_next = 0;
	int n = t->rows ? sql_run(db, "DELETE FROM tail", "") : 0;
	return n < 0 ? n : blob_sync(log);
}

void tail_committed(struct tail *t)
{
	t->rows = t->rows_next;
}

int tail_put_back(struct sql *db, const char *dir, uint32_t *ret_rows, uint32_t *ret_missing)
{
	struct sql_stmt *s = sql_prepare(db, "SELECT segment, offset, bytes FROM tail ORDER BY segment, offset");
	uint32_t rows = 0, missing = 0;
	int err;

	while ((err = sql_step(s)) == 1) {
		struct blob_end at = { (uint32_t)sql_int(s, 0), (uint64_t)sql_int(s, 1) };
		rows++;
		err = blob_put_back(dir, &at, sql_blob(s, 2));
		if (err < 0 && err != ERR_NOT_FOUND)
			break;
		missing += err == 1;
	}
	sql_done(s);
	*ret_rows = rows;
	*ret_missing = missing;
	return err;
}
