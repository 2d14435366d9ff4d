/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses that are no mailboxes. */
#include "proto/api/ops.h"

static const char *const address_types[] = { "alias", "list", "redirect", "banished", NULL };

/* clang-format off */
static const struct api_param address_add[] = {
	P_ADDRESS(.required = true, .positional = true),
	{ "type", API_CHOICE, .required = true, .choices = address_types, .help = "alias: another name of a mailbox; list: to several; redirect: to elsewhere; banished: refused" },
	{ "to", API_ADDRESS, .many = true, .help = "where its mail goes" },
	P_HOSTED,
};
static const struct api_param address_list[] = { P_DOMAIN(), P_LIMIT, P_AFTER };
static const struct api_param address_remove[] = { P_ADDRESS(.required = true, .positional = true) };
static const struct api_result address_is[] = {
	{ "address", API_ADDRESS, "the address" },
	{ "type", API_CHOICE, "alias, list, redirect or banished" },
	{ "to", API_LIST, "where its mail goes" },
	{ "created_ms", API_TIME, "when it was added" },
};

static const struct api_op ops[] = {
	{ "address.add", "POST", ROOT "/addresses", API_DIRECTORY, .help = "adds an alias, list, redirect or banished address", IN(address_add), OUT(address_is) },
	{ "address.list", "GET", ROOT "/addresses", API_DIRECTORY, .help = "lists addresses", IN(address_list), PAGE(address_is) },
	{ "address.remove", "DELETE", ROOT "/addresses/{address}", API_DIRECTORY, .help = "removes an alias, list, redirect or banished address", IN(address_remove) },
};
/* clang-format on */
API_GROUP(address);
