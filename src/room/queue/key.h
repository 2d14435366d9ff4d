/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recipient's row names its destination by a key:
 *   "to HOST PORT TLS"  a customer's server       "mx DOMAIN"     another domain's mail exchangers
 *   "route DOMAIN"      directory is asked first  "store SHARD"   decided: into a mailbox of ours
 *   "parked"            never tried by itself
 */
#ifndef ROOM_QUEUE_KEY_H
#define ROOM_QUEUE_KEY_H

#include "base/slice.h"

enum {
	QUEUE_KEY_MAX = 600,
	QUEUE_ROUTE_ASK = 99,	/* beside RouteKind: not known, ask directory */
};

/* What is behind the last "@", in lower case, in to; empty where there is none or it passes cap. */
struct slice address_domain(struct slice address, char *to, size_t cap);

/* Bytes written, with a NUL behind them. */
size_t route_key(char key[QUEUE_KEY_MAX], struct slice domain);
size_t dest_key(char key[QUEUE_KEY_MAX], unsigned route, struct slice host, unsigned port, unsigned tls,
		struct slice domain);

#endif
