/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects as bytes: a kind, a byte that says whether it is alive, then numbers as varints (7 bits a byte, low first)
 * and byte strings with their length in front. Read with a cursor whose first overrun sticks; every number that sizes
 * something is checked against its limit, since a disk is no more trusted than a peer.
 */
#include "room/store/journal.h"

#include "base/err.h"

#include <zstd.h>

static void put(struct buf *out, uint64_t v)
{
	uint8_t bytes[10];
	size_t n = 0;

	do {
		bytes[n] = (uint8_t)(v & 0x7f);
		v >>= 7;
		if (v)
			bytes[n] |= 0x80;
		n++;
	} while (v);
	buf_append(out, bytes, n);
}

static void put_bytes(struct buf *out, struct slice s)
{
	put(out, s.n);
	buf_slice(out, s);
}

struct cursor {
	struct slice in;
	bool bad;
};

static uint64_t get(struct cursor *c)
{
	uint64_t v = 0;

	for (size_t i = 0; i < 10 && i < c->in.n; i++) {
		uint8_t b = c->in.p[i];
		if (i == 9 && b > 1)
			break;
		v |= (uint64_t)(b & 0x7f) << (7 * i);
		if (!(b & 0x80)) {
			c->in = slice_sub(c->in, i + 1, c->in.n);
			return v;
		}
	}
	c->bad = true;
	return 0;
}

static uint32_t get32(struct cursor *c)
{
	uint64_t v = get(c);

	c->bad |= v > UINT32_MAX;
	return (uint32_t)v;
}

static struct slice get_bytes(struct cursor *c, size_t max)
{
	uint64_t n = get(c);
	struct slice s = { 0 };

	if (n > max || n > c->in.n)
		c->bad = true;
	if (!c->bad) {
		s = slice_sub(c->in, 0, (size_t)n);
		c->in = slice_sub(c->in, (size_t)n, c->in.n);
	}
	return s;
}

static void put_msg(struct buf *out, const struct msg *m)
{
	put(out, m->blob);
	put(out, m->flags);
	put(out, m->kw.w[0]);
	put(out, m->kw.w[1]);
	put(out, (uint64_t)m->internal_date);
	put(out, (uint64_t)m->save_date);
	put(out, m->size);
}

static void get_msg(struct cursor *c, struct msg *m)
{
	m->blob = get(c);
	m->flags = get32(c);
	m->kw.w[0] = get(c);
	m->kw.w[1] = get(c);
	m->internal_date = (int64_t)get(c);
	m->save_date = (int64_t)get(c);
	m->size = get(c);
}

static void put_mailbox(struct buf *out, const struct object *o)
{
	put(out, o->account);
	put_bytes(out, o->name);
	put(out, o->uidvalidity);
	put(out, o->uidnext);
	put(out, o->modseq);
	put(out, o->special_use);
	put(out, (o->subscribed ? 1 : 0) | (o->no_select ? 2 : 0));
	put(out, o->n_keywords);
	for (size_t i = 0; i < o->n_keywords; i++)
		put_bytes(out, o->keywords[i]);
}

static void get_mailbox(struct cursor *c, struct object *o)
{
	o->account = get(c);
	o->name = get_bytes(c, MAILBOX_NAME_MAX);
	o->uidvalidity = get32(c);
	o->uidnext = get32(c);
	o->modseq = get(c);
	o->special_use = get32(c);
	uint64_t flags = get(c);
	o->subscribed = flags & 1;
	o->no_select = flags & 2;
	uint64_t n = get(c);
	c->bad |= n > KEYWORDS_MAX;
	for (size_t i = 0; i < n && !c->bad; i++)
		o->keywords[i] = get_bytes(c, KEYWORD_BYTES_MAX);
	o->n_keywords = c->bad ? 0 : (size_t)n;
}

void object_encode(struct buf *out, const struct object *o)
{
	buf_byte(out, (uint8_t)o->kind);
	buf_byte(out, o->alive);
	switch (o->kind) {
	case OBJECT_ACCOUNT:
	case OBJECT_LIMITED_ACCOUNT:
		put(out, o->account);
		put_bytes(out, o->name);
		put(out, o->quota_bytes);
		put(out, o->quota_messages);
		put(out, o->uidvalidity);
		if (o->kind == OBJECT_LIMITED_ACCOUNT) {
			put(out, o->pool);
			put(out, o->retention);
		}
		break;
	case OBJECT_MAILBOX:
		put(out, o->mailbox);
		if (o->alive)
			put_mailbox(out, o);
		break;
	case OBJECT_MESSAGE:
		put(out, o->mailbox);
		put(out, o->msg.uid);
		put(out, o->msg.modseq);
		put_msg(out, &o->msg);
		break;
	case OBJECT_EXPUNGED:
		put(out, o->mailbox);
		put(out, o->first);
		put(out, o->last);
		put(out, o->modseq);
		break;
	case OBJECT_SUBSCRIPTION:
		put(out, o->account);
		put_bytes(out, o->name);
		break;
	case OBJECT_SOURCE:
		put(out, o->account);
		put(out, o->source_id);
		put_bytes(out, o->name);
		put(out, o->source_uidvalidity);
		put(out, o->source_uid);
		put(out, o->mailbox);
		put(out, o->uidvalidity);
		put(out, o->target_uid);
		break;
	}
}

static void get_body(struct cursor *c, struct object *o)
{
	switch (o->kind) {
	case OBJECT_ACCOUNT:
	case OBJECT_LIMITED_ACCOUNT:
		o->account = get(c);
		o->name = get_bytes(c, ADDRESS_MAX);
		o->quota_bytes = get(c);
		o->quota_messages = get(c);
		o->uidvalidity = get32(c);
		o->pool = o->kind == OBJECT_LIMITED_ACCOUNT ? get(c) : 0;
		o->retention = o->kind == OBJECT_LIMITED_ACCOUNT ? get32(c) : 0;
		break;
	case OBJECT_MAILBOX:
		o->mailbox = get(c);
		if (o->alive)
			get_mailbox(c, o);
		break;
	case OBJECT_MESSAGE:
		o->mailbox = get(c);
		o->msg.uid = get32(c);
		o->msg.modseq = get(c);
		get_msg(c, &o->msg);
		break;
	case OBJECT_EXPUNGED:
		o->mailbox = get(c);
		o->first = get32(c);
		o->last = get32(c);
		o->modseq = get(c);
		c->bad |= o->first > o->last || !o->first;
		break;
	case OBJECT_SUBSCRIPTION:
		o->account = get(c);
		o->name = get_bytes(c, MAILBOX_NAME_MAX);
		break;
	case OBJECT_SOURCE:
		o->account = get(c);
		o->source_id = get(c);
		o->name = get_bytes(c, MAILBOX_NAME_MAX);
		o->source_uidvalidity = get32(c);
		o->source_uid = get32(c);
		o->mailbox = get(c);
		o->uidvalidity = get32(c);
		o->target_uid = get32(c);
		break;
	default:
		c->bad = true;
	}
}

int object_decode(struct slice *in, struct object *ret)
{
	struct cursor c = { *in, false };

	if (!in->n)
		return 0;
	ret->kind = 0;
	if (in->n < 2 || in->p[1] > 1)
		return ERR_CORRUPT;
	ret->kind = in->p[0];
	ret->alive = in->p[1];
	c.in = slice_sub(*in, 2, in->n);
	get_body(&c, ret);
	if (c.bad)
		return ERR_CORRUPT;
	*in = c.in;
	return 1;
}

/* ---- meta of a message record ---- */

enum { DIGEST_TEXT_FIELD = 7, TEXT_MAX = 64 * 1024 };

/* One field off the front of a protobuf message (wire types 0 and 2 are all that a digest has). */
static bool next_field(struct cursor *c, unsigned *ret_field, struct slice *ret_whole, struct slice *ret_bytes)
{
	const uint8_t *start = c->in.p;
	uint64_t tag = get(c);

	*ret_field = (unsigned)(tag >> 3);
	*ret_bytes = (struct slice){ 0 };
	if ((tag & 7) == 0)
		IGNORE(get(c), "only its length counts");
	else if ((tag & 7) == 2)
		*ret_bytes = get_bytes(c, SIZE_MAX);
	else
		c->bad = true;
	*ret_whole = slice_of(start, (size_t)(c->in.p - start));
	return !c->bad;
}

static void put_packed(struct buf *out, struct slice text)
{
	static ZSTD_CCtx *ctx;	/* to make one costs as much as a page of text */
	size_t bound = ZSTD_compressBound(text.n);
	uint8_t *packed = malloc(bound);

	if (!ctx)
		ctx = ZSTD_createCCtx();
	bug_if(!packed || !ctx);
	size_t n = ZSTD_compressCCtx(ctx, packed, bound, text.p, text.n, 1);
	put_bytes(out, ZSTD_isError(n) ? (struct slice){ 0 } : slice_of(packed, n));
	free(packed);
}

void blob_meta_encode(struct buf *out, uint64_t blob, struct slice digest)
{
	struct buf plain = BUF_INIT(digest.n);
	struct slice text = { 0 }, whole, bytes;
	struct cursor c = { digest, false };
	unsigned field;

	while (c.in.n && next_field(&c, &field, &whole, &bytes)) {
		if (field == DIGEST_TEXT_FIELD)
			text = bytes;
		else
			buf_slice(&plain, whole);
	}
	put(out, blob);
	put_bytes(out, c.bad ? digest : buf_view(&plain));
	if (!c.bad && text.n && text.n <= TEXT_MAX)
		put_packed(out, text);
	else
		put(out, 0);
	buf_fini(&plain);
}

int blob_meta_decode(struct slice in, struct blob_meta *ret)
{
	struct cursor c = { in, false };
	struct blob_meta m = { .blob = get(&c) };

	m.digest = get_bytes(&c, SIZE_MAX);
	m.packed_text = get_bytes(&c, SIZE_MAX);
	if (c.bad || c.in.n)
		return ERR_CORRUPT;
	*ret = m;
	return 0;
}
