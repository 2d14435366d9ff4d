/* SPDX-License-Identifier: Apache-2.0 */
/*
 * COPY and MOVE (RFC 3501 6.4.7, RFC 6851, COPYUID of RFC 4315): one operation of the store, all or nothing. MOVE says
 * COPYUID first, then the EXPUNGEs, so that a client knows where its messages went before they go.
 */
#include "room/imapd/imapd_priv.h"

#include "base/err.h"
#include "base/rng.h"

enum { CODE_MAX = 1 << 20 };

struct copy {
	bool move;
	struct imap_seqset uids;
};

static void write_sets(struct buf *out, const Postern__CopyReply *r)
{
	for (int to = 0; to < 2; to++) {
		struct imap_seqset s = { 0 };
		for (size_t i = 0; i < r->n_pairs; i++) {
			uint32_t first = to ? r->pairs[i]->to : r->pairs[i]->from;
			if (r->pairs[i]->count)
				imap_seqset_add_range(&s, first, first + r->pairs[i]->count - 1);
		}
		buf_byte(out, ' ');
		imap_seqset_write(out, &s);
		imap_seqset_fini(&s);
	}
}

static void write_code(struct cmd *cmd, const char *before, const Postern__CopyReply *r, const char *behind)
{
	struct buf out = BUF_INIT(CODE_MAX);

	buf_printf(&out, "%s OK [COPYUID %u", before, r->uidvalidity);
	write_sets(&out, r);
	buf_printf(&out, "] %s\r\n", behind);
	conn_write(cmd->conn, &out);
	buf_fini(&out);
}

static void moved(struct cmd *cmd, const Postern__CopyReply *r)
{
	struct view *v = cmd->conn->view;

	write_code(cmd, "*", r, "Moved.");
	for (size_t i = 0; i < r->n_pairs; i++)
		view_expunge(v, r->pairs[i]->from, r->pairs[i]->from + r->pairs[i]->count - 1);
	if (r->highestmodseq > v->highestmodseq)
		v->highestmodseq = r->highestmodseq;
	cmd_ok(cmd);
}

/* A number is a promise that the message is there, a uid is none (RFC 2180 4.4.2). */
static void nothing_there(struct cmd *cmd)
{
	if (cmd->uid)
		cmd_done(cmd, "OK No messages found.");
	else
		cmd_done(cmd, "NO [EXPUNGEISSUED] Some of the messages no longer exist.");
}

static void on_copied(struct cmd *cmd, int err, const ProtobufCMessage *msg, int fd UNUSED, const char *text)
{
	const Postern__CopyReply *r = (const Postern__CopyReply *)msg;
	const struct copy *copy = cmd->state;

	if (err < 0) {
		cmd_fail(cmd, err, text, N_("Mailbox"), true);
	} else if (!r->n_pairs) {
		nothing_there(cmd);
	} else if (copy->move) {
		moved(cmd, r);
	} else {
		/* The code can be long: it is written here, and cmd_done adds nothing to it. */
		sync_write(cmd->conn, true);
		write_code(cmd, cmd->tag, r, "Copied.");
		cmd_over(cmd);
	}
}

static void free_set(void *set)
{
	imap_seqset_fini(set);
}

static void copy_common(struct cmd *cmd, bool move)
{
	Postern__CopyRequest req = POSTERN__COPY_REQUEST__INIT;
	struct copy *copy = ARENA_NEW(cmd->arena, struct copy);
	struct slice set, wire, name;
	uint8_t id[16];

	cmd->state = copy;
	copy->move = move;
	arena_on_free(cmd->arena, free_set, &copy->uids);
	if (imap_scan_set(&cmd->args, &set) < 0 || imap_scan_sp(&cmd->args) < 0 ||
	    imap_scan_astring(&cmd->args, &wire) < 0 || !imap_scan_end(&cmd->args)) {
		cmd_syntax(cmd);
		return;
	}
	if (!cmd_uids(cmd, set, &copy->uids) || !cmd_mailbox(cmd, wire, &name))
		return;
	if (move && cmd->conn->view->read_only) {
		cmd_done(cmd, N_("NO [NOPERM] The mailbox is open for reading only."));
		return;
	}
	if (!copy->uids.n) {
		cmd_done(cmd, "OK No messages found.");
		return;
	}
	if (!cmd->uid && view_any_gone(cmd->conn->view, &copy->uids)) {
		nothing_there(cmd);
		return;
	}
	if (copy->uids.n > UID_RANGES_MAX) {
		cmd_done(cmd, "NO [LIMIT] Too many ranges of messages at once.");
		return;
	}
	rng_bytes(id, sizeof(id));
	req.n_uids = shard_ranges(cmd, &copy->uids, 1, &req.uids);
	req.to = (ProtobufCBinaryData){ name.n, (uint8_t *)name.p };
	req.move = move;
	req.operation_id = (ProtobufCBinaryData){ sizeof(id), id };
	shard_call(cmd, POSTERN__SESSION_OP__SESSION_COPY, &req.base, -1, on_copied);
}

void cmd_copy(struct cmd *cmd)
{
	copy_common(cmd, false);
}

void cmd_move(struct cmd *cmd)
{
	copy_common(cmd, true);
}
