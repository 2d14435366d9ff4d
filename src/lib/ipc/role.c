/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/ipc/role.h"

#include "base/err.h"

static const char *const names[ROLE_COUNT] = {
	[ROLE_SUPERVISOR] = "supervisor", [ROLE_SMTPD] = "smtpd", [ROLE_IMAPD] = "imapd",
	[ROLE_POP3D] = "pop3d", [ROLE_HTTPD] = "httpd", [ROLE_AUTH] = "auth",
	[ROLE_FILTER] = "filter", [ROLE_RELAY] = "relay", [ROLE_MOVER] = "mover",
	[ROLE_DIRECTORY] = "directory", [ROLE_QUEUE] = "queue", [ROLE_STORE] = "store",
	[ROLE_SIEVED] = "sieved",
	[ROLE_ADMIND] = "admind",
};

const char *role_name(enum role role)
{
	return role < ROLE_COUNT ? names[role] : "unknown";
}

int role_by_name(struct slice name, enum role *ret)
{
	for (unsigned i = ROLE_SMTPD; i < ROLE_COUNT; i++) {
		if (slice_eq(name, slice_str(names[i]))) {
			*ret = (enum role)i;
			return ERR_OK;
		}
	}
	return ERR_NOT_FOUND;
}
