/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invariants: uids ascend; told <= n; a message behind told never has VIEW_CHANGED. Sets of keywords are kept
 * once each, however many messages have them. Bytes of what the store says are trusted no further than that
 * a wrong index is left out.
 */
#include "room/imapd/view.h"

#include "base/err.h"

enum { SETS_MAX = 1 << 24 };

static const int64_t date_base = 631152000;	/* seconds from 1950 to 1970 */

struct view *view_new(struct slice name, bool read_only)
{
	struct view *v = calloc(1, sizeof(*v));
	bug_if(!v);
	uint8_t *copy = malloc(name.n + 1);
	bug_if(!copy);
	memcpy(copy, name.p, name.n);
	v->name = slice_of(copy, name.n);
	v->read_only = read_only;
	return v;
}

static void free_names(struct view *v)
{
	for (size_t i = 0; i < v->n_names; i++)
		free((void *)v->names[i].p);
	free(v->names);
}

void view_free(struct view **vp)
{
	if (!*vp)
		return;
	struct view *v = TAKE(*vp);
	free((void *)v->name.p);
	free_names(v);
	for (size_t i = 0; i < v->n_sets; i++)
		free(v->sets[i]);
	free(v->sets);
	map_free(&v->by_index);
	free(v->msgs);
	free(v);
}

void view_set_names(struct view *v, const ProtobufCBinaryData *names, size_t n)
{
	if (n <= v->n_names)
		return;
	v->names = realloc(v->names, n * sizeof(*v->names));
	bug_if(!v->names);
	for (size_t i = v->n_names; i < n; i++) {
		uint8_t *copy = malloc(names[i].len + 1);
		bug_if(!copy);
		memcpy(copy, names[i].data, names[i].len);
		v->names[i] = slice_of(copy, names[i].len);
	}
	v->n_names = n;
	v->names_grew = true;
}

/* Which set this one is; 0 the empty one (also where there are too many). */
static uint32_t keywords_id(struct view *v, const uint32_t *index, size_t n)
{
	struct slice key = slice_of(index, n * sizeof(*index));
	struct view_keywords *set;

	if (!n)
		return 0;
	if (!v->by_index)
		v->by_index = map_new();
	if ((set = map_get(v->by_index, key)))
		return set->id;
	if (v->n_sets + 1 >= SETS_MAX)
		return 0;
	set = malloc(sizeof(*set) + n * sizeof(*index));
	bug_if(!set);
	set->n = (uint32_t)n;
	memcpy(set->index, index, n * sizeof(*index));
	if ((v->n_sets & (v->n_sets - 1)) == 0) {
		v->sets = realloc(v->sets, (v->n_sets ? v->n_sets * 2 : 1) * sizeof(*v->sets));
		bug_if(!v->sets);
	}
	v->sets[v->n_sets++] = set;
	set->id = (uint32_t)v->n_sets;
	map_put(v->by_index, key, set);
	return set->id;
}

const struct view_keywords *view_keywords_of(const struct view *v, const struct view_msg *m)
{
	return m->keywords && m->keywords <= v->n_sets ? v->sets[m->keywords - 1] : NULL;
}

bool view_has_keyword(const struct view *v, const struct view_msg *m, struct slice name)
{
	const struct view_keywords *set = view_keywords_of(v, m);

	for (uint32_t i = 0; set && i < set->n; i++) {
		if (set->index[i] < v->n_names && slice_eq_ci(v->names[set->index[i]], name))
			return true;
	}
	return false;
}

size_t view_lower(const struct view *v, uint32_t uid)
{
	size_t lo = 0, hi = v->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (v->msgs[mid].uid < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

ptrdiff_t view_find(const struct view *v, uint32_t uid)
{
	size_t at = view_lower(v, uid);
	return at < v->n && v->msgs[at].uid == uid ? (ptrdiff_t)at : -1;
}

void view_expect(struct view *v, size_t n)
{
	enum { EXPECTED_MAX = 1 << 24 };	/* what the store says is no reason to take any amount */

	if (n <= v->cap || n > EXPECTED_MAX)
		return;
	v->msgs = realloc(v->msgs, n * sizeof(*v->msgs));
	bug_if(!v->msgs);
	v->cap = n;
}

static uint32_t date_of(int64_t ms)
{
	int64_t s = ms / 1000 - (ms % 1000 < 0) + date_base;
	return s < 0 ? 0 : s > UINT32_MAX ? UINT32_MAX : (uint32_t)s;
}

static ptrdiff_t append(struct view *v, const Postern__MessageMeta *m)
{
	/* A late word about one that is gone must not bring it back. */
	if (m->uid <= v->last_uid)
		return -1;
	if (v->n == v->cap) {
		v->cap = v->cap ? v->cap + v->cap / 2 + 8 : 16;
		v->msgs = realloc(v->msgs, v->cap * sizeof(*v->msgs));
		bug_if(!v->msgs);
	}
	struct view_msg *msg = &v->msgs[v->n++];
	*msg = (struct view_msg){
		.uid = m->uid,
		.date = date_of(m->internal_date_ms),
		.size = m->size > UINT32_MAX ? UINT32_MAX : (uint32_t)m->size,
		.bits = m->flags & VIEW_FLAGS,
		.modseq = m->modseq,
	};
	if (v->first_recent && m->uid >= v->first_recent)
		msg->bits |= VIEW_RECENT;
	msg->keywords = keywords_id(v, m->keywords, m->n_keywords) & 0xffffff;
	v->last_uid = m->uid;
	if (m->uid >= v->uidnext)
		v->uidnext = m->uid + 1;
	return (ptrdiff_t)v->n - 1;
}

ptrdiff_t view_put(struct view *v, const Postern__MessageMeta *m, bool loud)
{
	ptrdiff_t at = m->uid > v->last_uid ? -1 : view_find(v, m->uid);

	if (m->modseq > v->highestmodseq)
		v->highestmodseq = m->modseq;
	if (at < 0)
		return append(v, m);
	struct view_msg *msg = &v->msgs[at];
	uint32_t keywords = keywords_id(v, m->keywords, m->n_keywords) & 0xffffff;
	bool same = (msg->bits & VIEW_FLAGS) == (m->flags & VIEW_FLAGS) && msg->keywords == keywords;
	if (m->modseq < msg->modseq || (same && m->modseq == msg->modseq))
		return at;
	msg->bits = (msg->bits & ~(uint32_t)VIEW_FLAGS & 0xff) | (m->flags & VIEW_FLAGS);
	msg->keywords = keywords & 0xffffff;
	msg->modseq = m->modseq;
	if (loud && (size_t)at < v->told) {
		msg->bits |= VIEW_CHANGED;
		v->changed = true;
	}
	return at;
}

void view_expunge(struct view *v, uint32_t first, uint32_t last)
{
	for (size_t i = view_lower(v, first); i < v->n && v->msgs[i].uid <= last; i++) {
		if (!(v->msgs[i].bits & VIEW_GONE))
			v->gone++;
		v->msgs[i].bits |= VIEW_GONE;
	}
}

bool view_any_gone(const struct view *v, const struct imap_seqset *uids)
{
	for (size_t i = 0; v->gone && i < uids->n; i++) {
		for (size_t at = view_lower(v, uids->ranges[i].first); at < v->told && v->msgs[at].uid <= uids->ranges[i].last; at++) {
			if (v->msgs[at].bits & VIEW_GONE)
				return true;
		}
	}
	return false;
}

size_t view_recent(const struct view *v)
{
	size_t n = 0;

	for (size_t i = 0; i < v->told; i++)
		n += !!(v->msgs[i].bits & VIEW_RECENT);
	return n;
}

void view_drop_untold(struct view *v)
{
	size_t out = v->told;

	if (!v->gone)
		return;
	for (size_t i = v->told; i < v->n; i++) {
		if (v->msgs[i].bits & VIEW_GONE)
			v->gone--;
		else
			v->msgs[out++] = v->msgs[i];
	}
	v->n = out;
}

uint32_t view_highest_uid(const struct view *v)
{
	return v->told ? v->msgs[v->told - 1].uid : 0;
}

/* From numbers to uids: neighbours in the view are one range, whatever uids lie between them. */
static int numbers_to_uids(const struct view *v, struct imap_seqset *set)
{
	for (size_t i = 0; i < set->n; i++) {
		struct imap_range *r = &set->ranges[i];
		if (r->last > v->told)
			return ERR_INVALID;
		r->first = v->msgs[r->first - 1].uid;
		r->last = v->msgs[r->last - 1].uid;
	}
	return 0;
}

/* Ranges in which the view has no message go, the others are cut to the messages that are there. */
static void cut_to_view(const struct view *v, struct imap_seqset *set)
{
	size_t out = 0;

	for (size_t i = 0; i < set->n; i++) {
		struct imap_range r = set->ranges[i];
		size_t from = view_lower(v, r.first);
		size_t to = r.last == UINT32_MAX ? v->n : view_lower(v, r.last + 1);
		if (to > v->told)
			to = v->told;
		if (from < to)
			set->ranges[out++] = (struct imap_range){ v->msgs[from].uid, v->msgs[to - 1].uid };
	}
	set->n = out;
}

int view_uids(const struct view *v, struct slice text, bool uid, struct imap_seqset *ret)
{
	struct imap_seqset set;
	int err = imap_seqset_parse(text, &set);

	if (err < 0)
		return err;
	if (uid) {
		imap_seqset_resolve(&set, view_highest_uid(v) ? view_highest_uid(v) : 1);
		cut_to_view(v, &set);
	} else if (!v->told) {
		set.n = 0;
	} else {
		imap_seqset_resolve(&set, (uint32_t)v->told);
		err = numbers_to_uids(v, &set);
	}
	if (err < 0) {
		imap_seqset_fini(&set);
		return err;
	}
	*ret = set;
	return 0;
}
