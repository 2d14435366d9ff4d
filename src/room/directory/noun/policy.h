/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a customer asks of passwords, and how long what leads to one is good (M5, M6). Every place where a new password
 * is set asks password_check; imported passwords and hashes are kept as they are. A customer without a row has the
 * defaults.
 */
#ifndef ROOM_DIRECTORY_POLICY_H
#define ROOM_DIRECTORY_POLICY_H

#include "room/directory/db/engine.h"

enum { POLICY_LOWER = 1, POLICY_UPPER = 2, POLICY_DIGIT = 4, POLICY_SYMBOL = 8 };

enum {
	POLICY_LENGTH_MIN = 8,	/* nobody may ask for less */
	POLICY_LENGTH_MAX = 128,
	POLICY_LENGTH_DEFAULT = 12,
	POLICY_CLASSES_DEFAULT = POLICY_LOWER | POLICY_UPPER | POLICY_DIGIT,
	POLICY_OLD_LOGIN_DAYS = 5,
	POLICY_INVITATION_HOURS = 7 * 24,
	POLICY_RESET_MINUTES = 60,
};

struct policy {
	unsigned length;		/* characters at least */
	unsigned classes;		/* POLICY_* that must be there */
	unsigned old_login_days;	/* grace of old user names */
	unsigned invitation_hours;	/* how long an invitation is good */
	unsigned reset_minutes;		/* how long a "forgot password" link is good */
	bool app_passwords;		/* who has a second factor needs app passwords for mail programs */
};

NODISCARD int policy_get(struct engine *e, uint64_t customer, struct policy *ret);
/* Inside a transaction. Every value is in its bounds (the API's table checks them). */
NODISCARD int policy_put(struct engine *e, uint64_t customer, const struct policy *p);

/* The name of one class, "lower"; NULL past the last. */
const char *policy_class_name(size_t i);

/* A new password of an account or admin of this customer. field: how the form calls it. */
NODISCARD int password_check(struct engine *e, uint64_t customer, const char *field, struct slice password,
			     struct problem *why);

#endif
