/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Areas, and mail that changes its account. An area is an account whose address begins with '@' (a domain's): it has
 * no INBOX, nobody logs in to it, and each of its folders holds the mail of one address that nobody has yet. A delivery
 * makes the folder.
 *
 * A closed folder (no_select) takes no delivery any more; an account is closed by its INBOX. Closing comes first when
 * mail moves elsewhere: a delivery that was routed before is told that there is no such mailbox, so that its route is
 * asked for again, and what is read behind the closing is all there will ever be. Closed folders of an area stay as
 * empty names, or a late delivery would make them anew.
 */
#include "room/store/engine_priv.h"

#include "base/err.h"

int shard_make_target(struct shard *e, const struct account *a, struct slice name, uint32_t max, bool make,
		      struct mailbox *ret)
{
	uint8_t clean[MAILBOX_NAME_MAX];
	int64_t n = 0;
	int err = shard_mailbox(e, a->id, name, ret);

	if (err == ERR_NOT_FOUND && mailbox_name_check(name, clean, &name))
		return ERR_INVALID;
	if (err != ERR_NOT_FOUND)
		return err ? err : ret->no_select ? ERR_NOT_FOUND : 0;
	err = sql_get(e->db, &n, "SELECT count(*) FROM mailbox WHERE account = ?1 AND no_select = 0", "i",
		      (int64_t)a->id);
	if (!err && n >= (max && max < MAILBOXES_MAX ? max : MAILBOXES_MAX))
		err = ERR_QUOTA;
	return err || !make ? err : shard_create(e, a->id, name, 0, false, ret);
}

static int set_closed(struct shard *e, struct mailbox *m)
{
	m->no_select = true;
	int n = sql_run(e->db, "UPDATE mailbox SET no_select = 1 WHERE id = ?1", "i", (int64_t)m->id);

	return n < 0 ? n : shard_mailbox_journal(e, m);
}

int shard_close_folder(struct shard *e, uint64_t account, struct slice name)
{
	struct account a;
	struct mailbox m;
	int err = shard_account(e, account, &a);

	if (err)
		return err;
	if (!name.n)
		name = SLICE("INBOX");
	err = shard_mailbox(e, account, name, &m);
	if (err == ERR_NOT_FOUND && account_is_area(&a))
		err = shard_create(e, account, name, 0, false, &m);
	return err || m.no_select ? err : set_closed(e, &m);
}

int shard_folder_dates(struct shard *e, uint64_t mailbox, int64_t *ret_first, int64_t *ret_last)
{
	static const char first[] = "SELECT save_date FROM message WHERE mailbox = ?1 ORDER BY uid LIMIT 1";
	static const char last[] = "SELECT save_date FROM message WHERE mailbox = ?1 ORDER BY uid DESC LIMIT 1";
	int err = sql_get(e->db, ret_first, first, "i", (int64_t)mailbox);

	if (!err)
		err = sql_get(e->db, ret_last, last, "i", (int64_t)mailbox);
	if (err == ERR_NOT_FOUND)
		*ret_first = *ret_last = 0;
	return err == ERR_NOT_FOUND ? 0 : err;
}

int shard_put(struct shard *e, uint64_t account, struct slice mailbox, const struct incoming *m, struct appended *ret)
{
	struct account a;
	struct mailbox mb;
	int err = shard_account(e, account, &a);

	if (!err)
		err = shard_mailbox(e, account, mailbox, &mb);
	if (err == ERR_NOT_FOUND && !shard_account(e, account, &a))
		err = shard_create(e, account, mailbox, 0, true, &mb);
	return err ? err : shard_append(e, account, mailbox, m, ret);
}

/* All messages; the counters of mailbox and account follow. */
static int empty(struct shard *e, uint64_t mailbox)
{
	static const struct uid_range all = { 1, UINT32_MAX };
	struct expunge_result r = { .more = true };
	int err = 0;

	while (!err && r.more) {
		struct arena *a = arena_new();
		err = shard_expunge(e, mailbox, &all, 1, false, a, &r);
		arena_free(&a);
	}
	return err;
}

int shard_drop_folder(struct shard *e, uint64_t account, struct slice name, struct dropped *ret)
{
	struct mailbox m;
	int err = shard_mailbox(e, account, name, &m);

	if (err)
		return err;
	struct dropped gone = { m.messages, m.size, false };
	err = m.no_select ? empty(e, m.id) : shard_delete(e, account, name);
	if (!err)
		*ret = gone;
	return err;
}

static int prune_folder(struct shard *e, const struct mailbox *m, int64_t before, size_t limit, struct dropped *r)
{
	struct uid_range old = { 1, 0 };
	struct arena *a = arena_new();
	struct expunge_result gone;
	struct msg_list l = { 0 };
	uint32_t next = 0;
	int err = shard_messages_in(e, m->id, &(struct uid_range){ 1, UINT32_MAX }, 1, limit, &l, &next);

	for (size_t i = 0; !err && i < l.n && l.p[i].save_date < before; i++) {
		old.last = l.p[i].uid;
		r->messages++;
		r->bytes += l.p[i].size;
	}
	if (!err && old.last)
		err = shard_expunge(e, m->id, &old, 1, false, a, &gone);
	r->more |= next && old.last && l.n && old.last == l.p[l.n - 1].uid;
	if (!err && !next && l.n && old.last == l.p[l.n - 1].uid)
		err = shard_delete(e, m->account, mailbox_name(m));
	free(l.p);
	arena_free(&a);
	return err;
}

int shard_prune_area(struct shard *e, uint64_t account, int64_t before, struct dropped *ret)
{
	enum { FOLDERS = 100, MESSAGES = 2000 };
	struct dropped r = { 0 };
	struct account acc;
	int err = shard_account(e, account, &acc);

	if (!err && !account_is_area(&acc))
		err = ERR_DENIED;
	for (int i = 0; !err && i < FOLDERS && !r.more; i++) {
		int64_t id;
		struct mailbox m;
		err = sql_get(e->db, &id,
			      "SELECT id FROM mailbox WHERE account = ?1 AND no_select = 0 AND (SELECT save_date FROM message"
			      " WHERE mailbox = mailbox.id ORDER BY uid LIMIT 1) < ?2 LIMIT 1",
			      "ii", (int64_t)account, before);
		if (err == ERR_NOT_FOUND)
			break;
		if (!err)
			err = shard_mailbox_by_id(e, (uint64_t)id, &m);
		if (!err)
			err = prune_folder(e, &m, before, MESSAGES, &r);
		r.more |= i == FOLDERS - 1;
	}
	if (err && err != ERR_NOT_FOUND)
		return err;
	*ret = r;
	return 0;
}
