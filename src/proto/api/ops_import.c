/* SPDX-License-Identifier: Apache-2.0 */
/* Imports. */
#include "proto/api/ops.h"

/* clang-format off */
static const struct api_param import_params[] = {
	{ "file", API_FILE, .required = true, .positional = true, .max = API_FILE_MAX, .help = "the file to import" },
	P_DOMAIN(.required = true),
	P_DRY_RUN,
};
static const struct api_param import_accounts[] = {
	{ "file", API_FILE, .required = true, .positional = true, .max = API_FILE_MAX, .help = "the file to import" },
	P_DOMAIN(.required = true),
	P_DRY_RUN,
	{ "default_password", API_SECRET, .min = 1, .max = 1024, .help = "for new mailboxes without one; it is only good for setting one of one's own" },
	{ "check_policy", API_BOOL, .help = "refuse plain passwords in the file that the customer's policy would refuse" },
};
static const struct api_result import_is[] = {
	{ "domain", API_DOMAIN, "the domain" },
	{ "lines", API_U64, "lines that were read" },
	{ "added", API_U64, "new ones" },
	{ "unchanged", API_U64, "there already, the same" },
	{ "changed", API_U64, "there already, brought up to date" },
	{ "dry_run", API_BOOL, "nothing was changed" },
	{ "warnings", API_LIST, "what to look at, with the line" },
};

static const struct api_op ops[] = {
	{ "import.accounts", "POST", ROOT "/domains/{domain}/import/accounts", API_DIRECTORY, .help = "adds mailboxes from a file, all or none", .good = { 200, 201 }, IN(import_accounts), OUT(import_is) },
	{ "import.settings", "POST", ROOT "/domains/{domain}/import/settings", API_DIRECTORY, .help = "changes a domain's settings to those of a file, as domain set does", IN(import_params), OUT(api_domain_set_is) },
	{ "import.aliases", "POST", ROOT "/domains/{domain}/import/aliases", API_DIRECTORY, .help = "adds aliases from a file, all or none", .good = { 200, 201 }, IN(import_params), OUT(import_is) },
};
/* clang-format on */
API_GROUP(import);
