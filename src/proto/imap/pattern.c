/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pattern is a chain of states, one a byte; the set of states that a name's prefix can be in is a bit
 * string that each byte of the name moves along (a shift, two masks). Runs of wildcards are joined first, so a
 * wildcard is never followed by another and stepping over it is one more shift.
 */
#include "proto/imap/pattern.h"

#include "base/err.h"

enum { WORDS = (IMAP_PATTERN_MAX + 1 + 63) / 64 };

struct imap_pattern {
	size_t n;	/* bytes after joining */
	size_t words;
	uint64_t star[WORDS], percent[WORDS];
	uint64_t byte[256][WORDS];	/* bit i: the pattern's byte i is this one */
};

static void set(uint64_t *bits, size_t i)
{
	bits[i / 64] |= (uint64_t)1 << (i % 64);
}

static bool wild(uint8_t c)
{
	return c == '*' || c == '%';
}

static void compile(struct imap_pattern *p, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!wild(s.p[i])) {
			set(p->byte[s.p[i]], p->n++);
			continue;
		}
		bool star = s.p[i] == '*';
		for (; i + 1 < s.n && wild(s.p[i + 1]); i++)
			star |= s.p[i + 1] == '*';
		set(star ? p->star : p->percent, p->n++);
	}
	p->words = p->n / 64 + 1;
}

int imap_pattern_new(struct slice utf8, struct imap_pattern **ret)
{
	if (utf8.n > IMAP_PATTERN_MAX)
		return ERR_TOO_BIG;
	struct imap_pattern *p = calloc(1, sizeof(*p));
	bug_if(!p);
	compile(p, utf8);
	*ret = p;
	return 0;
}

void imap_pattern_free(struct imap_pattern **p)
{
	free(*p);
	*p = NULL;
}

/* Where a wildcard can begin it can also match nothing. */
static void close_over(const struct imap_pattern *p, uint64_t *at)
{
	uint64_t carry = 0;

	for (size_t w = 0; w < p->words; w++) {
		uint64_t over = at[w] & (p->star[w] | p->percent[w]);
		at[w] |= over << 1 | carry;
		carry = over >> 63;
	}
}

static void step(const struct imap_pattern *p, uint64_t *at, uint8_t c, bool any_case)
{
	uint64_t carry = 0;

	for (size_t w = 0; w < p->words; w++) {
		uint64_t match = p->byte[c][w];
		if (any_case)
			match |= p->byte[ascii_lower(c)][w];
		uint64_t moved = at[w] & match;
		uint64_t stay = at[w] & (p->star[w] | (c == '/' ? 0 : p->percent[w]));
		at[w] = moved << 1 | carry | stay;
		carry = moved >> 63;
	}
	close_over(p, at);
}

bool imap_pattern_match(const struct imap_pattern *p, struct slice name)
{
	uint64_t at[WORDS] = { 1 };
	bool inbox = slice_starts(name, SLICE("INBOX")) && (name.n == 5 || name.p[5] == '/');

	close_over(p, at);
	for (size_t i = 0; i < name.n; i++)
		step(p, at, name.p[i], inbox && i < 5);
	return at[p->n / 64] >> (p->n % 64) & 1;
}
