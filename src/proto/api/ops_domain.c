/* SPDX-License-Identifier: Apache-2.0 */
/* Domains and their switch-over. */
#include "proto/api/ops.h"

static const char *const phases[] = { "announced", "filtering", "copying", "hosted", "done", NULL };

/* clang-format off */
/* What add and set have in common. */
#define SETTINGS \
	P_SERVER, \
	P_SERVER_TLS, \
	P_RECIPIENTS, \
	P_WHEN_DOWN, \
	P_BANISHED, \
	P_SUBADDRESS, \
	P_CATCH_ALL, \
	P_MULTIDROP, \
	P_CANDIDATES, \
	P_CANDIDATE_DAYS, \
	P_CANDIDATE_SIZE, \
	P_CANDIDATE_MAX, \
	P_OVER_QUOTA, \
	P_RETENTION()

static const struct api_param domain_add[] = {
	P_DOMAIN(.required = true, .positional = true),
	P_CUSTOMER(),
	P_MODE(),
	{ "alias_of", API_DOMAIN, .help = "only another name of this domain; then nothing else is named" },
	SETTINGS,
};
static const struct api_param domain_list[] = {
	P_CUSTOMER(),
	P_Q("name or another name"),
	{ "mode", API_CHOICE, .choices = api_modes, .help = "only those of this mode" },
	{ "phase", API_CHOICE, .choices = phases, .help = "only those in this phase" },
	P_LIMIT,
	P_AFTER,
};
static const struct api_param domain_show[] = { P_DOMAIN(.required = true, .positional = true) };
static const struct api_param domain_set[] = {
	P_DOMAIN(.required = true, .positional = true),
	SETTINGS,
	P_CUSTOMER(.by = API_BY_PROVIDER),
	P_DRY_RUN,
};
static const struct api_param domain_remove[] = { P_DOMAIN(.required = true, .positional = true), P_DISCARD_MAIL };
static const struct api_result domain_removed[] = {
	{ "domain", API_DOMAIN, "the domain" },
	{ "messages", API_U64, "how many messages of candidates are gone" },
};
static const struct api_param domain_switch[] = {
	P_DOMAIN(.required = true, .positional = true),
	P_MODE(.required = true, .positional = true),
	P_DRY_RUN,
};
#define DOMAIN_IS \
	{ "domain", API_DOMAIN, "the domain" }, \
	{ "customer", API_NAME, "whose it is" }, \
	{ "mode", API_CHOICE, "gateway or hosted" }, \
	{ "server", API_STR, "the customer's own server" }, \
	{ "server_tls", API_CHOICE, "TLS towards it" }, \
	{ "phase", API_STR, "announced, filtering, copying, hosted or done" }, \
	{ "recipients", API_CHOICE, "how unknown addresses are judged while it is forwarded" }, \
	{ "when_down", API_CHOICE, "what happens to them while the old server does not answer" }, \
	{ "banished", API_CHOICE, "what happens to mail for banished addresses" }, \
	{ "alternate", API_STR, "its name below the provider's domain" }, \
	{ "aliases", API_LIST, "other names that it has" }, \
	{ "subaddress", API_CHOICE, "what stands in front of a detail, as in joe+shop, or off" }, \
	{ "catch_all", API_ADDRESS, "mailbox that gets the mail of unknown addresses" }, \
	{ "multidrop", API_CHOICE, "whether that mailbox gets a copy for each recipient, with lines that name it" }, \
	{ "candidates", API_CHOICE, "whether unknown addresses become candidates" }, \
	{ "candidate_days", API_U64, "how long mail of candidates is kept" }, \
	{ "candidate_size_bytes", API_BYTES, "room for the mail of all candidates together" }, \
	{ "candidate_max", API_U64, "how many candidates there may be" }, \
	{ "candidate_addresses", API_U64, "how many there are" }, \
	{ "candidate_messages", API_U64, "how many messages they have" }, \
	{ "candidate_used_bytes", API_BYTES, "room that these take" }, \
	{ "retention", API_STR, "days after which mail is deleted, off, or default: as the customer" }, \
	{ "over_quota", API_CHOICE, "what happens to mail for full mailboxes" }, \
	{ "mailboxes", API_U64, "how many mailboxes" }, \
	{ "addresses", API_U64, "how many aliases, lists and redirects" }, \
	{ "created_ms", API_TIME, "when it was added" }, \
	{ "switched_ms", API_TIME, "when it was switched last; 0: never" }
static const struct api_result domain_is[] = { DOMAIN_IS };
const struct api_result api_domain_set_is[API_DOMAIN_SET_MEMBERS] = { DOMAIN_IS, { "dry_run", API_BOOL, "nothing was changed: this is how it would be" } };
static const struct api_result switch_is[] = {
	{ "domain", API_DOMAIN, "the domain" },
	{ "mode_before", API_CHOICE, "mode until now" },
	{ "mode", API_CHOICE, "mode from now on" },
	{ "dry_run", API_BOOL, "nothing was changed" },
	{ "warnings", API_LIST, "what to look at before" },
};

static const struct api_op ops[] = {
	{ "domain.add", "POST", ROOT "/domains", API_DIRECTORY, .help = "adds a domain of a customer", IN(domain_add), OUT(domain_is) },
	{ "domain.list", "GET", ROOT "/domains", API_DIRECTORY, .help = "lists domains", IN(domain_list), PAGE(domain_is) },
	{ "domain.show", "GET", ROOT "/domains/{domain}", API_DIRECTORY, .help = "shows a domain", IN(domain_show), OUT(domain_is) },
	{ "domain.set", "PATCH", ROOT "/domains/{domain}", API_DIRECTORY, .help = "changes a domain's server or customer", IN(domain_set), OUT(api_domain_set_is) },
	{ "domain.switch", "POST", ROOT "/domains/{domain}/switch", API_DIRECTORY, .help = "switches a domain over to here, or back to its old server", IN(domain_switch), OUT(switch_is) },
	{ "domain.remove", "DELETE", ROOT "/domains/{domain}", API_DIRECTORY, .help = "removes a domain that has no mailboxes", IN(domain_remove), OUT(domain_removed) },
};
/* clang-format on */
API_GROUP(domain);
