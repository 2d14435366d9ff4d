/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages come in (delivery, append) and their rows. Quota, UID, MODSEQ, counters, references and the operation id move
 * in one savepoint with the message. Threats: a retry after a crash (operation ids, source messages), a recipient whose
 * quota is used up taking the mail from the others (nobody gets it, and who failed is told).
 */
#include "room/store/engine_priv.h"

#include "base/err.h"

void shard_message_row(struct sql_stmt *s, struct msg *ret)
{
	*ret = (struct msg){ .uid = (uint32_t)sql_int(s, 0),
			     .modseq = (uint64_t)sql_int(s, 1),
			     .blob = (uint64_t)sql_int(s, 2),
			     .flags = (uint32_t)sql_int(s, 3),
			     .kw = { { (uint64_t)sql_int(s, 4), (uint64_t)sql_int(s, 5) } },
			     .internal_date = sql_int(s, 6),
			     .save_date = sql_int(s, 7),
			     .size = (uint64_t)sql_int(s, 8) };
}

static int journal_message(struct shard *e, uint64_t mailbox, const struct msg *m)
{
	struct object o = { .kind = OBJECT_MESSAGE, .alive = true, .mailbox = mailbox, .msg = *m };

	return shard_journal_object(e, &o);
}

/* Gives it the next UID; mailbox and account are counted in memory, the caller saves them. */
int shard_message_insert(struct shard *e, struct mailbox *mb, struct account *a, struct msg *m)
{
	if (mb->uidnext == UINT32_MAX)
		return ERR_FULL;
	m->uid = mb->uidnext++;
	int n = sql_run(e->db, "INSERT INTO message VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)", "iiiiiiiiii",
			(int64_t)mb->id, (int64_t)m->uid, (int64_t)m->modseq, (int64_t)m->blob, (int64_t)m->flags,
			(int64_t)m->kw.w[0], (int64_t)m->kw.w[1], m->internal_date, m->save_date, (int64_t)m->size);
	if (n < 0)
		return n;
	mb->messages++;
	mb->size += m->size;
	mb->unseen += !(m->flags & FLAG_SEEN);
	mb->deleted += !!(m->flags & FLAG_DELETED);
	mb->recent++;
	a->used_bytes += m->size;
	a->used_messages++;
	shard_note_change(e, CHANGE_NEW, mb, m);
	return journal_message(e, mb->id, m);
}

/* The row and the counters; the caller writes the journal (a run of uids is one object). */
int shard_message_remove(struct shard *e, struct mailbox *mb, struct account *a, const struct msg *m, bool unref)
{
	int n = sql_run(e->db, "DELETE FROM message WHERE mailbox = ?1 AND uid = ?2", "ii", (int64_t)mb->id,
			(int64_t)m->uid);

	if (n < 0)
		return n;
	mb->messages--;
	mb->size -= m->size;
	mb->unseen -= !(m->flags & FLAG_SEEN);
	mb->deleted -= !!(m->flags & FLAG_DELETED);
	mb->recent -= m->uid >= mb->recent_from;
	a->used_bytes -= m->size;
	a->used_messages--;
	return unref ? shard_blob_unref(e, m->blob) : 0;
}

int shard_messages(struct shard *e, uint64_t mailbox, int (*on_msg)(void *ctx, const struct msg *m), void *ctx)
{
	return shard_messages_after(e, mailbox, 0, on_msg, ctx);
}

int shard_messages_after(struct shard *e, uint64_t mailbox, uint32_t uid, int (*on_msg)(void *ctx, const struct msg *m),
			 void *ctx)
{
	struct sql_stmt *s = sql_prepare(e->db, "SELECT " MESSAGE_COLUMNS
						" FROM message WHERE mailbox = ?1 AND uid > ?2 ORDER BY uid");
	int err;

	sql_bind_int(s, 1, (int64_t)mailbox);
	sql_bind_int(s, 2, (int64_t)uid);
	while ((err = sql_step(s)) == 1) {
		struct msg m;
		shard_message_row(s, &m);
		err = on_msg(ctx, &m);
		if (err < 0)
			break;
	}
	sql_done(s);
	return err < 0 ? err : 0;
}

/* ---- delivery ---- */

struct target {
	struct account account;
	struct mailbox mailbox;
};

static int find_in_area(struct shard *e, const struct delivery *d, bool make, struct target *ret)
{
	int err = shard_make_target(e, &ret->account, d->mailbox, d->mailboxes_max, make, &ret->mailbox);

	return err ? err : shard_account(e, d->account, &ret->account);
}

/* A name that cannot be made is as one that is not there. */
static int make_mailbox(struct shard *e, const struct delivery *d, bool make, struct target *ret)
{
	int err = shard_make_target(e, &ret->account, d->mailbox, d->mailboxes_max, make, &ret->mailbox);

	if (err == ERR_INVALID || err == ERR_QUOTA || err == ERR_TOO_BIG)
		return ERR_NOT_FOUND;
	return err ? err : shard_account(e, d->account, &ret->account);
}

/* Where it goes: the mailbox by name, else the one of that special use, else INBOX. */
static int find_target(struct shard *e, const struct delivery *d, bool make, struct target *ret)
{
	static const struct {
		const char *name;
		uint32_t use;
	} uses[] = { { "Junk", USE_JUNK }, { "Archive", USE_ARCHIVE }, { "Sent", USE_SENT }, { "Trash", USE_TRASH } };
	struct slice name = d->mailbox.n ? d->mailbox : SLICE("INBOX");
	int64_t id;
	int err = shard_account(e, d->account, &ret->account);

	if (!err && account_is_area(&ret->account))
		return d->create ? find_in_area(e, d, make, ret) : ERR_NOT_FOUND;
	if (!err && d->mailbox.n)	/* INBOX is closed: so is the account */
		err = shard_mailbox(e, d->account, SLICE("INBOX"), &ret->mailbox);
	if (!err && d->mailbox.n && ret->mailbox.no_select)
		return ERR_NOT_FOUND;
	if (!err)
		err = shard_mailbox(e, d->account, name, &ret->mailbox);
	if (err == ERR_NOT_FOUND && d->create)
		err = make_mailbox(e, d, make, ret);
	if (!err && ret->mailbox.no_select)
		err = ERR_NOT_FOUND;
	if (err != ERR_NOT_FOUND)
		return err;
	for (size_t i = 0; i < ARRAY_SIZE(uses); i++) {
		if (!slice_eq(name, slice_str(uses[i].name)))
			continue;
		err = sql_get(e->db, &id, "SELECT id FROM mailbox WHERE account = ?1 AND special_use & ?2 LIMIT 1", "ii",
			      (int64_t)d->account, (int64_t)uses[i].use);
		if (!err)
			return shard_mailbox_by_id(e, (uint64_t)id, &ret->mailbox);
	}
	err = shard_mailbox(e, d->account, SLICE("INBOX"), &ret->mailbox);
	return !err && ret->mailbox.no_select ? ERR_NOT_FOUND : err;
}

/* The same mailbox a second time among the recipients (an alias and its target): one copy. */
static size_t first_same(struct shard *e, const struct delivery *to, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (to[i].account == to[at].account && slice_eq(to[i].mailbox, to[at].mailbox))
			return i;
	return at;
}

/* What the recipients before this one take of its account and of its pool, with this one. */
static void count_promised(const struct delivery *to, const uint64_t *pools, size_t at, uint64_t *ret_account,
			   uint64_t *ret_pool)
{
	*ret_account = *ret_pool = 1;
	for (size_t i = 0; i < at; i++) {
		if (to[i].err)
			continue;
		*ret_account += to[i].account == to[at].account && pools[i] != UINT64_MAX;
		*ret_pool += pools[i] == pools[at];
	}
}

/* 1 all can have it, 0 somebody cannot. Of a single recipient the target is told. */
static int judge(struct shard *e, struct delivery *to, size_t n, uint64_t size, struct target *ret_only)
{
	uint64_t pools[RECIPIENTS_MAX], of_account, of_pool;
	bool all = true;

	for (size_t i = 0; i < n; i++) {
		struct target t;
		size_t same = first_same(e, to, i);
		pools[i] = 0;
		if (same != i) {
			to[i].err = to[same].err;
			pools[i] = UINT64_MAX;	/* takes nothing more */
			continue;
		}
		int err = find_target(e, &to[i], false, &t);
		if (err && err != ERR_NOT_FOUND)
			return err;
		if (!err)
			pools[i] = t.account.pool;
		count_promised(to, pools, i, &of_account, &of_pool);
		if (!err && !shard_account_fits(e, &t.account, of_account * size, of_account, of_pool * size))
			err = ERR_QUOTA;
		to[i].err = err;
		all &= !err;
		if (n == 1 && !err)
			*ret_only = t;
	}
	return all;
}

/* Where it goes is known where judge has just found it. */
static int deliver_one(struct shard *e, struct delivery *d, const struct target *known, const struct msg *like)
{
	struct target t;
	struct msg m = *like;
	bool grew = false;
	int err = 0;

	if (known)
		t = *known;
	else
		err = find_target(e, d, true, &t);
	if (err)
		return err;
	m.flags = d->flags;
	err = shard_keywords_find(e, &t.mailbox, d->keywords, d->n_keywords, true, &m.kw, &grew);
	if (err == ERR_INVALID || err == ERR_TOO_BIG || err == ERR_QUOTA)	/* a name or one too many: without them */
		err = 0;
	if (err)
		return err;
	if (grew)
		shard_note_change(e, CHANGE_KEYWORDS, &t.mailbox, NULL);
	m.modseq = ++t.mailbox.highestmodseq;
	err = shard_message_insert(e, &t.mailbox, &t.account, &m);
	if (!err)
		err = shard_mailbox_save(e, &t.mailbox);
	if (!err && grew)
		err = shard_mailbox_journal(e, &t.mailbox);
	if (!err)
		err = shard_account_save(e, &t.account);
	d->uid = m.uid;
	d->uidvalidity = t.mailbox.uidvalidity;
	return err;
}

static int deliver_all(struct shard *e, struct delivery *to, size_t n, const struct target *only, const struct incoming *m)
{
	struct msg like = { .internal_date = m->internal_date ? m->internal_date : e->now, .save_date = e->now };
	unsigned copies = 0;

	for (size_t i = 0; i < n; i++)
		copies += first_same(e, to, i) == i;
	int err = shard_blob_insert(e, m, copies, &like.blob, &like.size);
	for (size_t i = 0; !err && i < n; i++) {
		size_t same = first_same(e, to, i);
		if (same == i) {
			err = deliver_one(e, &to[i], only, &like);
		} else {
			to[i].uid = to[same].uid;
			to[i].uidvalidity = to[same].uidvalidity;
		}
	}
	return err;
}

/* The kept answer of a delivery: uid and uidvalidity for each recipient. */
static int delivered_before(struct shard *e, struct delivery *to, size_t n, struct slice id)
{
	struct buf kept = BUF_INIT(RECIPIENTS_MAX * 8);
	int found = shard_operation_find(e, 0, id, &kept);

	if (found == 1 && kept.n != n * 8)
		found = ERR_INVALID;
	for (size_t i = 0; found == 1 && i < n; i++) {
		memcpy(&to[i].uid, kept.p + i * 8, 4);
		memcpy(&to[i].uidvalidity, kept.p + i * 8 + 4, 4);
		to[i].err = 0;
	}
	buf_fini(&kept);
	return found;
}

int shard_deliver(struct shard *e, struct delivery *to, size_t n, const struct incoming *m)
{
	struct target only;

	if (!n || n > RECIPIENTS_MAX)
		return ERR_INVALID;
	int err = delivered_before(e, to, n, m->operation_id);
	if (err)
		return err == 1 ? 0 : err;
	err = judge(e, to, n, m->prefix.n + m->message.n, &only);
	if (err <= 0)
		return err;
	/* One that is still to be made (create) was not found. */
	err = deliver_all(e, to, n, n == 1 && !to->create ? &only : NULL, m);
	if (err)
		return err;
	struct buf reply = BUF_INIT(RECIPIENTS_MAX * 8);
	for (size_t i = 0; i < n; i++) {
		buf_append(&reply, &to[i].uid, 4);
		buf_append(&reply, &to[i].uidvalidity, 4);
	}
	err = shard_operation_keep(e, 0, m->operation_id, buf_view(&reply));
	buf_fini(&reply);
	return err;
}
