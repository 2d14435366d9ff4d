/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passwords of old servers at rest: AES-256-GCM under a key in a file of its own beside the database (0600), so a
 * copy of the database alone tells nothing. The label binds a sealed text to its place: moved elsewhere it does
 * not open. Sealed: 12 bytes nonce, ciphertext, 16 bytes tag.
 */
#ifndef ROOM_DIRECTORY_SEAL_H
#define ROOM_DIRECTORY_SEAL_H

#include "base/arena.h"

struct seal;

/* Reads the key, or makes it. ERR_CORRUPT: the file is there and no key. */
NODISCARD int seal_open(const char *path, struct seal **ret);
void seal_close(struct seal **s);	/* wipes */

NODISCARD int seal_put(const struct seal *s, struct arena *a, struct slice label, struct slice plain, struct slice *ret);
/* ERR_CORRUPT: another key, another label, or damaged. The caller wipes *ret. */
NODISCARD int seal_get(const struct seal *s, struct arena *a, struct slice label, struct slice sealed, struct slice *ret);

#endif
