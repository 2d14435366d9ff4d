/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STORE (RFC 3501 6.4.6, RFC 7162 3.1.3). The store takes a few thousand messages a question and says where to go on;
 * its replies are the FETCH lines. With UNCHANGEDSINCE what it refused becomes MODIFIED.
 */
#include "room/imapd/imapd_priv.h"

#include "base/err.h"
#include "proto/imap/args.h"

enum { LINES_MAX = 8 << 20, MODIFIED_MAX = 1 << 20 };

struct store {
	struct imap_store_args args;
	struct imap_seqset uids;
	struct imap_seqset failed;	/* uids */
	ProtobufCBinaryData *keywords;
	uint32_t from;
};

static void on_stored(struct cmd *cmd, int err, const ProtobufCMessage *msg, int fd, const char *text);

static void next(struct cmd *cmd)
{
	Postern__StoreRequest req = POSTERN__STORE_REQUEST__INIT;
	struct store *s = cmd->state;

	req.n_uids = shard_ranges(cmd, &s->uids, s->from, &req.uids);
	req.how = (Postern__StoreHow)s->args.how;
	req.flags = s->args.flags.flags;
	req.keywords = s->keywords;
	req.n_keywords = s->args.flags.n_keywords;
	req.conditional = s->args.conditional;
	req.unchanged_since = s->args.unchanged_since;
	shard_call(cmd, POSTERN__SESSION_OP__SESSION_STORE, &req.base, -1, on_stored);
}

/* One FETCH line, or none where the client wants none (.SILENT, unless it follows MODSEQ). */
static void write_line(struct cmd *cmd, size_t at, struct buf *out)
{
	struct conn *c = cmd->conn;
	struct store *s = cmd->state;
	struct view_msg *m = &c->view->msgs[at];
	bool modseq = c->condstore || s->args.conditional;

	m->bits &= ~(uint32_t)VIEW_CHANGED & 0xff;
	if (at >= c->view->told || (s->args.silent && !modseq))
		return;
	buf_printf(out, "* %zu FETCH (UID %u", at + 1, m->uid);
	if (!s->args.silent) {
		buf_byte(out, ' ');
		sync_put_flags(c->view, m, out);
	}
	if (modseq)
		buf_printf(out, " MODSEQ (%llu)", (unsigned long long)m->modseq);
	buf_str(out, ")\r\n");
	if (out->n >= OUT_CHUNK)
		conn_write(c, out);
}

static void take_reply(struct cmd *cmd, const Postern__StoreReply *r)
{
	struct conn *c = cmd->conn;
	struct store *s = cmd->state;
	struct buf out = BUF_INIT(LINES_MAX);

	view_set_names(c->view, r->keywords, r->n_keywords);
	if (c->view->names_grew)
		sync_flags(c, &out);
	for (size_t i = 0; i < r->n_changed; i++) {
		ptrdiff_t at = view_put(c->view, r->changed[i], false);
		if (at >= 0)
			write_line(cmd, (size_t)at, &out);
	}
	for (size_t i = 0; i < r->n_failed; i++)
		imap_seqset_add_range(&s->failed, r->failed[i]->first, r->failed[i]->last);
	if (r->highestmodseq > c->view->highestmodseq)
		c->view->highestmodseq = r->highestmodseq;
	if (out.n)
		conn_write(c, &out);
	buf_fini(&out);
}

/* MODIFIED names messages as the command did: by number or by uid. */
static void finish(struct cmd *cmd)
{
	struct store *s = cmd->state;
	struct view *v = cmd->conn->view;

	imap_seqset_normalise(&s->failed);
	if (!s->failed.n) {
		cmd_ok(cmd);
		return;
	}
	struct imap_seqset named = { 0 };
	for (size_t i = 0; i < s->failed.n; i++) {
		const struct imap_range *r = &s->failed.ranges[i];
		for (size_t at = view_lower(v, r->first); at < v->told && v->msgs[at].uid <= r->last; at++)
			imap_seqset_add(&named, cmd->uid ? v->msgs[at].uid : (uint32_t)at + 1);
	}
	sync_write(cmd->conn, cmd->uid);
	struct buf out = BUF_INIT(MODIFIED_MAX);
	buf_printf(&out, "%s OK [MODIFIED ", cmd->tag);
	imap_seqset_write(&out, &named);
	buf_str(&out, "] Some messages were changed meanwhile.\r\n");
	conn_write(cmd->conn, &out);
	buf_fini(&out);
	imap_seqset_fini(&named);
	cmd_over(cmd);
}

static void go_on(struct cmd *cmd)
{
	if (stream_congested(cmd->conn->stream))
		cmd->on_drained = go_on;
	else
		next(cmd);
}

static void on_stored(struct cmd *cmd, int err, const ProtobufCMessage *msg, int fd UNUSED, const char *text)
{
	const Postern__StoreReply *r = (const Postern__StoreReply *)msg;
	struct store *s = cmd->state;
	size_t asked = 0, i;

	if (err < 0) {
		cmd_fail(cmd, err, text, N_("Message"), false);
		return;
	}
	take_reply(cmd, r);
	/* Where the store goes on, or the first range that did not fit the question. */
	for (i = 0; i < s->uids.n && asked < UID_RANGES_MAX; i++)
		asked += s->uids.ranges[i].last >= s->from;
	if (r->next_uid > s->from)
		s->from = r->next_uid;
	else if (!r->next_uid && i < s->uids.n)
		s->from = s->uids.ranges[i].first;
	else {
		finish(cmd);
		return;
	}
	go_on(cmd);
}

static void free_sets(void *ctx)
{
	struct store *s = ctx;

	imap_seqset_fini(&s->uids);
	imap_seqset_fini(&s->failed);
}

void cmd_store(struct cmd *cmd)
{
	struct store *s = ARENA_NEW(cmd->arena, struct store);

	cmd->state = s;
	arena_on_free(cmd->arena, free_sets, s);
	if (imap_store_args_scan(&cmd->args, &s->args) < 0) {
		cmd_syntax(cmd);
		return;
	}
	if (!cmd_uids(cmd, s->args.set, &s->uids))
		return;
	if (cmd->conn->view->read_only) {
		cmd_done(cmd, N_("NO [NOPERM] The mailbox is open for reading only."));
		return;
	}
	if (s->args.conditional)
		conn_condstore(cmd->conn);
	if (!s->uids.n) {
		cmd_ok(cmd);
		return;
	}
	s->keywords = ARENA_ARRAY(cmd->arena, ProtobufCBinaryData, IMAP_KEYWORDS_MAX);
	for (size_t i = 0; i < s->args.flags.n_keywords; i++) {
		struct slice k = s->args.flags.keywords[i];
		s->keywords[i] = (ProtobufCBinaryData){ k.n, (uint8_t *)k.p };
	}
	s->from = 1;
	next(cmd);
}
