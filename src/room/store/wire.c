/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's structs as the messages of session.proto. */
#include "room/store/room.h"

#include "base/err.h"
#include "lib/ipc/memfd.h"

enum { NOTICE_METAS = 2000, NOTICE_META_BYTES = 90 * 1024, NOTICE_RUNS = 4000 };

static size_t varint(uint8_t *p, uint64_t v)
{
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		p[n++] = (uint8_t)(v | 0x80);
	p[n++] = (uint8_t)v;
	return n;
}

static size_t field(uint8_t *p, uint8_t tag, uint64_t v)
{
	if (!v)
		return 0;
	p[0] = tag;
	return 1 + varint(p + 1, v);
}

static size_t keywords(uint8_t *p, const struct kwset *set)
{
	uint8_t kw[2 * KEYWORDS_MAX];
	size_t n = 1, k = 0;

	for (unsigned i = 0; i < KEYWORDS_MAX; i++)
		if (kwset_has(set, i))
			k += varint(kw + k, i);
	p[0] = 0x1a;
	n += varint(p + n, k);
	memcpy(p + n, kw, k);
	return n + k;
}

/* One entry of a MessageList: by hand, because a hundred thousand of them go out when a large mailbox is opened. */
void wire_meta_encode(struct buf *out, const struct msg *m)
{
	enum { HEAD = 4, ENTRY_MAX = HEAD + 96 + 4 * KEYWORDS_MAX };
	uint8_t *p = buf_reserve(out, ENTRY_MAX);

	if (!p)
		return;
	/* In place; the length in front of it takes one byte where there are not very many keywords. */
	uint8_t *meta = p + 2, head[HEAD];
	size_t n = field(meta, 0x08, m->uid);
	n += field(meta + n, 0x10, m->flags);
	if (m->kw.w[0] | m->kw.w[1])
		n += keywords(meta + n, &m->kw);
	n += field(meta + n, 0x20, m->modseq);
	n += field(meta + n, 0x28, (uint64_t)m->internal_date);
	n += field(meta + n, 0x30, m->size);
	p[0] = 0x0a;
	if (n < 0x80) {
		p[1] = (uint8_t)n;
		buf_added(out, 2 + n);
		return;
	}
	size_t length = varint(head, n);
	memmove(p + 1 + length, meta, n);
	memcpy(p + 1, head, length);
	buf_added(out, 1 + length + n);
}

int wire_list_fd(const struct box *b, int *ret_fd)
{
	enum { ENTRY = 32 };	/* about; what is missing is added as it goes */
	struct buf out = BUF_INIT((size_t)1 << 32);

	IGNORE(buf_reserve(&out, b->n * ENTRY) == NULL, "one allocation for most");
	for (size_t i = 0; i < b->n; i++)
		wire_meta_encode(&out, &b->msgs[i]);
	int err = buf_ok(&out) ? memfd_of("messages", buf_view(&out), ret_fd) : ERR_TOO_BIG;
	buf_fini(&out);
	return err;
}

Postern__MessageMeta *wire_meta(struct arena *a, const struct msg *m)
{
	Postern__MessageMeta *w = ARENA_NEW(a, Postern__MessageMeta);

	postern__message_meta__init(w);
	w->uid = m->uid;
	w->flags = m->flags;
	w->modseq = m->modseq;
	w->internal_date_ms = m->internal_date;
	w->size = m->size;
	if (!(m->kw.w[0] | m->kw.w[1]))
		return w;
	w->keywords = ARENA_ARRAY(a, uint32_t, KEYWORDS_MAX);
	for (unsigned i = 0; i < KEYWORDS_MAX; i++)
		if (kwset_has(&m->kw, i))
			w->keywords[w->n_keywords++] = i;
	return w;
}

ProtobufCBinaryData wire_bytes(struct slice s)
{
	return (ProtobufCBinaryData){ s.n, (uint8_t *)s.p };
}

Postern__MailboxInfo *wire_mailbox(struct store *st, struct arena *a, const struct mailbox *m)
{
	Postern__MailboxInfo *w = ARENA_NEW(a, Postern__MailboxInfo);

	postern__mailbox_info__init(w);
	w->name = wire_bytes(arena_dup(a, mailbox_name(m)));
	w->mailbox_id = m->id;
	w->subscribed = m->subscribed;
	w->exists = m->exists;
	w->special_use = m->special_use;
	w->no_select = m->no_select;
	w->uidvalidity = m->uidvalidity;
	w->uidnext = m->uidnext;
	w->highestmodseq = m->highestmodseq;
	w->messages = m->messages;
	w->unseen = m->unseen;
	w->recent = recent_count(st, m);
	w->size = m->size;
	w->deleted = m->deleted;
	w->has_children = m->has_children;
	return w;
}

ProtobufCBinaryData *wire_keywords(struct arena *a, const struct box *b)
{
	ProtobufCBinaryData *w = ARENA_ARRAY(a, ProtobufCBinaryData, b->n_keywords + 1);

	for (size_t i = 0; i < b->n_keywords; i++)
		w[i] = wire_bytes(b->keywords[i]);
	return w;
}

/* Inclusive ranges with 0 for the highest, to real uids, ascending. */
static int by_first(const void *a, const void *b)
{
	const struct uid_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

struct uid_range *wire_ranges(struct arena *a, Postern__UidRange *const *in, size_t n, const struct box *b, size_t *ret_n)
{
	struct uid_range *out = ARENA_ARRAY(a, struct uid_range, n + 1);
	uint32_t highest = b->n ? b->msgs[b->n - 1].uid : 0;
	bool sorted = true;

	for (size_t i = 0; i < n; i++) {
		uint32_t first = in[i]->first ? in[i]->first : highest, last = in[i]->last ? in[i]->last : highest;
		out[i] = first <= last ? (struct uid_range){ first, last } : (struct uid_range){ last, first };
		sorted &= !i || out[i - 1].first <= out[i].first;
	}
	if (!sorted)
		qsort(out, n, sizeof(*out), by_first);
	/* Overlaps join, so that nothing comes twice. */
	size_t k = 0;
	for (size_t i = 0; i < n; i++) {
		if (k && out[i].first <= out[k - 1].last) {
			if (out[i].last > out[k - 1].last)
				out[k - 1].last = out[i].last;
		} else {
			out[k++] = out[i];
		}
	}
	*ret_n = k;
	return out;
}

Postern__UidRange **wire_ranges_back(struct arena *a, const struct uid_range *in, size_t n)
{
	Postern__UidRange **out = ARENA_ARRAY(a, Postern__UidRange *, n + 1);
	Postern__UidRange *all = ARENA_ARRAY(a, Postern__UidRange, n + 1);

	for (size_t i = 0; i < n; i++) {
		postern__uid_range__init(&all[i]);
		all[i].first = in[i].first;
		all[i].last = in[i].last;
		out[i] = &all[i];
	}
	return out;
}

/* ---- notices ---- */

struct notice {
	struct session *s;
	struct arena *arena;
	Postern__MessageMeta *metas[NOTICE_METAS];
	struct uid_range runs[NOTICE_RUNS];
	size_t n_metas, n_runs, meta_bytes;
	uint32_t first_recent;
	bool keywords, deleted, sent;
};

static void send_notice(struct notice *t)
{
	Postern__ChangedNotice w = POSTERN__CHANGED_NOTICE__INIT;
	const struct box *b = t->s->box;

	w.mailbox = wire_bytes(slice_of(b->name, b->name_n));
	w.changed = t->metas;
	w.n_changed = t->n_metas;
	w.expunged = wire_ranges_back(t->arena, t->runs, t->n_runs);
	w.n_expunged = t->n_runs;
	if (t->keywords) {
		w.keywords = wire_keywords(t->arena, b);
		w.n_keywords = b->n_keywords;
	}
	w.highestmodseq = b->highestmodseq;
	w.uidnext = b->uidnext;
	w.first_recent = t->first_recent;
	w.deleted = t->deleted;
	ipc_notify(t->s->chan, POSTERN__SESSION_OP__SESSION_CHANGED, &w.base, -1);
	t->n_metas = t->n_runs = t->meta_bytes = 0;
	t->keywords = false;
	t->sent = true;
}

static void add_run(struct notice *t, uint32_t uid)
{
	if (t->n_runs && t->runs[t->n_runs - 1].last + 1 == uid) {
		t->runs[t->n_runs - 1].last = uid;
		return;
	}
	if (t->n_runs == NOTICE_RUNS)
		send_notice(t);
	t->runs[t->n_runs++] = (struct uid_range){ uid, uid };
}

static void add_change(struct notice *t, const struct change *c)
{
	if (c->kind == CHANGE_GONE)
		t->deleted = true;
	if (c->kind == CHANGE_EXPUNGED && c->origin != t->s)
		add_run(t, c->msg.uid);
	if (c->kind != CHANGE_NEW && (c->kind != CHANGE_FLAGS || c->origin == t->s))
		return;
	if (t->n_metas == NOTICE_METAS || t->meta_bytes > NOTICE_META_BYTES)
		send_notice(t);
	Postern__MessageMeta *m = t->metas[t->n_metas++] = wire_meta(t->arena, &c->msg);
	t->meta_bytes += META_BYTES + m->n_keywords;
}

void wire_notice(struct session *s, const struct change *const *changes, size_t n, bool keywords,
		 uint32_t first_recent)
{
	if (!s->chan)
		return;
	struct notice *t = calloc(1, sizeof(*t));
	bug_if(!t);
	t->s = s;
	t->arena = arena_new();
	t->keywords = keywords;
	t->first_recent = first_recent;
	for (size_t i = 0; i < n; i++)
		add_change(t, changes[i]);
	if (t->n_metas || t->n_runs || t->keywords || t->deleted)
		send_notice(t);
	arena_free(&t->arena);
	free(t);
}
