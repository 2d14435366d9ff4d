/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where mail for an address goes now. One function, called for every RCPT and again for every queued recipient
 * whose domain was switched; what it answers is what a domain's phase means.
 *
 *   domain is     | address here               | address unknown
 *   --------------+----------------------------+------------------------------------------------------------
 *   hosted        | mailbox, or expanded       | postmaster rule, the domain's catch-all mailbox, its candidates, else
 *                 |                            | 550 5.1.1
 *   gateway       | forwarded, or as hosted    | known to the old server (asked, cached): forwarded, else
 *                 | where it lives here (M37)  | 550 5.1.1; no answer: forwarded (queued) or 451, a setting. By the list
 *                 |                            | alone: as hosted
 *   not ours      |                            | authenticated: to its MX; else 550 5.7.1
 *
 * Banished is above all of it. Queued mail (retry) is never refused for a policy: it was accepted once. What has
 * no mailbox after a switch still goes to the old server while the domain names one.
 */
#ifndef ROOM_DIRECTORY_ROUTE_H
#define ROOM_DIRECTORY_ROUTE_H

#include "room/directory/db/engine.h"

enum {
	ROUTE_DEPTH_MAX = 10,		/* aliases of lists of redirects ... */
	ROUTE_TARGETS_MAX = 1000,
	ROUTE_VISITS_MAX = 4000,	/* addresses looked at in one expansion */
	ROUTE_BYTES_MAX = 128 * 1024,	/* of target addresses: the answer must fit a frame */
};

struct route_ask {
	struct slice address;	/* addr-spec, or "postmaster" */
	bool authenticated;	/* sender and authors are of who logged in */
	bool retry;
	struct slice sender;	/* of the envelope; empty: null, or not known */
	bool null_sender;
	struct slice by;	/* a rule of this address of ours passes it on; empty: a client named the address */
	const struct slice *authors;	/* behind the data: From, Sender and what else the message says of who wrote it */
	size_t n_authors;
	bool local_only;	/* mail to elsewhere is refused whoever asks */
	bool probed;		/* the old server was asked: answer holds what it said */
	enum known answer;
	struct slice host_name;	/* of this machine: a bare postmaster is looked for there first */
	int64_t now_ms;
};

struct route_target {
	enum { ROUTE_TO_MAILBOX, ROUTE_TO_SERVER, ROUTE_TO_MX, ROUTE_TO_NOTHING } kind;	/* RouteKind */
	uint64_t account;
	uint32_t shard;
	uint64_t quota;
	bool rules;		/* TO_MAILBOX: there are some (script.h) */
	bool alone;		/* ... with an ereject: it wants to be the only recipient */
	struct slice mailbox;		/* of an area; empty: INBOX */
	unsigned mailboxes_max;
	bool refuse, near_full;
	struct slice address;
	struct slice host;
	unsigned port, tls;
	struct slice sender;		/* elsewhere: not empty: instead of the envelope's (SRS) */
	struct slice delivered_to;	/* elsewhere: not empty: the address here that passes it on */
	struct slice multidrop;		/* TO_MAILBOX: not empty: the recipient that this copy is for (M30) */
};

struct route {
	struct route_target *targets;	/* none: refused, with the reply below */
	size_t n_targets;
	unsigned code;
	const char *enhanced, *text;	/* literals */
	bool authors;		/* a list on the way holds authors to who may write to it: to be asked again with them */
	bool probe;		/* undecided: ask this server whether it takes the address, then call again with probed */
	uint64_t probe_domain;
	struct slice probe_local, probe_address;
	struct slice probe_host;
	unsigned probe_port, probe_tls;
};

/* Always gives a route; trouble with the database is 451 4.3.0. Slices live in a. */
void route_resolve(struct engine *e, struct arena *a, const struct route_ask *ask, struct route *ret);

#endif
