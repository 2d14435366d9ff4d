/* SPDX-License-Identifier: Apache-2.0 */
/* What a customer asks of passwords. */
#include "proto/api/ops.h"

static const char *const classes[] = { "lower", "upper", "digit", "symbol", "none", NULL };

/* clang-format off */
static const struct api_param policy_show[] = { P_CUSTOMER(.required = true, .positional = true) };
static const struct api_param policy_set[] = {
	P_CUSTOMER(.required = true, .positional = true),
	{ "length", API_U64, .min = 8, .max = 128, .help = "characters that a new password has at least (12)" },
	{ "classes", API_CHOICE, .many = true, .choices = classes, .help = "what it must hold, several times: lower, upper, digit, symbol; none: anything (lower, upper, digit)" },
	{ "old_login_days", API_U64, .min = 0, .max = 365, .help = "how many days an old user name still works once its account was changed (5)" },
	{ "invitation_hours", API_U64, .min = 1, .max = 8760, .help = "how many hours an invitation is good (168)" },
	{ "reset_minutes", API_U64, .min = 5, .max = 10080, .help = "how many minutes the link of \"forgot password\" is good (60)" },
	{ "app_passwords_with_totp", API_CHOICE, .choices = api_switch, .help = "on: whoever has a second factor needs app passwords for mail programs (on)" },
};
static const struct api_result policy_is[] = {
	{ "customer", API_NAME, "whose it is" },
	{ "length", API_U64, "characters that a new password has at least" },
	{ "classes", API_LIST, "what it must hold" },
	{ "old_login_days", API_U64, "days that an old user name still works once its account was changed" },
	{ "invitation_hours", API_U64, "hours that an invitation is good" },
	{ "reset_minutes", API_U64, "minutes that the link of \"forgot password\" is good" },
	{ "app_passwords_with_totp", API_BOOL, "whoever has a second factor needs app passwords for mail programs" },
};

static const struct api_op ops[] = {
	{ "policy.show", "GET", ROOT "/customers/{customer}/policy", API_DIRECTORY, .help = "shows what a customer asks of passwords", IN(policy_show), OUT(policy_is) },
	{ "policy.set", "PATCH", ROOT "/customers/{customer}/policy", API_DIRECTORY, .help = "changes what a customer asks of new passwords; those that are set stay", IN(policy_set), OUT(policy_is) },
};
/* clang-format on */
API_GROUP(policy);
