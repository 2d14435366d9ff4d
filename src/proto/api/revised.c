/* SPDX-License-Identifier: Apache-2.0 */
/* What has a revision, and the fields that name it. What is not here is no object, or one that nobody can change. */
#include "proto/api/api.h"

#include <string.h>

/* An operation, or a noun with all of its operations; the first that fits. */
static const struct {
	const char *of;
	struct api_revised is;
} table[] = {
	{ "customer", { "customer", { "customer" } } },
	{ "policy", { "policy", { "customer" } } },
	{ "domain", { "domain", { "domain" } } },
	{ "export.settings", { "domain", { "domain" } } },
	{ "import.settings", { "domain", { "domain" } } },
	{ "globalscript", { "globalscript", { "domain", "name" } } },
	{ "plan", { "plan", { "domain" } } },
	{ "move", { "move", { "domain" } } },
	{ "mailbox", { "mailbox", { "address" } } },
	{ "login", { "login", { "address", "name" } } },
	{ "apppassword", { "apppassword", { "address", "name" } } },
	{ "forward", { "forward", { "address" } } },
	{ "autoreply", { "autoreply", { "address" } } },
	{ "sieve", { "sieve", { "address", "name" } } },
	{ "address", { "address", { "address" } } },
	{ "candidate", { "candidate", { "address" } } },
	{ "admin", { "admin", { "login" } } },
	{ "totp", { "totp", { "login" } } },
	{ "token", { "token", { "id" } } },
	{ "notice.sender", { "sender", { "customer", "domain" } } },
	{ "notice.set-sender", { "sender", { "customer", "domain" } } },
	{ "template", { "template", { "kind", "customer", "language" } } },
};

static bool fits(const struct api_op *op, const char *of)
{
	size_t n = strlen(of);
	return !strncmp(op->name, of, n) && (!op->name[n] || op->name[n] == '.');
}

const struct api_revised *api_revised(const struct api_op *op)
{
	bool adds = !strcmp(op->name + strcspn(op->name, "."), ".add");
	for (size_t i = 0; !op->list && i < ARRAY_SIZE(table); i++) {
		if (fits(op, table[i].of))
			return adds || api_op_has(op, table[i].is.key[0]) ? &table[i].is : NULL;
	}
	return NULL;
}
