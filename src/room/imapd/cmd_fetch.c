/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FETCH (RFC 3501 6.4.5, RFC 7162 3.1.4). Flags, dates and sizes come from the view; everything else in batches from
 * the store. Per batch: ask, set \Seen where that is due, write line by line, stop while the client does not
 * read (two batches' memfds are all that is held meanwhile; the store holds nothing, THREATS I15). While a batch is
 * written the store makes the next one, except where \Seen has to be set between the two.
 *
 *   ask --FETCH--> on_batch --STORE \Seen--> write_batch --slow--> (drained) write_batch
 *    ^                |  (ask ahead)              | done: the batch that came ahead, or
 *    +----------------+---------------------------+
 */
#include "room/imapd/fetch_priv.h"

#include "base/err.h"
#include "base/event.h"
#include "lib/ipc/memfd.h"

enum { BATCH_BYTES = 512 * 1024, BYTES_MAX = 2u << 30, SEEN_AT_ONCE = 4000 };

struct fetch {
	struct imap_fetch_args args;
	struct imap_seqset uids;
	unsigned needs;
	bool set_seen;
	bool missing;		/* the store has some of the messages no more */
	bool damaged;		/* ... or cannot read them */
	struct fetch_line line;
	bool in_line;
	size_t range, at;	/* where the walk over the view is */

	struct batch {
		struct arena *arena;	/* holds reply; NULL: there is none */
		const Postern__FetchReply *reply;
		struct fetch_bytes bytes;
	} now, ahead;
	bool asked;		/* a batch is on its way */
	int ahead_err;		/* and how it failed, told when now is written */
	size_t item;		/* of now */
	uint32_t from;		/* where the next batch begins; 0: that was all */
	struct buf out;		/* short lines on their way to the stream */
};

static void batch_free(struct batch *b)
{
	arena_free(&b->arena);
	if (b->bytes.map.p)
		memfd_unmap(&b->bytes.map);
	if (b->bytes.fd >= 0)
		close(b->bytes.fd);
	*b = (struct batch){ .bytes.fd = -1 };
}

static void fetch_free(void *ctx)
{
	struct fetch *f = ctx;

	batch_free(&f->now);
	batch_free(&f->ahead);
	imap_seqset_fini(&f->uids);
	arena_free(&f->line.arena);
	buf_fini(&f->line.text);
	buf_fini(&f->out);
}

static void finish(struct cmd *cmd)
{
	const struct fetch *f = cmd->state;

	if (f->damaged)
		cmd_done(cmd, N_("NO [CORRUPTION] Some of the messages are damaged on disk."));
	else if (f->missing && !cmd->uid)
		cmd_done(cmd, N_("NO [EXPUNGEISSUED] Some of the messages no longer exist."));
	else
		cmd_ok(cmd);
}

static void broken(struct cmd *cmd, int err)
{
	/* Half a line may be out: the only honest end is that of the connection. */
	ev(EV_ERROR, "imap.fetch.failed", KI("account", cmd->conn->account_id), KS("reason", err_name(err)));
	conn_bye(cmd->conn, "[UNAVAILABLE] Reading the message failed");
}

static bool wanted(const struct fetch *f, const struct view_msg *m)
{
	return !f->args.has_changed_since || m->modseq > f->args.changed_since;
}

/* ---- what the view knows ---- */

static void write_from_view(struct cmd *cmd)
{
	struct fetch *f = cmd->state;
	struct conn *c = cmd->conn;
	struct buf out = BUF_INIT(1 << 20);

	for (; f->range < f->uids.n; f->range++) {
		const struct imap_range *r = &f->uids.ranges[f->range];
		size_t start = view_lower(c->view, r->first);
		f->at = f->at > start ? f->at : start;
		for (; f->at < c->view->told && c->view->msgs[f->at].uid <= r->last; f->at++) {
			if (stream_congested(c->stream)) {
				cmd->on_drained = write_from_view;
				conn_write(c, &out);
				buf_fini(&out);
				return;
			}
			if (!wanted(f, &c->view->msgs[f->at]))
				continue;
			fetch_line_make(&f->line, c, &f->args, f->at, cmd->uid, NULL, &f->now.bytes);
			buf_slice(&out, buf_view(&f->line.text));
			if (out.n >= OUT_CHUNK)
				conn_write(c, &out);
		}
	}
	conn_write(c, &out);
	buf_fini(&out);
	finish(cmd);
}

/* ---- batches ---- */

static void start_batch(struct cmd *cmd);
static bool ask(struct cmd *cmd);

static void batch_done(struct cmd *cmd)
{
	struct fetch *f = cmd->state;

	batch_free(&f->now);
	if (f->ahead_err < 0) {
		cmd_fail(cmd, f->ahead_err, "", N_("Message"), false);
	} else if (f->ahead.arena) {
		f->now = f->ahead;
		f->ahead = (struct batch){ .bytes.fd = -1 };
		start_batch(cmd);
	} else if (!f->asked && (!f->from || !ask(cmd))) {
		finish(cmd);
	}
	/* Else the batch that was asked for goes on with it. */
}

/* 1 the line is out or gathered, 0 the client is slow, < 0 broken. */
static int write_line(struct fetch *f, struct conn *c)
{
	struct fetch_line *l = &f->line;

	if (!l->n_gaps && !l->written && buf_ok(&l->text) && l->text.n < OUT_CHUNK) {
		buf_slice(&f->out, buf_view(&l->text));
		if (f->out.n >= OUT_CHUNK)
			conn_write(c, &f->out);
		return 1;
	}
	if (f->out.n)
		conn_write(c, &f->out);
	return fetch_line_write(l, c, &f->now.bytes);
}

static void write_batch(struct cmd *cmd)
{
	struct fetch *f = cmd->state;
	struct conn *c = cmd->conn;

	for (; f->item < f->now.reply->n_items; f->item++) {
		const Postern__FetchItem *item = f->now.reply->items[f->item];
		ptrdiff_t at = item->meta ? view_find(c->view, item->meta->uid) : -1;
		f->damaged |= item->err < 0;
		if (item->err < 0 || at < 0 || (size_t)at >= c->view->told)
			continue;
		if (!f->in_line && stream_congested(c->stream)) {
			cmd->on_drained = write_batch;
			return;
		}
		if (!f->in_line)
			fetch_line_make(&f->line, c, &f->args, (size_t)at, cmd->uid, item, &f->now.bytes);
		int got = write_line(f, c);
		f->in_line = got == 0;
		if (got < 0) {
			broken(cmd, got);
			return;
		}
		if (got == 0) {
			cmd->on_drained = write_batch;
			return;
		}
	}
	if (f->out.n)
		conn_write(c, &f->out);
	batch_done(cmd);
}

static void on_seen(struct cmd *cmd, int err, const ProtobufCMessage *msg, int fd UNUSED, const char *text UNUSED)
{
	const Postern__StoreReply *r = (const Postern__StoreReply *)msg;

	/* A disk that is full is no reason not to show a message. */
	for (size_t i = 0; err == 0 && i < r->n_changed; i++)
		IGNORE(view_put(cmd->conn->view, r->changed[i], true), "it is there, we just fetched it");
	write_batch(cmd);
}

static void mark_seen(struct cmd *cmd)
{
	Postern__StoreRequest req = POSTERN__STORE_REQUEST__INIT;
	struct fetch *f = cmd->state;
	struct view *v = cmd->conn->view;
	struct imap_seqset unseen = { 0 };
	size_t n = 0;

	for (size_t i = 0; f->set_seen && i < f->now.reply->n_items && n < SEEN_AT_ONCE; i++) {
		const Postern__MessageMeta *m = f->now.reply->items[i]->meta;
		ptrdiff_t at = m ? view_find(v, m->uid) : -1;
		if (at >= 0 && !(v->msgs[at].bits & IMAP_SEEN)) {
			imap_seqset_add(&unseen, m->uid);
			n++;
		}
	}
	if (unseen.n) {
		req.n_uids = shard_ranges(cmd, &unseen, 1, &req.uids);
		req.how = POSTERN__STORE_HOW__STORE_ADD;
		req.flags = IMAP_SEEN;
		shard_call(cmd, POSTERN__SESSION_OP__SESSION_STORE, &req.base, -1, on_seen);
	} else {
		write_batch(cmd);
	}
	imap_seqset_fini(&unseen);
}

static void start_batch(struct cmd *cmd)
{
	struct fetch *f = cmd->state;

	f->item = 0;
	/* One question at a time: where \Seen has to be set, that one comes first. */
	if (f->from && !f->set_seen && !ask(cmd))
		f->from = 0;
	mark_seen(cmd);
}

static void on_batch(struct cmd *cmd, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct fetch *f = cmd->state;
	struct batch b = { .bytes.fd = fd };
	bool writing = f->now.arena != NULL;

	f->asked = false;
	if (err == 0 && fd >= 0)
		err = memfd_map(fd, BYTES_MAX, &b.bytes.map);
	if (err < 0) {
		batch_free(&b);
		f->ahead_err = err;
		if (!writing)
			cmd_fail(cmd, err, text, N_("Message"), false);
		return;
	}
	b.reply = (const Postern__FetchReply *)msg;
	b.arena = ipc_reply_keep();
	f->missing |= !b.reply->n_items && !f->args.has_changed_since;
	f->from = b.reply->next_uid > f->from ? b.reply->next_uid : 0;
	if (!f->from && f->range < f->uids.n)
		f->from = f->uids.ranges[f->range].first;
	if (writing) {
		f->ahead = b;
	} else {
		f->now = b;
		start_batch(cmd);
	}
}

/* false: there is nothing left to ask for. */
static bool ask(struct cmd *cmd)
{
	Postern__FetchRequest req = POSTERN__FETCH_REQUEST__INIT;
	struct fetch *f = cmd->state;
	size_t asked = 0;

	/* f->range: the first range behind what this question holds. */
	for (f->range = 0; f->range < f->uids.n && asked < UID_RANGES_MAX; f->range++)
		asked += f->uids.ranges[f->range].last >= f->from;
	req.n_uids = shard_ranges(cmd, &f->uids, f->from, &req.uids);
	if (!req.n_uids)
		return false;
	req.meta = true;
	req.digest = f->needs & FETCH_DIGEST;
	req.header = f->needs & FETCH_HEADER;
	req.body = f->needs & FETCH_BODY;
	req.max_bytes = BATCH_BYTES;
	req.changed_since = f->args.has_changed_since ? f->args.changed_since : 0;
	f->asked = true;
	shard_call(cmd, POSTERN__SESSION_OP__SESSION_FETCH, &req.base, -1, on_batch);
	return true;
}

void cmd_fetch(struct cmd *cmd)
{
	struct fetch *f = ARENA_NEW(cmd->arena, struct fetch);
	struct slice set;

	cmd->state = f;
	f->now.bytes.fd = f->ahead.bytes.fd = -1;
	buf_init(&f->line.text, LINE_TEXT_MAX);
	buf_init(&f->out, 4 * OUT_CHUNK);
	arena_on_free(cmd->arena, fetch_free, f);
	if (imap_scan_set(&cmd->args, &set) < 0 || imap_scan_sp(&cmd->args) < 0 ||
	    imap_fetch_args_scan(&cmd->args, &f->args) < 0) {
		cmd_syntax(cmd);
		return;
	}
	if (!cmd_uids(cmd, set, &f->uids))
		return;
	if (f->args.has_changed_since || (f->args.items & IMAP_FETCH_MODSEQ))
		conn_condstore(cmd->conn);
	f->needs = fetch_needs(&f->args);
	f->set_seen = f->args.sets_seen && !cmd->conn->view->read_only;
	f->from = 1;
	if (!f->needs)
		write_from_view(cmd);
	else if (!ask(cmd))
		finish(cmd);
}
