/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Storage (M25 to M27): a customer's pool, which its mailboxes are allotted parts of or share; what happens at the end
 * of it; how long mail is kept. What is not set has no row and takes the default: shared, "later", kept for ever.
 *
 * A shared pool is leased out to the shards; the leases together are never more than it. A lease grows here first and
 * then at its shard, and shrinks at its shard first and then here.
 */
#ifndef ROOM_DIRECTORY_LIMITS_H
#define ROOM_DIRECTORY_LIMITS_H

#include "room/directory/db/engine.h"

enum {
	RETENTION_INHERIT = -1,	/* of a mailbox: as its domain; of a domain: as its customer */
	RETENTION_OFF = 0,
	RETENTION_DAYS = 60,	/* where it is switched on without a number */
	RETENTION_DAYS_MAX = 36500,
};

struct customer_limits {
	bool fixed;		/* every mailbox names its part of the pool; else they share it */
	int retention;
	unsigned level;		/* lines of a shared pool that its use is above */
};
struct domain_limits {
	bool refuse;		/* over quota: 552; else 452 */
	int retention;
};
NODISCARD int limits_of_customer(struct engine *e, uint64_t customer, struct customer_limits *ret);
NODISCARD int limits_set_customer(struct engine *e, uint64_t customer, const struct customer_limits *l);
NODISCARD int limits_of_domain(struct engine *e, uint64_t domain, struct domain_limits *ret);
NODISCARD int limits_set_domain(struct engine *e, uint64_t domain, const struct domain_limits *l);

/* What holds for one mailbox, from itself, its domain and its customer. */
struct limits {
	uint64_t customer, domain;
	uint64_t pool, pool_bytes;	/* that it shares; 0: none */
	int own_retention;		/* of the mailbox: RETENTION_INHERIT, RETENTION_OFF or days */
	uint32_t retention;		/* days; 0: mail is kept */
	unsigned level;			/* the higher of its quota's and its pool's */
	bool refuse;
};
NODISCARD int limits_of(struct engine *e, uint64_t account, struct limits *ret);
/* As of a mailbox there for which nothing is set. */
NODISCARD int limits_in_domain(struct engine *e, uint64_t domain, struct limits *ret);
NODISCARD int limits_set_retention(struct engine *e, uint64_t account, int retention);
NODISCARD int limits_set_level(struct engine *e, uint64_t account, unsigned level, unsigned *ret_before);

/* "60", "off", "default"; "on" is RETENTION_DAYS. */
NODISCARD int retention_parse(struct slice text, int *ret);
const char *retention_text(int retention, char ret[16]);

/* May the mailboxes of the customer be as they are under these rules? */
NODISCARD int limits_check_customer(struct engine *e, struct arena *a, uint64_t customer, uint64_t pool, bool fixed,
				    struct problem *why);
/* May the domain with its mailboxes come to the customer? */
NODISCARD int limits_check_move(struct engine *e, struct arena *a, uint64_t domain, uint64_t customer, struct problem *why);

/* ---- what the shards have still to be told: customers whose mailboxes' limits changed ---- */
NODISCARD int limits_pending_add(struct engine *e, uint64_t customer);	/* in a transaction */
NODISCARD int limits_pending_change(struct engine *e, uint64_t customer, uint64_t *ret);	/* which one it is; 0: none */
NODISCARD int limits_pending_done(struct engine *e, uint64_t customer, uint64_t change);	/* a later one stays */
NODISCARD int limits_pending(struct engine *e, struct arena *a, uint64_t **ret, size_t *ret_n);

/* A customer's mailboxes, and the areas of its domains. */
NODISCARD int limits_accounts(struct engine *e, struct arena *a, uint64_t customer, struct account **ret, size_t *ret_n);

/* ---- leases of shared pools ---- */
struct lease {
	uint64_t recall;			/* the last that it was known to have obeyed then */
	uint64_t bytes, size, elsewhere;	/* size 0: the customer has no shared pool */
	bool is_short;				/* it asked for more than was free */
};
/* What a shard says: what it uses, the lease that it wants all in all (0: it only tells), and the number of the last
 * recall that it had obeyed by then. */
struct lease_use {
	uint64_t customer;
	uint32_t shard;
	uint64_t used, want, recall;
};
NODISCARD int lease_ask(struct engine *e, const struct lease_use *u, unsigned shards, struct lease *ret);
/* u->want: what it has kept. ERR_CONFLICT where it has asked since, and may have been given more: nothing is known then. */
NODISCARD int lease_recalled(struct engine *e, const struct lease_use *u);
/* The level of the pool as its use is now; before: what it was. */
NODISCARD int lease_level(struct engine *e, uint64_t customer, uint64_t *ret_used, uint64_t *ret_size, unsigned *ret_before,
			  unsigned *ret_level);

/* Crossings come with numbers that rise: false where this one was here before. */
NODISCARD int crossing_new(struct engine *e, uint32_t shard, uint64_t id, bool *ret);

#endif
