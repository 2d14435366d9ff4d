/* SPDX-License-Identifier: Apache-2.0 */
/* A mailbox's keyword table: names by index, compared without regard to case (RFC 9051 2.3.2), only ever growing. */
#include "room/store/engine_priv.h"

#include "base/err.h"

int shard_keywords(struct shard *e, uint64_t mailbox, struct arena *a, struct slice **ret, size_t *ret_n)
{
	struct sql_stmt *s = sql_prepare(e->db, "SELECT at, name FROM keyword WHERE mailbox = ?1 ORDER BY at");
	struct slice *names = ARENA_ARRAY(a, struct slice, KEYWORDS_MAX);
	size_t n = 0;
	int err;

	sql_bind_int(s, 1, (int64_t)mailbox);
	while ((err = sql_step(s)) == 1) {
		if (sql_int(s, 0) != (int64_t)n || n == KEYWORDS_MAX) {
			err = ERR_CORRUPT;
			break;
		}
		names[n++] = arena_dup(a, sql_blob(s, 1));
	}
	sql_done(s);
	if (err < 0)
		return err;
	*ret = names;
	*ret_n = n;
	return 0;
}

/* RFC 9051 flag-keyword = atom. */
static bool keyword_valid(struct slice k)
{
	if (!k.n || k.n > KEYWORD_BYTES_MAX)
		return false;
	for (size_t i = 0; i < k.n; i++)
		if (k.p[i] <= ' ' || k.p[i] >= 0x7f || memchr("(){%*\"\\]", k.p[i], 8))
			return false;
	return true;
}

static int add_one(struct shard *e, uint64_t mailbox, size_t at, struct slice name)
{
	if (!keyword_valid(name))
		return ERR_INVALID;
	if (at == KEYWORDS_MAX)
		return ERR_TOO_BIG;
	int n = sql_run(e->db, "INSERT INTO keyword VALUES (?1, ?2, ?3)", "iib", (int64_t)mailbox, (int64_t)at, name);
	return n < 0 ? n : 0;
}

int shard_keywords_find(struct shard *e, struct mailbox *m, const struct slice *names, size_t n, bool add,
		  struct kwset *ret, bool *ret_grew)
{
	struct kwset set = { 0 };
	struct slice *have;
	size_t n_have;

	if (!n) {
		*ret = set;
		return 0;
	}
	struct arena *a = arena_new();
	int err = shard_keywords(e, m->id, a, &have, &n_have);
	for (size_t i = 0; !err && i < n; i++) {
		size_t at = 0;
		while (at < n_have && !slice_eq_ci(have[at], names[i]))
			at++;
		if (at == n_have && !add)
			continue;
		if (at == n_have && !(err = add_one(e, m->id, at, names[i]))) {
			have[n_have++] = names[i];
			*ret_grew = true;
		}
		if (!err)
			kwset_add(&set, (unsigned)at);
	}
	arena_free(&a);
	if (!err)
		*ret = set;
	return err;
}
