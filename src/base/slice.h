/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A borrowed run of bytes; not NUL-terminated, may hold NULs. Whoever makes one
 * says how long the bytes live. Wire data is always a slice; C strings are for
 * paths, configuration and keys of events.
 */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const uint8_t *p;
	size_t n;
};

#define SLICE(literal) ((struct slice){ (const uint8_t *)("" literal), sizeof(literal) - 1 })
#define SLICE_FMT "%.*s"
#define SLICE_ARG(s) (int)((s).n < 4096 ? (s).n : 4096), (const char *)(s).p

static inline struct slice slice_of(const void *p, size_t n)
{
	return (struct slice){ p, n };
}

/* s may be NULL: an empty slice. */
static inline struct slice slice_str(const char *s)
{
	return (struct slice){ (const uint8_t *)s, s ? strlen(s) : 0 };
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* The bytes from..to (to excluded), both cut to the slice's length. */
struct slice slice_sub(struct slice s, size_t from, size_t to);

/* ASCII case folded; other bytes as they are. */
bool slice_eq_ci(struct slice a, struct slice b);
bool slice_starts(struct slice s, struct slice prefix);
bool slice_starts_ci(struct slice s, struct slice prefix);
bool slice_ends_ci(struct slice s, struct slice suffix);

/* Without leading and trailing SP, TAB, CR, LF. */
struct slice slice_trim(struct slice s);

/* Index of the first c at or after from, or -1. */
ptrdiff_t slice_find_byte(struct slice s, uint8_t c, size_t from);

/* Index of the first needle at or after from, or -1; an empty needle is found at from. */
ptrdiff_t slice_find(struct slice s, struct slice needle, size_t from);

/* memcmp order, a prefix first; < 0, 0, > 0. */
int slice_cmp(struct slice a, struct slice b);

/* A NUL-terminated heap copy (free() it), or NULL if the bytes hold a NUL. */
char *slice_dup_str(struct slice s);

/* A decimal number that takes the whole slice: 1..20 digits, no sign, no space.
 * ERR_SYNTAX, or ERR_TOO_BIG where it passes max; *ret untouched then. */
NODISCARD int slice_u64(struct slice s, uint64_t max, uint64_t *ret);

static inline uint8_t ascii_lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static inline uint8_t ascii_upper(uint8_t c)
{
	return c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) : c;
}

static inline bool ascii_is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static inline bool ascii_is_alpha(uint8_t c)
{
	return (c | 32) >= 'a' && (c | 32) <= 'z';
}

#endif
