/* SPDX-License-Identifier: Apache-2.0 */
/* Who administers: logins and the ranks that they hold. */
#include "proto/api/ops.h"

static const char *const ranks[] = { "provider", "customer", "domain", NULL };

/* clang-format off */
#define P_NAME(...) { "name", API_STR, .min = 1, .max = 256, .help = "the person's name", __VA_ARGS__ }
#define P_RECOVERY(...) { "recovery", API_ADDRESS, .help = "an address outside to which a lost password's link may go", __VA_ARGS__ }

static const struct api_param admin_add[] = {
	P_LOGIN(.required = true, .positional = true),
	{ "customer", API_NAME, .min = 1, .max = 64, .help = "admin of this customer and all of its domains" },
	{ "domain", API_DOMAIN, .help = "admin of this domain" },
	{ "provider", API_BOOL, .by = API_BY_PROVIDER, .help = "admin of everything" },
	P_NAME(),
	P_OWN_LANGUAGE,
	P_RECOVERY(),
	P_PASSWORD(.help = "password of a login that is no mailbox"),
};
static const struct api_param admin_list[] = {
	P_CUSTOMER(),
	P_DOMAIN(),
	P_Q("login or person"),
	{ "rank", API_CHOICE, .choices = ranks, .help = "only those of this rank" },
	P_LIMIT,
	P_AFTER,
};
static const struct api_param admin_show[] = { P_LOGIN(.required = true, .positional = true) };
static const struct api_param admin_set[] = {
	P_LOGIN(.required = true, .positional = true),
	P_NAME(.by = API_BY_CUSTOMER),
	P_OWN_LANGUAGE,
	P_RECOVERY(.by = API_BY_CUSTOMER),
};
static const struct api_param admin_password[] = {
	P_LOGIN(.required = true, .positional = true),
	P_PASSWORD(.required = true, .help = "the new password"),
};
static const struct api_param admin_remove[] = {
	P_LOGIN(.required = true, .positional = true),
	{ "customer", API_NAME, .min = 1, .max = 64, .help = "only the rank over this customer" },
	{ "domain", API_DOMAIN, .help = "only the rank over this domain" },
};
static const struct api_result office_is[] = {
	{ "login", API_STR, "the login" },
	{ "name", API_STR, "the person's name" },
	{ "rank", API_CHOICE, "provider, customer or domain" },
	{ "customer", API_NAME, "the customer" },
	{ "domain", API_DOMAIN, "the domain, of a domain admin" },
	{ "language", API_STR, "language in which the person is written to; default: the customer's" },
	{ "mailbox", API_BOOL, "the login is a mailbox here" },
	{ "recovery", API_STR, "where a lost password's link may go; empty: nowhere" },
	{ "created_ms", API_TIME, "since when" },
};
static const struct api_result admin_is[] = {
	{ "login", API_STR, "the login" },
	{ "name", API_STR, "the person's name" },
	{ "language", API_STR, "language in which the person is written to; default: the customer's" },
	{ "mailbox", API_BOOL, "the login is a mailbox here" },
	{ "has_password", API_BOOL, "whether somebody can log in" },
	{ "recovery", API_STR, "where a lost password's link may go" },
	{ "ranks", API_OBJECTS, "each rank: rank, customer, domain, created_ms" },
};

static const struct api_op ops[] = {
	{ "admin.add", "POST", ROOT "/admins", API_DIRECTORY, .help = "makes a login an admin of a customer, of a domain, or of everything", IN(admin_add), OUT(admin_is) },
	{ "admin.list", "GET", ROOT "/admins", API_DIRECTORY, .help = "lists admins, a line for each rank", IN(admin_list), PAGE(office_is) },
	{ "admin.show", "GET", ROOT "/admins/{login}", API_DIRECTORY, .help = "shows an admin with all ranks", IN(admin_show), OUT(admin_is) },
	{ "admin.set", "PATCH", ROOT "/admins/{login}", API_DIRECTORY, .help = "changes name, language and recovery address of a login that is no mailbox", IN(admin_set), OUT(admin_is) },
	{ "admin.password", "PUT", ROOT "/admins/{login}/password", API_DIRECTORY, .help = "sets the password of a login that is no mailbox and ends its sessions", IN(admin_password) },
	{ "admin.remove", "DELETE", ROOT "/admins/{login}", API_DIRECTORY, .help = "takes one rank or all from a login; a login that is no mailbox goes with its last one", IN(admin_remove) },
};
/* clang-format on */
API_GROUP(admin);
