/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes to pointer, with a hash keyed per process (SipHash-2-4), so that a peer
 * who picks the keys cannot make them collide. Keys are copied, values borrowed.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/slice.h"

struct map;

struct map *map_new(void);
void map_free(struct map **m);	/* accepts NULL; the values are the caller's */
size_t map_count(const struct map *m);
void *map_get(const struct map *m, struct slice key);	/* NULL if absent */

/* Sets; value must not be NULL. Returns the value that it replaced, or NULL. */
void *map_put(struct map *m, struct slice key, void *value);
void *map_remove(struct map *m, struct slice key);	/* the value, or NULL */

/* Any order; *at starts at 0; false at the end. Only map_remove of the current key may happen meanwhile. */
bool map_next(const struct map *m, size_t *at, struct slice *ret_key, void **ret_value);

static inline struct slice map_key_u64(const uint64_t *v)
{
	return slice_of(v, sizeof(*v));
}

uint64_t siphash24(const uint8_t key[16], struct slice in);

#endif
