/* SPDX-License-Identifier: Apache-2.0 */
#include "room/directory/login/app_password.h"

#include "base/codec.h"
#include "base/err.h"
#include "proto/pass/random.h"
#include "room/directory/db/engine_priv.h"

#include <openssl/sha.h>

static const char *const protocols[] = { "imap", "pop3", "submission", "sieve" };

unsigned app_protocol(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (!strcmp(protocols[i], name))
			return 1u << i;
	return 0;
}

const char *app_protocol_name(size_t i)
{
	return i < ARRAY_SIZE(protocols) ? protocols[i] : NULL;
}

static void hash_of(const char *text, struct buf *out)
{
	uint8_t md[SHA256_DIGEST_LENGTH];
	SHA256((const uint8_t *)text, strlen(text), md);
	buf_str(out, "{SHA256}");
	base64_encode(out, slice_of(md, sizeof(md)));
}

int app_password_add(struct engine *e, struct app_password *x, char ret_text[PASS_RANDOM_TEXT], struct problem *why)
{
	struct buf hash = BUF_INIT(128);
	int64_t n = 0;
	int r = sql_get(e->db, &n, "SELECT count(*) FROM app_password WHERE account = ?1", "i", (int64_t)x->account);
	if (r == 0 && n >= APP_PASSWORDS_MAX)
		return problem_set(why, ERR_CONFLICT, "name", "a mailbox has at most %d app passwords", APP_PASSWORDS_MAX);
	if (r == 0)
		r = engine_next(e, &x->version);
	if (r < 0)
		return r;
	pass_random(ret_text);
	hash_of(ret_text, &hash);
	r = sql_run(e->db,
		    "INSERT INTO app_password (account, name, protocols, hash, version, created, used)"
		    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)",
		    "itibii", (int64_t)x->account, x->name, (int64_t)x->protocols, buf_view(&hash), (int64_t)x->version,
		    x->created_ms);
	buf_fini(&hash);
	if (r == ERR_EXISTS)
		return problem_set(why, r, "name", "there is an app password " SLICE_FMT " already", SLICE_ARG(x->name));
	return r < 0 ? r : 0;
}

int app_password_list(struct engine *e, struct arena *a, uint64_t account, unsigned wanted, struct app_password **ret,
		      size_t *ret_n)
{
	struct app_password *rows = NULL;
	size_t n = 0;
	int r;
	struct sql_stmt *s = sql_prepare(e->db, "SELECT name, protocols, hash, version, created, used FROM app_password"
						" WHERE account = ?1 AND (?2 = 0 OR protocols & ?2) ORDER BY name");
	sql_bind_int(s, 1, (int64_t)account);
	sql_bind_int(s, 2, (int64_t)wanted);
	while ((r = sql_step(s)) == 1)
		*ROWS_MORE(a, &rows, &n) = (struct app_password){
			.account = account,
			.name = column_dup(a, s, 0),
			.protocols = (unsigned)sql_int(s, 1),
			.hash = column_dup(a, s, 2),
			.version = (uint64_t)sql_int(s, 3),
			.created_ms = sql_int(s, 4),
			.used_ms = sql_int(s, 5),
		};
	sql_done(s);
	if (r < 0)
		return r;
	*ret = rows;
	*ret_n = n;
	return 0;
}

int app_password_remove(struct engine *e, uint64_t account, struct slice name, uint64_t *ret_version)
{
	struct sql_stmt *s = sql_prepare(e->db, "DELETE FROM app_password WHERE account = ?1 AND name = ?2 RETURNING version");
	sql_bind_int(s, 1, (int64_t)account);
	sql_bind_text(s, 2, name);
	int r = sql_step(s);
	if (r == 1)
		*ret_version = (uint64_t)sql_int(s, 0);
	sql_done(s);
	return r < 0 ? r : r == 0 ? ERR_NOT_FOUND : 0;
}

int app_password_is(struct engine *e, uint64_t account, uint64_t version, unsigned protocol, bool *ret)
{
	int64_t n = 0;
	int r = sql_get(e->db, &n,
			"SELECT count(*) FROM app_password WHERE account = ?1 AND version = ?2 AND protocols & ?3", "iii",
			(int64_t)account, (int64_t)version, (int64_t)protocol);
	if (r == 0)
		*ret = n > 0;
	return r;
}

void app_password_touch(struct engine *e, uint64_t account, uint64_t version, int64_t now_ms)
{
	int64_t used = 0;
	int r = sql_get(e->db, &used, "SELECT used FROM app_password WHERE account = ?1 AND version = ?2", "ii",
			(int64_t)account, (int64_t)version);
	if (r < 0 || (now_ms - used < APP_PASSWORD_USED_MS && now_ms >= used) || engine_begin(e) < 0)
		return;
	r = sql_run(e->db, "UPDATE app_password SET used = ?3 WHERE account = ?1 AND version = ?2", "iii", (int64_t)account,
		    (int64_t)version, now_ms);
	if (r < 0)
		engine_rollback(e);
	else
		IGNORE(engine_commit(e), "noted at the next use");
}
