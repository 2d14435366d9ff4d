/* SPDX-License-Identifier: Apache-2.0 */
/* Who did what to whom, when, and from where. */
#include "proto/api/ops.h"

/* clang-format off */
static const struct api_param audit_list[] = {
	P_DOMAIN(),
	P_CUSTOMER(),
	{ "actor", API_STR, .min = 1, .max = 320, .help = "only what this login did" },
	{ "operation", API_STR, .min = 1, .max = 64, .help = "only this operation (mailbox.set) or noun (mailbox)" },
	{ "object", API_STR, .min = 1, .max = 320, .help = "only what was done to this" },
	{ "days", API_U64, .min = 1, .max = 36500, .help = "only of so many days" },
	P_Q("object, actor or detail"),
	P_LIMIT,
	P_AFTER,
};
static const struct api_result audit_is[] = {
	{ "at_ms", API_TIME, "when" },
	{ "actor", API_STR, "who: a login, or provider for the admin socket" },
	{ "remote", API_STR, "from which address; empty for the admin socket" },
	{ "operation", API_STR, "what" },
	{ "object", API_STR, "to whom or to what" },
	{ "detail", API_STR, "the fields that were said, without secrets" },
};

static const struct api_op ops[] = {
	{ "audit.list", "GET", ROOT "/audit", API_DIRECTORY, .help = "lists what was done, and looks into people's mail, the latest first", IN(audit_list), PAGE(audit_is) },
};
/* clang-format on */
API_GROUP(audit);
