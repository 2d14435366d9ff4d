/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passwords against hashes, and new hashes. Everything here blocks for as long as the scheme wants: that is what
 * this room is for. Costs of imported hashes are capped where they come in (proto/pass).
 */
#ifndef ROOM_AUTH_VERIFY_H
#define ROOM_AUTH_VERIFY_H

#include "base/buf.h"

enum { PASSWORD_MAX = 1024, HASH_MAX = 1024 };

struct hash_cost {
	uint32_t memory_kib;
	uint32_t passes;
};

/* 1 right, 0 wrong; < 0: the stored text is no hash that can be checked. */
NODISCARD int verify_password(struct slice stored, struct slice password);

/* Argon2id with a fresh salt, in the form "{ARGON2ID}$argon2id$...". */
NODISCARD int hash_password(struct slice password, const struct hash_cost *cost, struct buf *out);
/* Cheap and salted, for bulk imports: sha512-crypt with 1,000 rounds. */
NODISCARD int hash_quick(struct slice password, struct buf *out);

/* Is it what hash_password would make at this cost today? */
bool hash_is_current(struct slice stored, const struct hash_cost *cost);

#endif
