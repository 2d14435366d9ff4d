/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FETCH: a run of messages of the open mailbox; what is small in the reply, headers and bodies behind each other in one
 * memfd. A reply stops before the frame or the asked-for bytes are full and says where to go on. A message whose
 * record is damaged says so in its own item and harms no other.
 */
#include "room/store/room.h"

#include "base/err.h"
#include "lib/ipc/memfd.h"

enum { BYTES_DEFAULT = 4 << 20, BYTES_MAX = 64 << 20, WRITE_STEP = 1 << 20, ITEM_BYTES = 64 };

struct fetching {
	struct work *w;
	const Postern__FetchRequest *req;
	Postern__FetchReply *r;
	struct arena *arena;
	struct buf out;		/* not written to the memfd yet */
	uint64_t at, max;	/* bytes in the memfd with those of out */
	size_t frame;
	size_t cap;
	unsigned want;
	int fd;
};

static int flush(struct fetching *f)
{
	if (!f->out.n)
		return 0;
	int err = f->fd < 0 ? memfd_new("fetch", &f->fd) : 0;

	if (!err)
		err = memfd_write(f->fd, buf_view(&f->out));
	buf_clear(&f->out);
	return err;
}

static Postern__FetchItem *next_item(struct fetching *f)
{
	Postern__FetchReply *r = f->r;

	if (r->n_items == f->cap) {
		size_t cap = f->cap ? f->cap * 2 : 64;
		Postern__FetchItem **more = ARENA_ARRAY(f->arena, Postern__FetchItem *, cap);
		if (f->cap)
			memcpy(more, r->items, f->cap * sizeof(*more));
		r->items = more;
		f->cap = cap;
	}
	Postern__FetchItem *item = ARENA_NEW(f->arena, Postern__FetchItem);
	postern__fetch_item__init(item);
	r->items[r->n_items++] = item;
	return item;
}

static int load_blob(struct fetching *f, const struct msg *m, Postern__FetchItem *item)
{
	struct fetched got;
	uint64_t before = f->out.n;
	int err = shard_fetch(f->w->store->engine, m->blob, f->want, &got, &f->out);

	item->offset = f->at;
	if (err == ERR_CORRUPT) {
		item->err = err;
		return 0;
	}
	if (err)
		return err;
	if (f->want & BLOB_WANT_META)
		item->digest = wire_bytes(arena_dup(f->arena, got.digest));
	item->header_length = f->want & BLOB_WANT_HEADER ? got.header_length : 0;
	item->body_length = f->want & BLOB_WANT_BODY ? got.body_length : 0;
	f->at += f->out.n - before;
	f->frame += item->digest.len;
	return f->out.n >= WRITE_STEP ? flush(f) : 0;
}

/* 1 taken, 0 no room any more. */
static int take(struct fetching *f, const struct msg *m)
{
	struct msg now = *m;
	bool bytes = f->want & (BLOB_WANT_HEADER | BLOB_WANT_BODY);

	if (f->r->n_items && ((bytes && f->at + ((f->want & BLOB_WANT_BODY) ? m->size : 0) > f->max) ||
			      f->frame + ITEM_BYTES > REPLY_BYTES))
		return 0;
	size_t frame = f->frame, n = f->out.n;
	uint64_t at = f->at;
	Postern__FetchItem *item = next_item(f);
	if (f->want) {
		int err = load_blob(f, &now, item);
		if (err)
			return err;
	}
	/* A digest that does not fit any more is for the next reply. */
	if (f->r->n_items > 1 && f->frame > REPLY_BYTES) {
		f->r->n_items--;
		f->frame = frame;
		f->out.n = f->out.n >= n ? n : f->out.n;
		f->at = at;
		return 0;
	}
	f->frame += ITEM_BYTES;
	item->meta = wire_meta(f->arena, &now);
	f->frame += item->meta->n_keywords;
	return 1;
}

static int take_range(struct fetching *f, const struct box *b, struct uid_range range)
{
	for (size_t i = box_find(b, range.first); i < b->n && b->msgs[i].uid <= range.last; i++) {
		if (f->req->changed_since && b->msgs[i].modseq <= f->req->changed_since)
			continue;
		int err = take(f, &b->msgs[i]);
		if (err == 0)
			f->r->next_uid = b->msgs[i].uid;
		if (err != 1)
			return err;
	}
	return 1;
}

static int finish(struct fetching *f)
{
	bool bytes = f->want & (BLOB_WANT_HEADER | BLOB_WANT_BODY);
	int err = flush(f);

	if (!err && bytes && f->fd < 0)
		err = memfd_new("fetch", &f->fd);
	if (!err && f->fd >= 0)
		err = memfd_seal(f->fd);
	return err;
}

int store_session_fetch(struct work *w)
{
	const Postern__FetchRequest *req = (const Postern__FetchRequest *)w->call->req;
	struct fetching f = { .w = w, .req = req, .arena = w->call->arena, .fd = -1 };
	struct box *b = w->session->box;
	size_t n;

	if (!b || b->gone)
		return b ? ERR_NOT_FOUND : ERR_CONFLICT;
	f.r = ARENA_NEW(f.arena, Postern__FetchReply);
	postern__fetch_reply__init(f.r);
	f.want = (req->digest ? BLOB_WANT_META : 0) | (req->header ? BLOB_WANT_HEADER : 0) |
		 (req->body ? BLOB_WANT_BODY : 0);
	f.max = !req->max_bytes ? BYTES_DEFAULT : req->max_bytes < BYTES_MAX ? req->max_bytes : BYTES_MAX;
	buf_init(&f.out, 2u * BLOB_MESSAGE_MAX);
	struct uid_range *uids = wire_ranges(f.arena, req->uids, req->n_uids, b, &n);
	int err = 1;
	for (size_t i = 0; i < n && err == 1; i++)
		err = take_range(&f, b, uids[i]);
	if (err >= 0)
		err = finish(&f);
	buf_fini(&f.out);
	if (err < 0) {
		if (f.fd >= 0)
			IGNORE(close(f.fd), "a memfd");
		return err;
	}
	w->fd = f.fd;
	w->reply = &f.r->base;
	return 0;
}
