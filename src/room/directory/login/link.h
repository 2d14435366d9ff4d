/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links that lead to setting a password (M9, M10; THREATS H13, H14): an invitation, or the answer to "forgot password". A
 * token is 256 bits from the kernel, told once in a mail; here is only its SHA-256. It is good once and until its time is
 * over, and for nothing any more as soon as the password or the recovery address of its holder changed, or the holder is
 * gone: triggers see to that (schema.c), whoever changes them.
 */
#ifndef ROOM_DIRECTORY_LINK_H
#define ROOM_DIRECTORY_LINK_H

#include "room/directory/db/engine.h"

enum {
	LINK_TOKEN_BYTES = 32,
	LINK_TOKEN_TEXT = 2 * LINK_TOKEN_BYTES,	/* hexadecimal digits */
	LINK_AGAIN_MS = 10 * 60 * 1000,		/* "forgot password" sends no second one so soon */
};

enum link_kind { LINK_INVITATION = 0, LINK_RESET = 1 };

struct link {
	int64_t holder;		/* as in staff.h */
	enum link_kind kind;
	int64_t created_ms, expires_ms;
};

/* Inside a transaction; older links of the same kind are void. *ret: the token as text, in a. */
NODISCARD int link_make(struct engine *e, struct arena *a, const struct link *l, struct slice *ret);
/* ERR_NOT_FOUND: no such link, spent, void or over. */
NODISCARD int link_find(struct engine *e, struct slice token, int64_t now_ms, struct link *ret);
/* Inside the transaction that sets the password: 0 for exactly one caller. ERR_NOT_FOUND. */
NODISCARD int link_spend(struct engine *e, struct slice token, int64_t now_ms);
/* The newest of this kind; ERR_NOT_FOUND. */
NODISCARD int link_latest(struct engine *e, int64_t holder, enum link_kind kind, struct link *ret);
NODISCARD int link_expire(struct engine *e, int64_t now_ms);	/* forgets those that are over; how many */

#endif
