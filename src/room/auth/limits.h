/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Against guessing: failures are counted per network (/32, /64) and per network and login. A stranger's failures
 * never lock a user out, because a login alone is not counted. Exempt networks are not counted. The clock comes in.
 */
#ifndef ROOM_AUTH_LIMITS_H
#define ROOM_AUTH_LIMITS_H

#include "base/slice.h"

enum {
	LIMITS_WINDOW_MS = 10 * 60 * 1000,
	LIMITS_LOGIN_MAX = 10,		/* failures of one login from one network in the window */
	LIMITS_NETWORK_MAX = 100,	/* failures from one network in the window */
	LIMITS_ENTRIES_MAX = 65536,
	LIMITS_DELAY_MS = 500,		/* times the failures so far, at most LIMITS_DELAY_MAX_MS */
	LIMITS_DELAY_MAX_MS = 5000,
};

struct limits;

struct limits *limits_new(const char *exempt_networks);
void limits_free(struct limits **l);
void limits_exempt(struct limits *l, const char *exempt_networks);	/* the list changed */

/* May this client try now? */
bool limits_allow(struct limits *l, struct slice remote, struct slice login, int64_t now_ms);
/* One failure more; how long its answer is to be held back. */
unsigned limits_failed(struct limits *l, struct slice remote, struct slice login, int64_t now_ms);
void limits_succeeded(struct limits *l, struct slice remote, struct slice login);

#endif
