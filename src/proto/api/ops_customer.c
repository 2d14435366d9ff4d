/* SPDX-License-Identifier: Apache-2.0 */
/* Customers. */
#include "proto/api/ops.h"

/* clang-format off */
static const struct api_param customer_add[] = {
	P_CUSTOMER(.required = true, .positional = true),
	{ "pool", API_SIZE, .help = "storage for all mailboxes of the customer together" },
	{ "language", API_NAME, .min = 2, .max = 16, .help = "language in which its people are written to: en, de, or default for the instance's (host.language)" },
	{ "contact", API_ADDRESS, .help = "where to reach the customer's administrator" },
	P_ALLOTMENT,
	P_RETENTION_OF_CUSTOMER,
};
static const struct api_param customer_set[] = {
	P_CUSTOMER(.required = true, .positional = true),
	{ "pool", API_SIZE, .help = "storage for all mailboxes of the customer together" },
	P_ALLOTMENT,
	P_RETENTION_OF_CUSTOMER,
	{ "language", API_NAME, .min = 2, .max = 16, .help = "language in which its people are written to: en, de, or default for the instance's (host.language)" },
	{ "contact", API_ADDRESS, .help = "where to reach the customer's administrator" },
};
static const struct api_param customer_list[] = { P_Q("name or contact"), P_LIMIT, P_AFTER };
static const struct api_param customer_show[] = { P_CUSTOMER(.required = true, .positional = true) };
static const struct api_result customer_is[] = {
	{ "customer", API_NAME, "short name" },
	{ "domains", API_U64, "how many domains" },
	{ "mailboxes", API_U64, "how many mailboxes" },
	{ "pool_bytes", API_LIMIT, "storage bought, 0 for no limit" },
	{ "retention", API_STR, "days after which mail is deleted, or off" },
	{ "allotment", API_CHOICE, "whether mailboxes have fixed parts of it or share it" },
	{ "used_bytes", API_BYTES, "storage used" },
	{ "language", API_STR, "language in which its people are written to; default: the instance's" },
	{ "contact", API_STR, "administrator's address" },
	{ "created_ms", API_TIME, "when it was added" },
};

static const struct api_op ops[] = {
	{ "customer.add", "POST", ROOT "/customers", API_DIRECTORY, .help = "adds a customer", IN(customer_add), OUT(customer_is) },
	{ "customer.list", "GET", ROOT "/customers", API_DIRECTORY, .help = "lists customers", IN(customer_list), PAGE(customer_is) },
	{ "customer.show", "GET", ROOT "/customers/{customer}", API_DIRECTORY, .help = "shows a customer", IN(customer_show), OUT(customer_is) },
	{ "customer.set", "PATCH", ROOT "/customers/{customer}", API_DIRECTORY, .help = "changes a customer", IN(customer_set), OUT(customer_is) },
	{ "customer.remove", "DELETE", ROOT "/customers/{customer}", API_DIRECTORY, .help = "removes a customer that has no domains", IN(customer_show) },
};
/* clang-format on */
API_GROUP(customer);
