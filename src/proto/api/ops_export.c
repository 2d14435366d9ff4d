/* SPDX-License-Identifier: Apache-2.0 */
/* Exports. */
#include "proto/api/ops.h"

/* clang-format off */
static const struct api_param export_accounts[] = {
	P_DOMAIN(.required = true, .positional = true),
	{ "passwords", API_BOOL, .by = API_BY_PROVIDER, .help = "with the hashes of passwords" },
};
static const struct api_param export_aliases[] = { P_DOMAIN(.required = true, .positional = true) };
static const struct api_result export_is[] = {
	{ "domain", API_DOMAIN, "the domain" },
	{ "lines", API_U64, "how many rows" },
	{ "text", API_TEXT, "the file: CSV with a header" },
};

static const struct api_op ops[] = {
	{ "export.accounts", "GET", ROOT "/domains/{domain}/export/accounts", API_DIRECTORY, .help = "gives a domain's mailboxes as a file that import accounts takes", IN(export_accounts), OUT(export_is) },
	{ "export.settings", "GET", ROOT "/domains/{domain}/export/settings", API_DIRECTORY, .help = "gives a domain's settings as a file that import settings takes", IN(export_aliases), OUT(export_is) },
	{ "export.aliases", "GET", ROOT "/domains/{domain}/export/aliases", API_DIRECTORY, .help = "gives a domain's other addresses as a file that import aliases takes", IN(export_aliases), OUT(export_is) },
};
/* clang-format on */
API_GROUP(export);
