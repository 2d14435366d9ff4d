/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens (token.h). They are looked up by their hash, so neither a copy of the database nor the time of a look-up
 * tells one. Threats: guessing (256 bits), a stolen database (hashes), logs (the text is never in an event or a row).
 */
#include "room/directory/rights/token.h"

#include "base/codec.h"
#include "base/err.h"
#include "base/rng.h"
#include "room/directory/db/engine_priv.h"

#include <openssl/evp.h>

enum { HASH_BYTES = 32, TEXT_BYTES = sizeof(TOKEN_PREFIX) - 1 + 2 * TOKEN_BYTES };

#define COLUMNS "SELECT id, holder, kind, name, scopes, read_only, version, remote, created, expires, used FROM token "

static void read_row(struct arena *a, struct sql_stmt *s, struct token *t)
{
	*t = (struct token){
		.id = (uint64_t)sql_int(s, 0),
		.holder = sql_int(s, 1),
		.kind = (enum token_kind)sql_int(s, 2),
		.name = column_dup(a, s, 3),
		.scopes = column_dup(a, s, 4),
		.read_only = sql_int(s, 5),
		.version = (uint64_t)sql_int(s, 6),
		.remote = column_dup(a, s, 7),
		.created_ms = sql_int(s, 8),
		.expires_ms = sql_int(s, 9),
		.used_ms = sql_int(s, 10),
	};
}

static int read_one(struct arena *a, struct sql_stmt *s, struct token *ret)
{
	int r = sql_step(s);
	if (r == 1)
		read_row(a, s, ret);
	sql_done(s);
	return r == 1 ? 0 : r == 0 ? ERR_NOT_FOUND : r;
}

static struct slice hash_of(struct arena *a, struct slice text)
{
	uint8_t *out = arena_alloc(a, HASH_BYTES);
	unsigned n = 0;
	bug_if(EVP_Digest(text.p, text.n, out, &n, EVP_sha256(), NULL) != 1 || n != HASH_BYTES);
	return slice_of(out, HASH_BYTES);
}

struct slice token_draw(struct arena *a)
{
	uint8_t random[TOKEN_BYTES];
	struct buf text = BUF_INIT(TEXT_BYTES);
	rng_bytes(random, sizeof(random));
	buf_str(&text, TOKEN_PREFIX);
	hex_encode(&text, slice_of(random, sizeof(random)));
	struct slice s = arena_dup(a, buf_view(&text));
	explicit_bzero(random, sizeof(random));
	explicit_bzero(text.p, text.n);
	buf_fini(&text);
	return s;
}

int token_add(struct engine *e, struct arena *a, struct token *t, struct slice *ret_text, struct problem *why)
{
	int64_t count = 0;
	struct slice text = token_draw(a);
	int r = sql_get(e->db, &count, "SELECT count(*) FROM token WHERE holder = ?1 AND kind = 1", "i", t->holder);
	if (r < 0)
		return r;
	if (t->kind == TOKEN_KEY && count >= TOKENS_PER_HOLDER)
		return problem_set(why, ERR_CONFLICT, NULL, "this login has %d tokens already: remove one", TOKENS_PER_HOLDER);
	static const char put[] = "INSERT INTO token (hash, holder, kind, name, scopes, read_only, version, remote,"
				  " created, expires, used) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?9)";
	r = sql_run(e->db, put, "biittiibii", hash_of(a, text), t->holder, (int64_t)t->kind, t->name, t->scopes,
		    (int64_t)t->read_only, (int64_t)t->version, t->remote, t->created_ms, t->expires_ms);
	if (r < 0)
		return r;
	t->id = (uint64_t)sql_last_id(e->db);
	t->used_ms = t->created_ms;
	*ret_text = text;
	return 0;
}

int token_find(struct engine *e, struct arena *a, struct slice text, int64_t now_ms, struct token *ret)
{
	struct token t;
	if (text.n != TEXT_BYTES || !slice_starts(text, SLICE(TOKEN_PREFIX)))
		return ERR_NOT_FOUND;
	struct sql_stmt *s = sql_prepare(e->db, COLUMNS "WHERE hash = ?1");
	sql_bind_blob(s, 1, hash_of(a, text));
	int r = read_one(a, s, &t);
	if (r == 0 && t.expires_ms <= now_ms)
		r = ERR_NOT_FOUND;
	if (r == 0)
		*ret = t;
	return r;
}

int token_by_id(struct engine *e, struct arena *a, uint64_t id, struct token *ret)
{
	struct sql_stmt *s = sql_prepare(e->db, COLUMNS "WHERE id = ?1");
	sql_bind_int(s, 1, (int64_t)id);
	return read_one(a, s, ret);
}

#define REST "id > ?2 AND expires > ?3 AND " HOLDS("?5", "name") " ORDER BY id LIMIT ?4"
static const char of_holder[] = COLUMNS "WHERE kind = 1 AND holder = ?1 AND " REST;
static const char of_all[] = COLUMNS "WHERE kind = 1 AND ?1 = 0 AND " REST;

int token_list(struct engine *e, struct arena *a, int64_t holder, int64_t now_ms, const struct page *page,
	       struct token **ret, size_t *ret_n)
{
	struct token *rows = NULL;
	size_t n = 0;
	uint64_t after = 0;
	if (page->after.n && slice_u64(page->after, INT64_MAX, &after) < 0)
		after = 0;
	struct sql_stmt *s = sql_prepare(e->db, holder ? of_holder : of_all);
	sql_bind_int(s, 1, holder);
	sql_bind_int(s, 2, (int64_t)after);
	sql_bind_int(s, 3, now_ms);
	sql_bind_int(s, 4, page_limit(page));
	sql_bind_blob(s, 5, page->text);
	int r;
	while ((r = sql_step(s)) == 1)
		read_row(a, s, ROWS_MORE(a, &rows, &n));
	sql_done(s);
	if (r < 0)
		return r;
	*ret = rows;
	*ret_n = n;
	return 0;
}

int token_remove(struct engine *e, uint64_t id)
{
	int r = sql_run(e->db, "DELETE FROM token WHERE id = ?1", "i", (int64_t)id);
	return r < 0 ? r : r == 0 ? ERR_NOT_FOUND : 0;
}

int token_end_web(struct engine *e, int64_t holder, uint64_t but)
{
	int r = sql_run(e->db, "DELETE FROM token WHERE kind = 0 AND holder = ?1 AND id <> ?2 AND scopes = ''", "ii", holder,
			(int64_t)but);
	return r < 0 ? r : 0;
}

int token_end_mail(struct engine *e, int64_t holder, uint64_t version)
{
	int r = sql_run(e->db, "DELETE FROM token WHERE kind = 0 AND holder = ?1 AND version = ?2 AND scopes <> ''", "ii", holder,
			(int64_t)version);
	return r < 0 ? r : 0;
}

void token_touch(struct engine *e, const struct token *t, int64_t now_ms)
{
	int64_t expires = t->expires_ms;
	if (now_ms - t->used_ms < TOKEN_TOUCH_MS)
		return;
	if (t->kind == TOKEN_SESSION) {
		int64_t end = t->created_ms + TOKEN_SESSION_MS;
		expires = now_ms + TOKEN_IDLE_MS < end ? now_ms + TOKEN_IDLE_MS : end;
	}
	int r = engine_begin(e);
	if (r < 0)
		return;
	r = sql_run(e->db, "UPDATE token SET used = ?2, expires = ?3 WHERE id = ?1", "iii", (int64_t)t->id, now_ms, expires);
	if (r < 0)
		engine_rollback(e);
	else
		IGNORE(engine_commit(e), "noted at its next use");
}

void token_expire(struct engine *e, int64_t now_ms)
{
	int64_t some = 0;
	if (sql_get(e->db, &some, "SELECT count(*) FROM token WHERE expires <= ?1", "i", now_ms) < 0 || !some ||
	    engine_begin(e) < 0)
		return;
	if (sql_run(e->db, "DELETE FROM token WHERE expires <= ?1", "i", now_ms) < 0)
		engine_rollback(e);
	else
		IGNORE(engine_commit(e), "done again at the next tick");
}

bool token_covers(const struct token *t, struct slice operation, bool changes)
{
	ptrdiff_t dot = slice_find_byte(operation, '.', 0);
	struct slice noun = slice_sub(operation, 0, dot < 0 ? operation.n : (size_t)dot);
	if (t->read_only && changes)
		return false;
	if (!t->scopes.n)
		return true;
	for (size_t at = 0; at < t->scopes.n;) {
		ptrdiff_t blank = slice_find_byte(t->scopes, ' ', at);
		size_t end = blank < 0 ? t->scopes.n : (size_t)blank;
		struct slice one = slice_sub(t->scopes, at, end);
		if (slice_eq(one, operation) || slice_eq(one, noun))
			return true;
		at = end + 1;
	}
	return false;
}
