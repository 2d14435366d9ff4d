/* SPDX-License-Identifier: Apache-2.0 */
/* The rooms by number; the numbers travel in frames, so they only ever grow. */
#ifndef LIB_IPC_ROLE_H
#define LIB_IPC_ROLE_H

#include "base/slice.h"

enum role {
	ROLE_SUPERVISOR = 0,
	ROLE_SMTPD = 1,
	ROLE_IMAPD = 2,
	ROLE_POP3D = 3,
	ROLE_HTTPD = 4,
	ROLE_AUTH = 5,
	ROLE_FILTER = 6,
	ROLE_RELAY = 7,
	ROLE_MOVER = 8,
	ROLE_DIRECTORY = 9,
	ROLE_QUEUE = 10,
	ROLE_STORE = 11,
	ROLE_SIEVED = 12,
	ROLE_ADMIND = 13,
	ROLE_COUNT
};

#define ROLE_BIT(role) (1u << (role))

const char *role_name(enum role role);			/* "smtpd"; never NULL */
NODISCARD int role_by_name(struct slice name, enum role *ret);

#endif
