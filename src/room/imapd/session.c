/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The channel to the account's shard. It comes with the login and lives as long as the connection; when it ends the
 * client gets BYE. One question at a time: the reply finds its command, or nobody where the client is gone.
 */
#include "room/imapd/imapd_priv.h"

#include "base/err.h"
#include "base/event.h"

static void on_notice(struct ipc_chan *chan, uint16_t op, const ProtobufCMessage *msg, int fd, void *ctx);
static void on_closed(struct ipc_chan *chan, int err, void *ctx);

static const struct ipc_handlers handlers = { .on_notice = on_notice, .on_closed = on_closed };

void shard_start(struct conn *c, int fd)
{
	c->session = ipc_chan_new(c->imapd->room->loop, fd, &session_contract, false, ROLE_STORE, 0, &handlers, c);
	c->imapd->n_sessions++;
}

void shard_end(struct conn *c)
{
	if (!c->session)
		return;
	if (c->call_id)
		ipc_cancel(c->session, c->call_id);
	c->call_id = 0;
	ipc_chan_free(&c->session);
	c->imapd->n_sessions--;
}

static void on_closed(struct ipc_chan *chan UNUSED, int err UNUSED, void *ctx)
{
	struct conn *c = ctx;

	c->session = NULL;
	c->call_id = 0;
	c->imapd->n_sessions--;
	conn_bye(c, "[UNAVAILABLE] The mail store is not available now");
}

/* ---- questions ---- */

static void on_reply(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct conn *c = ctx;
	shard_fn *fn = c->call_fn;

	c->call_id = 0;
	c->call_fn = NULL;
	if (err == ERR_TIMEOUT || err == ERR_CLOSED || !c->cmd || c->state == CONN_OVER) {
		/* What the store has done is not known: the client must not go on as if nothing were. */
		if (fd >= 0)
			close(fd);
		conn_bye(c, "[UNAVAILABLE] The mail store does not answer");
		return;
	}
	fn(c->cmd, err, reply, fd, text);
}

void shard_call(struct cmd *cmd, uint16_t op, const ProtobufCMessage *req, int fd, shard_fn *fn)
{
	struct conn *c = cmd->conn;

	bug_if(c->call_id);
	if (!c->session) {
		conn_bye(c, "[UNAVAILABLE] The mail store is not available now");
		return;
	}
	c->call_fn = fn;
	c->call_id = ipc_call(c->session, op, req, &fd, fd >= 0, CALL_DEADLINE_MS, on_reply, c);
}

/* The question is packed before the next one is made, so a command needs this memory once only. */
static void ranges_reserve(struct cmd *cmd, size_t n)
{
	if (n <= cmd->ranges_cap)
		return;
	cmd->ranges = ARENA_ARRAY(cmd->arena, Postern__UidRange, n);
	cmd->range_list = ARENA_ARRAY(cmd->arena, Postern__UidRange *, n);
	cmd->ranges_cap = n;
}

size_t shard_ranges(struct cmd *cmd, const struct imap_seqset *set, uint32_t from, Postern__UidRange ***ret)
{
	size_t n = 0;
	size_t max = set->n < UID_RANGES_MAX ? set->n : UID_RANGES_MAX;

	ranges_reserve(cmd, max ? max : 1);
	for (size_t i = 0; i < set->n && n < max; i++) {
		Postern__UidRange *r = &cmd->ranges[n];
		if (set->ranges[i].last < from)
			continue;
		postern__uid_range__init(r);
		r->first = set->ranges[i].first < from ? from : set->ranges[i].first;
		r->last = set->ranges[i].last;
		cmd->range_list[n++] = r;
	}
	*ret = cmd->range_list;
	return n;
}

/* ---- notices ---- */

static void on_changed(struct conn *c, const Postern__ChangedNotice *m)
{
	struct view *v = c->view;

	/* Of the open mailbox, whatever its name is by now. */
	if (!v)
		return;
	if (m->deleted) {
		conn_bye(c, "The selected mailbox was deleted");
		return;
	}
	view_set_names(v, m->keywords, m->n_keywords);
	v->first_recent = m->first_recent;
	for (size_t i = 0; i < m->n_changed; i++)
		IGNORE(view_put(v, m->changed[i], true), "one that is gone already");
	for (size_t i = 0; i < m->n_expunged; i++) {
		uint32_t last = m->expunged[i]->last;
		view_expunge(v, m->expunged[i]->first, last ? last : UINT32_MAX);
	}
	if (m->highestmodseq > v->highestmodseq)
		v->highestmodseq = m->highestmodseq;
	if (m->uidnext > v->uidnext)
		v->uidnext = m->uidnext;
	if (c->cmd && c->cmd->on_change)
		c->cmd->on_change(c->cmd);
}

static void on_notice(struct ipc_chan *chan UNUSED, uint16_t op, const ProtobufCMessage *msg, int fd, void *ctx)
{
	struct conn *c = ctx;

	if (fd >= 0)
		close(fd);
	if (c->state == CONN_OVER)
		return;
	if (op == POSTERN__SESSION_OP__SESSION_CHANGED)
		on_changed(c, (const Postern__ChangedNotice *)msg);
	else if (op == POSTERN__SESSION_OP__SESSION_GOODBYE)
		conn_bye(c, "[UNAVAILABLE] This session was ended by the server");
}
