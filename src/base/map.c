/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open addressing with linear probing; the table is a power of two and at most
 * three quarters full. A removed entry leaves a tombstone until the next growth,
 * which is why iteration survives removals.
 */
#include "base/map.h"

#include "base/rng.h"

struct entry {
	uint8_t *key;
	size_t n;
	uint64_t hash;
	void *value; /* NULL with a key: tombstone */
};

struct map {
	struct entry *table;
	size_t size, live, filled;
	uint8_t seed[16];
};

static inline uint64_t rotl(uint64_t x, int b)
{
	return (x << b) | (x >> (64 - b));
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

uint64_t siphash24(const uint8_t key[16], struct slice in)
{
	uint64_t k0, k1, m;
	memcpy(&k0, key, 8);
	memcpy(&k1, key + 8, 8);
	uint64_t v[4] = { k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du,
			  k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u };
	size_t whole = in.n & ~(size_t)7;
	for (size_t i = 0; i < whole; i += 8) {
		memcpy(&m, in.p + i, 8);
		v[3] ^= m;
		sip_round(v);
		sip_round(v);
		v[0] ^= m;
	}
	m = (uint64_t)in.n << 56;
	for (size_t i = whole; i < in.n; i++)
		m |= (uint64_t)in.p[i] << (8 * (i - whole));
	v[3] ^= m;
	sip_round(v);
	sip_round(v);
	v[0] ^= m;
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct map *map_new(void)
{
	struct map *m = calloc(1, sizeof(*m));
	bug_if(!m);
	rng_bytes(m->seed, sizeof(m->seed));
	return m;
}

void map_free(struct map **mp)
{
	if (!*mp)
		return;
	struct map *m = TAKE(*mp);
	for (size_t i = 0; i < m->size; i++)
		free(m->table[i].key);
	free(m->table);
	free(m);
}

size_t map_count(const struct map *m)
{
	return m->live;
}

static struct entry *find(const struct map *m, struct slice key, uint64_t hash)
{
	if (!m->size)
		return NULL;
	for (size_t i = hash & (m->size - 1);; i = (i + 1) & (m->size - 1)) {
		struct entry *e = &m->table[i];
		if (!e->key)
			return NULL;
		if (e->value && e->hash == hash && slice_eq(slice_of(e->key, e->n), key))
			return e;
	}
}

void *map_get(const struct map *m, struct slice key)
{
	struct entry *e = find(m, key, siphash24(m->seed, key));
	return e ? e->value : NULL;
}

static void insert(struct map *m, struct entry e)
{
	size_t i = e.hash & (m->size - 1);
	while (m->table[i].key)
		i = (i + 1) & (m->size - 1);
	m->table[i] = e;
	m->filled++;
}

static void grow(struct map *m)
{
	struct entry *old = m->table;
	size_t old_size = m->size;
	size_t size = 16;
	while (size < m->live * 3)
		size *= 2;
	m->table = calloc(size, sizeof(*m->table));
	bug_if(!m->table);
	m->size = size;
	m->filled = 0;
	for (size_t i = 0; i < old_size; i++) {
		if (old[i].value)
			insert(m, old[i]);
		else
			free(old[i].key);
	}
	free(old);
}

void *map_put(struct map *m, struct slice key, void *value)
{
	bug_if(!value);
	uint64_t hash = siphash24(m->seed, key);
	struct entry *e = find(m, key, hash);
	if (e) {
		void *was = e->value;
		e->value = value;
		return was;
	}
	if ((m->filled + 1) * 4 > m->size * 3)
		grow(m);
	uint8_t *copy = malloc(key.n + 1);
	bug_if(!copy);
	if (key.n)
		memcpy(copy, key.p, key.n);
	insert(m, (struct entry){ copy, key.n, hash, value });
	m->live++;
	return NULL;
}

void *map_remove(struct map *m, struct slice key)
{
	struct entry *e = find(m, key, siphash24(m->seed, key));
	if (!e)
		return NULL;
	void *was = e->value;
	e->value = NULL;
	m->live--;
	return was;
}

bool map_next(const struct map *m, size_t *at, struct slice *ret_key, void **ret_value)
{
	for (; *at < m->size; (*at)++) {
		struct entry *e = &m->table[*at];
		if (!e->value)
			continue;
		if (ret_key)
			*ret_key = slice_of(e->key, e->n);
		*ret_value = e->value;
		(*at)++;
		return true;
	}
	return false;
}
