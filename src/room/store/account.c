/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts: made by directory before it acknowledges a mailbox, with INBOX and the folders of special use. */
#include "room/store/engine_priv.h"

#include "base/err.h"

int shard_account(struct shard *e, uint64_t id, struct account *ret)
{
	struct sql_stmt *s = sql_prepare(e->db,
					 "SELECT quota_bytes, quota_messages, used_bytes, used_messages,"
					 " next_uidvalidity, address, pool, retention, level, p.lease, p.used"
					 " FROM account a LEFT JOIN pool p ON p.id = a.pool WHERE a.id = ?1");
	sql_bind_int(s, 1, (int64_t)id);
	int err = sql_step(s);

	if (err == 1) {
		struct slice address = sql_blob(s, 5);
		*ret = (struct account){ .id = id,
					 .quota_bytes = (uint64_t)sql_int(s, 0),
					 .quota_messages = (uint64_t)sql_int(s, 1),
					 .used_bytes = (uint64_t)sql_int(s, 2),
					 .saved_bytes = (uint64_t)sql_int(s, 2),
					 .used_messages = (uint64_t)sql_int(s, 3),
					 .next_uidvalidity = (uint32_t)sql_int(s, 4),
					 .pool = (uint64_t)sql_int(s, 6),
					 .retention = (uint32_t)sql_int(s, 7),
					 .level = (uint32_t)sql_int(s, 8),
					 .pool_lease = (uint64_t)sql_int(s, 9),
					 .pool_used = (uint64_t)sql_int(s, 10) };
		ret->address_n = address.n < ADDRESS_MAX ? address.n : ADDRESS_MAX;
		memcpy(ret->address, address.p, ret->address_n);
	}
	sql_done(s);
	return err == 1 ? 0 : err < 0 ? err : ERR_NOT_FOUND;
}

int shard_account_save(struct shard *e, struct account *a)
{
	int err = shard_level_keep(e, a);

	if (!err)
		err = shard_pool_count(e, a);
	if (err)
		return err;
	int n = sql_run(e->db,
			"UPDATE account SET used_bytes = ?2, used_messages = ?3, next_uidvalidity = ?4, level = ?5 WHERE id = ?1",
			"iiiii", (int64_t)a->id, (int64_t)a->used_bytes, (int64_t)a->used_messages,
			(int64_t)a->next_uidvalidity, (int64_t)a->level);
	a->saved_bytes = a->used_bytes;
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
	o.pool = a->pool;
	o.retention = a->retention;
	if (a->pool || a->retention)
		o.kind = OBJECT_LIMITED_ACCOUNT;
	return shard_journal_object(e, &o);
}

bool shard_account_fits(struct shard *e, const struct account *a, uint64_t bytes, uint64_t messages, uint64_t pool_bytes)
{
	if (a->quota_bytes && a->used_bytes + bytes > a->quota_bytes)
		return false;
	if (a->quota_messages && a->used_messages + messages > a->quota_messages)
		return false;
	if (!a->pool || a->pool_used + pool_bytes <= a->pool_lease)
		return true;
	e->short_pool = a->pool;
	e->short_want = a->pool_used + pool_bytes;
	return false;
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
	err = n < 0 ? n : shard_account_save(e, &a);
	return err ? err : shard_account_journal(e, &a);
}

int shard_account_limits(struct shard *e, uint64_t id, uint64_t pool, uint32_t retention)
{
	struct account a;
	int err = shard_account(e, id, &a);

	if (pool > INT64_MAX)
		return ERR_INVALID;
	if (err || (a.pool == pool && a.retention == retention))
		return err;
	uint64_t used = a.used_bytes;
	a.used_bytes = 0;		/* out of the old pool, into the new one */
	err = shard_pool_count(e, &a);
	a.saved_bytes = 0;
	a.used_bytes = used;
	a.pool = pool;
	a.retention = retention;
	if (!err)
		err = shard_pool_count(e, &a);
	int n = err ? err : sql_run(e->db, "UPDATE account SET pool = ?2, retention = ?3 WHERE id = ?1", "iii", (int64_t)id,
				    (int64_t)pool, (int64_t)retention);
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
		"DELETE FROM crossing WHERE account = ?1",
		"DELETE FROM account WHERE id = ?1",
	};
	struct object o = { .kind = OBJECT_ACCOUNT, .account = id };
	struct account a;
	int err = shard_account(e, id, &a);

	if (err)
		return err == ERR_NOT_FOUND ? 0 : err;
	err = remove_mailboxes(e, &a);
	if (!err)
		err = shard_account_save(e, &a);	/* its pool has the space back */
	for (size_t i = 0; !err && i < ARRAY_SIZE(deletes); i++) {
		int n = sql_run(e->db, deletes[i], "i", (int64_t)id);
		err = n < 0 ? n : 0;
	}
	return err ? err : shard_journal_object(e, &o);
}
