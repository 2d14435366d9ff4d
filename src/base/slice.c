/* SPDX-License-Identifier: Apache-2.0 */
#include "base/slice.h"

#include "base/err.h"

struct slice slice_sub(struct slice s, size_t from, size_t to)
{
	if (to > s.n)
		to = s.n;
	if (from > to)
		from = to;
	return slice_of(s.p ? s.p + from : NULL, to - from);
}

bool slice_eq_ci(struct slice a, struct slice b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
			return false;
	return true;
}

bool slice_starts(struct slice s, struct slice prefix)
{
	return s.n >= prefix.n && slice_eq(slice_sub(s, 0, prefix.n), prefix);
}

bool slice_starts_ci(struct slice s, struct slice prefix)
{
	return s.n >= prefix.n && slice_eq_ci(slice_sub(s, 0, prefix.n), prefix);
}

bool slice_ends_ci(struct slice s, struct slice suffix)
{
	return s.n >= suffix.n && slice_eq_ci(slice_sub(s, s.n - suffix.n, s.n), suffix);
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice slice_trim(struct slice s)
{
	while (s.n && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

ptrdiff_t slice_find_byte(struct slice s, uint8_t c, size_t from)
{
	if (from >= s.n)
		return -1;
	const uint8_t *hit = memchr(s.p + from, c, s.n - from);
	return hit ? hit - s.p : -1;
}

ptrdiff_t slice_find(struct slice s, struct slice needle, size_t from)
{
	if (from > s.n || needle.n > s.n - from)
		return -1;
	if (needle.n == 0)
		return (ptrdiff_t)from;
	const uint8_t *hit = memmem(s.p + from, s.n - from, needle.p, needle.n);
	return hit ? hit - s.p : -1;
}

int slice_cmp(struct slice a, struct slice b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n ? memcmp(a.p, b.p, n) : 0;
	if (c)
		return c;
	return a.n < b.n ? -1 : a.n > b.n;
}

char *slice_dup_str(struct slice s)
{
	if (s.n && memchr(s.p, 0, s.n))
		return NULL;
	char *copy = malloc(s.n + 1);
	bug_if(!copy);
	if (s.n)
		memcpy(copy, s.p, s.n);
	copy[s.n] = 0;
	return copy;
}

int slice_u64(struct slice s, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;
	if (s.n == 0 || s.n > 20)
		return s.n ? ERR_TOO_BIG : ERR_SYNTAX;
	for (size_t i = 0; i < s.n; i++) {
		if (!ascii_is_digit(s.p[i]))
			return ERR_SYNTAX;
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
			return ERR_TOO_BIG;
	}
	if (v > max)
		return ERR_TOO_BIG;
	*ret = v;
	return ERR_OK;
}
