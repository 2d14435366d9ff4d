/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The matrix. One row an operation; an operation of the API's table that is missing here fails a test, and is
 * refused to everybody until then.
 */
#include "room/directory/rights.h"

#include "base/err.h"

enum { P = 1 << RANK_PROVIDER, C = 1 << RANK_CUSTOMER_ADMIN, D = 1 << RANK_DOMAIN_ADMIN, U = 1 << RANK_USER };

static const struct {
	const char *operation;
	unsigned own;	/* ranks that may do it to what is theirs */
} rows[] = {
	{ "customer.add", P },
	{ "customer.list", P | C },
	{ "customer.show", P | C },
	{ "customer.remove", P },
	{ "domain.add", P },
	{ "domain.list", P | C | D },
	{ "domain.show", P | C | D },
	{ "domain.set", P },
	{ "domain.switch", P | C },
	{ "domain.remove", P },
	{ "policy.show", P | C | D | U },
	{ "policy.set", P | C },
	{ "mailbox.add", P | C | D },
	{ "mailbox.list", P | C | D },
	{ "mailbox.show", P | C | D | U },
	{ "mailbox.set", P | C | D },
	{ "mailbox.password", P | C | D | U },
	{ "mailbox.remove", P | C | D },
	{ "login.add", P | C | D },
	{ "login.list", P | C | D | U },
	{ "login.remove", P | C | D },
	{ "address.add", P | C | D },
	{ "address.list", P | C | D | U },
	{ "address.remove", P | C | D },
	{ "import.accounts", P | C | D },
	{ "import.aliases", P | C | D },
	{ "move.start", P | C },
	{ "move.status", P | C | D },
	{ "move.proof", P | C },
	{ "move.stop", P | C },
	{ "queue.list", P },
	{ "queue.show", P },
	{ "queue.flush", P },
	{ "queue.remove", P },
	{ "timer.list", P },
	{ "timer.run", P },
	{ "store.check", P },
	{ "store.compact", P },
	{ "overview", P },
	{ "status", P },
	{ "reload", P },
};

int rights_decide(struct slice operation, enum rank rank, enum relation relation)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!slice_eq(operation, slice_str(rows[i].operation)))
			continue;
		if (rank == RANK_PROVIDER)
			return rows[i].own & P ? 0 : ERR_DENIED;
		if (rank >= RANK_NOBODY || !(rows[i].own & (1u << rank)))
			return ERR_DENIED;
		if (relation == RELATION_FOREIGN)
			return ERR_NOT_FOUND;
		return relation == RELATION_OWN ? 0 : ERR_DENIED;
	}
	return ERR_UNSUPPORTED;
}

enum rank rank_by_name(struct slice actor)
{
	return slice_eq(actor, SLICE("provider")) ? RANK_PROVIDER : RANK_NOBODY;
}
