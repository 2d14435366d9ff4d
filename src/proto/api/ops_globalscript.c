/* SPDX-License-Identifier: Apache-2.0 */
/* Sieve scripts of domains, for the scripts of their mailboxes to include (RFC 6609). */
#include "proto/api/ops.h"
#include "proto/sieve/sieve.h"

/* clang-format off */
#define P_SCRIPT { "name", API_STR, .required = true, .positional = true, .min = 1, .max = SIEVE_NAME_MAX, .help = "the script's name" }
#define P_OF P_DOMAIN(.required = true, .positional = true)

static const struct api_param global_of[] = { P_OF };
static const struct api_param global_one[] = { P_OF, P_SCRIPT };
static const struct api_param global_put[] = {
	P_OF,
	P_SCRIPT,
	{ "file", API_FILE, .required = true, .positional = true, .max = SIEVE_SCRIPT_MAX, .help = "the script" },
	P_DRY_RUN,
};
#define SCRIPT_IS \
	{ "name", API_STR, "the script's name" }, \
	{ "size_bytes", API_BYTES, "its size" }, \
	{ "changed_ms", API_TIME, "when it was last changed" }
static const struct api_result global_is[] = { SCRIPT_IS };
static const struct api_result global_text[] = { SCRIPT_IS, { "text", API_TEXT, "the script" } };

static const struct api_op ops[] = {
	{ "globalscript.list", "GET", ROOT "/domains/{domain}/scripts", API_DIRECTORY, .help = "lists the scripts that a domain's mailboxes may include", IN(global_of), PAGE(global_is) },
	{ "globalscript.get", "GET", ROOT "/domains/{domain}/scripts/{name}", API_DIRECTORY, .help = "gives such a script's text", IN(global_one), OUT(global_text) },
	{ "globalscript.put", "PUT", ROOT "/domains/{domain}/scripts/{name}", API_DIRECTORY, .help = "adds such a script, or takes the place of the one of that name", .good = { 200, 201 }, IN(global_put), OUT(global_is) },
	{ "globalscript.remove", "DELETE", ROOT "/domains/{domain}/scripts/{name}", API_DIRECTORY, .help = "removes such a script; those that include it fail then, and keep the mail", IN(global_one) },
};
/* clang-format on */
API_GROUP(globalscript);
