/* SPDX-License-Identifier: Apache-2.0 */
/* APPEND, and copies from an old server: each source message once, also across a crash between copy and note. */
#include "room/store/engine_priv.h"

#include "base/err.h"

static int source_folder(struct shard *e, uint64_t account, const struct incoming *m, bool make, int64_t *ret)
{
	int err = sql_get(e->db, ret,
			  "SELECT id FROM source_folder WHERE account = ?1 AND source = ?2 AND name = ?3 AND uidvalidity = ?4",
			  "iibi", (int64_t)account, (int64_t)m->source_id, m->source_folder,
			  (int64_t)m->source_uidvalidity);

	if (err != ERR_NOT_FOUND || !make)
		return err;
	int n = sql_run(e->db, "INSERT INTO source_folder (account, source, uidvalidity, name) VALUES (?1, ?2, ?3, ?4)",
			"iiib", (int64_t)account, (int64_t)m->source_id, (int64_t)m->source_uidvalidity, m->source_folder);
	*ret = sql_last_id(e->db);
	return n < 0 ? n : 0;
}

/* 1 it is here (or was: a message that was expunged since is not copied again). */
static int copied_before(struct shard *e, uint64_t account, const struct incoming *m, struct appended *ret)
{
	int64_t folder;
	int err = m->source_folder.n ? source_folder(e, account, m, false, &folder) : ERR_NOT_FOUND;

	if (err)
		return err == ERR_NOT_FOUND ? 0 : err;
	struct sql_stmt *s = sql_prepare(e->db, "SELECT uidvalidity, target_uid FROM source WHERE folder = ?1 AND uid = ?2");
	sql_bind_int(s, 1, folder);
	sql_bind_int(s, 2, (int64_t)m->source_uid);
	err = sql_step(s);
	if (err == 1)
		*ret = (struct appended){ (uint32_t)sql_int(s, 0), (uint32_t)sql_int(s, 1), true };
	sql_done(s);
	return err;
}

static int keep_source(struct shard *e, const struct mailbox *mb, const struct incoming *m, uint32_t uid)
{
	struct object o = { .kind = OBJECT_SOURCE, .alive = true, .account = mb->account, .mailbox = mb->id };
	int64_t folder;
	int err = source_folder(e, mb->account, m, true, &folder);

	if (err)
		return err;
	int n = sql_run(e->db, "INSERT INTO source VALUES (?1, ?2, ?3, ?4, ?5)", "iiiii", folder, (int64_t)m->source_uid,
			(int64_t)mb->id, (int64_t)mb->uidvalidity, (int64_t)uid);
	if (n < 0)
		return n;
	o.source_id = m->source_id;
	o.name = m->source_folder;
	o.source_uidvalidity = m->source_uidvalidity;
	o.source_uid = m->source_uid;
	o.uidvalidity = mb->uidvalidity;
	o.target_uid = uid;
	return shard_journal_object(e, &o);
}

static int appended_before(struct shard *e, uint64_t account, const struct incoming *m, struct appended *ret)
{
	struct buf kept = BUF_INIT(sizeof(*ret));
	int err = shard_operation_find(e, account, m->operation_id, &kept);

	if (err == 1 && kept.n == sizeof(*ret))
		memcpy(ret, kept.p, sizeof(*ret));
	else if (err == 1)
		err = ERR_INVALID;
	buf_fini(&kept);
	return err ? err : copied_before(e, account, m, ret);
}

static int append_to(struct shard *e, struct mailbox *mb, struct account *a, const struct incoming *m, struct msg *msg)
{
	bool grew = false;
	int err = shard_keywords_find(e, mb, m->keywords, m->n_keywords, true, &msg->kw, &grew);

	if (!err && grew)
		shard_note_change(e, CHANGE_KEYWORDS, mb, NULL);
	if (!err)
		err = shard_blob_insert(e, m, 1, &msg->blob, &msg->size);
	msg->modseq = ++mb->highestmodseq;
	if (!err)
		err = shard_message_insert(e, mb, a, msg);
	if (!err)
		err = shard_mailbox_save(e, mb);
	if (!err && grew)
		err = shard_mailbox_journal(e, mb);
	return err ? err : shard_account_save(e, a);
}

/* The same message again under another UIDVALIDITY of its source: it gets a second source, and no second copy. */
static int note_source(struct shard *e, const struct mailbox *mb, const struct incoming *m, struct appended *ret)
{
	int64_t uid;
	int err = sql_get(e->db, &uid, "SELECT uid FROM message WHERE mailbox = ?1 AND uid = ?2", "ii", (int64_t)mb->id,
			  (int64_t)m->same_uid);

	if (!err)
		err = m->source_folder.n ? keep_source(e, mb, m, m->same_uid) : ERR_INVALID;
	if (!err)
		*ret = (struct appended){ mb->uidvalidity, m->same_uid, true };
	return err;
}

int shard_append(struct shard *e, uint64_t account, struct slice mailbox, const struct incoming *m,
		  struct appended *ret)
{
	struct msg msg = { .flags = m->flags & FLAG_ALL, .internal_date = m->internal_date ? m->internal_date : e->now,
			   .save_date = e->now };
	struct appended done = { 0 };
	struct mailbox mb;
	struct account a;
	int err = appended_before(e, account, m, &done);

	if (err == 1)
		*ret = done;
	if (err)
		return err < 0 ? err : 0;
	if (m->source_folder.n > MAILBOX_NAME_MAX)
		return ERR_TOO_BIG;
	err = shard_mailbox(e, account, mailbox, &mb);
	if (!err && mb.no_select)
		err = ERR_NOT_FOUND;
	if (!err && m->same_uid)
		return note_source(e, &mb, m, ret);
	if (!err)
		err = shard_account(e, account, &a);
	if (!err && !m->no_quota && !shard_account_fits(e, &a, m->prefix.n + m->message.n, 1, m->prefix.n + m->message.n))
		err = ERR_QUOTA;
	if (!err)
		err = append_to(e, &mb, &a, m, &msg);
	if (!err && m->source_folder.n)
		err = keep_source(e, &mb, m, msg.uid);
	done = (struct appended){ mb.uidvalidity, msg.uid, false };
	if (!err)
		err = shard_operation_keep(e, account, m->operation_id, slice_of(&done, sizeof(done)));
	if (!err)
		*ret = done;
	return err;
}

int shard_copied(struct shard *e, uint64_t account, uint64_t source_id, struct slice folder, uint32_t uidvalidity,
		  uint32_t after_uid, int64_t since_ms, void (*on_pair)(void *ctx, const struct copied_pair *pair), void *ctx)
{
	struct incoming m = { .source_id = source_id, .source_folder = folder, .source_uidvalidity = uidvalidity };
	int64_t id;
	int n = 0, err = source_folder(e, account, &m, false, &id);

	if (err)
		return err == ERR_NOT_FOUND ? 0 : err;
	struct sql_stmt *s = sql_prepare(e->db, "SELECT s.uid, s.target_uid, ifnull(m.size, 0) FROM source s LEFT JOIN message m"
						" ON m.mailbox = s.mailbox AND m.uid = s.target_uid AND m.save_date >= ?3"
						" WHERE s.folder = ?1 AND s.uid > ?2 ORDER BY s.uid LIMIT 4001");
	sql_bind_int(s, 1, id);
	sql_bind_int(s, 2, (int64_t)after_uid);
	sql_bind_int(s, 3, since_ms);
	while ((err = sql_step(s)) == 1 && n < COPIED_PAGE) {
		struct copied_pair pair = { (uint32_t)sql_int(s, 0), (uint32_t)sql_int(s, 1), (uint64_t)sql_int(s, 2) };
		on_pair(ctx, &pair);
		n++;
	}
	sql_done(s);
	return err;
}
