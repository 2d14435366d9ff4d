/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions: one channel, one account, fixed when the channel came with a grant. No request names an account, so there is
 * nothing to get wrong about whose mail it is. A session looks at one mailbox at most; what others do to it comes as
 * notices; a client that does not read them is cut off by the channel's output bound. Reads are answered at once
 * from what is committed, or behind the session's own changes that still wait.
 */
#include "room/store/room.h"

#include "base/err.h"
#include "base/event.h"
#include "lib/ipc/memfd.h"

enum { INLINE_METAS = 500 };

void store_session_unref(struct session *s)
{
	if (--s->refs == 0)
		free(s);
}

static struct account_sessions *of_account(struct store *st, uint64_t account)
{
	return map_get(st->accounts, map_key_u64(&account));
}

unsigned sessions_count(struct store *st, uint64_t account)
{
	struct account_sessions *of = of_account(st, account);

	return of ? of->n : 0;
}

/* The channel is gone or about to be freed by the caller. */
static void end(struct session *s)
{
	struct store *st = s->store;
	struct account_sessions *of = of_account(st, s->account);

	box_leave(st, s);
	list_remove(&s->node);
	of->pop3_locked &= !s->pop3_lock;
	if (--of->n == 0) {
		map_remove(st->accounts, map_key_u64(&s->account));
		free(of);
	}
	st->n_sessions--;
	s->chan = NULL;
	store_session_unref(s);
}

static void on_closed(struct ipc_chan *chan, int err, void *ctx)
{
	end(ctx);
}

static void goodbye(struct session *s, const char *text)
{
	Postern__GoodbyeNotice w = POSTERN__GOODBYE_NOTICE__INIT;
	struct ipc_chan *chan = s->chan;

	w.text = (char *)text;
	ipc_notify(chan, POSTERN__SESSION_OP__SESSION_GOODBYE, &w.base, -1);
	/* The notice may have been what ended a full channel. */
	if (s->chan == chan) {
		end(s);
		ipc_chan_free(&chan);
	}
}

static struct session *one_of(struct store *st, uint64_t account, uint64_t version)
{
	struct account_sessions *of = of_account(st, account);

	if (!of)
		return NULL;
	list_each(s, &of->list, struct session, node) {
		if (!version || s->version == version)
			return s;
	}
	return NULL;
}

void sessions_end(struct store *st, uint64_t account, uint64_t version, const char *text)
{
	struct session *s;
	size_t at = 0;
	struct slice key;
	void *value;

	if (account) {
		while ((s = one_of(st, account, version)))
			goodbye(s, text);
		return;
	}
	while (map_next(st->accounts, &at, &key, &value)) {
		sessions_end(st, ((struct account_sessions *)value)->account, 0, text);
		at = 0;
	}
}

/* ---- the mailbox list ---- */

static struct session *session_of(struct work *w)
{
	return w->session;
}

/* Where a request needs an open mailbox. */
static int opened(struct work *w, bool to_change, struct box **ret)
{
	struct session *s = session_of(w);

	if (!s->box)
		return ERR_CONFLICT;
	if (s->box->gone)
		return ERR_NOT_FOUND;
	if (to_change && s->read_only)
		return ERR_DENIED;
	*ret = s->box;
	return 0;
}

static int reply_nothing(struct work *w)
{
	Postern__SessionNothing *r = ARENA_NEW(w->call->arena, Postern__SessionNothing);

	postern__session_nothing__init(r);
	w->reply = &r->base;
	return 0;
}

static int do_info(struct work *w)
{
	Postern__SessionInfo *r = ARENA_NEW(w->call->arena, Postern__SessionInfo);
	struct account a;
	struct pool p;
	int err = shard_account(w->store->engine, w->session->account, &a);

	if (err)
		return err;
	postern__session_info__init(r);
	r->account_id = a.id;
	r->address = wire_bytes(arena_dup(w->call->arena, slice_of(a.address, a.address_n)));
	r->quota_bytes = a.quota_bytes;
	r->used_bytes = a.used_bytes;
	r->quota_messages = a.quota_messages;
	r->used_messages = a.used_messages;
	if (a.pool && shard_pool(w->store->engine, a.pool, &p) == 0) {
		r->pool_bytes = p.size;
		r->pool_used = p.used + p.elsewhere;
	}
	w->reply = &r->base;
	return 0;
}

struct listing {
	struct store *st;
	struct arena *a;
	Postern__ListReply *r;
	size_t bytes;
	bool deleted_size;
};

static int describe(struct store *st, struct arena *a, const struct mailbox *m, bool deleted_size, Postern__MailboxInfo **ret)
{
	*ret = wire_mailbox(st, a, m);
	return deleted_size && m->deleted ? shard_deleted_size(st->engine, m->id, &(*ret)->deleted_size) : 0;
}

static int list_one(void *ctx, const struct mailbox *m)
{
	struct listing *l = ctx;

	l->bytes += m->name_n + 96;
	if (l->bytes > REPLY_BYTES)
		return ERR_TOO_BIG;
	int err = describe(l->st, l->a, m, l->deleted_size, &l->r->mailboxes[l->r->n_mailboxes]);
	l->r->n_mailboxes += !err;
	return err;
}

static int do_list(struct work *w)
{
	const Postern__ListRequest *req = (const Postern__ListRequest *)w->call->req;
	struct listing l = { w->store, w->call->arena, ARENA_NEW(w->call->arena, Postern__ListReply), 0,
			     req->deleted_size };

	postern__list_reply__init(l.r);
	l.r->mailboxes = ARENA_ARRAY(l.a, Postern__MailboxInfo *, LIST_PAGE);
	int more = shard_list(w->store->engine, w->session->account, wire_slice(req->after), list_one, &l);
	if (more < 0 && more != ERR_TOO_BIG)
		return more;
	l.r->more = more != 0;
	w->reply = &l.r->base;
	return 0;
}

static int do_status(struct work *w)
{
	const Postern__NameRequest *req = (const Postern__NameRequest *)w->call->req;
	Postern__MailboxInfo *info;
	struct mailbox m;
	int err = shard_mailbox(w->store->engine, w->session->account, wire_slice(req->name), &m);

	if (!err)
		err = describe(w->store, w->call->arena, &m, req->deleted_size, &info);
	if (!err)
		w->reply = &info->base;
	return err;
}

static int do_create(struct work *w)
{
	const Postern__CreateRequest *req = (const Postern__CreateRequest *)w->call->req;
	struct mailbox m;
	int err = shard_create(w->store->engine, w->session->account, wire_slice(req->name), req->special_use,
				req->subscribe, &m);

	if (!err)
		w->reply = &wire_mailbox(w->store, w->call->arena, &m)->base;
	return err;
}

static int do_delete(struct work *w)
{
	const Postern__NameRequest *req = (const Postern__NameRequest *)w->call->req;
	int err = shard_delete(w->store->engine, w->session->account, wire_slice(req->name));

	return err ? err : reply_nothing(w);
}

static int do_rename(struct work *w)
{
	const Postern__RenameRequest *req = (const Postern__RenameRequest *)w->call->req;
	int err = shard_rename(w->store->engine, w->session->account, wire_slice(req->from), wire_slice(req->to));

	return err ? err : reply_nothing(w);
}

static int do_subscribe(struct work *w)
{
	const Postern__SubscribeRequest *req = (const Postern__SubscribeRequest *)w->call->req;
	int err = shard_subscribe(w->store->engine, w->session->account, wire_slice(req->name), req->on);

	return err ? err : reply_nothing(w);
}

/* ---- the open mailbox ---- */

static void first_unseen(const struct box *b, Postern__OpenReply *r)
{
	for (size_t i = 0; i < b->n && !r->first_unseen_uid; i++)
		if (!(b->msgs[i].flags & FLAG_SEEN))
			r->first_unseen_uid = b->msgs[i].uid;
}

static int fill_list(struct work *w, const struct box *b, Postern__OpenReply *r)
{
	struct arena *a = w->call->arena;

	if (b->n > INLINE_METAS)
		return wire_list_fd(b, &w->fd);
	r->list = ARENA_NEW(a, Postern__MessageList);
	postern__message_list__init(r->list);
	r->list->messages = ARENA_ARRAY(a, Postern__MessageMeta *, b->n + 1);
	for (size_t i = 0; i < b->n; i++)
		r->list->messages[r->list->n_messages++] = wire_meta(a, &b->msgs[i]);
	return 0;
}

static int do_open(struct work *w)
{
	const Postern__OpenRequest *req = (const Postern__OpenRequest *)w->call->req;
	Postern__OpenReply *r = ARENA_NEW(w->call->arena, Postern__OpenReply);
	struct session *s = w->session;
	struct mailbox m;
	struct box *b;

	box_leave(w->store, s);
	int err = shard_mailbox(w->store->engine, s->account, wire_slice(req->name), &m);
	if (!err && m.no_select)
		err = ERR_NOT_FOUND;
	if (!err)
		err = box_get(w->store, m.id, &b);
	if (err)
		return err;
	postern__open_reply__init(r);
	r->mailbox = wire_mailbox(w->store, w->call->arena, &m);
	r->keywords = wire_keywords(w->call->arena, b);
	r->n_keywords = b->n_keywords;
	first_unseen(b, r);
	err = fill_list(w, b, r);
	if (err)
		return err;
	s->read_only = req->read_only;
	r->first_recent = recent_open(w->store, b, s);
	box_enter(b, s);
	w->reply = &r->base;
	return 0;
}

static int do_close(struct work *w)
{
	box_leave(w->store, w->session);
	return reply_nothing(w);
}

static struct slice *slices(struct arena *a, const ProtobufCBinaryData *in, size_t n)
{
	struct slice *out = ARENA_ARRAY(a, struct slice, n + 1);

	for (size_t i = 0; i < n; i++)
		out[i] = wire_slice(in[i]);
	return out;
}

static int keyword_names(struct work *w, uint64_t mailbox, ProtobufCBinaryData **ret, size_t *ret_n)
{
	struct slice *names;
	int err = shard_keywords(w->store->engine, mailbox, w->call->arena, &names, ret_n);

	if (err)
		return err;
	*ret = ARENA_ARRAY(w->call->arena, ProtobufCBinaryData, *ret_n + 1);
	for (size_t i = 0; i < *ret_n; i++)
		(*ret)[i] = wire_bytes(names[i]);
	return 0;
}

static int do_store(struct work *w)
{
	const Postern__StoreRequest *req = (const Postern__StoreRequest *)w->call->req;
	struct arena *a = w->call->arena;
	Postern__StoreReply *r = ARENA_NEW(a, Postern__StoreReply);
	struct flags_change c = { .how = (enum flags_how)req->how, .flags = req->flags,
				  .n_keywords = req->n_keywords, .conditional = req->conditional,
				  .unchanged_since = req->unchanged_since };
	struct flags_result done;
	struct box *b;
	int err = opened(w, true, &b);

	if (err)
		return err;
	if (req->how > POSTERN__STORE_HOW__STORE_REMOVE)
		return ERR_INVALID;
	c.uids = wire_ranges(a, req->uids, req->n_uids, b, &c.n_uids);
	c.keywords = slices(a, req->keywords, req->n_keywords);
	err = shard_flags(w->store->engine, b->id, &c, a, &done);
	if (err)
		return err;
	postern__store_reply__init(r);
	r->changed = ARENA_ARRAY(a, Postern__MessageMeta *, done.n_changed + 1);
	for (size_t i = 0; i < done.n_changed; i++)
		r->changed[r->n_changed++] = wire_meta(a, &done.changed[i]);
	r->failed = wire_ranges_back(a, done.failed, done.n_failed);
	r->n_failed = done.n_failed;
	r->highestmodseq = done.highestmodseq;
	r->next_uid = done.next_uid;
	w->reply = &r->base;
	return keyword_names(w, b->id, &r->keywords, &r->n_keywords);
}

static int do_copy(struct work *w)
{
	const Postern__CopyRequest *req = (const Postern__CopyRequest *)w->call->req;
	struct arena *a = w->call->arena;
	Postern__CopyReply *r = ARENA_NEW(a, Postern__CopyReply);
	struct copy_result done;
	struct box *b;
	size_t n;
	int err = opened(w, req->move, &b);

	if (err)
		return err;
	struct uid_range *uids = wire_ranges(a, req->uids, req->n_uids, b, &n);
	err = shard_copy(w->store->engine, b->id, uids, n, wire_slice(req->to), req->move, wire_slice(req->operation_id),
			  a, &done);
	if (err)
		return err;
	postern__copy_reply__init(r);
	r->uidvalidity = done.uidvalidity;
	r->highestmodseq = done.highestmodseq;
	r->pairs = ARENA_ARRAY(a, Postern__UidPair *, done.n_pairs + 1);
	Postern__UidPair *pairs = ARENA_ARRAY(a, Postern__UidPair, done.n_pairs + 1);
	for (size_t i = 0; i < done.n_pairs; i++) {
		postern__uid_pair__init(&pairs[i]);
		pairs[i].from = done.pairs[i].from;
		pairs[i].to = done.pairs[i].to;
		pairs[i].count = done.pairs[i].count;
		r->pairs[r->n_pairs++] = &pairs[i];
	}
	w->reply = &r->base;
	return 0;
}

static int do_expunge(struct work *w)
{
	const Postern__ExpungeRequest *req = (const Postern__ExpungeRequest *)w->call->req;
	struct arena *a = w->call->arena;
	Postern__ExpungeReply *r = ARENA_NEW(a, Postern__ExpungeReply);
	struct expunge_result done;
	struct box *b;
	size_t n;
	int err = opened(w, true, &b);

	if (err)
		return err;
	struct uid_range *uids = wire_ranges(a, req->uids, req->n_uids, b, &n);
	err = shard_expunge(w->store->engine, b->id, uids, n, req->any_deleted_flag, a, &done);
	if (err)
		return err;
	postern__expunge_reply__init(r);
	r->expunged = wire_ranges_back(a, done.expunged, done.n_expunged);
	r->n_expunged = done.n_expunged;
	r->highestmodseq = done.highestmodseq;
	r->more = done.more;
	w->reply = &r->base;
	return 0;
}

static int do_append(struct work *w)
{
	const Postern__AppendRequest *req = (const Postern__AppendRequest *)w->call->req;
	struct arena *a = w->call->arena;
	Postern__AppendReply *r = ARENA_NEW(a, Postern__AppendReply);
	struct incoming m = { .digest = wire_slice(req->digest), .operation_id = wire_slice(req->operation_id),
			      .internal_date = req->internal_date_ms, .flags = req->flags,
			      .keywords = slices(a, req->keywords, req->n_keywords), .n_keywords = req->n_keywords,
			      .source_id = w->session->source_id, .source_folder = wire_slice(req->source_folder),
			      .source_uidvalidity = req->source_uidvalidity, .source_uid = req->source_uid,
			      .same_uid = req->same_uid };
	struct appended done;
	int err = memfd_map(w->call->fds[0], MESSAGE_MAX, &m.message);

	if (err)
		return err;
	err = shard_append(w->store->engine, w->session->account, wire_slice(req->mailbox), &m, &done);
	memfd_unmap(&m.message);
	if (err)
		return err;
	postern__append_reply__init(r);
	r->uidvalidity = done.uidvalidity;
	r->uid = done.uid;
	r->existed = done.existed;
	w->reply = &r->base;
	return 0;
}

/* ---- copies and POP3 ---- */

struct copying {
	struct arena *a;
	Postern__CopiedReply *r;
};

static void copied_one(void *ctx, const struct copied_pair *one)
{
	struct copying *c = ctx;
	Postern__CopiedReply *r = c->r;
	uint32_t from = one->source_uid, to = one->uid;
	Postern__UidRange *range = r->n_uids ? r->uids[r->n_uids - 1] : NULL;
	Postern__UidPair *pair = r->n_pairs ? r->pairs[r->n_pairs - 1] : NULL;

	r->next_uid = from;
	r->messages_since += one->size > 0;
	r->bytes_since += one->size;
	if (range && range->last + 1 == from) {
		range->last = from;
	} else {
		range = r->uids[r->n_uids++] = ARENA_NEW(c->a, Postern__UidRange);
		postern__uid_range__init(range);
		range->first = range->last = from;
	}
	if (pair && pair->from + pair->count == from && pair->to + pair->count == to) {
		pair->count++;
		return;
	}
	pair = r->pairs[r->n_pairs++] = ARENA_NEW(c->a, Postern__UidPair);
	postern__uid_pair__init(pair);
	pair->from = from;
	pair->to = to;
	pair->count = 1;
}

static int do_copied(struct work *w)
{
	const Postern__CopiedRequest *req = (const Postern__CopiedRequest *)w->call->req;
	struct copying c = { w->call->arena, ARENA_NEW(w->call->arena, Postern__CopiedReply) };

	postern__copied_reply__init(c.r);
	c.r->uids = ARENA_ARRAY(c.a, Postern__UidRange *, COPIED_PAGE);
	c.r->pairs = ARENA_ARRAY(c.a, Postern__UidPair *, COPIED_PAGE);
	int more = shard_copied(w->store->engine, w->session->account, w->session->source_id,
				 wire_slice(req->source_folder), req->source_uidvalidity, req->after_uid, req->since_ms,
				 copied_one, &c);
	if (more < 0)
		return more;
	if (!more)
		c.r->next_uid = 0;
	w->reply = &c.r->base;
	return 0;
}

static int do_pop3_lock(struct work *w)
{
	struct account_sessions *of = of_account(w->store, w->session->account);

	if (of->pop3_locked && !w->session->pop3_lock)
		return ERR_CONFLICT;
	of->pop3_locked = w->session->pop3_lock = true;
	return reply_nothing(w);
}

/* ---- the table ---- */

static const struct {
	int (*run)(struct work *w);
	bool changes, takes_space;
} operations[POSTERN__SESSION_OP__SESSION_GOODBYE + 1] = {
	[POSTERN__SESSION_OP__SESSION_INFO] = { do_info, false, false },
	[POSTERN__SESSION_OP__SESSION_LIST] = { do_list, false, false },
	[POSTERN__SESSION_OP__SESSION_CREATE] = { do_create, true, true },
	[POSTERN__SESSION_OP__SESSION_DELETE] = { do_delete, true, false },
	[POSTERN__SESSION_OP__SESSION_RENAME] = { do_rename, true, true },
	[POSTERN__SESSION_OP__SESSION_SUBSCRIBE] = { do_subscribe, true, true },
	[POSTERN__SESSION_OP__SESSION_STATUS] = { do_status, false, false },
	[POSTERN__SESSION_OP__SESSION_OPEN] = { do_open, false, false },
	[POSTERN__SESSION_OP__SESSION_CLOSE] = { do_close, false, false },
	[POSTERN__SESSION_OP__SESSION_FETCH] = { store_session_fetch, false, false },
	[POSTERN__SESSION_OP__SESSION_STORE] = { do_store, true, false },
	[POSTERN__SESSION_OP__SESSION_COPY] = { do_copy, true, true },
	[POSTERN__SESSION_OP__SESSION_EXPUNGE] = { do_expunge, true, false },
	[POSTERN__SESSION_OP__SESSION_APPEND] = { do_append, true, true },
	[POSTERN__SESSION_OP__SESSION_COPIED] = { do_copied, false, false },
	[POSTERN__SESSION_OP__SESSION_POP3_LOCK] = { do_pop3_lock, false, false },
};

static void on_request(struct ipc_call *call, void *ctx)
{
	struct session *s = ctx;

	if (s->store->dead)
		return;
	store_work_add(s->store, s, call, operations[call->op].run, operations[call->op].changes,
		 operations[call->op].takes_space);
}

#define R on_request
static ipc_handler_fn *const by_op[ARRAY_SIZE(operations)] = { NULL, R, R, R, R, R, R, R, R, R, R, R, R, R, R,
							       NULL, R, R, NULL };
static const struct ipc_handlers handlers = { .by_op = by_op, .on_closed = on_closed };

int store_session_new(struct store *st, const Postern__StoreGrant *grant, int fd)
{
	static const enum role roles[] = { ROLE_IMAPD, ROLE_POP3D, ROLE_MOVER, ROLE_HTTPD, ROLE_SIEVED, ROLE_SMTPD };

	if (grant->kind >= ARRAY_SIZE(roles))
		return ERR_INVALID;
	if (st->n_sessions >= SESSIONS_MAX)
		return ERR_FULL;
	struct account_sessions *of = of_account(st, grant->account_id);
	if (!of) {
		of = calloc(1, sizeof(*of));
		bug_if(!of);
		of->account = grant->account_id;
		list_init(&of->list);
		map_put(st->accounts, map_key_u64(&of->account), of);
	}
	struct session *s = calloc(1, sizeof(*s));
	bug_if(!s);
	*s = (struct session){ .store = st, .account = grant->account_id, .source_id = grant->source_id,
			       .version = grant->version, .kind = (uint8_t)grant->kind, .refs = 1 };
	list_append(&of->list, &s->node);
	of->n++;
	st->n_sessions++;
	s->chan = ipc_chan_new(st->loop, fd, &session_contract, true, roles[grant->kind], 0, &handlers, s);
	return 0;
}
