/* SPDX-License-Identifier: Apache-2.0 */
#include "room/directory/login/link.h"

#include "base/codec.h"
#include "base/err.h"
#include "base/rng.h"
#include "lib/sql/sql.h"

#include <openssl/sha.h>

struct digest {
	uint8_t bytes[SHA256_DIGEST_LENGTH];
};

#define VIEW(d) slice_of((d).bytes, sizeof((d).bytes))

/* Of the text as it was mailed; false where it cannot be one. */
static bool digest_of(struct slice token, struct digest *ret)
{
	if (token.n != LINK_TOKEN_TEXT)
		return false;
	SHA256(token.p, token.n, ret->bytes);
	return true;
}

int link_make(struct engine *e, struct arena *a, const struct link *l, struct slice *ret)
{
	uint8_t random[LINK_TOKEN_BYTES];
	struct buf text = BUF_INIT(LINK_TOKEN_TEXT + 1);
	struct digest d;
	rng_bytes(random, sizeof(random));
	hex_encode(&text, slice_of(random, sizeof(random)));
	struct slice token = arena_dup(a, buf_view(&text));
	explicit_bzero(random, sizeof(random));
	explicit_bzero(text.p, text.cap);
	buf_fini(&text);
	bug_if(!digest_of(token, &d));
	int r = sql_run(engine_sql(e), "DELETE FROM link WHERE holder = ?1 AND kind = ?2", "ii", l->holder,
			(int64_t)l->kind);
	if (r >= 0)
		r = sql_run(engine_sql(e),
			    "INSERT INTO link (hash, holder, kind, created, expires) VALUES (?1, ?2, ?3, ?4, ?5)", "biiii",
			    VIEW(d), l->holder, (int64_t)l->kind, l->created_ms, l->expires_ms);
	if (r < 0)
		return r;
	*ret = token;
	return 0;
}

static int read_one(struct sql_stmt *s, struct link *ret)
{
	int r = sql_step(s);
	if (r == 1)
		*ret = (struct link){
			.holder = sql_int(s, 0),
			.kind = (enum link_kind)sql_int(s, 1),
			.created_ms = sql_int(s, 2),
			.expires_ms = sql_int(s, 3),
		};
	sql_done(s);
	return r == 1 ? 0 : r == 0 ? ERR_NOT_FOUND : r;
}

int link_find(struct engine *e, struct slice token, int64_t now_ms, struct link *ret)
{
	struct digest d;
	if (!digest_of(token, &d))
		return ERR_NOT_FOUND;
	struct sql_stmt *s = sql_prepare(engine_sql(e), "SELECT holder, kind, created, expires FROM link"
							" WHERE hash = ?1 AND expires > ?2");
	sql_bind_blob(s, 1, VIEW(d));
	sql_bind_int(s, 2, now_ms);
	return read_one(s, ret);
}

int link_spend(struct engine *e, struct slice token, int64_t now_ms)
{
	struct digest d;
	if (!digest_of(token, &d))
		return ERR_NOT_FOUND;
	int r = sql_run(engine_sql(e), "DELETE FROM link WHERE hash = ?1 AND expires > ?2", "bi", VIEW(d), now_ms);
	return r < 0 ? r : r == 0 ? ERR_NOT_FOUND : 0;
}

int link_latest(struct engine *e, int64_t holder, enum link_kind kind, struct link *ret)
{
	struct sql_stmt *s = sql_prepare(engine_sql(e), "SELECT holder, kind, created, expires FROM link"
							" WHERE holder = ?1 AND kind = ?2");
	sql_bind_int(s, 1, holder);
	sql_bind_int(s, 2, (int64_t)kind);
	return read_one(s, ret);
}

int link_expire(struct engine *e, int64_t now_ms)
{
	int64_t n = 0;
	int r = sql_get(engine_sql(e), &n, "SELECT count(*) FROM link WHERE expires <= ?1", "i", now_ms);
	if (r < 0 || !n)
		return r;
	return sql_run(engine_sql(e), "DELETE FROM link WHERE expires <= ?1", "i", now_ms);
}
