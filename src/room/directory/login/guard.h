/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every check of a password goes through here, whoever makes it: the limiter, and the networks from which each account is
 * used. guard_try before the password is looked at; then guard_right or guard_wrong.
 *
 * New networks are kept in memory and written together once a minute: a login costs no write of its own, and a crash
 * loses at most the last minute's.
 */
#ifndef ROOM_DIRECTORY_GUARD_H
#define ROOM_DIRECTORY_GUARD_H

#include "room/directory/directory_priv.h"
#include "room/directory/login/limiter.h"

enum {
	GUARD_HOMES_MAX = 50,			/* networks of one account; the oldest go */
	GUARD_HOME_DAYS = 90,			/* how long one is known */
	GUARD_NOTES_MAX = 16 * 1024,		/* in memory; past it they are written at once */
};

struct guard;

struct guard *guard_new(const char *exempt_networks);
struct limiter *guard_limiter(struct guard *g);

struct guard_try {
	uint64_t account;	/* 0: there is none of that name */
	struct slice who;	/* its address; else what was typed */
	struct slice remote, tag;
};

struct limiter_verdict guard_try(struct guard *g, struct engine *e, const struct guard_try *t, int64_t now_ms);
void guard_wrong(struct guard *g, const struct guard_try *t, int64_t now_ms);
void guard_right(struct guard *g, struct engine *e, const struct guard_try *t, int64_t now_ms);
/* Writes what was noted, and forgets what is old. A transaction of its own. */
NODISCARD int guard_flush(struct guard *g, struct engine *e, int64_t now_ms);

/* 4 bytes that tell one password from most others, for struct guard_try. */
void guard_tag(struct slice password, uint8_t ret[4]);

#endif
