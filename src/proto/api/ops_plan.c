/* SPDX-License-Identifier: Apache-2.0 */
/* When each domain moves, and where it stands. */
#include "proto/api/ops.h"

static const char *const phases[] = { "announced", "filtering", "hosted", "done", NULL };

/* clang-format off */
static const struct api_param plan_list[] = { P_CUSTOMER(), P_Q("domain"), P_LIMIT, P_AFTER };
static const struct api_param plan_show[] = { P_DOMAIN(.required = true, .positional = true) };
static const struct api_param plan_set[] = {
	P_DOMAIN(.required = true, .positional = true),
	{ "day", API_DAY, .help = "the day of its switch" },
	{ "no_day", API_BOOL, .help = "its day is open again" },
	{ "place", API_U64, .min = 1, .max = 1000000, .help = "its place in the order: lower ones move first (1000)" },
	{ "last", API_BOOL, .help = "behind all that have another place" },
	{ "note", API_STR, .max = 256, .help = "a word about it, for the customer too" },
	{ "phase", API_CHOICE, .choices = phases, .help = "where it stands, by hand; copies and switches say so themselves" },
};
#define PLAN_IS \
	{ "domain", API_DOMAIN, "the domain" }, \
	{ "customer", API_NAME, "whose it is" }, \
	{ "phase", API_STR, "announced, filtering, copying, hosted or done" }, \
	{ "next", API_STR, "what comes next: filter, copy, switch, look (whether all is well), or nothing" }, \
	{ "day", API_STR, "the day of its switch; empty: open" }, \
	{ "place", API_U64, "its place in the order" }, \
	{ "note", API_STR, "a word about it" }, \
	{ "mailboxes", API_U64, "how many mailboxes" }, \
	{ "switched_ms", API_TIME, "the last switch" }
static const struct api_result planned_is[] = { PLAN_IS };
static const struct api_result plan_is[] = {
	PLAN_IS,
	{ "not_copied", API_U64, "mailboxes whose old mail is not all here" },
	{ "no_password", API_U64, "mailboxes that nobody can log in to" },
	{ "unknown", API_U64, "addresses that the old server knows and this one does not" },
};

static const struct api_op ops[] = {
	{ "plan.list", "GET", ROOT "/plans", API_DIRECTORY, .help = "lists domains in the order in which they move", IN(plan_list), PAGE(planned_is) },
	{ "plan.show", "GET", ROOT "/domains/{domain}/plan", API_DIRECTORY, .help = "shows when a domain moves, where it stands and what is missing", IN(plan_show), OUT(plan_is) },
	{ "plan.set", "PUT", ROOT "/domains/{domain}/plan", API_DIRECTORY, .help = "sets a domain's day, place in the order, or phase", IN(plan_set), OUT(plan_is) },
};
/* clang-format on */
API_GROUP(plan);
