/* SPDX-License-Identifier: Apache-2.0 */
#include "room/directory/route/srs_secret.h"

#include "base/err.h"
#include "base/rng.h"
#include "room/directory/db/engine_priv.h"

#define DAY_MS 86400000LL

int srs_secrets_get(struct engine *e, struct srs_secrets *ret)
{
	struct sql_stmt *s = sql_prepare(e->db, "SELECT key FROM srs_secret ORDER BY made DESC, id DESC LIMIT 4");
	int r;
	ret->n = 0;
	while ((r = sql_step(s)) == 1) {
		struct slice key = sql_blob(s, 0);
		if (key.n == SRS_SECRET)
			memcpy(ret->key[ret->n++], key.p, SRS_SECRET);
	}
	sql_done(s);
	return r;
}

static int make(struct engine *e, int64_t now_ms)
{
	uint8_t key[SRS_SECRET];
	rng_bytes(key, sizeof(key));
	int r = sql_run(e->db, "INSERT INTO srs_secret (made, key) VALUES (?1, ?2)", "ib", now_ms,
			slice_of(key, sizeof(key)));
	return r < 0 ? r : 0;
}

/* What was followed by another before the oldest address that may come back was made signs nothing any more. */
static int forget(struct engine *e, int64_t now_ms)
{
	int r = sql_run(e->db,
			"DELETE FROM srs_secret WHERE EXISTS (SELECT 1 FROM srs_secret AS later"
			" WHERE later.id > srs_secret.id AND later.made < ?1)",
			"i", now_ms - (SRS_DAYS + 2) * DAY_MS);
	return r < 0 ? r : 0;
}

int srs_secrets_turn(struct engine *e, int64_t now_ms)
{
	int64_t newest = 0;
	int r = sql_get(e->db, &newest, "SELECT max(made) FROM srs_secret WHERE made > 0", "");
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	if (newest && now_ms - newest < SRS_TURN_DAYS * DAY_MS)
		return 0;
	r = engine_begin(e);
	if (r < 0)
		return r;
	r = make(e, now_ms);
	if (r == 0)
		r = forget(e, now_ms);
	if (r < 0) {
		engine_rollback(e);
		return r;
	}
	return engine_commit(e);
}
