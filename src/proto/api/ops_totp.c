/* SPDX-License-Identifier: Apache-2.0 */
/* The second factor of a login on the web: one-time codes by the clock. */
#include "proto/api/ops.h"

/* clang-format off */
#define P_WHOSE P_LOGIN(.required = true, .positional = true)
#define P_CODE(...) { "code", API_SECRET, .min = 1, .max = 64, __VA_ARGS__ }
#define RECOVERY_CODES { "recovery_codes", API_LIST, "each is good once in place of a code; they are shown this once" }

static const struct api_param totp_show[] = { P_WHOSE };
static const struct api_param totp_start[] = { P_WHOSE, P_PASSWORD(.required = true, .help = "the login's password") };
static const struct api_param totp_confirm[] = { P_WHOSE, P_CODE(.required = true, .help = "the code that the app shows now") };
static const struct api_param totp_proven[] = {
	P_WHOSE,
	P_PASSWORD(.help = "the login's password, or"),
	P_CODE(.help = "a code, or a recovery code"),
};
static const struct api_result totp_off[] = { { "login", API_STR, "whose it was" } };
static const struct api_result totp_is[] = {
	{ "login", API_STR, "whose it is" },
	{ "on", API_BOOL, "a login on the web needs a code" },
	{ "since_ms", API_TIME, "since when", true },
	{ "waits", API_BOOL, "it was started and waits to be confirmed" },
	{ "recovery_codes_left", API_U64, "recovery codes that were not used" },
	{ "app_passwords", API_BOOL, "mail programs need app passwords" },
};
static const struct api_result totp_new[] = {
	{ "login", API_STR, "whose it is" },
	{ "secret", API_STR, "the secret in base32, for an app; it is shown this once" },
	{ "uri", API_STR, "the same as otpauth://, to be shown as a QR code" },
	{ "expires_ms", API_TIME, "until when it can be confirmed" },
};
static const struct api_result totp_on[] = { { "login", API_STR, "whose it is" }, RECOVERY_CODES };

static const struct api_op ops[] = {
	{ "totp.show", "GET", ROOT "/totp/{login}", API_DIRECTORY, .help = "says whether somebody has a second factor", IN(totp_show), OUT(totp_is) },
	{ "totp.start", "POST", ROOT "/totp/{login}/start", API_DIRECTORY, .help = "makes a secret for an app that shows codes; it is not in force before it is confirmed", .good = { 201 }, IN(totp_start), OUT(totp_new) },
	{ "totp.confirm", "POST", ROOT "/totp/{login}/confirm", API_DIRECTORY, .help = "turns the second factor on, and ends all other sessions; gives recovery codes", IN(totp_confirm), OUT(totp_on) },
	{ "totp.codes", "POST", ROOT "/totp/{login}/codes", API_DIRECTORY, .help = "makes recovery codes anew, in place of those there were", IN(totp_proven), OUT(totp_on) },
	{ "totp.remove", "POST", ROOT "/totp/{login}/remove", API_DIRECTORY, .help = "turns the second factor off: one's own with the password or a code, an admin that of somebody under him", IN(totp_proven), OUT(totp_off) },
};
/* clang-format on */
API_GROUP(totp);
