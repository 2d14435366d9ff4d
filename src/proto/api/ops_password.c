/* SPDX-License-Identifier: Apache-2.0 */
/* What anybody may ask without having logged in: links to set a password, and setting one. */
#include "proto/api/ops.h"

/* clang-format off */
#define P_USER { "user", API_STR, .required = true, .positional = true, .min = 1, .max = 320, .help = "the login" }
#define P_LINK_TOKEN { "token", API_SECRET, .required = true, .min = 1, .max = 256, .help = "what stands at the end of the link" }

static const struct api_param password_forgot[] = { P_USER };
static const struct api_param password_look[] = { P_LINK_TOKEN };
static const struct api_param password_reset[] = { P_LINK_TOKEN, P_PASSWORD(.required = true, .help = "the new password") };
static const struct api_param password_change[] = {
	P_USER,
	P_PASSWORD(.required = true, .help = "the password that is there: one's own, the default one or the first one"),
	{ "new_password", API_SECRET, .required = true, .min = 1, .max = 1024, .help = "the new password" },
	{ "totp", API_SECRET, .min = 1, .max = 64, .help = "a code or a recovery code, where the login has a second factor" },
};
static const struct api_result link_is[] = {
	{ "user", API_STR, "whose password it sets" },
	{ "language", API_STR, "the person's language" },
	{ "expires_ms", API_TIME, "its end" },
	{ "length", API_U64, "characters that the password has at least" },
	{ "classes", API_LIST, "what it must hold" },
};
static const struct api_result user_is[] = { { "user", API_STR, "whose password was set" } };

static const struct api_op ops[] = {
	{ "password.forgot", "POST", ROOT "/password/forgot", API_DIRECTORY, .help = "mails a link to the recovery address, if there is one; the answer does not say", .open = true, .good = { 202 }, IN(password_forgot) },
	{ "password.look", "POST", ROOT "/password/look", API_DIRECTORY, .help = "says whose password a link sets, without spending it", .open = true, IN(password_look), OUT(link_is) },
	{ "password.reset", "POST", ROOT "/password/reset", API_DIRECTORY, .help = "sets a password with a link, which is spent by it, and ends all sessions", .open = true, IN(password_reset), OUT(user_is) },
	{ "password.change", "POST", ROOT "/password/change", API_DIRECTORY, .help = "sets a password with the one that is there, and ends all sessions", .open = true, IN(password_change), OUT(user_is) },
};
/* clang-format on */
API_GROUP(password);
