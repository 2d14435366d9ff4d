/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Against guessing passwords: one count for all protocols and all rooms (THREATS I18). What is counted for a login is counted
 * when a try begins, so that parallel ones cannot slip through, and a right password takes it back; networks are charged
 * with what was wrong, since many people may log in from one at the same moment.
 *
 *   counted                              refused from    in force for
 *   one login from one network           PAIR_MAX        that login from that network
 *   one network (/32, /64)               NETWORK_MAX     everybody there
 *   the net around it (/24, /48)         WIDE_MAX        everybody there
 *   one login from anywhere              ACCOUNT_MAX     strangers: one try a minute is let through
 *   one password against many logins     PASSWORD_MAX    strangers with that password
 *
 * Strangers are networks from which nobody has logged in to that account lately: whoever has, is not touched by what
 * others do elsewhere, so nobody can lock a user out from afar. The same wrong password again (a telephone that was
 * forgotten) counts for the network only. Names that do not exist count like those that do. Exempt networks are neither
 * counted nor refused. It lives in memory: a restart forgets.
 */
#ifndef ROOM_DIRECTORY_LIMITER_H
#define ROOM_DIRECTORY_LIMITER_H

#include "base/arena.h"

enum {
	LIMITER_WINDOW_MS = 10 * 60 * 1000,
	LIMITER_PAIR_MAX = 10,
	LIMITER_NETWORK_MAX = 100,
	LIMITER_WIDE_MAX = 300,
	LIMITER_ACCOUNT_MAX = 50,
	LIMITER_PASSWORD_MAX = 30,	/* logins that one password was tried with */
	LIMITER_TRICKLE_MS = 60 * 1000,
	LIMITER_DELAY_MS = 500,		/* times the failures so far, at most LIMITER_DELAY_MAX_MS */
	LIMITER_DELAY_MAX_MS = 5000,
	LIMITER_REFUSED_MS = 1000,
	LIMITER_ENTRIES_MAX = 256 * 1024,
	LIMITER_WHO_MAX = 320,
};

enum limiter_kind { LIMITER_PAIR, LIMITER_NETWORK, LIMITER_WIDE, LIMITER_ACCOUNT, LIMITER_PASSWORD, LIMITER_SEEN };

struct limiter;

struct limiter *limiter_new(const char *exempt_networks);
void limiter_free(struct limiter **l);
void limiter_exempt(struct limiter *l, const char *exempt_networks);	/* the list changed */

struct limiter_try {
	struct slice remote;	/* address of the client */
	struct slice who;	/* the account's address, or what was typed where there is none; case does not matter */
	struct slice tag;	/* says whether two passwords are the same, and no more; empty: unknown */
	bool known;		/* somebody logged in to this account from this network lately */
};

struct limiter_verdict {
	bool refused;
	unsigned delay_ms;	/* how long a refusal is to be held back */
};

/* Begins a try. refused: whatever the password is, the answer is the one for a wrong password. */
struct limiter_verdict limiter_try(struct limiter *l, const struct limiter_try *t, int64_t now_ms);
/* The password of a try that was not refused was wrong. */
void limiter_wrong(struct limiter *l, const struct limiter_try *t, int64_t now_ms);
/* The password was right: the try is taken back, and what this network did wrong with this login is forgiven. */
void limiter_right(struct limiter *l, const struct limiter_try *t, int64_t now_ms);

struct limiter_entry {
	enum limiter_kind kind;
	struct slice network, who;	/* as text; empty where it is not about one */
	unsigned failures;
	int64_t until_ms;
};
/* What is refused at this time. */
void limiter_list(struct limiter *l, struct arena *a, int64_t now_ms, struct limiter_entry **ret, size_t *ret_n);
/* Forgets what is counted for a login, for an address's networks, or (both empty) everything. How many counts. */
size_t limiter_clear(struct limiter *l, struct slice who, struct slice remote);

/* The network that makes a device known again: 3 bytes of IPv4, 8 of IPv6, with a byte that says which. Empty: no address. */
enum { LIMITER_HOME_MAX = 9 };
size_t limiter_home(struct slice remote, uint8_t ret[LIMITER_HOME_MAX]);

#endif
