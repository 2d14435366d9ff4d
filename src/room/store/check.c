/* SPDX-License-Identifier: Apache-2.0 */
/* Does the index agree with itself and with the segments? And the whole index as text, to compare two. */
#include "room/store/engine_priv.h"

#include "base/err.h"

static const struct {
	const char *what, *sql;
} rules[] = {
	{ "mailboxes without an account", "SELECT count(*) FROM mailbox WHERE account NOT IN (SELECT id FROM account)" },
	{ "messages without a mailbox", "SELECT count(*) FROM message WHERE mailbox NOT IN (SELECT id FROM mailbox)" },
	{ "messages without bytes", "SELECT count(*) FROM message WHERE blob NOT IN (SELECT id FROM blob)" },
	{ "messages in a mailbox that cannot be selected",
	  "SELECT count(*) FROM message WHERE mailbox IN (SELECT m.id FROM mailbox m JOIN account a ON a.id = m.account"
	  " WHERE no_select AND name <> CAST('INBOX' AS BLOB) AND substr(a.address, 1, 1) <> x'40')" },
	{ "uids that were not given yet",
	  "SELECT count(*) FROM message m JOIN mailbox b ON b.id = m.mailbox WHERE m.uid >= b.uidnext OR m.uid < 1" },
	{ "modseqs that were not given yet",
	  "SELECT count(*) FROM message m JOIN mailbox b ON b.id = m.mailbox WHERE m.modseq > b.highestmodseq" },
	{ "mailboxes with wrong counters",
	  "SELECT count(*) FROM mailbox b LEFT JOIN (SELECT mailbox, count(*) AS n, sum(NOT flags & 1) AS u,"
	  " sum(flags & 8 != 0) AS d, sum(size) AS s FROM message GROUP BY mailbox) m ON m.mailbox = b.id"
	  " WHERE b.messages != ifnull(n, 0) OR b.unseen != ifnull(u, 0) OR b.deleted != ifnull(d, 0)"
	  " OR b.size != ifnull(s, 0)" },
	{ "mailboxes with a wrong number of recent messages",
	  "SELECT count(*) FROM mailbox b WHERE b.recent_from > b.uidnext OR b.recent !="
	  " (SELECT count(*) FROM message m WHERE m.mailbox = b.id AND m.uid >= b.recent_from)" },
	{ "accounts with wrong counters",
	  "SELECT count(*) FROM account a LEFT JOIN (SELECT account, sum(messages) AS n, sum(size) AS s FROM mailbox"
	  " GROUP BY account) m ON m.account = a.id"
	  " WHERE a.used_messages != ifnull(n, 0) OR a.used_bytes != ifnull(s, 0)" },
	{ "pools with wrong counters",
	  "SELECT count(*) FROM (SELECT pool AS id FROM account WHERE pool != 0 UNION SELECT id FROM pool) i"
	  " LEFT JOIN pool p ON p.id = i.id WHERE p.used IS NOT"
	  " (SELECT ifnull(sum(used_bytes), 0) FROM account a WHERE a.pool = i.id)" },
	{ "accounts above a line of their quota that they do not know of",
	  "SELECT count(*) FROM account WHERE quota_bytes != 0 AND level <"
	  " (used_bytes * 100.0 > quota_bytes * 80.0) + (used_bytes * 100.0 > quota_bytes * 95.0)" },
	{ "blobs with a wrong number of references",
	  "SELECT count(*) FROM blob b LEFT JOIN (SELECT blob, count(*) AS n FROM message GROUP BY blob) m"
	  " ON m.blob = b.id WHERE b.refs != ifnull(n, 0)" },
	{ "messages of another size than their bytes",
	  "SELECT count(*) FROM message m JOIN blob b ON b.id = m.blob WHERE m.size != b.header_length + b.body_length" },
	{ "uidvalidities that were not given yet",
	  "SELECT count(*) FROM mailbox b JOIN account a ON a.id = b.account WHERE b.uidvalidity >= a.next_uidvalidity" },
};

struct checking {
	struct shard *e;
	void (*on_fault)(void *ctx, const char *text);
	void *ctx;
	struct check_result r;
};

static void fault(struct checking *c, const char *what, int64_t a, int64_t b)
{
	char text[200];

	snprintf(text, sizeof(text), "%s (%lld, %lld)", what, (long long)a, (long long)b);
	c->r.faults++;
	if (c->on_fault)
		c->on_fault(c->ctx, text);
}

static int check_blob(struct checking *c, struct sql_stmt *s, unsigned want)
{
	struct blob_addr addr = { (uint32_t)sql_int(s, 1), (uint64_t)sql_int(s, 2), (uint32_t)sql_int(s, 3) };
	struct blob_record r;
	struct blob_meta meta;
	int err = blob_read_record(c->e->log, &addr, want, &r, NULL);

	c->r.blobs++;
	c->r.bytes += addr.length;
	if (!err)
		err = blob_meta_decode(r.meta, &meta);
	if (!err && ((int64_t)meta.blob != sql_int(s, 0) || (int64_t)r.header_length != sql_int(s, 4) ||
		     (int64_t)r.body_length != sql_int(s, 5)))
		err = ERR_CORRUPT;
	if (err == ERR_CORRUPT)
		fault(c, "bytes that cannot be read", addr.segment, (int64_t)addr.offset);
	return err == ERR_CORRUPT ? 0 : err;
}

static int check_blobs(struct checking *c, bool read_bytes)
{
	unsigned want = BLOB_WANT_META | (read_bytes ? BLOB_WANT_HEADER | BLOB_WANT_BODY : 0);
	struct sql_stmt *s = sql_prepare(c->e->db, "SELECT id, segment, offset, length, header_length, body_length FROM blob"
						   " ORDER BY segment, offset");
	int err;

	while ((err = sql_step(s)) == 1) {
		err = check_blob(c, s, want);
		if (err)
			break;
	}
	sql_done(s);
	return err;
}

static int check_live(struct checking *c)
{
	struct sql_stmt *s = sql_prepare(c->e->db, "SELECT segment, sum(length) FROM blob GROUP BY segment");
	int err;

	while ((err = sql_step(s)) == 1) {
		struct segment_use *u = segment_use(c->e, (uint32_t)sql_int(s, 0));
		if (u->live != sql_int(s, 1))
			fault(c, "segment with a wrong count of live bytes", u->id, u->live);
	}
	sql_done(s);
	return err;
}

int shard_check(struct shard *e, bool read_bytes, void (*on_fault)(void *ctx, const char *text), void *ctx,
		 struct check_result *ret)
{
	struct checking c = { .e = e, .on_fault = on_fault, .ctx = ctx };
	int64_t n;
	int err = sql_check(e->db);

	if (err == ERR_CORRUPT)
		fault(&c, "the database is damaged", 0, 0);
	for (size_t i = 0; !err && i < ARRAY_SIZE(rules); i++) {
		err = sql_get(e->db, &n, rules[i].sql, "");
		if (!err && n)
			fault(&c, rules[i].what, n, 0);
	}
	if (!err)
		err = check_blobs(&c, read_bytes);
	if (!err)
		err = check_live(&c);
	if (!err && !(err = sql_get(e->db, &n, "SELECT count(*) FROM account", "")))
		c.r.accounts = (uint64_t)n;
	if (!err && !(err = sql_get(e->db, &n, "SELECT count(*) FROM mailbox", "")))
		c.r.mailboxes = (uint64_t)n;
	if (!err && !(err = sql_get(e->db, &n, "SELECT count(*) FROM message", "")))
		c.r.messages = (uint64_t)n;
	if (err && err != ERR_CORRUPT)
		return err;
	*ret = c.r;
	return 0;
}

/* ---- as text ---- */

static const struct {
	const char *name, *sql;
	int columns;
	unsigned bytes;		/* bit: this column is bytes */
} tables[] = {
	{ "account", "SELECT id, address, quota_bytes, quota_messages, used_bytes, used_messages, next_uidvalidity,"
		     " pool, retention FROM account ORDER BY id", 9, 2 },
	{ "pool", "SELECT id, used FROM pool WHERE used != 0 ORDER BY id", 2, 0 },
	{ "mailbox", "SELECT id, account, name, uidvalidity, uidnext, highestmodseq, special_use, subscribed, no_select,"
		     " messages, unseen, deleted, size FROM mailbox ORDER BY id", 13, 4 },
	{ "keyword", "SELECT mailbox, at, name FROM keyword ORDER BY mailbox, at", 3, 4 },
	{ "message", "SELECT mailbox, uid, modseq, blob, flags, kw0, kw1, internal_date, save_date, size FROM message"
		     " ORDER BY mailbox, uid", 10, 0 },
	{ "blob", "SELECT id, segment, offset, length, header_length, body_length, refs FROM blob ORDER BY id", 7, 0 },
	{ "subscription", "SELECT account, name FROM subscription ORDER BY account, name", 2, 2 },
	{ "source", "SELECT f.account, f.source, f.uidvalidity, f.name, s.uid, s.mailbox, s.uidvalidity, s.target_uid"
		    " FROM source s JOIN source_folder f ON f.id = s.folder"
		    " ORDER BY f.account, f.source, f.uidvalidity, f.name, s.uid", 8, 8 },
};

static int dump_table(struct shard *e, size_t t, struct buf *out)
{
	struct sql_stmt *s = sql_prepare(e->db, tables[t].sql);
	int err;

	while ((err = sql_step(s)) == 1) {
		buf_str(out, tables[t].name);
		for (int i = 0; i < tables[t].columns; i++) {
			buf_byte(out, ' ');
			if (tables[t].bytes >> i & 1)
				buf_slice(out, sql_blob(s, i));
			else
				buf_printf(out, "%lld", (long long)sql_int(s, i));
		}
		buf_byte(out, '\n');
	}
	sql_done(s);
	return err;
}

int shard_dump(struct shard *e, struct buf *out)
{
	int err = 0;

	for (size_t i = 0; !err && i < ARRAY_SIZE(tables); i++)
		err = dump_table(e, i, out);
	return err ? err : buf_ok(out) ? 0 : ERR_TOO_BIG;
}
