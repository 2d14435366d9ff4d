/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Header fields (RFC 5322 2.2, tolerant as real mail needs): a line that starts with a blank
 * continues the field before it, a line without a colon is a field without a name, the first empty
 * line ends the header. Each byte is looked at a constant number of times.
 */
#include "proto/mail/header.h"

static size_t line_end(struct slice in, size_t from)
{
	const uint8_t *lf = from < in.n ? memchr(in.p + from, '\n', in.n - from) : NULL;
	return lf ? (size_t)(lf - in.p) + 1 : in.n;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* Bytes from..end without the line end at the end. */
static struct slice without_eol(struct slice in, size_t from, size_t end)
{
	if (end > from && in.p[end - 1] == '\n')
		end--;
	if (end > from && in.p[end - 1] == '\r')
		end--;
	return slice_of(in.p + from, end - from);
}

int header_next(struct header_scan *h, struct header_field *ret)
{
	struct slice in = h->in;
	size_t start = h->at, end = line_end(in, start);
	if (start >= in.n)
		return 0;
	struct slice first = without_eol(in, start, end);
	if (first.n == 0) {
		h->at = end;
		return 0;
	}
	ptrdiff_t colon = slice_find_byte(first, ':', 0);
	while (end < in.n && is_blank(in.p[end]))
		end = line_end(in, end);
	struct slice all = without_eol(in, start, end);
	size_t name = colon > 0 ? (size_t)colon : 0;
	while (name && is_blank(all.p[name - 1]))
		name--;
	ret->name = slice_sub(all, 0, name);
	ret->value = slice_sub(all, colon >= 0 ? (size_t)colon + 1 : 0, all.n);
	ret->whole = slice_of(in.p + start, end - start);
	h->at = end;
	return 1;
}

bool header_find(struct slice in, struct slice name, struct header_field *ret)
{
	struct header_scan h = header_scan_of(in);
	struct header_field f;
	while (header_next(&h, &f) > 0) {
		if (slice_eq_ci(f.name, name)) {
			*ret = f;
			return true;
		}
	}
	return false;
}

size_t header_length(struct slice in)
{
	for (size_t at = 0; at < in.n;) {
		size_t end = line_end(in, at);
		if (without_eol(in, at, end).n == 0)
			return end;
		at = end;
	}
	return in.n;
}

static size_t unfold(struct slice v, uint8_t *to, size_t max)
{
	size_t n = 0;
	bool fold = false;
	for (size_t i = 0; i < v.n && n < max; i++) {
		uint8_t c = v.p[i];
		if (c == '\n' || (c == '\r' && i + 1 < v.n && v.p[i + 1] == '\n')) {
			fold = true;
			continue;
		}
		to[n++] = fold && c == '\t' ? ' ' : c;
		fold = false;
	}
	while (n && is_blank(to[n - 1]))
		n--;
	return n;
}

struct slice header_unfold(struct slice value, size_t max, struct arena *arena)
{
	struct slice v = slice_trim(value);
	if (v.n == 0 || !memchr(v.p, '\n', v.n))
		return slice_sub(v, 0, max);
	size_t room = v.n < max ? v.n : max;
	uint8_t *to = arena_alloc(arena, room + 1);
	return slice_of(to, unfold(v, to, room));
}

void header_unfold_to(struct slice value, struct buf *out)
{
	struct slice v = slice_trim(value);
	uint8_t *to = v.n ? buf_reserve(out, v.n) : NULL;
	if (to)
		buf_added(out, unfold(v, to, v.n));
}
