/* SPDX-License-Identifier: Apache-2.0 */
/* Directory's requests about areas and about mail that moves to another account: messages of store.proto as calls of area.c. */
#include "room/store/room.h"

#include "base/err.h"
#include "lib/ipc/memfd.h"

#include <zstd.h>

enum { READ_PAGE = 200, DIGEST_TEXT_MAX = 64 * 1024 };

static int reply_dropped(struct work *w, const struct dropped *d)
{
	Postern__DropReply *r = ARENA_NEW(w->call->arena, Postern__DropReply);

	postern__drop_reply__init(r);
	r->messages = d->messages;
	r->bytes = d->bytes;
	r->more = d->more;
	w->reply = &r->base;
	return 0;
}

/* ---- folders ---- */

struct listing {
	struct work *w;
	Postern__FoldersReply *r;
	size_t bytes;
};

static int folder_one(void *ctx, const struct mailbox *m)
{
	struct listing *l = ctx;
	struct arena *a = l->w->call->arena;

	if (!m->exists)
		return 0;
	l->bytes += m->name_n + 64;
	if (l->bytes > REPLY_BYTES)
		return ERR_TOO_BIG;
	Postern__Folder *f = l->r->folders[l->r->n_folders] = ARENA_NEW(a, Postern__Folder);
	postern__folder__init(f);
	f->name = wire_bytes(arena_dup(a, mailbox_name(m)));
	f->uidvalidity = m->uidvalidity;
	f->messages = m->messages;
	f->bytes = m->size;
	f->closed = m->no_select;
	l->r->n_folders++;
	return shard_folder_dates(l->w->store->engine, m->id, &f->first_ms, &f->last_ms);
}

int store_folders(struct work *w)
{
	const Postern__FoldersRequest *req = (const Postern__FoldersRequest *)w->call->req;
	struct listing l = { w, ARENA_NEW(w->call->arena, Postern__FoldersReply), 0 };
	struct account a;
	int err = shard_account(w->store->engine, req->account_id, &a);

	if (err)
		return err;
	postern__folders_reply__init(l.r);
	l.r->folders = ARENA_ARRAY(w->call->arena, Postern__Folder *, LIST_PAGE);
	int more = shard_list(w->store->engine, req->account_id, wire_slice(req->after), folder_one, &l);
	if (more < 0 && more != ERR_TOO_BIG)
		return more;
	l.r->more = more != 0;
	w->reply = &l.r->base;
	return 0;
}

int store_close(struct work *w)
{
	const Postern__FolderRequest *req = (const Postern__FolderRequest *)w->call->req;
	Postern__StoreNothing *r = ARENA_NEW(w->call->arena, Postern__StoreNothing);
	int err = shard_close_folder(w->store->engine, req->account_id, wire_slice(req->folder));

	if (err)
		return err;
	if (!req->folder.len)
		sessions_end(w->store, req->account_id, 0, "the account was closed");
	postern__store_nothing__init(r);
	w->reply = &r->base;
	return 0;
}

int store_drop(struct work *w)
{
	const Postern__FolderRequest *req = (const Postern__FolderRequest *)w->call->req;
	struct dropped gone;
	int err = shard_drop_folder(w->store->engine, req->account_id, wire_slice(req->folder), &gone);

	return err ? err : reply_dropped(w, &gone);
}

int store_prune(struct work *w)
{
	const Postern__PruneRequest *req = (const Postern__PruneRequest *)w->call->req;
	struct dropped gone;
	int err = shard_prune_area(w->store->engine, req->account_id, req->before_ms, &gone);

	return err ? err : reply_dropped(w, &gone);
}

/* ---- reading ---- */

struct reading {
	struct work *w;
	Postern__ReadReply *r;
	struct mailbox mailbox;
	struct slice *keywords;
	size_t n_keywords;
	uint32_t limit;
	bool bytes;
	size_t frame;
};

/* The digest as filter gave it: its text (field 7) is kept packed beside it. */
static struct slice whole_digest(struct arena *a, const struct fetched *got)
{
	unsigned long long n = ZSTD_getFrameContentSize(got->packed_text.p, got->packed_text.n);
	uint8_t text[4] = { 7 << 3 | 2 };

	if (!got->packed_text.n || n == 0 || n > DIGEST_TEXT_MAX)
		return arena_dup(a, got->digest);
	uint8_t *out = arena_alloc(a, got->digest.n + 4 + (size_t)n);
	size_t at = got->digest.n, head = 1;
	for (unsigned long long v = n; v; v >>= 7)
		text[head++] = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
	memcpy(out, got->digest.p, at);
	memcpy(out + at, text, head);
	size_t done = ZSTD_decompress(out + at + head, (size_t)n, got->packed_text.p, got->packed_text.n);
	return slice_of(out, ZSTD_isError(done) ? at : at + head + done);
}

static void add_keywords(struct reading *x, Postern__ReadMessage *m, const struct msg *msg)
{
	m->keywords = ARENA_ARRAY(x->w->call->arena, ProtobufCBinaryData, x->n_keywords + 1);
	for (size_t i = 0; i < x->n_keywords; i++)
		if (kwset_has(&msg->kw, (unsigned)i))
			m->keywords[m->n_keywords++] = wire_bytes(x->keywords[i]);
}

static Postern__ReadMessage *meta(struct reading *x, const struct msg *msg)
{
	Postern__ReadMessage *m = ARENA_NEW(x->w->call->arena, Postern__ReadMessage);

	postern__read_message__init(m);
	m->uid = msg->uid;
	m->size = msg->size;
	m->internal_date_ms = msg->internal_date;
	m->flags = msg->flags;
	add_keywords(x, m, msg);
	return m;
}

static int add_message(struct reading *x, const struct msg *msg)
{
	struct buf out = BUF_INIT(2u * BLOB_MESSAGE_MAX);
	struct fetched got;
	unsigned want = BLOB_WANT_META | (x->bytes ? BLOB_WANT_HEADER | BLOB_WANT_BODY : 0);
	Postern__ReadMessage *m = meta(x, msg);
	int err = m->err = shard_fetch(x->w->store->engine, msg->blob, want, &got, &out);

	if (!err) {
		m->digest = wire_bytes(whole_digest(x->w->call->arena, &got));
		if (x->bytes)
			err = memfd_of("message", buf_view(&out), &x->w->fd);
	}
	buf_fini(&out);
	if (err && err != ERR_CORRUPT)
		return err;
	x->frame += m->digest.len + 128;
	/* The first always goes; what does not fit is for the next reply. */
	if (x->r->n_messages && x->frame > REPLY_BYTES)
		return ERR_TOO_BIG;
	x->r->messages[x->r->n_messages++] = m;
	return 0;
}

static int on_message(void *ctx, const struct msg *m)
{
	struct reading *x = ctx;

	return x->r->n_messages == x->limit ? ERR_TOO_BIG : add_message(x, m);
}

int store_read(struct work *w)
{
	const Postern__ReadRequest *req = (const Postern__ReadRequest *)w->call->req;
	struct arena *a = w->call->arena;
	struct reading x = { .w = w, .r = ARENA_NEW(a, Postern__ReadReply), .bytes = req->bytes };
	int err = shard_mailbox(w->store->engine, req->account_id, wire_slice(req->folder), &x.mailbox);

	if (!err)
		err = shard_keywords(w->store->engine, x.mailbox.id, a, &x.keywords, &x.n_keywords);
	if (err)
		return err;
	postern__read_reply__init(x.r);
	x.limit = req->bytes ? 1 : req->limit && req->limit < READ_PAGE ? req->limit : READ_PAGE;
	x.r->messages = ARENA_ARRAY(a, Postern__ReadMessage *, x.limit);
	x.r->uidvalidity = x.mailbox.uidvalidity;
	err = shard_messages_after(w->store->engine, x.mailbox.id, req->after_uid, on_message, &x);
	if (err && err != ERR_TOO_BIG)
		return err;
	x.r->more = err == ERR_TOO_BIG;
	w->reply = &x.r->base;
	return 0;
}

/* ---- putting ---- */

int store_put(struct work *w)
{
	const Postern__PutRequest *req = (const Postern__PutRequest *)w->call->req;
	struct arena *a = w->call->arena;
	struct slice *keywords = ARENA_ARRAY(a, struct slice, req->n_keywords + 1);
	struct incoming m = { .digest = wire_slice(req->digest), .internal_date = req->internal_date_ms, .flags = req->flags,
			      .keywords = keywords, .n_keywords = req->n_keywords, .source_id = req->source_id,
			      .source_folder = wire_slice(req->source_folder), .source_uidvalidity = req->source_uidvalidity,
			      .source_uid = req->source_uid, .no_quota = true };
	struct appended done;
	Postern__PutReply *r = ARENA_NEW(a, Postern__PutReply);

	if (!req->source_folder.len || !req->source_uid)
		return ERR_INVALID;
	for (size_t i = 0; i < req->n_keywords; i++)
		keywords[i] = wire_slice(req->keywords[i]);
	int err = memfd_map(w->call->fds[0], MESSAGE_MAX, &m.message);
	if (err)
		return err;
	err = shard_put(w->store->engine, req->account_id, wire_slice(req->mailbox), &m, &done);
	memfd_unmap(&m.message);
	if (err)
		return err;
	postern__put_reply__init(r);
	r->existed = done.existed;
	w->reply = &r->base;
	return 0;
}
