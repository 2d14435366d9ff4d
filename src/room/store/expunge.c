/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges of messages, and taking messages away for good. */
#include "room/store/engine_priv.h"

#include "base/err.h"

void msg_list_add(struct msg_list *l, const struct msg *m)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		l->p = realloc(l->p, l->cap * sizeof(*l->p));
		bug_if(!l->p);
	}
	l->p[l->n++] = *m;
}

static int one_range(struct shard *e, uint64_t mailbox, struct uid_range r, size_t limit, struct msg_list *ret,
		     uint32_t *ret_next)
{
	struct sql_stmt *s = sql_prepare(e->db, "SELECT " MESSAGE_COLUMNS " FROM message WHERE mailbox = ?1"
						" AND uid BETWEEN ?2 AND ?3 ORDER BY uid");
	int err;

	sql_bind_int(s, 1, (int64_t)mailbox);
	sql_bind_int(s, 2, (int64_t)r.first);
	sql_bind_int(s, 3, (int64_t)r.last);
	while ((err = sql_step(s)) == 1) {
		struct msg m;
		shard_message_row(s, &m);
		if (ret->n == limit) {
			*ret_next = m.uid;
			break;
		}
		msg_list_add(ret, &m);
	}
	sql_done(s);
	return err < 0 ? err : 0;
}

int shard_messages_in(struct shard *e, uint64_t mailbox, const struct uid_range *uids, size_t n, size_t limit,
		struct msg_list *ret, uint32_t *ret_next)
{
	uint32_t done = 0;
	int err = 0;

	*ret_next = 0;
	for (size_t i = 0; !err && i < n && !*ret_next; i++) {
		struct uid_range r = uids[i];
		/* Ranges come ascending; one that overlaps the one before gives nothing twice. */
		if (r.first <= done && done)
			r.first = done + 1;
		if (r.first > r.last || !r.last)
			continue;
		err = one_range(e, mailbox, r, limit, ret, ret_next);
		done = r.last;
		if (done == UINT32_MAX)
			break;
	}
	return err;
}

int shard_journal_expunged(struct shard *e, uint64_t mailbox, uint32_t first, uint32_t last, uint64_t modseq)
{
	struct object o = { .kind = OBJECT_EXPUNGED, .mailbox = mailbox, .modseq = modseq };

	o.first = first;
	o.last = last;
	return shard_journal_object(e, &o);
}

/* Removes the messages, tells each, writes them to the journal as runs, and gives the runs. */
static int remove_all(struct shard *e, struct mailbox *mb, struct account *a, const struct msg_list *l, bool unref,
		      struct uid_range *runs, size_t max_runs, size_t *ret_runs, size_t *ret_done)
{
	size_t n = 0, i = 0;
	int err = 0;

	mb->highestmodseq++;
	for (; !err && i < l->n; i++) {
		struct msg m = l->p[i];
		if (n && runs[n - 1].last + 1 == m.uid)
			runs[n - 1].last = m.uid;
		else if (n < max_runs)
			runs[n++] = (struct uid_range){ m.uid, m.uid };
		else
			break;
		err = shard_message_remove(e, mb, a, &m, unref);
		m.modseq = mb->highestmodseq;
		shard_note_change(e, CHANGE_EXPUNGED, mb, &m);
	}
	for (size_t k = 0; !err && k < n; k++)
		err = shard_journal_expunged(e, mb->id, runs[k].first, runs[k].last, mb->highestmodseq);
	*ret_runs = n;
	*ret_done = i;
	return err;
}

static void keep_deleted(struct msg_list *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (l->p[i].flags & FLAG_DELETED)
			l->p[n++] = l->p[i];
	l->n = n;
}

int shard_expunge(struct shard *e, uint64_t mailbox, const struct uid_range *uids, size_t n, bool only_deleted,
		   struct arena *arena, struct expunge_result *ret)
{
	static const struct uid_range all = { 1, UINT32_MAX };
	struct msg_list l = { 0 };
	struct expunge_result r = { 0 };
	struct mailbox mb;
	struct account a;
	size_t done;
	uint32_t next;
	int err = shard_mailbox_by_id(e, mailbox, &mb);

	if (!n && only_deleted) {
		uids = &all;
		n = 1;
	}
	if (!err)
		err = shard_account(e, mb.account, &a);
	if (!err && (mb.deleted || !only_deleted))
		err = shard_messages_in(e, mailbox, uids, n, SIZE_MAX, &l, &next);
	if (!err && only_deleted)
		keep_deleted(&l);
	if (!err && l.n) {
		r.expunged = ARENA_ARRAY(arena, struct uid_range, EXPUNGE_PAGE);
		err = remove_all(e, &mb, &a, &l, true, r.expunged, EXPUNGE_PAGE, &r.n_expunged, &done);
		r.more = done < l.n;
		if (!err)
			err = shard_mailbox_save(e, &mb);
		if (!err)
			err = shard_account_save(e, &a);
	}
	free(l.p);
	r.highestmodseq = mb.highestmodseq;
	if (!err)
		*ret = r;
	return err;
}

/* ---- copy and move ---- */

/* The source's keywords as the target's indexes. */
static int map_keywords(struct shard *e, struct mailbox *from, struct mailbox *to, const struct msg_list *l,
			struct arena *arena, struct kwset map[KEYWORDS_MAX], bool *grew)
{
	struct kwset used = { 0 };
	struct slice *names;
	size_t n;

	for (size_t i = 0; i < l->n; i++) {
		used.w[0] |= l->p[i].kw.w[0];
		used.w[1] |= l->p[i].kw.w[1];
	}
	int err = shard_keywords(e, from->id, arena, &names, &n);
	for (size_t i = 0; !err && i < n; i++)
		if (kwset_has(&used, (unsigned)i))
			err = shard_keywords_find(e, to, &names[i], 1, true, &map[i], grew);
	return err;
}

static struct kwset mapped(const struct kwset *in, const struct kwset map[KEYWORDS_MAX])
{
	struct kwset out = { 0 };

	for (unsigned i = 0; i < KEYWORDS_MAX; i++) {
		if (kwset_has(in, i)) {
			out.w[0] |= map[i].w[0];
			out.w[1] |= map[i].w[1];
		}
	}
	return out;
}

static int insert_copies(struct shard *e, struct mailbox *to, struct account *a, const struct msg_list *l,
			 const struct kwset *map, bool ref, struct copy_result *r)
{
	int err = 0;

	to->highestmodseq++;
	for (size_t i = 0; !err && i < l->n; i++) {
		struct msg m = l->p[i];
		m.kw = mapped(&m.kw, map);
		m.modseq = to->highestmodseq;
		m.save_date = e->now;
		if (ref)
			err = shard_blob_ref(e, m.blob);
		if (!err)
			err = shard_message_insert(e, to, a, &m);
		struct uid_pair *last = r->n_pairs ? &r->pairs[r->n_pairs - 1] : NULL;
		if (last && last->from + last->count == l->p[i].uid)
			last->count++;
		else if (r->n_pairs < COPY_RUNS_MAX)
			r->pairs[r->n_pairs++] = (struct uid_pair){ l->p[i].uid, m.uid, 1 };
		else
			err = ERR_TOO_BIG;
	}
	return err;
}

static int take_away(struct shard *e, struct mailbox *from, struct account *a, const struct msg_list *l,
		     struct arena *arena)
{
	struct uid_range *runs = ARENA_ARRAY(arena, struct uid_range, COPY_RUNS_MAX);
	size_t n_runs, done;

	return remove_all(e, from, a, l, false, runs, COPY_RUNS_MAX, &n_runs, &done);
}

static int copy_list(struct shard *e, struct mailbox *from, struct mailbox *to, struct account *a,
		     const struct msg_list *l, bool move, struct arena *arena, struct copy_result *r)
{
	struct kwset *map = ARENA_ARRAY(arena, struct kwset, KEYWORDS_MAX);
	struct mailbox *target = from->id == to->id ? from : to;
	bool grew = false;
	int err = map_keywords(e, from, target, l, arena, map, &grew);

	r->pairs = ARENA_ARRAY(arena, struct uid_pair, COPY_RUNS_MAX);
	if (!err && grew)
		shard_note_change(e, CHANGE_KEYWORDS, target, NULL);
	if (!err)
		err = insert_copies(e, target, a, l, map, !move, r);
	if (!err && move)
		err = take_away(e, from, a, l, arena);
	if (!err)
		err = shard_mailbox_save(e, target);
	if (!err && target != from)
		err = shard_mailbox_save(e, from);
	if (!err && grew)
		err = shard_mailbox_journal(e, target);
	return err ? err : shard_account_save(e, a);
}

static uint64_t sizes(const struct msg_list *l)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < l->n; i++)
		sum += l->p[i].size;
	return sum;
}

static int keep_copy(struct shard *e, uint64_t account, struct slice id, const struct copy_result *r)
{
	struct buf reply = BUF_INIT(64 + COPY_RUNS_MAX * sizeof(struct uid_pair));

	if (!id.n)
		return 0;
	buf_append(&reply, &r->uidvalidity, 4);
	buf_append(&reply, &r->highestmodseq, 8);
	buf_append(&reply, r->pairs, r->n_pairs * sizeof(*r->pairs));
	int err = shard_operation_keep(e, account, id, buf_view(&reply));
	buf_fini(&reply);
	return err;
}

static int copied_already(struct shard *e, uint64_t account, struct slice id, struct arena *arena,
			  struct copy_result *ret)
{
	struct buf kept = BUF_INIT(64 + COPY_RUNS_MAX * sizeof(struct uid_pair));
	int err = shard_operation_find(e, account, id, &kept);

	if (err == 1 && kept.n < 12)
		err = ERR_INVALID;
	if (err == 1) {
		memcpy(&ret->uidvalidity, kept.p, 4);
		memcpy(&ret->highestmodseq, kept.p + 4, 8);
		ret->n_pairs = (kept.n - 12) / sizeof(*ret->pairs);
		ret->pairs = (struct uid_pair *)arena_dup(arena, slice_sub(buf_view(&kept), 12, kept.n)).p;
	}
	buf_fini(&kept);
	return err;
}

int shard_copy(struct shard *e, uint64_t mailbox, const struct uid_range *uids, size_t n, struct slice to_name,
		bool move, struct slice operation_id, struct arena *arena, struct copy_result *ret)
{
	struct copy_result r = { 0 };
	struct msg_list l = { 0 };
	struct mailbox from, to;
	struct account a;
	uint32_t next;
	int err = shard_mailbox_by_id(e, mailbox, &from);

	if (!err)
		err = copied_already(e, from.account, operation_id, arena, ret);
	if (err)
		return err == 1 ? 0 : err;
	err = shard_mailbox(e, from.account, to_name, &to);
	if (!err && to.no_select)
		err = ERR_NOT_FOUND;
	if (!err)
		err = shard_account(e, from.account, &a);
	if (!err)
		err = shard_messages_in(e, mailbox, uids, n, SIZE_MAX, &l, &next);
	if (!err && !move && !shard_account_fits(e, &a, sizes(&l), l.n, sizes(&l)))
		err = ERR_QUOTA;
	if (!err && l.n)
		err = copy_list(e, &from, &to, &a, &l, move, arena, &r);
	free(l.p);
	r.uidvalidity = to.uidvalidity;
	r.highestmodseq = from.highestmodseq;
	if (!err)
		err = keep_copy(e, from.account, operation_id, &r);
	if (!err)
		*ret = r;
	return err;
}
