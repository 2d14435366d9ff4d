/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of fixed size, a few places to each key; the oldest of them goes. Nobody can make it grow, and driving
 * entries out of it only costs the hashing that would be done without it.
 */
#include "room/auth/cache.h"

#include "base/rng.h"

#include <openssl/hmac.h>

enum { KEY_BYTES = 32, TAG_BYTES = 32, WAYS = 4 };

struct entry {
	uint8_t tag[TAG_BYTES];
	int64_t at_ms; /* 0: empty */
};

struct cache {
	uint8_t key[KEY_BYTES];
	struct entry entries[CACHE_ENTRIES];
};

struct cache *cache_new(void)
{
	struct cache *c = calloc(1, sizeof(*c));
	bug_if(!c);
	rng_bytes(c->key, sizeof(c->key));
	return c;
}

void cache_free(struct cache **c)
{
	if (!*c)
		return;
	explicit_bzero(*c, sizeof(**c));
	free(*c);
	*c = NULL;
}

/* Fixed-length numbers in front: no two triples give one text. */
static size_t tag_of(const struct cache *c, uint64_t account, uint64_t version,
		     struct slice password, uint8_t ret[TAG_BYTES])
{
	uint8_t text[2 * sizeof(uint64_t) + 1024];
	unsigned n = 0;
	uint64_t spot;
	size_t len = password.n < 1024 ? password.n : 1024;
	memcpy(text, &account, sizeof(account));
	memcpy(text + sizeof(account), &version, sizeof(version));
	if (len)
		memcpy(text + 2 * sizeof(uint64_t), password.p, len);
	bug_if(!HMAC(EVP_sha256(), c->key, sizeof(c->key), text, 2 * sizeof(uint64_t) + len, ret,
		     &n));
	explicit_bzero(text, sizeof(text));
	memcpy(&spot, ret, sizeof(spot));
	return (size_t)(spot % (CACHE_ENTRIES / WAYS)) * WAYS;
}

bool cache_has(const struct cache *c, uint64_t account, uint64_t version, struct slice password,
	       int64_t now_ms)
{
	uint8_t tag[TAG_BYTES];
	size_t at = tag_of(c, account, version, password, tag);
	for (size_t i = at; i < at + WAYS; i++)
		if (c->entries[i].at_ms && now_ms - c->entries[i].at_ms < CACHE_TTL_MS &&
		    memcmp(c->entries[i].tag, tag, TAG_BYTES) == 0)
			return true;
	return false;
}

void cache_put(struct cache *c, uint64_t account, uint64_t version, struct slice password,
	       int64_t now_ms)
{
	uint8_t tag[TAG_BYTES];
	size_t at = tag_of(c, account, version, password, tag), oldest = at;
	if (password.n > 1024)
		return;
	for (size_t i = at; i < at + WAYS; i++)
		if (c->entries[i].at_ms < c->entries[oldest].at_ms)
			oldest = i;
	memcpy(c->entries[oldest].tag, tag, TAG_BYTES);
	c->entries[oldest].at_ms = now_ms > 0 ? now_ms : 1;
}
