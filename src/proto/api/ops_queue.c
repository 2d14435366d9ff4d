/* SPDX-License-Identifier: Apache-2.0 */
/* The queue. */
#include "proto/api/ops.h"

static const char *const states[] = { "new", "active", "deferred", "parked", NULL };

/* clang-format off */
static const struct api_param queue_list[] = {
	{ "domain", API_DOMAIN, .help = "only mail to this domain" },
	{ "sender", API_STR, .max = 320, .help = "only mail of this sender" },
	{ "sender_domain", API_DOMAIN, .help = "only mail of senders of this domain" },
	{ "state", API_CHOICE, .choices = states, .help = "only mail with a recipient that is: not tried yet, being tried right now, tried and waiting, or tried no more" },
	P_Q("sender or a recipient"),
	P_LIMIT,
	P_AFTER,
};
static const struct api_param queue_show[] = { P_QUEUE_ID(.required = true, .positional = true) };
static const struct api_param queue_flush[] = {
	P_QUEUE_ID(.positional = true),
	{ "domain", API_DOMAIN, .help = "only mail to this domain" },
};
static const struct api_param queue_remove[] = {
	P_QUEUE_ID(.required = true, .positional = true),
	{ "bounce", API_BOOL, .help = "tell the sender" },
};
static const struct api_result queue_is[] = {
	{ "id", API_U64, "number of the queued message" },
	{ "sender", API_STR, "envelope sender" },
	{ "recipients", API_U64, "recipients that wait" },
	{ "state", API_CHOICE, "active where one of them is, else parked, deferred or new" },
	{ "size_bytes", API_BYTES, "size" },
	{ "tries", API_U64, "attempts so far" },
	{ "next_ms", API_TIME, "next attempt" },
	{ "created_ms", API_TIME, "when it was accepted" },
	{ "error", API_STR, "last reply or error" },
};
static const struct api_result queued_is[] = {
	{ "id", API_U64, "number of the queued message" },
	{ "sender", API_STR, "envelope sender" },
	{ "size_bytes", API_BYTES, "size" },
	{ "created_ms", API_TIME, "when it was accepted" },
	{ "expires_ms", API_TIME, "when it goes back to the sender" },
	{ "recipients", API_OBJECTS, "each recipient: address, state (new, active, deferred, parked), host, tries, next_ms, error" },
};
static const struct api_result count_is[] = { { "count", API_U64, "messages touched" } };

static const struct api_op ops[] = {
	{ "queue.list", "GET", ROOT "/queue", API_QUEUE, .help = "lists queued mail", IN(queue_list), PAGE(queue_is) },
	{ "queue.show", "GET", ROOT "/queue/{id}", API_QUEUE, .help = "shows a queued message with its recipients", IN(queue_show), OUT(queued_is) },
	{ "queue.flush", "POST", ROOT "/queue/flush", API_QUEUE, .help = "tries queued mail now", IN(queue_flush), OUT(count_is) },
	{ "queue.remove", "DELETE", ROOT "/queue/{id}", API_QUEUE, .help = "takes a message out of the queue", IN(queue_remove), OUT(count_is) },
};
/* clang-format on */
API_GROUP(queue);
