/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The matrix. One row an operation; an operation of the API's table that is missing here fails a test, and is
 * refused to everybody until then. rights.txt shows it with the fields that are not for everybody.
 */
#include "room/directory/rights/rights.h"

#include "base/err.h"

enum {
	P = 1 << RANK_PROVIDER,
	C = 1 << RANK_CUSTOMER_ADMIN,
	D = 1 << RANK_DOMAIN_ADMIN,
	U = 1 << RANK_USER,
	ANYONE = 1 << RANK_NOBODY,
	KIN = 1 << 7,  /* what is of the asker's customer, too, though it is not his */
	SELF = 1 << 8, /* without an object it is about the asker himself, or a list of what he may see */
};

static const struct {
	const char *operation;
	unsigned own; /* ranks that may do it to what is theirs */
} rows[] = {
	{ "customer.add", P },
	{ "customer.list", P | C | SELF },
	{ "customer.show", P | C },
	{ "customer.set", P },
	{ "customer.remove", P },
	{ "domain.add", P },
	{ "domain.list", P | C | D | SELF | KIN },
	{ "domain.show", P | C | D },
	{ "domain.set", P | C | D },
	{ "domain.switch", P | C },
	{ "domain.remove", P },
	{ "policy.show", P | C | D | U | KIN },
	{ "policy.set", P | C },
	{ "mailbox.add", P | C | D },
	{ "mailbox.list", P | C | D | SELF },
	{ "mailbox.show", P | C | D | U },
	{ "mailbox.set", P | C | D | U },
	{ "mailbox.password", P | C | D },
	{ "mailbox.invite", P | C | D },
	{ "mailbox.first-password", P | C | D | SELF },
	{ "apppassword.add", P | C | D | U },
	{ "apppassword.list", P | C | D | U },
	{ "apppassword.remove", P | C | D | U },
	{ "totp.show", P | C | D | U },
	{ "totp.start", P | C | D | U },
	{ "totp.confirm", P | C | D | U },
	{ "totp.codes", P | C | D | U },
	{ "totp.remove", P | C | D | U },
	{ "password.forgot", P | C | D | U | ANYONE },
	{ "password.look", P | C | D | U | ANYONE },
	{ "password.reset", P | C | D | U | ANYONE },
	{ "password.change", P | C | D | U | ANYONE },
	{ "mailbox.remove", P | C | D },
	{ "login.add", P | C | D },
	{ "login.list", P | C | D | U | SELF },
	{ "login.remove", P | C | D },
	{ "lockout.list", P },
	{ "lockout.clear", P },
	{ "address.add", P | C | D },
	{ "address.list", P | C | D | SELF },
	{ "address.show", P | C | D },
	{ "address.remove", P | C | D },
	{ "address.set", P | C | D },
	{ "forward.show", P | C | D | U },
	{ "forward.set", P | C | D | U },
	{ "forward.remove", P | C | D | U },
	{ "autoreply.show", P | C | D | U },
	{ "autoreply.set", P | C | D | U },
	{ "autoreply.remove", P | C | D | U },
	{ "sieve.list", P | C | D | U },
	{ "sieve.get", P | C | D | U },
	{ "sieve.put", P | C | D | U },
	{ "sieve.check", P | C | D | U | SELF },
	{ "sieve.activate", P | C | D | U },
	{ "sieve.deactivate", P | C | D | U },
	{ "sieve.rename", P | C | D | U },
	{ "sieve.remove", P | C | D | U },
	{ "globalscript.list", P | C | D },
	{ "globalscript.get", P | C | D },
	{ "globalscript.put", P | C | D },
	{ "globalscript.remove", P | C | D },
	{ "address.convert", P | C | D },
	{ "address.moves", P | C | D },
	{ "candidate.list", P | C | D },
	{ "candidate.show", P | C | D },
	{ "candidate.messages", P | C | D },
	{ "candidate.message", P | C | D },
	{ "candidate.remove", P | C | D },
	{ "candidate.promote", P | C | D },
	{ "candidate.banish", P | C | D },
	{ "import.accounts", P | C | D },
	{ "import.aliases", P | C | D },
	{ "export.accounts", P | C | D },
	{ "export.aliases", P | C | D },
	{ "export.settings", P | C | D },
	{ "import.settings", P | C | D },
	{ "move.start", P | C },
	{ "move.status", P | C | D },
	{ "move.proof", P | C },
	{ "move.stop", P | C },
	{ "admin.add", P | C },
	{ "admin.list", P | C | SELF },
	{ "admin.show", P | C },
	{ "admin.set", P | C | D | U },
	{ "admin.password", P | C },
	{ "admin.remove", P | C },
	{ "audit.list", P | C | D | SELF },
	{ "session.add", P | C | D | U | ANYONE },
	{ "session.show", P | C | D | U | SELF },
	{ "session.remove", P | C | D | U | SELF },
	{ "token.add", P | C | D | U | SELF },
	{ "token.list", P | C | D | U | SELF },
	{ "token.remove", P | C | D | U },
	{ "queue.list", P },
	{ "queue.show", P },
	{ "queue.flush", P },
	{ "queue.remove", P },
	{ "notice.log", P | C | D | SELF },
	{ "notice.show", P | C | D },
	{ "notice.sender", P | C },
	{ "notice.set-sender", P | C },
	{ "template.list", P | C | SELF },
	{ "template.show", P | C | SELF },
	{ "template.set", P | C | SELF },
	{ "template.reset", P | C | SELF },
	{ "template.preview", P | C | SELF },
	{ "template.test", P | C | SELF },
	{ "plan.list", P | C | D | SELF | KIN },
	{ "plan.show", P | C | D },
	{ "plan.set", P },
	{ "timer.list", P },
	{ "timer.run", P },
	{ "store.check", P },
	{ "store.compact", P },
	{ "overview", P },
	{ "status", P },
	{ "reload", P },
};

static unsigned row_of(struct slice operation)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (slice_eq(operation, slice_str(rows[i].operation)))
			return rows[i].own;
	}
	return 0;
}

bool rights_known(struct slice operation)
{
	return row_of(operation) != 0;
}

bool rights_self(struct slice operation)
{
	return row_of(operation) & SELF;
}

int rights_of_hat(struct slice operation, enum rank rank, enum relation relation)
{
	unsigned own = row_of(operation);
	if (!own)
		return ERR_UNSUPPORTED;
	if (own & ANYONE)
		return 0;
	if (rank >= RANK_NOBODY || !(own & (1u << rank)))
		return ERR_DENIED;
	if (rank == RANK_PROVIDER || relation == RELATION_OWN)
		return 0;
	return relation == RELATION_SIBLING && (own & KIN) ? 0 : ERR_NOT_FOUND;
}

void rights_text(struct buf *out)
{
	static const char marks[] = { [API_BY_ALL] = 0, [API_BY_ADMIN] = '^', [API_BY_CUSTOMER] = '+', [API_BY_PROVIDER] = '!' };
	for (size_t i = 0; api_op_at(i); i++) {
		const struct api_op *op = api_op_at(i);
		unsigned own = row_of(slice_str(op->name));
		buf_printf(out, "%-20s %-6s %s%s%s%s%s ", op->name, op->method, own & P ? "P" : "-",
			   own & C ? "C" : "-", own & D ? "D" : "-", own & U ? "U" : "-", own & ANYONE ? "*" : "-");
		for (size_t k = 0; k < op->n_params; k++) {
			buf_printf(out, " %s", op->params[k].name);
			if (marks[op->params[k].by])
				buf_byte(out, (uint8_t)marks[op->params[k].by]);
		}
		buf_byte(out, '\n');
	}
}
