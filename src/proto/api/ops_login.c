/* SPDX-License-Identifier: Apache-2.0 */
/* Old user names. */
#include "proto/api/ops.h"

static const char *const states[] = { "waiting", "grace", "ended", NULL };

/* clang-format off */
#define P_OLD_LOGIN { "name", API_STR, .required = true, .positional = true, .min = 1, .max = 320, .help = "the old user name" }

static const struct api_param login_one[] = { P_ADDRESS(.required = true, .positional = true), P_OLD_LOGIN };
static const struct api_param login_list[] = {
	P_DOMAIN(),
	P_CUSTOMER(),
	P_ADDRESS(),
	P_Q("name or mailbox"),
	{ "state", API_CHOICE, .choices = states, .help = "only those that are" },
	P_LIMIT,
	P_AFTER,
};
#define LOGIN_IS \
	{ "name", API_STR, "the old user name" }, \
	{ "address", API_ADDRESS, "the mailbox that it logs in to" }, \
	{ "state", API_CHOICE, "waiting: works until the mailbox is next modified; grace: works until the deadline; ended" }, \
	{ "deadline_ms", API_TIME, "when it stops, or stopped, to work", true }, \
	{ "created_ms", API_TIME, "when it was added" }
static const struct api_result login_is[] = { LOGIN_IS };
static const struct api_result login_item[] = { LOGIN_IS, REVISION_IS };

static const struct api_op ops[] = {
	{ "login.add", "POST", ROOT "/mailboxes/{address}/logins", API_DIRECTORY, .help = "adds an old user name; it works until the mailbox is next modified, and for the days of the policy behind that", IN(login_one), OUT(login_is) },
	{ "login.list", "GET", ROOT "/logins", API_DIRECTORY, .help = "lists old user names", IN(login_list), PAGE(login_item) },
	{ "login.remove", "DELETE", ROOT "/mailboxes/{address}/logins/{name}", API_DIRECTORY, .help = "removes an old user name at once", IN(login_one) },
};
/* clang-format on */
API_GROUP(login);
