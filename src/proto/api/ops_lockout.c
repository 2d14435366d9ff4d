/* SPDX-License-Identifier: Apache-2.0 */
/* What is locked out because of wrong passwords. */
#include "proto/api/ops.h"

/* clang-format off */
static const struct api_param lockout_clear[] = {
	{ "who", API_STR, .min = 1, .max = 320, .help = "only what is counted for this login" },
	{ "network", API_STR, .min = 2, .max = 45, .help = "only what is counted for this IP address and the networks around it" },
};
static const struct api_result lockout_is[] = {
	{ "kind", API_CHOICE, "login-from-network, network, wide-network, login-from-strangers or password" },
	{ "login", API_STR, "the login that it is about" },
	{ "network", API_STR, "the network that it is about" },
	{ "failures", API_U64, "wrong passwords" },
	{ "until_ms", API_TIME, "when it ends by itself" },
};
static const struct api_result cleared_is[] = { { "count", API_U64, "counts that were forgotten" } };

static const struct api_op ops[] = {
	{ "lockout.list", "GET", ROOT "/lockouts", API_DIRECTORY, .help = "lists logins and networks that are refused because of wrong passwords", PAGE(lockout_is) },
	{ "lockout.clear", "DELETE", ROOT "/lockouts", API_DIRECTORY, .help = "forgets wrong passwords: of a login, of a network, or all", IN(lockout_clear), OUT(cleared_is) },
};
/* clang-format on */
API_GROUP(lockout);
