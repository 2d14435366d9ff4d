/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on names (RFC 9051 6.3.4 to 6.3.9). Separator '/'; INBOX in any case is one name, also in front of
 * children; UTF-8 without control characters. A mailbox with children that is deleted stays as a name that cannot be
 * selected; renaming takes children along; renaming INBOX moves its messages and leaves it empty.
 */
#include "room/store/engine_priv.h"

#include "base/codec.h"
#include "base/err.h"

enum { LEVELS_MAX = 64 };

/* Makes the name clean ("inbox/x" -> "INBOX/x"); ERR_INVALID where it is none. */
int mailbox_name_check(struct slice in, uint8_t out[MAILBOX_NAME_MAX], struct slice *ret)
{
	unsigned levels = 1;

	if (!in.n || in.n > MAILBOX_NAME_MAX || in.p[0] == '/' || in.p[in.n - 1] == '/' || !utf8_valid(in))
		return ERR_INVALID;
	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] < ' ' || in.p[i] == 0x7f || (in.p[i] == '/' && in.p[i - 1] == '/'))
			return ERR_INVALID;
		levels += in.p[i] == '/';
	}
	if (levels > LEVELS_MAX)
		return ERR_INVALID;
	memmove(out, in.p, in.n);
	if (in.n >= 5 && slice_eq_ci(slice_sub(in, 0, 5), SLICE("INBOX")) && (in.n == 5 || in.p[5] == '/'))
		memcpy(out, "INBOX", 5);
	*ret = slice_of(out, in.n);
	return 0;
}

static bool is_inbox(struct slice name)
{
	return slice_eq(name, SLICE("INBOX"));
}

/* Below: "a/b" of "a". */
static bool is_below(struct slice name, struct slice parent)
{
	return name.n > parent.n && slice_starts(name, parent) && name.p[parent.n] == '/';
}

static int count_mailboxes(struct shard *e, uint64_t account)
{
	int64_t n;
	int err = sql_get(e->db, &n, "SELECT count(*) FROM mailbox WHERE account = ?1", "i", (int64_t)account);

	return err ? err : n >= MAILBOXES_MAX ? ERR_TOO_BIG : 0;
}

/* The name and what is missing above it. A name that could not be selected becomes a mailbox again. */
static int make(struct shard *e, struct account *a, struct slice name, uint32_t special_use, bool subscribe,
		struct mailbox *ret)
{
	int err = shard_mailbox(e, a->id, name, ret);

	if (!err && ret->no_select) {
		ret->no_select = false;
		err = shard_mailbox_fresh(e, a, ret);
		return err ? err : shard_mailbox_journal(e, ret);
	}
	if (!err)
		return ERR_EXISTS;
	if (err != ERR_NOT_FOUND)
		return err;
	err = count_mailboxes(e, a->id);
	return err ? err : shard_mailbox_insert(e, a, name, special_use, subscribe, ret);
}

static int make_parents(struct shard *e, struct account *a, struct slice name)
{
	for (size_t i = 1; i < name.n; i++) {
		struct mailbox m;
		if (name.p[i] != '/')
			continue;
		int err = shard_mailbox(e, a->id, slice_sub(name, 0, i), &m);
		if (err == ERR_NOT_FOUND)
			err = make(e, a, slice_sub(name, 0, i), 0, false, &m);
		if (err)
			return err;
	}
	return 0;
}

int shard_create(struct shard *e, uint64_t account, struct slice name, uint32_t special_use, bool subscribe,
		  struct mailbox *ret)
{
	uint8_t clean[MAILBOX_NAME_MAX];
	struct account a;
	struct mailbox m;
	int err = mailbox_name_check(name, clean, &name);

	if (!err)
		err = shard_account(e, account, &a);
	if (!err)
		err = make_parents(e, &a, name);
	if (!err)
		err = make(e, &a, name, special_use, subscribe, &m);
	if (!err)
		err = shard_account_save(e, &a);
	if (!err)
		err = shard_account_journal(e, &a);
	if (!err)
		*ret = m;
	return err;
}

static int subscription_put(struct shard *e, uint64_t account, struct slice name, bool on)
{
	struct object o = { .kind = OBJECT_SUBSCRIPTION, .alive = on, .account = account, .name = name };
	int n = on ? sql_run(e->db, "INSERT OR IGNORE INTO subscription VALUES (?1, ?2)", "ib", (int64_t)account, name) :
		     sql_run(e->db, "DELETE FROM subscription WHERE account = ?1 AND name = ?2", "ib",
			     (int64_t)account, name);

	return n < 0 ? n : n ? shard_journal_object(e, &o) : 0;
}

static int forget(struct shard *e, const struct mailbox *m)
{
	struct object o = { .kind = OBJECT_MAILBOX, .mailbox = m->id };
	int n = sql_run(e->db, "DELETE FROM keyword WHERE mailbox = ?1", "i", (int64_t)m->id);

	if (n >= 0)
		n = sql_run(e->db, "DELETE FROM mailbox WHERE id = ?1", "i", (int64_t)m->id);
	if (n < 0)
		return n;
	shard_note_change(e, CHANGE_GONE, m, NULL);
	int err = shard_journal_object(e, &o);
	/* RFC 9051 6.3.7: a subscription outlives its mailbox. */
	return err || !m->subscribed ? err : subscription_put(e, m->account, mailbox_name(m), true);
}

int shard_delete(struct shard *e, uint64_t account, struct slice name)
{
	struct account a;
	struct mailbox m;
	int err = shard_mailbox(e, account, name, &m);

	if (!err && is_inbox(mailbox_name(&m)))
		return ERR_DENIED;
	if (!err && m.no_select && m.has_children)
		return ERR_CONFLICT;
	if (!err)
		err = shard_account(e, account, &a);
	if (!err && m.has_children && m.uidnext > 1)
		err = shard_journal_expunged(e, m.id, 1, m.uidnext - 1, ++m.highestmodseq);
	if (!err)
		err = shard_mailbox_clear(e, &a, &m);
	if (!err && !m.has_children)
		err = forget(e, &m);
	else if (!err) {
		m.no_select = true;
		shard_note_change(e, CHANGE_GONE, &m, NULL);
		err = shard_mailbox_save(e, &m);
		if (!err)
			err = shard_mailbox_fresh(e, &a, &m);
		if (!err)
			err = shard_mailbox_journal(e, &m);
	}
	if (!err)
		err = shard_account_save(e, &a);
	return err ? err : shard_account_journal(e, &a);
}

int shard_subscribe(struct shard *e, uint64_t account, struct slice name, bool on)
{
	uint8_t clean[MAILBOX_NAME_MAX];
	struct mailbox m;
	int err = mailbox_name_check(name, clean, &name);

	if (err)
		return err;
	err = shard_mailbox(e, account, name, &m);
	if (err == ERR_NOT_FOUND) {
		int64_t n = 0;
		err = sql_get(e->db, &n, "SELECT count(*) FROM subscription WHERE account = ?1", "i", (int64_t)account);
		if (!err && on && n >= MAILBOXES_MAX)
			err = ERR_TOO_BIG;
		return err ? err : subscription_put(e, account, name, on);
	}
	if (err || m.subscribed == on)
		return err;
	m.subscribed = on;
	int n = sql_run(e->db, "UPDATE mailbox SET subscribed = ?2 WHERE id = ?1", "ii", (int64_t)m.id, (int64_t)on);
	return n < 0 ? n : shard_mailbox_journal(e, &m);
}

/* ---- rename ---- */

static int set_name(struct shard *e, struct mailbox *m, struct slice to)
{
	if (to.n > MAILBOX_NAME_MAX)
		return ERR_INVALID;
	int err = subscription_put(e, m->account, to, false);
	if (err)
		return err;
	int n = sql_run(e->db, "UPDATE mailbox SET name = ?2 WHERE id = ?1", "ib", (int64_t)m->id, to);
	if (n < 0)
		return n;
	memmove(m->name, to.p, m->name_n = to.n);
	shard_note_change(e, CHANGE_RENAMED, m, NULL);
	return shard_mailbox_journal(e, m);
}

/* All below from, one after the other; each takes the new front. */
static int rename_children(struct shard *e, uint64_t account, struct slice from, struct slice to)
{
	uint8_t at[MAILBOX_NAME_MAX + 1], name[2 * MAILBOX_NAME_MAX];

	memcpy(at, from.p, from.n);
	at[from.n] = '/';
	for (;;) {
		struct mailbox m;
		int64_t id;
		int err = sql_get(e->db, &id,
				  "SELECT id FROM mailbox WHERE account = ?1 AND name >= ?2 ORDER BY name LIMIT 1", "ib",
				  (int64_t)account, slice_of(at, from.n + 1));
		if (err == ERR_NOT_FOUND)
			return 0;
		if (!err)
			err = shard_mailbox_by_id(e, (uint64_t)id, &m);
		if (err)
			return err;
		if (!is_below(mailbox_name(&m), from))
			return 0;
		memcpy(name, to.p, to.n);
		memcpy(name + to.n, m.name + from.n, m.name_n - from.n);
		err = set_name(e, &m, slice_of(name, to.n + m.name_n - from.n));
		if (err)
			return err;
	}
}

static int rename_inbox(struct shard *e, struct account *a, const struct mailbox *inbox, struct slice to)
{
	static const struct uid_range all = { 1, UINT32_MAX };
	struct copy_result moved;
	struct mailbox m;
	int err = make(e, a, to, 0, inbox->subscribed, &m);

	if (!err)
		err = shard_account_save(e, a);
	if (err || !inbox->messages)
		return err;
	struct arena *arena = arena_new();
	err = shard_copy(e, inbox->id, &all, 1, to, true, (struct slice){ 0 }, arena, &moved);
	arena_free(&arena);
	return err;
}

int shard_rename(struct shard *e, uint64_t account, struct slice from, struct slice to)
{
	uint8_t clean_from[MAILBOX_NAME_MAX], clean_to[MAILBOX_NAME_MAX];
	struct account a;
	struct mailbox m, there;
	int err = mailbox_name_check(from, clean_from, &from);

	if (err || mailbox_name_check(to, clean_to, &to))
		return err ? ERR_NOT_FOUND : ERR_INVALID;
	err = shard_mailbox(e, account, from, &m);
	if (err)
		return err;
	err = shard_mailbox(e, account, to, &there);
	if (err != ERR_NOT_FOUND)
		return err ? err : ERR_EXISTS;
	if (is_below(to, from) && !is_inbox(from))
		return ERR_INVALID;
	err = shard_account(e, account, &a);
	if (!err)
		err = make_parents(e, &a, to);
	if (!err)
		err = shard_account_save(e, &a);
	if (!err && is_inbox(from))
		err = rename_inbox(e, &a, &m, to);
	else if (!err) {
		err = set_name(e, &m, to);
		if (!err)
			err = rename_children(e, account, from, to);
	}
	if (!err)
		err = shard_account(e, account, &a);
	return err ? err : shard_account_journal(e, &a);
}
