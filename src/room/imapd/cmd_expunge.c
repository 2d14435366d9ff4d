/* SPDX-License-Identifier: Apache-2.0 */
/* EXPUNGE and UID EXPUNGE (RFC 3501 6.4.3, RFC 4315 2.1). The lines themselves are sync_write's. */
#include "room/imapd/imapd_priv.h"

#include "base/err.h"

struct expunge {
	struct imap_seqset uids;
	uint32_t from;
};

static void on_expunged(struct cmd *cmd, int err, const ProtobufCMessage *msg, int fd, const char *text);

static void next(struct cmd *cmd)
{
	Postern__ExpungeRequest req = POSTERN__EXPUNGE_REQUEST__INIT;
	struct expunge *e = cmd->state;

	req.n_uids = shard_ranges(cmd, &e->uids, e->from, &req.uids);
	req.any_deleted_flag = true;
	if (!req.n_uids) {
		cmd_ok(cmd);
		return;
	}
	shard_call(cmd, POSTERN__SESSION_OP__SESSION_EXPUNGE, &req.base, -1, on_expunged);
}

static void on_expunged(struct cmd *cmd, int err, const ProtobufCMessage *msg, int fd UNUSED, const char *text)
{
	const Postern__ExpungeReply *r = (const Postern__ExpungeReply *)msg;
	struct expunge *e = cmd->state;
	struct view *v = cmd->conn->view;

	if (err < 0) {
		cmd_fail(cmd, err, text, N_("Mailbox"), false);
		return;
	}
	for (size_t i = 0; i < r->n_expunged; i++)
		view_expunge(v, r->expunged[i]->first, r->expunged[i]->last);
	if (r->highestmodseq > v->highestmodseq)
		v->highestmodseq = r->highestmodseq;
	if (!r->more) {
		/* A set with more ranges than fit one question goes on behind the last that did. */
		size_t left = 0, i;
		for (i = 0; i < e->uids.n && left < UID_RANGES_MAX; i++)
			left += e->uids.ranges[i].last >= e->from;
		if (i == e->uids.n) {
			cmd_ok(cmd);
			return;
		}
		e->from = e->uids.ranges[i].first;
	}
	next(cmd);
}

static void free_set(void *set)
{
	imap_seqset_fini(set);
}

void cmd_expunge(struct cmd *cmd)
{
	struct expunge *e = ARENA_NEW(cmd->arena, struct expunge);
	struct view *v = cmd->conn->view;
	struct slice set;

	cmd->state = e;
	arena_on_free(cmd->arena, free_set, &e->uids);
	if (cmd->uid ? imap_scan_set(&cmd->args, &set) < 0 || !imap_scan_end(&cmd->args) : !imap_scan_end(&cmd->args)) {
		cmd_syntax(cmd);
		return;
	}
	if (v->read_only) {
		cmd_done(cmd, N_("NO [NOPERM] The mailbox is open for reading only."));
		return;
	}
	if (!cmd->uid) {
		imap_seqset_add_range(&e->uids, 1, UINT32_MAX);
	} else if (!cmd_uids(cmd, set, &e->uids)) {
		return;
	}
	next(cmd);
}
