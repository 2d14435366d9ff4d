/* SPDX-License-Identifier: Apache-2.0 */
/* The whole index as text, to compare two. */
#include "room/store/engine_priv.h"

#include "base/err.h"

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
