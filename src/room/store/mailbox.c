/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mailbox as a row: loading, saving, listing. UIDs and MODSEQs are counters in the row and move in the transaction
 * that uses them; UIDVALIDITY comes from a counter of the account that never goes back, so a name that is made again
 * always has a larger one.
 */
#include "room/store/engine_priv.h"

#include "base/codec.h"
#include "base/err.h"

#define COLUMNS                                                                                    \
	"id, account, name, uidvalidity, uidnext, highestmodseq, special_use, subscribed, no_select," \
	" messages, unseen, deleted, size, recent_from, recent"
/* Names below a name: "a/" <= x < "a0". Kept as BLOB, since || makes TEXT of it. */
#define CHILDREN                                                                                   \
	", EXISTS (SELECT 1 FROM mailbox c WHERE c.account = m.account"                            \
	" AND c.name >= CAST(m.name || '/' AS BLOB) AND c.name < CAST(m.name || '0' AS BLOB))"

static void load(struct sql_stmt *s, struct mailbox *m)
{
	struct slice name = sql_blob(s, 2);

	*m = (struct mailbox){ .id = (uint64_t)sql_int(s, 0),
			       .account = (uint64_t)sql_int(s, 1),
			       .uidvalidity = (uint32_t)sql_int(s, 3),
			       .uidnext = (uint32_t)sql_int(s, 4),
			       .highestmodseq = (uint64_t)sql_int(s, 5),
			       .special_use = (uint32_t)sql_int(s, 6),
			       .subscribed = sql_int(s, 7),
			       .no_select = sql_int(s, 8),
			       .messages = (uint32_t)sql_int(s, 9),
			       .unseen = (uint32_t)sql_int(s, 10),
			       .deleted = (uint32_t)sql_int(s, 11),
			       .size = (uint64_t)sql_int(s, 12),
			       .recent_from = (uint32_t)sql_int(s, 13),
			       .recent = (uint32_t)sql_int(s, 14),
			       .exists = true };
	m->name_n = name.n < MAILBOX_NAME_MAX ? name.n : MAILBOX_NAME_MAX;
	memcpy(m->name, name.p, m->name_n);
}

int shard_mailbox(struct shard *e, uint64_t account, struct slice name, struct mailbox *ret)
{
	uint8_t clean[MAILBOX_NAME_MAX];
	int err = mailbox_name_check(name, clean, &name);

	if (err)
		return ERR_NOT_FOUND;
	struct sql_stmt *s = sql_prepare(e->db, "SELECT " COLUMNS CHILDREN " FROM mailbox m WHERE account = ?1 AND name = ?2");
	sql_bind_int(s, 1, (int64_t)account);
	sql_bind_blob(s, 2, name);
	err = sql_step(s);
	if (err == 1) {
		load(s, ret);
		ret->has_children = sql_int(s, 15);
	}
	sql_done(s);
	return err == 1 ? 0 : err < 0 ? err : ERR_NOT_FOUND;
}

int shard_mailbox_by_id(struct shard *e, uint64_t id, struct mailbox *ret)
{
	struct sql_stmt *s = sql_prepare(e->db, "SELECT " COLUMNS " FROM mailbox WHERE id = ?1");
	sql_bind_int(s, 1, (int64_t)id);
	int err = sql_step(s);

	if (err == 1)
		load(s, ret);
	sql_done(s);
	return err == 1 ? 0 : err < 0 ? err : ERR_NOT_FOUND;
}

int shard_deleted_size(struct shard *e, uint64_t id, uint64_t *ret)
{
	int64_t size;
	int err = sql_get(e->db, &size, "SELECT ifnull(sum(size), 0) FROM message WHERE mailbox = ?1 AND flags & ?2", "ii",
			  (int64_t)id, (int64_t)FLAG_DELETED);

	if (!err)
		*ret = (uint64_t)size;
	return err;
}

int shard_list(struct shard *e, uint64_t account, struct slice after,
		int (*on_mailbox)(void *ctx, const struct mailbox *m), void *ctx)
{
	struct sql_stmt *s = sql_prepare(
		e->db, "SELECT * FROM (SELECT " COLUMNS CHILDREN " FROM mailbox m WHERE account = ?1 AND name > ?2"
		       " UNION ALL SELECT 0, account, name, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0 FROM subscription"
		       " WHERE account = ?1 AND name > ?2) ORDER BY name LIMIT 501");
	int err, n = 0;

	sql_bind_int(s, 1, (int64_t)account);
	sql_bind_blob(s, 2, after);
	while ((err = sql_step(s)) == 1) {
		struct mailbox m;
		if (n == LIST_PAGE)
			break;
		n++;
		load(s, &m);
		m.exists = m.id != 0;
		m.has_children = sql_int(s, 15);
		err = on_mailbox(ctx, &m);
		if (err < 0)
			break;
	}
	sql_done(s);
	return err;
}

int shard_mailbox_save(struct shard *e, const struct mailbox *m)
{
	int n = sql_run(e->db,
			"UPDATE mailbox SET uidnext = ?2, highestmodseq = ?3, messages = ?4, unseen = ?5, deleted = ?6,"
			" size = ?7, recent_from = ?8, recent = ?9 WHERE id = ?1",
			"iiiiiiiii", (int64_t)m->id, (int64_t)m->uidnext, (int64_t)m->highestmodseq, (int64_t)m->messages,
			(int64_t)m->unseen, (int64_t)m->deleted, (int64_t)m->size, (int64_t)m->recent_from,
			(int64_t)m->recent);

	return n < 0 ? n : 0;
}

/* Not in the journal: after a rebuild all messages are \Recent again (RFC 3501 2.3.2 wants that where it is not known). */
int shard_claim_recent(struct shard *e, uint64_t mailbox, uint32_t uid)
{
	struct mailbox m;
	int err = shard_mailbox_by_id(e, mailbox, &m);

	if (err)
		return err == ERR_NOT_FOUND ? 0 : err;
	if (uid > m.uidnext)
		uid = m.uidnext;
	if (uid <= m.recent_from)
		return 0;
	m.recent_from = uid;
	err = shard_count_from(e, mailbox, uid, &m.recent);
	return err ? err : shard_mailbox_save(e, &m);
}

int shard_count_from(struct shard *e, uint64_t mailbox, uint32_t uid, uint32_t *ret)
{
	int64_t n;
	int err = sql_get(e->db, &n, "SELECT count(*) FROM message WHERE mailbox = ?1 AND uid >= ?2", "ii",
			  (int64_t)mailbox, (int64_t)uid);

	if (!err)
		*ret = (uint32_t)n;
	return err;
}

int shard_mailbox_journal(struct shard *e, const struct mailbox *m)
{
	struct object o = { .kind = OBJECT_MAILBOX, .alive = true, .mailbox = m->id, .account = m->account };
	struct arena *a = arena_new();
	struct slice *keywords;

	o.name = mailbox_name(m);
	o.uidvalidity = m->uidvalidity;
	o.uidnext = m->uidnext;
	o.modseq = m->highestmodseq;
	o.special_use = m->special_use;
	o.subscribed = m->subscribed;
	o.no_select = m->no_select;
	int err = shard_keywords(e, m->id, a, &keywords, &o.n_keywords);
	if (!err) {
		memcpy(o.keywords, keywords, o.n_keywords * sizeof(*keywords));
		err = shard_journal_object(e, &o);
	}
	arena_free(&a);
	return err;
}

int shard_mailbox_insert(struct shard *e, struct account *a, struct slice name, uint32_t special_use, bool subscribed,
		   struct mailbox *ret)
{
	struct mailbox m = { .id = (uint64_t)e->next_mailbox,
			     .account = a->id,
			     .uidvalidity = a->next_uidvalidity,
			     .uidnext = 1,
			     .recent_from = 1,
			     .highestmodseq = 1,
			     .special_use = special_use,
			     .subscribed = subscribed,
			     .exists = true };
	int n = sql_run(e->db, "DELETE FROM subscription WHERE account = ?1 AND name = ?2", "ib", (int64_t)a->id, name);

	if (n < 0)
		return n;
	if (n > 0) {
		struct object o = { .kind = OBJECT_SUBSCRIPTION, .account = a->id, .name = name };
		int err = shard_journal_object(e, &o);
		if (err)
			return err;
		m.subscribed = true;
	}
	memcpy(m.name, name.p, m.name_n = name.n);
	n = sql_run(e->db,
		    "INSERT INTO mailbox (id, account, name, uidvalidity, uidnext, highestmodseq, special_use, subscribed,"
		    " no_select) VALUES (?1, ?2, ?3, ?4, 1, 1, ?5, ?6, 0)",
		    "iibiii", (int64_t)m.id, (int64_t)m.account, name, (int64_t)m.uidvalidity, (int64_t)special_use,
		    (int64_t)m.subscribed);
	if (n < 0)
		return n;
	e->next_mailbox++;
	a->next_uidvalidity++;
	*ret = m;
	return shard_mailbox_journal(e, &m);
}

/* Empties it for good: its UIDs start over, so its UIDVALIDITY is a new one. */
int shard_mailbox_fresh(struct shard *e, struct account *a, struct mailbox *m)
{
	m->uidvalidity = a->next_uidvalidity++;
	int n = sql_run(e->db, "UPDATE mailbox SET uidvalidity = ?2, no_select = ?3 WHERE id = ?1", "iii", (int64_t)m->id,
			(int64_t)m->uidvalidity, (int64_t)m->no_select);

	return n < 0 ? n : 0;
}

int shard_mailbox_clear(struct shard *e, struct account *a, struct mailbox *m)
{
	for (;;) {
		struct sql_stmt *s = sql_prepare(e->db, "SELECT " MESSAGE_COLUMNS
							" FROM message WHERE mailbox = ?1 ORDER BY uid LIMIT 256");
		struct msg batch[256];
		size_t n = 0;
		int err;

		sql_bind_int(s, 1, (int64_t)m->id);
		while ((err = sql_step(s)) == 1)
			shard_message_row(s, &batch[n++]);
		sql_done(s);
		for (size_t i = 0; !err && i < n; i++)
			err = shard_message_remove(e, m, a, &batch[i], true);
		if (err)
			return err;
		if (!n)
			return 0;
	}
}
