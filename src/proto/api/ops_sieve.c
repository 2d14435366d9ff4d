/* SPDX-License-Identifier: Apache-2.0 */
/* Sieve scripts of mailboxes. */
#include "proto/api/ops.h"
#include "proto/sieve/sieve.h"

/* clang-format off */
#define P_SCRIPT { "name", API_STR, .required = true, .positional = true, .min = 1, .max = SIEVE_NAME_MAX, .help = "the script's name" }
#define P_SCRIPT_FILE { "file", API_FILE, .required = true, .positional = true, .max = SIEVE_SCRIPT_MAX, .help = "the script" }
#define P_OF P_ADDRESS(.required = true, .positional = true)

static const struct api_param sieve_of[] = { P_OF };
static const struct api_param sieve_one[] = { P_OF, P_SCRIPT };
static const struct api_param sieve_put[] = {
	P_OF,
	P_SCRIPT,
	P_SCRIPT_FILE,
	{ "active", API_BOOL, .help = "make it the active one" },
	P_DRY_RUN,
};
static const struct api_param sieve_check[] = { P_SCRIPT_FILE };
static const struct api_param sieve_rename[] = {
	P_OF,
	P_SCRIPT,
	{ "new_name", API_STR, .required = true, .positional = true, .min = 1, .max = SIEVE_NAME_MAX, .help = "the new name" },
};
#define SCRIPT_IS \
	{ "name", API_STR, "the script's name" }, \
	{ "active", API_BOOL, "whether mail is filtered by it" }, \
	{ "size_bytes", API_BYTES, "its size" }, \
	{ "changed_ms", API_TIME, "when it was last changed" }, \
	{ "failed_ms", API_TIME, "when it last failed over a message, which was kept then", true }, \
	{ "failure", API_STR, "what went wrong", true }
static const struct api_result sieve_is[] = { SCRIPT_IS };
static const struct api_result sieve_text[] = { SCRIPT_IS, { "text", API_TEXT, "the script" } };

static const struct api_op ops[] = {
	{ "sieve.list", "GET", ROOT "/mailboxes/{address}/scripts", API_DIRECTORY, .help = "lists a mailbox's scripts", IN(sieve_of), PAGE(sieve_is) },
	{ "sieve.get", "GET", ROOT "/mailboxes/{address}/scripts/{name}", API_DIRECTORY, .help = "gives a script's text", IN(sieve_one), OUT(sieve_text) },
	{ "sieve.put", "PUT", ROOT "/mailboxes/{address}/scripts/{name}", API_DIRECTORY, .help = "adds a script, or takes the place of the one of that name", .good = { 200, 201 }, IN(sieve_put), OUT(sieve_is) },
	{ "sieve.check", "POST", ROOT "/sieve/check", API_DIRECTORY, .help = "says whether a script is right, and where not", IN(sieve_check) },
	{ "sieve.activate", "PUT", ROOT "/mailboxes/{address}/scripts/{name}/active", API_DIRECTORY, .help = "filters mail by this script, and by no other", IN(sieve_one), OUT(sieve_is) },
	{ "sieve.deactivate", "DELETE", ROOT "/mailboxes/{address}/active-script", API_DIRECTORY, .help = "filters mail by no script; all stay", IN(sieve_of) },
	{ "sieve.rename", "POST", ROOT "/mailboxes/{address}/scripts/{name}/rename", API_DIRECTORY, .help = "gives a script another name", IN(sieve_rename), OUT(sieve_is) },
	{ "sieve.remove", "DELETE", ROOT "/mailboxes/{address}/scripts/{name}", API_DIRECTORY, .help = "removes a script that is not active", IN(sieve_one) },
};
/* clang-format on */
API_GROUP(sieve);
