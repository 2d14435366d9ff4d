/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invariant of a resolved set: first <= last < next range's first - 1, so that a question is a binary search
 * and a count a sum. Numbers are 1..2^32-1. Threat: "4294967295:*,..." a thousand times costs a sort, no more.
 */
#include "proto/imap/seqset.h"

#include "base/err.h"

static void push(struct imap_seqset *s, uint32_t first, uint32_t last)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 4;
		s->ranges = realloc(s->ranges, s->cap * sizeof(*s->ranges));
		bug_if(!s->ranges);
	}
	s->ranges[s->n++] = (struct imap_range){ first, last };
}

static int parse_number(struct slice s, size_t *at, uint32_t *ret)
{
	size_t from = *at;
	uint64_t v;

	if (from < s.n && s.p[from] == '*') {
		*ret = 0;
		*at = from + 1;
		return 0;
	}
	while (*at < s.n && ascii_is_digit(s.p[*at]))
		(*at)++;
	if (slice_u64(slice_sub(s, from, *at), UINT32_MAX, &v) < 0 || v == 0)
		return ERR_SYNTAX;
	*ret = (uint32_t)v;
	return 0;
}

static int parse_range(struct slice s, size_t *at, struct imap_seqset *set)
{
	uint32_t first, last;

	if (parse_number(s, at, &first) < 0)
		return ERR_SYNTAX;
	last = first;
	if (*at < s.n && s.p[*at] == ':') {
		(*at)++;
		if (parse_number(s, at, &last) < 0)
			return ERR_SYNTAX;
	}
	if (set->n == IMAP_SEQSET_MAX)
		return ERR_TOO_BIG;
	push(set, first, last);
	return 0;
}

int imap_seqset_parse(struct slice text, struct imap_seqset *ret)
{
	struct imap_seqset set = { 0 };
	size_t at = 0;
	int err;

	while ((err = parse_range(text, &at, &set)) == 0 && at < text.n) {
		if (text.p[at++] != ',') {
			err = ERR_SYNTAX;
			break;
		}
	}
	if (err < 0) {
		imap_seqset_fini(&set);
		return err;
	}
	*ret = set;
	return 0;
}

void imap_seqset_fini(struct imap_seqset *s)
{
	free(s->ranges);
	*s = (struct imap_seqset){ 0 };
}

static int by_first(const void *pa, const void *pb)
{
	const struct imap_range *a = pa, *b = pb;
	return a->first < b->first ? -1 : a->first > b->first;
}

void imap_seqset_normalise(struct imap_seqset *s)
{
	size_t out = 0;

	if (s->n < 2)
		return;
	qsort(s->ranges, s->n, sizeof(*s->ranges), by_first);
	for (size_t i = 1; i < s->n; i++) {
		struct imap_range *last = &s->ranges[out], *r = &s->ranges[i];
		if (last->last == UINT32_MAX || r->first <= last->last + 1) {
			if (r->last > last->last)
				last->last = r->last;
		} else {
			s->ranges[++out] = *r;
		}
	}
	s->n = out + 1;
}

void imap_seqset_resolve(struct imap_seqset *s, uint32_t highest)
{
	if (!highest)
		s->n = 0;
	for (size_t i = 0; i < s->n; i++) {
		struct imap_range *r = &s->ranges[i];
		if (!r->first)
			r->first = highest;
		if (!r->last)
			r->last = highest;
		if (r->first > r->last)
			*r = (struct imap_range){ r->last, r->first };
	}
	imap_seqset_normalise(s);
}

bool imap_seqset_has(const struct imap_seqset *s, uint32_t v)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (s->ranges[mid].last < v)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->n && s->ranges[lo].first <= v;
}

uint64_t imap_seqset_count(const struct imap_seqset *s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += (uint64_t)s->ranges[i].last - s->ranges[i].first + 1;
	return n;
}

void imap_seqset_add_range(struct imap_seqset *s, uint32_t first, uint32_t last)
{
	struct imap_range *r = s->n ? &s->ranges[s->n - 1] : NULL;

	if (r && first == r->last + 1)
		r->last = last;
	else
		push(s, first, last);
}

void imap_seqset_add(struct imap_seqset *s, uint32_t v)
{
	bug_if(s->n && v <= s->ranges[s->n - 1].last);
	imap_seqset_add_range(s, v, v);
}

void imap_seqset_write(struct buf *out, const struct imap_seqset *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct imap_range *r = &s->ranges[i];
		if (i)
			buf_byte(out, ',');
		buf_u64(out, r->first);
		if (r->last != r->first) {
			buf_byte(out, ':');
			buf_u64(out, r->last);
		}
	}
}
