/* SPDX-License-Identifier: Apache-2.0 */
/*
 * App passwords: made here, shown once, each for some protocols and for nothing else, above all not for the web. 100
 * bits of the kernel, so a plain SHA-256 at rest is enough. They go with the account, and with a new password of it:
 * whoever changes that wants everything closed that was open before (schema.c).
 */
#ifndef ROOM_DIRECTORY_APP_PASSWORD_H
#define ROOM_DIRECTORY_APP_PASSWORD_H

#include "proto/pass/random.h"
#include "room/directory/db/engine.h"

enum {
	APP_PASSWORDS_MAX = 20,		/* of one account */
	APP_PASSWORD_USED_MS = 3600 * 1000,	/* its last use is noted so often */
};

enum { APP_IMAP = 1, APP_POP3 = 2, APP_SUBMISSION = 4, APP_SIEVE = 8 };

struct app_password {
	uint64_t id, account;
	struct slice name;
	unsigned protocols;	/* APP_* */
	struct slice hash;	/* as auth verifies it */
	uint64_t version;	/* from the sequence that credentials have */
	int64_t created_ms, used_ms;
};

/* The bit of a protocol as logins name it; 0: none. */
unsigned app_protocol(const char *name);
const char *app_protocol_name(size_t i);	/* NULL past the last */

/* Inside a transaction. In: account, name, protocols, created. ret_text: the password, to be shown once. ERR_EXISTS,
 * ERR_FULL with *why. */
NODISCARD int app_password_add(struct engine *e, struct app_password *x, char ret_text[PASS_RANDOM_TEXT],
			       struct problem *why);
/* By name; protocols 0: all. */
NODISCARD int app_password_list(struct engine *e, struct arena *a, uint64_t account, unsigned protocols,
				struct app_password **ret, size_t *ret_n);
/* ret_version: what its sessions were opened with. ERR_NOT_FOUND. */
NODISCARD int app_password_remove(struct engine *e, uint64_t account, struct slice name, uint64_t *ret_version);
/* Is this version still one of the account's, for this protocol? */
NODISCARD int app_password_is(struct engine *e, uint64_t account, uint64_t version, unsigned protocol, bool *ret);
/* It was used: where that was not noted for a while, in a transaction of its own. */
void app_password_touch(struct engine *e, uint64_t account, uint64_t version, int64_t now_ms);

#endif
