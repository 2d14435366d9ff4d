/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mailbox that somebody looks at, as an array in uid order: what is committed, nothing else. It is loaded once, shared
 * by its sessions, brought up to date after each batch, and kept for a while when the last session has left.
 */
#include "room/store/room.h"

#include "base/err.h"

enum { KEPT_MSGS = 150000 };

static void box_free(struct box *b)
{
	arena_free(&b->names);
	free(b->msgs);
	free(b);
}

static void add(struct box *b, const struct msg *m)
{
	if (b->n == b->cap) {
		b->cap = b->cap ? b->cap + b->cap / 2 : 64;
		b->msgs = realloc(b->msgs, b->cap * sizeof(*b->msgs));
		bug_if(!b->msgs);
	}
	b->msgs[b->n++] = *m;
}

static int load_one(void *ctx, const struct msg *m)
{
	add(ctx, m);
	return 0;
}

static int load_head(struct store *st, struct box *b)
{
	struct mailbox m;
	struct slice *keywords;
	size_t n;
	int err = shard_mailbox_by_id(st->engine, b->id, &m);

	if (err)
		return err;
	struct arena *names = arena_new();
	err = shard_keywords(st->engine, b->id, names, &keywords, &n);
	if (err) {
		arena_free(&names);
		return err;
	}
	arena_free(&b->names);
	b->names = names;
	b->keywords = keywords;
	b->n_keywords = n;
	b->account = m.account;
	b->uidnext = m.uidnext;
	b->uidvalidity = m.uidvalidity;
	b->recent_from = recent_from(st, &m);
	b->highestmodseq = m.highestmodseq;
	memcpy(b->name, m.name, b->name_n = m.name_n);
	return 0;
}

int box_get(struct store *st, uint64_t mailbox, struct box **ret)
{
	struct box *b = map_get(st->boxes, map_key_u64(&mailbox));

	if (b) {
		*ret = b;
		return 0;
	}
	b = calloc(1, sizeof(*b));
	bug_if(!b);
	b->id = mailbox;
	list_init(&b->sessions);
	int err = load_head(st, b);
	if (!err)
		err = shard_messages(st->engine, mailbox, load_one, b);
	if (err) {
		box_free(b);
		return err;
	}
	map_put(st->boxes, map_key_u64(&b->id), b);
	list_append(&st->unused_boxes, &b->node);
	st->n_unused++;
	*ret = b;
	return 0;
}

void box_enter(struct box *b, struct session *s)
{
	bug_if(s->box);
	s->box = b;
	if (list_empty(&b->sessions)) {
		list_remove(&b->node);
		s->store->n_unused--;
	}
	list_append(&b->sessions, &s->box_node);
}

static void forget(struct store *st, struct box *b)
{
	map_remove(st->boxes, map_key_u64(&b->id));
	box_free(b);
}

static void shrink(struct store *st)
{
	size_t msgs = 0;

	list_each(b, &st->unused_boxes, struct box, node)
		msgs += b->n;
	while (st->n_unused > BOXES_KEPT || (msgs > KEPT_MSGS && st->n_unused > 1)) {
		struct box *b = list_first(&st->unused_boxes, struct box, node);
		msgs -= b->n;
		list_remove(&b->node);
		st->n_unused--;
		forget(st, b);
	}
}

void box_leave(struct store *st, struct session *s)
{
	struct box *b = s->box;

	if (!b)
		return;
	s->box = NULL;
	list_remove(&s->box_node);
	if (!list_empty(&b->sessions))
		return;
	if (b->gone) {
		box_free(b);
		return;
	}
	list_append(&st->unused_boxes, &b->node);
	st->n_unused++;
	shrink(st);
}

size_t box_find(const struct box *b, uint32_t uid)
{
	size_t lo = 0, hi = b->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (b->msgs[mid].uid < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* ---- after a batch ---- */

static void apply_one(struct box *b, const struct change *c)
{
	size_t at;

	switch (c->kind) {
	case CHANGE_NEW:
		add(b, &c->msg);
		break;
	case CHANGE_FLAGS:
		at = box_find(b, c->msg.uid);
		if (at < b->n && b->msgs[at].uid == c->msg.uid)
			b->msgs[at] = c->msg;
		break;
	case CHANGE_EXPUNGED:
		at = box_find(b, c->msg.uid);
		if (at < b->n && b->msgs[at].uid == c->msg.uid)
			b->msgs[at].size = UINT64_MAX;	/* swept below */
		break;
	default:
		break;
	}
	if (c->kind <= CHANGE_EXPUNGED && c->msg.modseq > b->highestmodseq)
		b->highestmodseq = c->msg.modseq;
	if (c->kind == CHANGE_NEW)
		b->uidnext = c->msg.uid + 1;
}

static void sweep(struct box *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++)
		if (b->msgs[i].size != UINT64_MAX)
			b->msgs[n++] = b->msgs[i];
	b->n = n;
}

static void tell_sessions(struct store *st, struct box *b, const struct change *const *changes, size_t n, bool keywords)
{
	uint32_t from = b->recent_from;
	bool fresh = from < b->uidnext;
	const struct session *first = fresh ? recent_new(st, b) : NULL;

	list_each(s, &b->sessions, struct session, box_node)
		wire_notice(s, changes, n, keywords, fresh && (!first || first == s) ? from : 0);
}

/* The box is gone: its sessions are told and look at nothing any more. */
static void bury(struct store *st, struct box *b)
{
	map_remove(st->boxes, map_key_u64(&b->id));
	b->gone = true;
	if (!list_empty(&b->sessions))
		return;
	list_remove(&b->node);
	st->n_unused--;
	box_free(b);
}

static void apply_box(struct store *st, uint64_t mailbox, const struct change *all, size_t n)
{
	struct box *b = map_get(st->boxes, map_key_u64(&mailbox));
	const struct change **mine = calloc(n, sizeof(*mine));
	bool expunged = false, head = false, keywords = false, gone = false;
	size_t k = 0;

	bug_if(!b || !mine);
	for (size_t i = 0; i < n; i++) {
		const struct change *c = &all[i];
		if (c->mailbox != mailbox)
			continue;
		apply_one(b, c);
		expunged |= c->kind == CHANGE_EXPUNGED;
		keywords |= c->kind == CHANGE_KEYWORDS;
		head |= c->kind == CHANGE_KEYWORDS || c->kind == CHANGE_RENAMED;
		gone |= c->kind == CHANGE_GONE;
		mine[k++] = c;
	}
	if (expunged)
		sweep(b);
	if (head && load_head(st, b) == ERR_NOT_FOUND)
		gone = true;
	b->gone = gone;
	tell_sessions(st, b, mine, k, keywords);
	free(mine);
	if (gone)
		bury(st, b);
}

void boxes_apply(struct store *st)
{
	size_t n;
	const struct change *all = shard_changes(st->engine, &n);

	/* Each open box is brought up to date once, where it comes up first. */
	for (size_t i = 0; i < n; i++) {
		struct box *b = map_get(st->boxes, map_key_u64(&all[i].mailbox));
		bool seen = !b;
		for (size_t k = 0; k < i && !seen; k++)
			seen = all[k].mailbox == all[i].mailbox;
		if (!seen)
			apply_box(st, all[i].mailbox, all, n);
	}
}

void boxes_free(struct store *st)
{
	size_t at = 0;
	struct slice key;
	void *b;

	while (map_next(st->boxes, &at, &key, &b))
		box_free(b);
	map_free(&st->boxes);
}
