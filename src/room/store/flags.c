/* SPDX-License-Identifier: Apache-2.0 */
/* STORE (RFC 9051 6.4.6, RFC 7162 3.1.3): one new MODSEQ for all that an operation changed; refused ones are told. */
#include "room/store/engine_priv.h"

#include "base/err.h"

static bool apply(struct msg *m, const struct flags_change *c, const struct kwset *kw)
{
	uint32_t flags = m->flags, asked = c->flags & FLAG_ALL;
	struct kwset k = m->kw;

	switch (c->how) {
	case FLAGS_REPLACE:
		flags = asked;
		k = *kw;
		break;
	case FLAGS_ADD:
		flags |= asked;
		k.w[0] |= kw->w[0];
		k.w[1] |= kw->w[1];
		break;
	case FLAGS_REMOVE:
		flags &= ~asked;
		k.w[0] &= ~kw->w[0];
		k.w[1] &= ~kw->w[1];
		break;
	}
	if (flags == m->flags && kwset_eq(&k, &m->kw))
		return false;
	m->flags = flags;
	m->kw = k;
	return true;
}

static int save(struct shard *e, struct mailbox *mb, const struct msg *before, const struct msg *m)
{
	struct object o = { .kind = OBJECT_MESSAGE, .alive = true, .mailbox = mb->id, .msg = *m };
	int n = sql_run(e->db,
			"UPDATE message SET flags = ?3, kw0 = ?4, kw1 = ?5, modseq = ?6 WHERE mailbox = ?1 AND uid = ?2",
			"iiiiii", (int64_t)mb->id, (int64_t)m->uid, (int64_t)m->flags, (int64_t)m->kw.w[0],
			(int64_t)m->kw.w[1], (int64_t)m->modseq);

	if (n < 0)
		return n;
	mb->unseen += !(m->flags & FLAG_SEEN);
	mb->unseen -= !(before->flags & FLAG_SEEN);
	mb->deleted += !!(m->flags & FLAG_DELETED);
	mb->deleted -= !!(before->flags & FLAG_DELETED);
	shard_note_change(e, CHANGE_FLAGS, mb, m);
	return shard_journal_object(e, &o);
}

static void add_failed(struct flags_result *r, uint32_t uid)
{
	if (r->n_failed && r->failed[r->n_failed - 1].last + 1 == uid)
		r->failed[r->n_failed - 1].last = uid;
	else
		r->failed[r->n_failed++] = (struct uid_range){ uid, uid };
}

/* As many as the answer has room for, whatever keywords they have. */
static int page(struct shard *e, uint64_t mailbox, size_t *ret)
{
	int64_t keywords = 0;
	int err = sql_get(e->db, &keywords, "SELECT count(*) FROM keyword WHERE mailbox = ?1", "i", (int64_t)mailbox);

	*ret = STORE_PAGE_BYTES / (META_BYTES + (size_t)keywords);
	return err;
}

static int change_all(struct shard *e, struct mailbox *mb, const struct flags_change *c, const struct kwset *kw,
		      const struct msg_list *l, struct flags_result *r)
{
	uint64_t modseq = mb->highestmodseq + 1;
	int err = 0;

	for (size_t i = 0; !err && i < l->n; i++) {
		struct msg m = l->p[i];
		if (c->conditional && m.modseq > c->unchanged_since) {
			add_failed(r, m.uid);
			continue;
		}
		if (apply(&m, c, kw)) {
			m.modseq = mb->highestmodseq = modseq;
			err = save(e, mb, &l->p[i], &m);
		}
		r->changed[r->n_changed++] = m;
	}
	return err;
}

int shard_flags(struct shard *e, uint64_t mailbox, const struct flags_change *c, struct arena *a,
		 struct flags_result *ret)
{
	struct flags_result r = { 0 };
	struct msg_list l = { 0 };
	struct kwset kw;
	struct mailbox mb;
	bool grew = false;
	size_t most = 0;
	int err = shard_mailbox_by_id(e, mailbox, &mb);

	if (!err)
		err = shard_keywords_find(e, &mb, c->keywords, c->n_keywords, c->how != FLAGS_REMOVE, &kw, &grew);
	if (!err)
		err = page(e, mailbox, &most);
	if (!err)
		err = shard_messages_in(e, mailbox, c->uids, c->n_uids, most, &l, &r.next_uid);
	if (!err) {
		r.changed = ARENA_ARRAY(a, struct msg, l.n + 1);
		r.failed = ARENA_ARRAY(a, struct uid_range, l.n + 1);
		if (grew)
			shard_note_change(e, CHANGE_KEYWORDS, &mb, NULL);
		err = change_all(e, &mb, c, &kw, &l, &r);
	}
	free(l.p);
	if (!err)
		err = shard_mailbox_save(e, &mb);
	if (!err && grew)
		err = shard_mailbox_journal(e, &mb);
	r.highestmodseq = mb.highestmodseq;
	if (!err)
		*ret = r;
	return err;
}
