/* SPDX-License-Identifier: Apache-2.0 */
/* The index of a shard as SQL; docs/formats/store.md says what each column means. Only ever appended to. */
#include "room/store/engine_priv.h"

/* clang-format off */
const char *const store_schema[] = {
	"CREATE TABLE shard ("
	" only INTEGER PRIMARY KEY CHECK (only = 1), epoch INTEGER NOT NULL,"
	" end_segment INTEGER NOT NULL, end_offset INTEGER NOT NULL,"
	" next_mailbox INTEGER NOT NULL, next_blob INTEGER NOT NULL);"
	"INSERT INTO shard VALUES (1, 0, 0, 0, 1, 1);"

	"CREATE TABLE account ("
	" id INTEGER PRIMARY KEY, address BLOB NOT NULL, quota_bytes INTEGER NOT NULL, quota_messages INTEGER NOT NULL,"
	" used_bytes INTEGER NOT NULL DEFAULT 0, used_messages INTEGER NOT NULL DEFAULT 0,"
	" next_uidvalidity INTEGER NOT NULL);"

	"CREATE TABLE mailbox ("
	" id INTEGER PRIMARY KEY, account INTEGER NOT NULL, name BLOB NOT NULL, uidvalidity INTEGER NOT NULL,"
	" uidnext INTEGER NOT NULL, highestmodseq INTEGER NOT NULL, special_use INTEGER NOT NULL,"
	" subscribed INTEGER NOT NULL, no_select INTEGER NOT NULL, messages INTEGER NOT NULL DEFAULT 0,"
	" unseen INTEGER NOT NULL DEFAULT 0, deleted INTEGER NOT NULL DEFAULT 0, size INTEGER NOT NULL DEFAULT 0,"
	" UNIQUE (account, name));"

	"CREATE TABLE keyword (mailbox INTEGER NOT NULL, at INTEGER NOT NULL, name BLOB NOT NULL,"
	" PRIMARY KEY (mailbox, at)) WITHOUT ROWID;"

	"CREATE TABLE message ("
	" mailbox INTEGER NOT NULL, uid INTEGER NOT NULL, modseq INTEGER NOT NULL, blob INTEGER NOT NULL,"
	" flags INTEGER NOT NULL, kw0 INTEGER NOT NULL, kw1 INTEGER NOT NULL, internal_date INTEGER NOT NULL,"
	" save_date INTEGER NOT NULL, size INTEGER NOT NULL, PRIMARY KEY (mailbox, uid)) WITHOUT ROWID;"

	"CREATE TABLE blob ("
	" id INTEGER PRIMARY KEY, segment INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL,"
	" header_length INTEGER NOT NULL, body_length INTEGER NOT NULL, refs INTEGER NOT NULL);"

	"CREATE TABLE subscription (account INTEGER NOT NULL, name BLOB NOT NULL, PRIMARY KEY (account, name)) WITHOUT ROWID;"

	"CREATE TABLE operation ("
	" at INTEGER NOT NULL, account INTEGER NOT NULL, id BLOB NOT NULL, reply BLOB NOT NULL, UNIQUE (id, account));"

	"CREATE TABLE source_folder ("
	" id INTEGER PRIMARY KEY, account INTEGER NOT NULL, source INTEGER NOT NULL, uidvalidity INTEGER NOT NULL,"
	" name BLOB NOT NULL, UNIQUE (account, source, name, uidvalidity));"

	"CREATE TABLE source (folder INTEGER NOT NULL, uid INTEGER NOT NULL, mailbox INTEGER NOT NULL,"
	" uidvalidity INTEGER NOT NULL, target_uid INTEGER NOT NULL, PRIMARY KEY (folder, uid)) WITHOUT ROWID;"

	"CREATE TABLE segment (id INTEGER PRIMARY KEY, state_bytes INTEGER NOT NULL, damaged INTEGER NOT NULL DEFAULT 0);",

	/* \Recent: what was there before has been told to somebody. */
	"ALTER TABLE mailbox ADD COLUMN recent_from INTEGER NOT NULL DEFAULT 1;"
	"ALTER TABLE mailbox ADD COLUMN recent INTEGER NOT NULL DEFAULT 0;"
	"UPDATE mailbox SET recent_from = uidnext;",

	/* Pools that accounts share, crossings of the lines of a quota, retention. */
	"ALTER TABLE account ADD COLUMN pool INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE account ADD COLUMN retention INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE account ADD COLUMN level INTEGER NOT NULL DEFAULT 0;"
	"CREATE INDEX account_pool ON account (pool) WHERE pool != 0;"
	"CREATE INDEX account_retention ON account (id) WHERE retention != 0;"
	"CREATE TABLE pool ("
	" id INTEGER PRIMARY KEY, lease INTEGER NOT NULL, used INTEGER NOT NULL, size INTEGER NOT NULL,"
	" elsewhere INTEGER NOT NULL, reported INTEGER NOT NULL, last_account INTEGER NOT NULL);"
	"CREATE TABLE crossing ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL, level INTEGER NOT NULL, used INTEGER NOT NULL,"
	" quota INTEGER NOT NULL);",

	/* Bytes of small batches that the segments are not synced for yet. */
	"CREATE TABLE tail (segment INTEGER NOT NULL, offset INTEGER NOT NULL, bytes BLOB NOT NULL,"
	" PRIMARY KEY (segment, offset));",
};
/* clang-format on */
const size_t store_schema_n = ARRAY_SIZE(store_schema);
