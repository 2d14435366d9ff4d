/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index from the segments alone: every state record in order, the last of an object wins; then counters and
 * references are counted. Objects whose owner is gone fall away (a mailbox's tombstone buries its messages). Mailbox
 * names are made unique at the end only, since on the way an old name may meet a new owner.
 */
#include "room/store/engine_priv.h"

#include "base/err.h"
#include "base/event.h"
#include "base/text.h"

struct rebuild {
	struct sql *db;
	struct blob_log *log;
	void (*on_fault)(void *ctx, const char *text);
	void *ctx;
	int64_t next_mailbox, next_blob;
	struct object o;
};

static void fault(struct rebuild *r, const char *what, uint64_t a, uint64_t b)
{
	char text[200];

	snprintf(text, sizeof(text), "%s (%llu, %llu)", what, (unsigned long long)a, (unsigned long long)b);
	r->on_fault(r->ctx, text);
}

static int done(int n)
{
	return n < 0 ? n : 0;
}

static int apply_account(struct rebuild *r, const struct object *o)
{
	if (!o->alive)
		return done(sql_run(r->db, "DELETE FROM account WHERE id = ?1", "i", (int64_t)o->account));
	return done(sql_run(r->db,
			    "INSERT OR REPLACE INTO account (id, address, quota_bytes, quota_messages, next_uidvalidity,"
			    " pool, retention) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
			    "ibiiiii", (int64_t)o->account, o->name, (int64_t)o->quota_bytes,
			    (int64_t)o->quota_messages, (int64_t)o->uidvalidity, (int64_t)o->pool,
			    (int64_t)o->retention));
}

static int apply_mailbox(struct rebuild *r, const struct object *o)
{
	int64_t id = (int64_t)o->mailbox;
	int err = done(sql_run(r->db, "DELETE FROM keyword WHERE mailbox = ?1", "i", id));

	if (id >= r->next_mailbox)
		r->next_mailbox = id + 1;
	if (!err && !o->alive)
		return done(sql_run(r->db, "DELETE FROM re_mailbox WHERE id = ?1", "i", id));
	for (size_t i = 0; !err && i < o->n_keywords; i++)
		err = done(sql_run(r->db, "INSERT INTO keyword VALUES (?1, ?2, ?3)", "iib", id, (int64_t)i, o->keywords[i]));
	if (err)
		return err;
	return done(sql_run(r->db, "INSERT OR REPLACE INTO re_mailbox VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
			    "iibiiiiii", id, (int64_t)o->account, o->name, (int64_t)o->uidvalidity, (int64_t)o->uidnext,
			    (int64_t)o->modseq, (int64_t)o->special_use, (int64_t)o->subscribed, (int64_t)o->no_select));
}

static int apply_message(struct rebuild *r, const struct object *o)
{
	const struct msg *m = &o->msg;

	return done(sql_run(r->db, "INSERT OR REPLACE INTO message VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
			    "iiiiiiiiii", (int64_t)o->mailbox, (int64_t)m->uid, (int64_t)m->modseq, (int64_t)m->blob,
			    (int64_t)m->flags, (int64_t)m->kw.w[0], (int64_t)m->kw.w[1], m->internal_date, m->save_date,
			    (int64_t)m->size));
}

static int apply_expunged(struct rebuild *r, const struct object *o)
{
	int err = done(sql_run(r->db, "DELETE FROM message WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3", "iii",
			       (int64_t)o->mailbox, (int64_t)o->first, (int64_t)o->last));
	return err ? err :
		     done(sql_run(r->db,
				  "INSERT INTO re_gone VALUES (?1, ?2, ?3) ON CONFLICT (mailbox) DO UPDATE SET"
				  " uid = max(uid, ?2), modseq = max(modseq, ?3)",
				  "iii", (int64_t)o->mailbox, (int64_t)o->last, (int64_t)o->modseq));
}

static int apply_source(struct rebuild *r, const struct object *o)
{
	int64_t folder;
	int err = done(sql_run(r->db,
			       "INSERT OR IGNORE INTO source_folder (account, source, uidvalidity, name)"
			       " VALUES (?1, ?2, ?3, ?4)",
			       "iiib", (int64_t)o->account, (int64_t)o->source_id, (int64_t)o->source_uidvalidity, o->name));
	if (!err)
		err = sql_get(r->db, &folder,
			      "SELECT id FROM source_folder WHERE account = ?1 AND source = ?2 AND name = ?4 AND uidvalidity = ?3",
			      "iiib", (int64_t)o->account, (int64_t)o->source_id, (int64_t)o->source_uidvalidity, o->name);
	return err ? err :
		     done(sql_run(r->db, "INSERT OR REPLACE INTO source VALUES (?1, ?2, ?3, ?4, ?5)", "iiiii", folder,
				  (int64_t)o->source_uid, (int64_t)o->mailbox, (int64_t)o->uidvalidity,
				  (int64_t)o->target_uid));
}

static int apply(struct rebuild *r, const struct object *o)
{
	switch (o->kind) {
	case OBJECT_ACCOUNT:
	case OBJECT_LIMITED_ACCOUNT:
		return apply_account(r, o);
	case OBJECT_MAILBOX:
		return apply_mailbox(r, o);
	case OBJECT_MESSAGE:
		return apply_message(r, o);
	case OBJECT_EXPUNGED:
		return apply_expunged(r, o);
	case OBJECT_SUBSCRIPTION:
		return done(o->alive ? sql_run(r->db, "INSERT OR IGNORE INTO subscription VALUES (?1, ?2)", "ib",
					       (int64_t)o->account, o->name) :
				       sql_run(r->db, "DELETE FROM subscription WHERE account = ?1 AND name = ?2", "ib",
					       (int64_t)o->account, o->name));
	case OBJECT_SOURCE:
		return apply_source(r, o);
	}
	return 0;
}

static int on_message(struct rebuild *r, const struct blob_record *b)
{
	struct blob_meta meta;

	if (blob_meta_decode(b->meta, &meta) < 0) {
		fault(r, N_("message record with unreadable meta"), b->addr.segment, b->addr.offset);
		return 0;
	}
	if ((int64_t)meta.blob >= r->next_blob)
		r->next_blob = (int64_t)meta.blob + 1;
	return done(sql_run(r->db, "INSERT OR REPLACE INTO blob VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)", "iiiiii",
			    (int64_t)meta.blob, (int64_t)b->addr.segment, (int64_t)b->addr.offset,
			    (int64_t)b->addr.length, (int64_t)b->header_length, (int64_t)b->body_length));
}

static int on_state(struct rebuild *r, const struct blob_record *b)
{
	struct slice meta = b->meta;
	int more, err = done(sql_run(r->db,
				     "INSERT INTO segment (id, state_bytes) VALUES (?1, ?2)"
				     " ON CONFLICT (id) DO UPDATE SET state_bytes = state_bytes + ?2",
				     "ii", (int64_t)b->addr.segment, (int64_t)b->addr.length));

	while (!err && (more = object_decode(&meta, &r->o)) != 0) {
		if (more < 0) {
			fault(r, N_("state record that cannot be read"), b->addr.segment, b->addr.offset);
			break;
		}
		err = apply(r, &r->o);
	}
	return err;
}

static int on_record(void *ctx, const struct blob_record *b)
{
	return b->kind == BLOB_MESSAGE ? on_message(ctx, b) : on_state(ctx, b);
}

static void on_damage(void *ctx, uint32_t segment, uint64_t offset, const char *what)
{
	char text[100];

	snprintf(text, sizeof(text), "%s: %s", N_("damaged record"), what);
	fault(ctx, text, segment, offset);
}

/* Two mailboxes of one name can only be there where a tombstone was damaged: both are kept. */
static int unique_names(struct rebuild *r)
{
	int n = sql_run(r->db,
			"UPDATE re_mailbox SET name = CAST(name || '-recovered-' || id AS BLOB) WHERE EXISTS (SELECT 1 FROM"
			" re_mailbox o WHERE o.account = re_mailbox.account AND o.name = re_mailbox.name"
			" AND o.id < re_mailbox.id)",
			"");
	if (n > 0)
		fault(r, N_("mailboxes of the same name were renamed"), (uint64_t)n, 0);
	return done(n);
}

static int lost_bytes(struct rebuild *r)
{
	int n = sql_run(r->db, "DELETE FROM message WHERE blob NOT IN (SELECT id FROM blob)", "");

	if (n > 0)
		fault(r, N_("messages whose bytes are lost were left out"), (uint64_t)n, 0);
	return done(n);
}

enum { ORPHANS_GONE = 6 };	/* steps before this one take away what has no owner */

static int finish(struct rebuild *r)
{
	static const char *const steps[] = {
		"DELETE FROM re_mailbox WHERE account NOT IN (SELECT id FROM account)",
		"DELETE FROM subscription WHERE account NOT IN (SELECT id FROM account)",
		"DELETE FROM source WHERE folder IN (SELECT id FROM source_folder WHERE account NOT IN (SELECT id FROM account))",
		"DELETE FROM source_folder WHERE account NOT IN (SELECT id FROM account)",
		"DELETE FROM message WHERE mailbox NOT IN (SELECT id FROM re_mailbox)",
		"DELETE FROM keyword WHERE mailbox NOT IN (SELECT id FROM re_mailbox)",
		"CREATE TEMP TABLE re_refs AS SELECT blob, count(*) AS n FROM message GROUP BY blob",
		"CREATE UNIQUE INDEX temp.re_refs_blob ON re_refs (blob)",
		"UPDATE blob SET refs = (SELECT n FROM re_refs WHERE re_refs.blob = blob.id)"
		" WHERE id IN (SELECT blob FROM re_refs)",
		"DELETE FROM blob WHERE refs = 0",
		"INSERT INTO mailbox SELECT id, account, name, uidvalidity,"
		" max(uidnext, ifnull((SELECT max(uid) + 1 FROM message WHERE mailbox = m.id), 0),"
		"  ifnull((SELECT uid + 1 FROM re_gone WHERE mailbox = m.id), 0)),"
		" max(highestmodseq, ifnull((SELECT max(modseq) FROM message WHERE mailbox = m.id), 0),"
		"  ifnull((SELECT modseq FROM re_gone WHERE mailbox = m.id), 0)),"
		" special_use, subscribed, no_select,"
		" (SELECT count(*) FROM message WHERE mailbox = m.id),"
		" (SELECT count(*) FROM message WHERE mailbox = m.id AND NOT flags & 1),"
		" (SELECT count(*) FROM message WHERE mailbox = m.id AND flags & 8),"
		" ifnull((SELECT sum(size) FROM message WHERE mailbox = m.id), 0),"
		" 1, (SELECT count(*) FROM message WHERE mailbox = m.id) FROM re_mailbox m",
		"DELETE FROM subscription WHERE EXISTS (SELECT 1 FROM mailbox m WHERE m.account = subscription.account"
		" AND m.name = subscription.name)",
		"UPDATE account SET used_bytes = ifnull((SELECT sum(size) FROM mailbox WHERE account = account.id), 0),"
		" used_messages = ifnull((SELECT sum(messages) FROM mailbox WHERE account = account.id), 0)",
		/* Leases are asked for anew; whoever is above a line has been told. */
		"INSERT INTO pool SELECT pool, 0, sum(used_bytes), 0, 0, 0, 0 FROM account WHERE pool != 0 GROUP BY pool",
		"UPDATE account SET level = (used_bytes * 100.0 > quota_bytes * 80.0) + (used_bytes * 100.0 > quota_bytes * 95.0)"
		" WHERE quota_bytes != 0",
		"DROP TABLE re_refs",
		"DROP TABLE re_mailbox",
		"DROP TABLE re_gone",
	};
	int err = 0;

	for (size_t i = 0; !err && i < ARRAY_SIZE(steps); i++) {
		if (i == ORPHANS_GONE)
			err = lost_bytes(r);
		if (!err && i == ORPHANS_GONE)
			err = unique_names(r);
		if (!err)
			err = done(sql_run(r->db, steps[i], ""));
	}
	struct blob_end end = blob_end_of(r->log);
	return err ? err :
		     done(sql_run(r->db,
				  "UPDATE shard SET end_segment = ?1, end_offset = ?2, next_mailbox = ?3, next_blob = ?4",
				  "iiii", (int64_t)end.segment, (int64_t)end.offset, r->next_mailbox, r->next_blob));
}

static int one_segment(struct rebuild *r, uint32_t id)
{
	int err = sql_begin(r->db);

	if (err)
		return err;
	err = blob_scan(r->log, id, on_record, on_damage, r);
	if (!err)
		return sql_commit(r->db);
	sql_rollback(r->db);
	return err;
}

static int all_segments(struct rebuild *r)
{
	size_t n = blob_segments(r->log, NULL, 0);
	uint32_t *ids = calloc(n, sizeof(*ids));
	int err = 0;

	bug_if(!ids);
	blob_segments(r->log, ids, n);
	for (size_t i = 0; !err && i < n; i++)
		err = one_segment(r, ids[i]);
	free(ids);
	if (!err)
		err = sql_begin(r->db);
	if (!err)
		err = finish(r);
	if (!err)
		return sql_commit(r->db);
	sql_rollback(r->db);
	return err;
}

int shard_rebuild(const char *path, const char *segments, uint64_t segment_bytes, const struct blob_end *end,
		   void (*on_fault)(void *ctx, const char *text), void *ctx)
{
	static const char *const help[] = {
		"CREATE TEMP TABLE re_mailbox (id INTEGER PRIMARY KEY, account INTEGER, name BLOB, uidvalidity INTEGER,"
		" uidnext INTEGER, highestmodseq INTEGER, special_use INTEGER, subscribed INTEGER, no_select INTEGER)",
		"CREATE TEMP TABLE re_gone (mailbox INTEGER PRIMARY KEY, uid INTEGER, modseq INTEGER)",
	};
	struct rebuild *r = calloc(1, sizeof(*r));

	bug_if(!r);
	*r = (struct rebuild){ .on_fault = on_fault, .ctx = ctx, .next_mailbox = 1, .next_blob = 1 };
	if (access(path, F_OK) == 0) {
		free(r);
		return ERR_EXISTS;
	}
	int err = sql_open(path, store_schema, store_schema_n, &r->db);
	if (!err)
		err = blob_open(segments, segment_bytes, end, &r->log);
	for (size_t i = 0; !err && i < ARRAY_SIZE(help); i++)
		err = done(sql_run(r->db, help[i], ""));
	if (!err)
		err = all_segments(r);
	blob_close(&r->log);
	sql_close(&r->db);
	free(r);
	return err;
}
