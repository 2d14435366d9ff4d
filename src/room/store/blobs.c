/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Message bytes by the id that the index knows them by. One blob may be in many mailboxes (copies, several recipients);
 * the last reference takes its row away, and the record's bytes count as dead from then on.
 */
#include "room/store/engine_priv.h"

#include "base/err.h"

/* Where the header ends: behind the empty line, or all of it. CRLF and bare LF lines are both known. */
static uint64_t header_length(struct slice m)
{
	for (size_t at = 0; at < m.n;) {
		const uint8_t *lf = memchr(m.p + at, '\n', m.n - at);
		if (!lf)
			return m.n;
		size_t line = (size_t)(lf - (m.p + at));
		size_t next = at + line + 1;
		if (line == 0 || (line == 1 && m.p[at] == '\r'))
			return next;
		at = next;
	}
	return m.n;
}

int shard_blob_insert(struct shard *e, const struct incoming *m, unsigned refs, uint64_t *ret_id, uint64_t *ret_size)
{
	struct buf meta = BUF_INIT(BLOB_META_MAX);
	struct blob_addr addr;
	uint8_t sha256[32];
	uint64_t id = (uint64_t)e->next_blob, header = header_length(m->message);

	blob_meta_encode(&meta, id, m->digest);
	int err = buf_ok(&meta) ? blob_put_message(e->log, buf_view(&meta), m->prefix, m->message, header, &addr, sha256) :
				  ERR_TOO_BIG;
	buf_fini(&meta);
	if (err)
		return err;
	int n = sql_run(e->db, "INSERT INTO blob VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)", "iiiiiii", (int64_t)id,
			(int64_t)addr.segment, (int64_t)addr.offset, (int64_t)addr.length,
			(int64_t)(header + m->prefix.n), (int64_t)(m->message.n - header), (int64_t)refs);
	if (n < 0)
		return n;
	e->next_blob++;
	shard_note_live(e, addr.segment, addr.length);
	*ret_id = id;
	*ret_size = m->prefix.n + m->message.n;
	return 0;
}

int shard_blob_ref(struct shard *e, uint64_t id)
{
	int n = sql_run(e->db, "UPDATE blob SET refs = refs + 1 WHERE id = ?1", "i", (int64_t)id);

	return n < 0 ? n : n == 1 ? 0 : ERR_CORRUPT;
}

int shard_blob_unref(struct shard *e, uint64_t id)
{
	struct sql_stmt *s = sql_prepare(e->db, "UPDATE blob SET refs = refs - 1 WHERE id = ?1"
						" RETURNING refs, segment, length");
	sql_bind_int(s, 1, (int64_t)id);
	int err = sql_step(s);
	int64_t refs = err == 1 ? sql_int(s, 0) : 1;
	int64_t segment = err == 1 ? sql_int(s, 1) : 0, length = err == 1 ? sql_int(s, 2) : 0;
	if (err == 1)
		err = sql_step(s);
	sql_done(s);
	if (err < 0)
		return err;
	if (refs > 0)
		return 0;
	shard_note_live(e, (uint32_t)segment, -length);
	int n = sql_run(e->db, "DELETE FROM blob WHERE id = ?1", "i", (int64_t)id);
	return n < 0 ? n : 0;
}

int shard_fetch(struct shard *e, uint64_t blob, unsigned want, struct fetched *ret, struct buf *out)
{
	struct sql_stmt *s = sql_prepare(e->db, "SELECT segment, offset, length FROM blob WHERE id = ?1");
	struct blob_addr addr;
	struct blob_record r;
	struct blob_meta meta = { 0 };

	sql_bind_int(s, 1, (int64_t)blob);
	int err = sql_step(s);
	if (err == 1)
		addr = (struct blob_addr){ (uint32_t)sql_int(s, 0), (uint64_t)sql_int(s, 1), (uint32_t)sql_int(s, 2) };
	sql_done(s);
	if (err != 1)
		return err < 0 ? err : ERR_CORRUPT;
	err = blob_read_record(e->log, &addr, want, &r, out);
	if (!err && (want & BLOB_WANT_META))
		err = blob_meta_decode(r.meta, &meta);
	if (err)
		return err;
	*ret = (struct fetched){ meta.digest, r.header_length, r.body_length, { 0 }, meta.packed_text };
	memcpy(ret->sha256, r.sha256, 32);
	return 0;
}
