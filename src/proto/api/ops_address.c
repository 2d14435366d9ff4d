/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses that are no mailboxes. */
#include "proto/api/ops.h"

static const char *const address_types[] = { "alias", "list", "redirect", "banished", NULL };
static const char *const list_types[] = { "alias", "list", "redirect", "banished", "candidate", NULL };
static const char *const convert_types[] = { "mailbox", "alias", "list", "redirect", "banished", NULL };

static const char *const senders[] = { "anyone", "members", "domain", "named", NULL };

/* clang-format off */
#define P_SENDERS { "senders", API_CHOICE, .choices = senders, .help = "who may write to a list: anyone, its members, addresses of its domain, or the named ones" }
#define P_SENDER { "sender", API_TARGET, .many = true, .help = "a named one: an address or @domain" }
static const struct api_param address_add[] = {
	P_ADDRESS(.required = true, .positional = true),
	{ "type", API_CHOICE, .required = true, .choices = address_types, .help = "alias: another name of a mailbox; list: to several; redirect: to elsewhere; banished: refused" },
	P_TO,
	P_HOSTED,
	P_SENDERS,
	P_SENDER,
};
static const struct api_param address_set[] = { P_ADDRESS(.required = true, .positional = true), P_SENDERS, P_SENDER };
static const struct api_param address_list[] = {
	P_DOMAIN(),
	P_CUSTOMER(),
	P_Q("address"),
	{ "type", API_CHOICE, .choices = list_types, .help = "only those of this type; candidates are listed where they are asked for" },
	P_LIMIT,
	P_AFTER,
};
static const struct api_param address_remove[] = { P_ADDRESS(.required = true, .positional = true) };
#define ADDRESS_IS \
	{ "address", API_ADDRESS, "the address" }, \
	{ "type", API_CHOICE, "alias, list, redirect, banished or candidate; mailbox where one is shown" }, \
	{ "to", API_LIST, "where its mail goes" }, \
	{ "senders", API_CHOICE, "who may write to a list" }, \
	{ "sender", API_LIST, "the named ones" }, \
	{ "hosted", API_BOOL, "whether it lives here even while its domain is forwarded" }, \
	{ "created_ms", API_TIME, "when it was added" }
static const struct api_result address_is[] = { ADDRESS_IS };
static const struct api_result address_item[] = { ADDRESS_IS, REVISION_IS };

static const struct api_param address_convert[] = {
	P_ADDRESS(.required = true, .positional = true, .many = true),
	{ "type", API_CHOICE, .required = true, .choices = convert_types, .help = "what it becomes; one that is removed is a candidate with its next mail" },
	P_TO,
	P_DISCARD_MAIL,
	P_PASSWORD(.help = "of a new mailbox; without one nobody can log in"),
	P_QUOTA(),
	{ "name", API_STR, .min = 1, .max = 256, .help = "the person's name, of a new mailbox" },
};
const struct api_result api_converted_is[API_CONVERTED] = {
	{ "items", API_OBJECTS, "each address: type_before, type, to; mail: none, moves, stays or discarded, and how many messages; repointed: what led to the mailbox and leads to its target now; or error" },
	{ "done", API_U64, "how many were converted" },
	{ "refused", API_U64, "how many were not" },
};
static const struct api_param address_moves[] = { P_DOMAIN(.required = true, .positional = true) };
static const struct api_result move_is[] = {
	{ "address", API_ADDRESS, "whose mail moves" },
	{ "to", API_ADDRESS, "the mailbox that it moves to" },
	{ "error", API_STR, "why it stopped; it is tried again" },
	{ "created_ms", API_TIME, "since when" },
};

static const struct api_op ops[] = {
	{ "address.add", "POST", ROOT "/addresses", API_DIRECTORY, .help = "adds an alias, list, redirect or banished address", IN(address_add), OUT(address_is) },
	{ "address.list", "GET", ROOT "/addresses", API_DIRECTORY, .help = "lists addresses that are no mailboxes", IN(address_list), PAGE(address_item) },
	{ "address.show", "GET", ROOT "/addresses/{address}", API_DIRECTORY, .help = "shows what an address is, and where its mail goes", IN(address_remove), OUT(address_is) },
	{ "address.remove", "DELETE", ROOT "/addresses/{address}", API_DIRECTORY, .help = "removes an alias, list, redirect or banished address", IN(address_remove) },
	{ "address.set", "PATCH", ROOT "/addresses/{address}", API_DIRECTORY, .help = "says who may write to a list", IN(address_set), OUT(address_is) },
	{ "address.convert", "POST", ROOT "/addresses/convert", API_DIRECTORY, .help = "makes addresses into another type; mail of a mailbox follows into an alias's mailbox", IN(address_convert), OUT(api_converted_is) },
	{ "address.moves", "GET", ROOT "/domains/{domain}/moving", API_DIRECTORY, .list = true, .help = "shows mail that is on its way into another mailbox", IN(address_moves), OUT(move_is) },
};
/* clang-format on */
API_GROUP(address);
