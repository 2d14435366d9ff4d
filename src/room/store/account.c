/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts: made by directory before it acknowledges a mailbox, with INBOX and the folders of special use. */
#include "room/store/engine_priv.h"

#include "base/err.h"

int shard_account(struct shard *e, uint64_t id, struct account *ret)
{
	struct sql_stmt *s = sql_prepare(e->db,
					 "SELECT quota_bytes, quota_messages, used_bytes, used_messages,"
					 " next_uidvalidity, address FROM account WHERE id = ?1");
	sql_bind_int(s, 1, (int64_t)id);
	int err = sql_step(s);

	if (err == 1) {
		struct slice address = sql_blob(s, 5);
		*ret = (struct account){ .id = id,
					 .quota_bytes = (uint64_t)sql_int(s, 0),
					 .quota_messages = (uint64_t)sql_int(s, 1),
					 .used_bytes = (uint64_t)sql_int(s, 2),
					 .used_messages = (uint64_t)sql_int(s, 3),
					 .next_uidvalidity = (uint32_t)sql_int(s, 4) };
		ret->address_n = address.n < ADDRESS_MAX ? address.n : ADDRESS_MAX;
		memcpy(ret->address, address.p, ret->address_n);
	}
	sql_done(s);
	return err == 1 ? 0 : err < 0 ? err : ERR_NOT_FOUND;
}

int shard_account_save(struct shard *e, const struct account *a)
{
	int n = sql_run(e->db,
			"UPDATE account SET used_bytes = ?2, used_messages = ?3, next_uidvalidity = ?4 WHERE id = ?1",
			"iiii", (int64_t)a->id, (int64_t)a->used_bytes, (int64_t)a->used_messages,
			(int64_t)a->next_uidvalidity);

	return n < 0 ? n : 0;
}

int shard_account_journal(struct shard *e, const struct account *a)
{
	struct object o = { .kind = OBJECT_ACCOUNT, .alive = true };

	o.account = a->id;
	o.name = slice_of(a->address, a->address_n);
	o.quota_bytes = a->quota_bytes;
	o.quota_messages = a->quota_messages;
	o.uidvalidity = a->next_uidvalidity;
	return shard_journal_object(e, &o);
}

bool shard_account_fits(const struct account *a, uint64_t bytes, uint64_t messages)
{
	if (a->quota_bytes && a->used_bytes + bytes > a->quota_bytes)
		return false;
	return !a->quota_messages || a->used_messages + messages <= a->quota_messages;
}

static int make_folders(struct shard *e, struct account *a)
{
	static const struct {
		const char *name;
		uint32_t use;
	} folders[] = {
		{ "INBOX", 0 },		   { "Archive", USE_ARCHIVE }, { "Drafts", USE_DRAFTS },
		{ "Junk", USE_JUNK },	   { "Sent", USE_SENT },       { "Trash", USE_TRASH },
	};

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		struct mailbox m;
		int err = shard_mailbox_insert(e, a, slice_str(folders[i].name), folders[i].use, true, &m);
		if (err)
			return err;
	}
	return 0;
}

static int insert(struct shard *e, struct account *a)
{
	int n = sql_run(e->db,
			"INSERT INTO account (id, address, quota_bytes, quota_messages, next_uidvalidity)"
			" VALUES (?1, ?2, ?3, ?4, ?5)",
			"ibiii", (int64_t)a->id, slice_of(a->address, a->address_n), (int64_t)a->quota_bytes,
			(int64_t)a->quota_messages, (int64_t)a->next_uidvalidity);
	int err = n < 0 ? n : account_is_area(a) ? 0 : make_folders(e, a);

	if (!err)
		err = shard_account_save(e, a);
	return err ? err : shard_account_journal(e, a);
}

int shard_account_put(struct shard *e, uint64_t id, struct slice address, uint64_t quota_bytes,
		       uint64_t quota_messages)
{
	struct account a;
	int err = shard_account(e, id, &a);

	if (!id || id > INT64_MAX || address.n > ADDRESS_MAX || quota_bytes > INT64_MAX || quota_messages > INT64_MAX)
		return ERR_INVALID;
	if (err && err != ERR_NOT_FOUND)
		return err;
	bool fresh = err == ERR_NOT_FOUND;
	if (fresh)
		a = (struct account){ .id = id, .next_uidvalidity = (uint32_t)(e->now / 1000) };
	if (fresh && !a.next_uidvalidity)
		a.next_uidvalidity = 1;
	a.quota_bytes = quota_bytes;
	a.quota_messages = quota_messages;
	if (address.n || fresh) {
		a.address_n = address.n;
		if (address.n)
			memcpy(a.address, address.p, address.n);
	}
	if (fresh)
		return insert(e, &a);
	int n = sql_run(e->db, "UPDATE account SET quota_bytes = ?2, quota_messages = ?3, address = ?4 WHERE id = ?1",
			"iiib", (int64_t)id, (int64_t)quota_bytes, (int64_t)quota_messages,
			slice_of(a.address, a.address_n));
	return n < 0 ? n : shard_account_journal(e, &a);
}

static int remove_mailboxes(struct shard *e, struct account *a)
{
	for (;;) {
		int64_t id;
		struct mailbox m;
		int err = sql_get(e->db, &id, "SELECT id FROM mailbox WHERE account = ?1 LIMIT 1", "i", (int64_t)a->id);
		if (err == ERR_NOT_FOUND)
			return 0;
		if (!err)
			err = shard_mailbox_by_id(e, (uint64_t)id, &m);
		if (!err)
			err = shard_mailbox_clear(e, a, &m);
		if (!err)
			err = sql_run(e->db, "DELETE FROM keyword WHERE mailbox = ?1", "i", id);
		if (err >= 0)
			err = sql_run(e->db, "DELETE FROM mailbox WHERE id = ?1", "i", id);
		if (err < 0)
			return err;
		shard_note_change(e, CHANGE_GONE, &m, NULL);
	}
}

int shard_account_remove(struct shard *e, uint64_t id)
{
	static const char *const deletes[] = {
		"DELETE FROM source WHERE folder IN (SELECT id FROM source_folder WHERE account = ?1)",
		"DELETE FROM source_folder WHERE account = ?1",
		"DELETE FROM subscription WHERE account = ?1",
		"DELETE FROM operation WHERE account = ?1",
		"DELETE FROM account WHERE id = ?1",
	};
	struct object o = { .kind = OBJECT_ACCOUNT, .account = id };
	struct account a;
	int err = shard_account(e, id, &a);

	if (err)
		return err == ERR_NOT_FOUND ? 0 : err;
	err = remove_mailboxes(e, &a);
	for (size_t i = 0; !err && i < ARRAY_SIZE(deletes); i++) {
		int n = sql_run(e->db, deletes[i], "i", (int64_t)id);
		err = n < 0 ? n : 0;
	}
	return err ? err : shard_journal_object(e, &o);
}
