/* SPDX-License-Identifier: Apache-2.0 */
/* App passwords. */
#include "proto/api/ops.h"

static const char *const protocols[] = { "imap", "pop3", "submission", "sieve", NULL };

/* clang-format off */
#define P_APP_NAME { "name", API_STR, .required = true, .positional = true, .min = 1, .max = 64, .help = "what it is for, such as telephone" }

static const struct api_param app_add[] = {
	P_ADDRESS(.required = true, .positional = true),
	P_APP_NAME,
	{ "protocol", API_CHOICE, .many = true, .choices = protocols, .help = "what it opens, several times (all of them)" },
};
static const struct api_param app_list[] = { P_ADDRESS(.required = true, .positional = true) };
static const struct api_param app_one[] = { P_ADDRESS(.required = true, .positional = true), P_APP_NAME };
#define APP_IS \
	{ "name", API_STR, "what it is for" }, \
	{ "protocols", API_LIST, "what it opens" }, \
	{ "created_ms", API_TIME, "when it was made" }, \
	{ "used_ms", API_TIME, "about when it was used last", true }
static const struct api_result app_is[] = { APP_IS, REVISION_IS };
static const struct api_result app_new[] = { { "password", API_STR, "the password itself; it is shown this once" }, APP_IS };

static const struct api_op ops[] = {
	{ "apppassword.add", "POST", ROOT "/mailboxes/{address}/app-passwords", API_DIRECTORY, .help = "makes a password for a program, good for these protocols alone; it is shown once", IN(app_add), OUT(app_new) },
	{ "apppassword.list", "GET", ROOT "/mailboxes/{address}/app-passwords", API_DIRECTORY, .help = "lists app passwords of a mailbox", IN(app_list), PAGE(app_is) },
	{ "apppassword.remove", "DELETE", ROOT "/mailboxes/{address}/app-passwords/{name}", API_DIRECTORY, .help = "removes an app password and ends the mailbox's sessions", IN(app_one) },
};
/* clang-format on */
API_GROUP(app_password);
