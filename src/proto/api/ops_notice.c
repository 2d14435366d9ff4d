/* SPDX-License-Identifier: Apache-2.0 */
/* Notices that were sent, from whom they come, and their texts. */
#include "proto/api/ops.h"

static const char *const states[] = { "waiting", "sent", "failed", NULL };

/* clang-format off */
#define P_KIND(...) { "kind", API_NAME, .min = 1, .max = 64, .help = "the kind of notice; `template list` shows all", __VA_ARGS__ }
#define P_LANGUAGE(...) { "language", API_NAME, .min = 2, .max = 16, .help = "en or de", __VA_ARGS__ }
#define P_OF_CUSTOMER { "customer", API_NAME, .min = 1, .max = 64, .help = "this customer's own; without it the provider's, which all customers have that have none" }
#define P_TEXTS(...) \
	{ "subject", API_STR, .min = 1, .max = 200, .help = "with variables such as {address}", __VA_ARGS__ }, \
	{ "text", API_TEXT, .min = 1, .max = 32768, .help = "with variables", __VA_ARGS__ }, \
	{ "html", API_TEXT, .min = 0, .max = 65536, .help = "with variables, whose values are escaped; empty: made of the text" }

static const struct api_param notice_log[] = {
	{ "domain", API_DOMAIN, .help = "only notices for this domain" },
	{ "customer", API_NAME, .min = 1, .max = 64, .help = "only notices for this customer" },
	{ "to", API_ADDRESS, .help = "only notices to this address" },
	P_KIND(),
	{ "state", API_CHOICE, .choices = states, .help = "only those that are" },
	P_Q("recipient or subject"),
	P_LIMIT,
	P_AFTER,
};
static const struct api_param notice_show[] = {
	{ "id", API_U64, .min = 1, .max = INT64_MAX, .required = true, .positional = true, .help = "number of the notice" },
};
#define NOTICE_IS \
	{ "id", API_U64, "number of the notice" }, \
	{ "made_ms", API_TIME, "when what it tells of happened" }, \
	{ "kind", API_NAME, "what it tells of" }, \
	{ "to", API_ADDRESS, "to whom" }, \
	{ "state", API_CHOICE, "waiting, sent or failed" }, \
	{ "subject", API_STR, "its subject" }, \
	{ "language", API_STR, "its language" }, \
	{ "from", API_ADDRESS, "from whom" }, \
	{ "customer", API_NAME, "for which customer" }, \
	{ "sent_ms", API_TIME, "when the queue took it" }, \
	{ "queue_id", API_U64, "its number in the queue" }, \
	{ "error", API_STR, "why it failed" }
static const struct api_result notice_is[] = { NOTICE_IS };
static const struct api_result notice_whole[] = {
	NOTICE_IS,
	{ "text", API_TEXT, "as today's template gives it; links and passwords are masked" },
};
static const struct api_param sender_show[] = {
	P_CUSTOMER(.required = true, .positional = true),
	{ "domain", API_DOMAIN, .help = "for this domain alone" },
};
static const struct api_param sender_set[] = {
	P_CUSTOMER(.required = true, .positional = true),
	{ "domain", API_DOMAIN, .help = "for this domain alone" },
	{ "from", API_STR, .min = 0, .max = 320, .required = true, .help = "an address of one of the customer's domains; empty: do-not-reply@ the domain" },
	{ "from_name", API_STR, .min = 0, .max = 128, .help = "name beside that address" },
};
static const struct api_result sender_is[] = {
	{ "customer", API_NAME, "the customer" },
	{ "domain", API_DOMAIN, "for this domain alone" },
	{ "from", API_ADDRESS, "from whom notices come" },
	{ "from_name", API_STR, "name beside that address" },
};

static const struct api_op notice_ops[] = {
	{ "notice.log", "GET", ROOT "/notices", API_DIRECTORY, .help = "lists what notices were sent to whom, newest first", IN(notice_log), PAGE(notice_is) },
	{ "notice.show", "GET", ROOT "/notices/{id}", API_DIRECTORY, .help = "shows a notice", IN(notice_show), OUT(notice_whole) },
	{ "notice.sender", "GET", ROOT "/customers/{customer}/notices/sender", API_DIRECTORY, .help = "says from whom a customer's notices come", IN(sender_show), OUT(sender_is) },
	{ "notice.set-sender", "PUT", ROOT "/customers/{customer}/notices/sender", API_DIRECTORY, .help = "sets from whom a customer's notices come", IN(sender_set), OUT(sender_is) },
};
const struct api_group api_notice_group = { notice_ops, ARRAY_SIZE(notice_ops) };

static const struct api_param template_list[] = {
	P_OF_CUSTOMER,
	P_LANGUAGE(),
};
static const struct api_param template_show[] = {
	P_KIND(.required = true, .positional = true),
	P_OF_CUSTOMER,
	P_LANGUAGE(),
};
static const struct api_param template_set[] = {
	P_KIND(.required = true, .positional = true),
	P_OF_CUSTOMER,
	P_LANGUAGE(.required = true),
	P_TEXTS(.required = true),
};
static const struct api_param template_reset[] = {
	P_KIND(.required = true, .positional = true),
	P_OF_CUSTOMER,
	P_LANGUAGE(.required = true),
};
static const struct api_param template_preview[] = {
	P_KIND(.required = true, .positional = true),
	P_OF_CUSTOMER,
	P_LANGUAGE(),
	P_TEXTS(),
};
static const struct api_param template_test[] = {
	P_KIND(.required = true, .positional = true),
	{ "to", API_ADDRESS, .required = true, .help = "where to send it" },
	P_OF_CUSTOMER,
	P_LANGUAGE(),
};
static const struct api_result template_item[] = {
	{ "kind", API_NAME, "the kind of notice" },
	{ "language", API_STR, "the language" },
	{ "source", API_CHOICE, "whose text is in force: built-in, provider or customer" },
	{ "subject", API_STR, "its subject" },
	{ "changed_ms", API_TIME, "when it was changed" },
	{ "help", API_STR, "what it tells of" },
};
static const struct api_result template_is[] = {
	{ "kind", API_NAME, "the kind of notice" },
	{ "language", API_STR, "the language" },
	{ "source", API_CHOICE, "whose text is in force: built-in, provider or customer" },
	{ "changed_ms", API_TIME, "when it was changed" },
	{ "subject", API_STR, "its subject" },
	{ "text", API_TEXT, "its text" },
	{ "html", API_TEXT, "its HTML; empty: made of the text" },
	{ "variables", API_OBJECTS, "each variable that it may use: name, help, secret" },
};
static const struct api_result preview_is[] = {
	{ "from", API_ADDRESS, "from whom" },
	{ "subject", API_STR, "the subject with sample values" },
	{ "text", API_TEXT, "the text with sample values" },
	{ "html", API_TEXT, "the HTML with sample values" },
};
static const struct api_result test_is[] = {
	{ "to", API_ADDRESS, "to whom" },
	{ "kind", API_NAME, "the kind of notice" },
	{ "language", API_STR, "the language" },
};

static const struct api_op ops[] = {
	{ "template.list", "GET", ROOT "/templates", API_DIRECTORY, .help = "lists the texts of notices, and whose are in force", .list = true, IN(template_list), OUT(template_item) },
	{ "template.show", "GET", ROOT "/templates/{kind}", API_DIRECTORY, .help = "shows a notice's text and its variables", IN(template_show), OUT(template_is) },
	{ "template.set", "PUT", ROOT "/templates/{kind}", API_DIRECTORY, .help = "stores a text of one's own for a notice", IN(template_set), OUT(template_is) },
	{ "template.reset", "DELETE", ROOT "/templates/{kind}", API_DIRECTORY, .help = "goes back to the text that was in force before", IN(template_reset), OUT(template_is) },
	{ "template.preview", "POST", ROOT "/templates/{kind}/preview", API_DIRECTORY, .help = "shows a notice with sample values; subject, text and html try what is not stored yet", IN(template_preview), OUT(preview_is) },
	{ "template.test", "POST", ROOT "/templates/{kind}/test", API_DIRECTORY, .help = "sends a notice with sample values", IN(template_test), OUT(test_is) },
};
/* clang-format on */
API_GROUP(template);
