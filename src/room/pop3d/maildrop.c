/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The INBOX of an account as POP3 sees it, over the session channel that came with the login:
 *
 *      POP3_LOCK -> OPEN INBOX -> opened;  then FETCH one message at a time, at the end EXPUNGE by uid
 *
 * Invariants: the channel is the right to the account, and dies with the maildrop; what is fetched is one
 * mapped memfd, whatever its size; deletions go in requests of bounded size and are over when all are answered.
 */
#include "room/pop3d/pop3d_priv.h"

#include "base/err.h"
#include "base/event.h"
#include "ipc/session.pb-c.h"
#include "lib/ipc/memfd.h"

enum { RANGES_MAX = 4000 };

struct maildrop {
	struct pop3d *d;
	struct ipc_chan *chan;
	uint64_t call;			/* the question under way; 0: none */
	const struct maildrop_ops *ops;
	void *ctx;
	struct slice mapped;		/* what was fetched */
	uint32_t *uids;			/* that are still to be expunged */
	size_t n_uids, at;
};

static void on_closed(struct ipc_chan *chan, int err, void *ctx)
{
	struct maildrop *m = ctx;
	m->chan = NULL;		/* it is freed behind us */
	m->ops->gone(m->ctx);
}

static void on_notice(struct ipc_chan *chan, uint16_t op, const ProtobufCMessage *msg, int fd, void *ctx)
{
	struct maildrop *m = ctx;
	if (fd >= 0)
		close(fd);
	if (op == POSTERN__SESSION_OP__SESSION_GOODBYE)	/* other notices: the maildrop is as it was at login */
		m->ops->gone(m->ctx);
}

static const struct ipc_handlers handlers = { .on_notice = on_notice, .on_closed = on_closed };

static void ask(struct maildrop *m, uint16_t op, const ProtobufCMessage *req, ipc_reply_fn *fn)
{
	if (m->chan)	/* else gone was told */
		m->call = ipc_call(m->chan, op, req, NULL, 0, POP3_ASK_MS, fn, m);
}

static int take_list(const Postern__MessageList *list, struct pop3_message **ret, size_t *ret_n)
{
	struct pop3_message *all = calloc(list->n_messages + 1, sizeof(*all));
	if (!all)
		return ERR_FULL;
	for (size_t i = 0; i < list->n_messages; i++)
		all[i] = (struct pop3_message){ list->messages[i]->uid, false, list->messages[i]->size };
	*ret = all;
	*ret_n = list->n_messages;
	return 0;
}

static int take_list_fd(int fd, struct pop3_message **ret, size_t *ret_n)
{
	struct slice bytes;
	int r = memfd_map(fd, POP3_LIST_MAX, &bytes);
	if (r < 0)
		return r;
	Postern__MessageList *list = postern__message_list__unpack(NULL, bytes.n, bytes.p);
	memfd_unmap(&bytes);
	if (!list)
		return ERR_SYNTAX;
	r = take_list(list, ret, ret_n);
	postern__message_list__free_unpacked(list, NULL);
	return r;
}

static void on_open(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	static const Postern__MessageList empty = POSTERN__MESSAGE_LIST__INIT;
	struct maildrop *m = ctx;
	const Postern__OpenReply *r = (const Postern__OpenReply *)reply;
	struct pop3_message *messages = NULL;
	size_t n = 0;
	m->call = 0;
	if (err == 0)
		err = fd >= 0 ? take_list_fd(fd, &messages, &n) : take_list(r->list ? r->list : &empty, &messages, &n);
	if (fd >= 0)
		close(fd);
	if (err == 0 && !r->mailbox)
		err = ERR_SYNTAX;
	if (err < 0)
		free(messages);
	m->ops->opened(m->ctx, err, err < 0 ? 0 : r->mailbox->uidvalidity, err < 0 ? NULL : messages, n);
}

static void on_lock(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct maildrop *m = ctx;
	m->call = 0;
	if (err < 0) {
		m->ops->opened(m->ctx, err, 0, NULL, 0);
		return;
	}
	Postern__OpenRequest req = POSTERN__OPEN_REQUEST__INIT;
	req.name = (ProtobufCBinaryData){ 5, (uint8_t *)"INBOX" };
	ask(m, POSTERN__SESSION_OP__SESSION_OPEN, &req.base, on_open);
}

struct maildrop *maildrop_new(struct pop3d *d, int fd, unsigned shard, const struct maildrop_ops *ops, void *ctx)
{
	struct maildrop *m = calloc(1, sizeof(*m));
	bug_if(!m);
	m->d = d;
	m->ops = ops;
	m->ctx = ctx;
	m->chan = ipc_chan_new(d->room->loop, fd, &session_contract, false, ROLE_STORE, shard, &handlers, m);
	Postern__SessionNothing req = POSTERN__SESSION_NOTHING__INIT;
	ask(m, POSTERN__SESSION_OP__SESSION_POP3_LOCK, &req.base, on_lock);
	return m;
}

void maildrop_free(struct maildrop **m)
{
	if (!*m)
		return;
	maildrop_release(*m);
	if ((*m)->chan && (*m)->call)
		ipc_cancel((*m)->chan, (*m)->call);
	ipc_chan_free(&(*m)->chan);
	free((*m)->uids);
	free(*m);
	*m = NULL;
}

void maildrop_release(struct maildrop *m)
{
	memfd_unmap(&m->mapped);
	m->mapped = slice_of(NULL, 0);
}

static int take_message(struct maildrop *m, const Postern__FetchReply *r, int fd, struct slice *ret)
{
	if (r->n_items != 1)
		return ERR_NOT_FOUND;
	if (fd < 0)
		return ERR_SYNTAX;
	int err = memfd_map(fd, UINT64_MAX, &m->mapped);
	if (err < 0)
		return err;
	const Postern__FetchItem *item = r->items[0];
	if (item->err < 0) {	/* its bytes cannot be read: no empty message, which clients would take and delete */
		maildrop_release(m);
		return item->err;
	}
	if (item->offset > m->mapped.n || item->header_length > m->mapped.n - item->offset ||
	    item->body_length > m->mapped.n - item->offset - item->header_length) {
		maildrop_release(m);
		return ERR_SYNTAX;
	}
	*ret = slice_sub(m->mapped, item->offset, item->offset + item->header_length + item->body_length);
	return 0;
}

static void on_fetch(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct maildrop *m = ctx;
	struct slice message = slice_of(NULL, 0);
	m->call = 0;
	if (err == 0)
		err = take_message(m, (const Postern__FetchReply *)reply, fd, &message);
	if (fd >= 0)
		close(fd);
	m->ops->fetched(m->ctx, err, message);
}

void maildrop_fetch(struct maildrop *m, uint32_t uid, bool body)
{
	Postern__UidRange range = POSTERN__UID_RANGE__INIT, *list = &range;
	Postern__FetchRequest req = POSTERN__FETCH_REQUEST__INIT;
	range.first = range.last = uid;
	req.uids = &list;
	req.n_uids = 1;
	req.header = true;
	req.body = body;
	req.max_bytes = 1;	/* one message is always given */
	ask(m, POSTERN__SESSION_OP__SESSION_FETCH, &req.base, on_fetch);
}

static void expunge_more(struct maildrop *m);

static void on_expunge(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct maildrop *m = ctx;
	m->call = 0;
	if (err == 0 && !((const Postern__ExpungeReply *)reply)->more)
		m->at += m->n_uids - m->at < RANGES_MAX ? m->n_uids - m->at : RANGES_MAX;
	if (err == 0 && m->at < m->n_uids)
		expunge_more(m);
	else
		m->ops->expunged(m->ctx, err);
}

static void expunge_more(struct maildrop *m)
{
	size_t n = m->n_uids - m->at < RANGES_MAX ? m->n_uids - m->at : RANGES_MAX;
	struct arena *a = arena_new();
	Postern__UidRange *ranges = ARENA_ARRAY(a, Postern__UidRange, n);
	Postern__ExpungeRequest req = POSTERN__EXPUNGE_REQUEST__INIT;
	req.uids = ARENA_ARRAY(a, Postern__UidRange *, n);
	req.n_uids = n;
	for (size_t i = 0; i < n; i++) {
		postern__uid_range__init(&ranges[i]);
		ranges[i].first = ranges[i].last = m->uids[m->at + i];
		req.uids[i] = &ranges[i];
	}
	ask(m, POSTERN__SESSION_OP__SESSION_EXPUNGE, &req.base, on_expunge);
	arena_free(&a);
}

void maildrop_expunge(struct maildrop *m, const uint32_t *uids, size_t n)
{
	m->uids = calloc(n, sizeof(*uids));
	bug_if(!m->uids);
	memcpy(m->uids, uids, n * sizeof(*uids));
	m->n_uids = n;
	m->at = 0;
	expunge_more(m);
}
