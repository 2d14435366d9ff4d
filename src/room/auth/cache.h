/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passwords that were found right, so that a client which logs in every minute does not cost an Argon2id each time.
 * The key is an HMAC of account, credential version and password under a random key of this process: nothing here
 * tells a password, and because directory names the version at every login, no entry outlives a change (M2).
 */
#ifndef ROOM_AUTH_CACHE_H
#define ROOM_AUTH_CACHE_H

#include "base/slice.h"

enum { CACHE_ENTRIES = 16384, CACHE_TTL_MS = 60 * 60 * 1000 };

struct cache;

struct cache *cache_new(void);
void cache_free(struct cache **c);	/* wipes */
bool cache_has(const struct cache *c, uint64_t account, uint64_t version, struct slice password, int64_t now_ms);
void cache_put(struct cache *c, uint64_t account, uint64_t version, struct slice password, int64_t now_ms);

#endif
