/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of queue.db; docs/formats/queue.md says what they mean. What comes out of mail is BLOB. */
#include "room/queue/schema.h"

#include "base/compiler.h"
#include "lib/blob/tail.h"

const char *const queue_migrations[] = {
	"CREATE TABLE message ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" sender BLOB NOT NULL, envid BLOB NOT NULL,"
	" ret_headers INTEGER NOT NULL, smtputf8 INTEGER NOT NULL, body_8bit INTEGER NOT NULL,"
	" account INTEGER NOT NULL, created_ms INTEGER NOT NULL, size INTEGER NOT NULL,"
	" segment INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL,"
	" crashes INTEGER NOT NULL DEFAULT 0);"
	"CREATE INDEX message_segment ON message (segment);"
	"CREATE TABLE recipient ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" message INTEGER NOT NULL REFERENCES message (id),"
	" address BLOB NOT NULL, original BLOB NOT NULL, orcpt BLOB NOT NULL, domain BLOB NOT NULL,"
	" notify INTEGER NOT NULL,"
	" destination BLOB NOT NULL, route INTEGER NOT NULL, host BLOB NOT NULL, port INTEGER NOT NULL,"
	" tls INTEGER NOT NULL, account INTEGER NOT NULL DEFAULT 0, quota INTEGER NOT NULL DEFAULT 0,"
	" due_ms INTEGER NOT NULL, created_ms INTEGER NOT NULL,"
	" attempts INTEGER NOT NULL DEFAULT 0, steps INTEGER NOT NULL DEFAULT 0,"
	" delay_told INTEGER NOT NULL DEFAULT 0,"
	" code INTEGER NOT NULL DEFAULT 0, enhanced BLOB NOT NULL DEFAULT x'', text BLOB NOT NULL DEFAULT x'',"
	" server BLOB NOT NULL DEFAULT x'', tried_ms INTEGER NOT NULL DEFAULT 0);"
	"CREATE INDEX recipient_due ON recipient (destination, due_ms, id);"
	"CREATE INDEX recipient_message ON recipient (message);"
	"CREATE INDEX recipient_domain ON recipient (domain);"
	"CREATE INDEX recipient_created ON recipient (created_ms);"
	"CREATE INDEX recipient_delay ON recipient (created_ms) WHERE delay_told = 0 AND (notify & 8) <> 0;"
	"CREATE TABLE operation (id BLOB PRIMARY KEY, message INTEGER NOT NULL, made_ms INTEGER NOT NULL)"
	" WITHOUT ROWID;"
	"CREATE INDEX operation_made ON operation (made_ms);"
	"CREATE TABLE log_end (only INTEGER PRIMARY KEY CHECK (only = 1), segment INTEGER NOT NULL,"
	" offset INTEGER NOT NULL);"
	"INSERT INTO log_end VALUES (1, 0, 0);",
	/* Which mailbox of the account, where it is not INBOX. */
	"ALTER TABLE recipient ADD COLUMN mailbox BLOB NOT NULL DEFAULT x'';",
	/* What is sent once to somebody within a time (vacation replies). */
	"CREATE TABLE once (key BLOB PRIMARY KEY, until_ms INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX once_until ON once (until_ms);",
	/* A mailbox that is full: the sender is told at once, not after days. */
	"ALTER TABLE recipient ADD COLUMN refuse INTEGER NOT NULL DEFAULT 0;",
	/* Whom a copy for a mailbox that collects a domain's mail is for. */
	"ALTER TABLE recipient ADD COLUMN multidrop BLOB NOT NULL DEFAULT x'';",
	/* What filter said of it when it came in. */
	"ALTER TABLE message ADD COLUMN junk INTEGER NOT NULL DEFAULT 0;",
	/* Bytes of small batches that the log is not synced for yet. */
	TAIL_TABLE,
};
const size_t queue_n_migrations = ARRAY_SIZE(queue_migrations);
