/* SPDX-License-Identifier: Apache-2.0 */
/* STATUS (RFC 3501 6.3.10, RFC 7162 3.1.7, RFC 8438 SIZE, RFC 9208 4.1.4); LIST-STATUS writes the same line. */
#include "room/imapd/imapd_priv.h"

#include "base/err.h"
#include "proto/imap/args.h"
#include "proto/imap/name.h"

struct status {
	unsigned items;
};

void status_write(struct conn *c, struct buf *out, const Postern__MailboxInfo *m, unsigned items)
{
	const struct {
		const char *name;
		uint64_t value;
	} all[] = {
		{ "MESSAGES", m->messages },	   { "RECENT", m->recent },
		{ "UIDNEXT", m->uidnext },	   { "UIDVALIDITY", m->uidvalidity },
		{ "UNSEEN", m->unseen },	   { "HIGHESTMODSEQ", m->highestmodseq },
		{ "SIZE", m->size },		   { "DELETED", m->deleted },
		{ "DELETED-STORAGE", m->deleted_size },
	};
	bool first = true;

	buf_str(out, "* STATUS ");
	imap_name_write(out, slice_of(m->name.data, m->name.len), c->utf8);
	buf_str(out, " (");
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		if (!(items & 1u << i))
			continue;
		buf_printf(out, "%s%s %llu", first ? "" : " ", all[i].name, (unsigned long long)all[i].value);
		first = false;
	}
	buf_str(out, ")\r\n");
}

static void on_status(struct cmd *cmd, int err, const ProtobufCMessage *msg, int fd UNUSED, const char *text)
{
	const struct status *s = cmd->state;
	struct buf out = BUF_INIT(1 << 16);

	if (err < 0) {
		cmd_fail(cmd, err, text, N_("Mailbox"), false);
		return;
	}
	status_write(cmd->conn, &out, (const Postern__MailboxInfo *)msg, s->items);
	conn_write(cmd->conn, &out);
	buf_fini(&out);
	cmd_ok(cmd);
}

void cmd_status(struct cmd *cmd)
{
	Postern__NameRequest req = POSTERN__NAME_REQUEST__INIT;
	struct status *s = ARENA_NEW(cmd->arena, struct status);
	struct imap_status_args a;
	struct slice name;

	if (imap_status_args_scan(&cmd->args, &a) < 0) {
		cmd_syntax(cmd);
		return;
	}
	if (!cmd_mailbox(cmd, a.mailbox, &name))
		return;
	s->items = a.items;
	cmd->state = s;
	/* RFC 7162 3.1: asking for it says that the client knows MODSEQ. */
	if (a.items & IMAP_STATUS_HIGHESTMODSEQ)
		conn_condstore(cmd->conn);
	req.name = (ProtobufCBinaryData){ name.n, (uint8_t *)name.p };
	req.deleted_size = (a.items & IMAP_STATUS_DELETED_STORAGE) != 0;
	shard_call(cmd, POSTERN__SESSION_OP__SESSION_STATUS, &req.base, -1, on_status);
}
