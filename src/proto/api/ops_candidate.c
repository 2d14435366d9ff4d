/* SPDX-License-Identifier: Apache-2.0 */
/* Candidates: addresses that nobody has and that mail came for. */
#include "proto/api/ops.h"

static const char *const promote_types[] = { "mailbox", "alias", "list", "redirect", NULL };

/* clang-format off */
static const struct api_param candidate_list[] = { P_DOMAIN(.required = true, .positional = true), P_Q("local part"), P_LIMIT, P_AFTER };
static const struct api_param candidate_show[] = { P_ADDRESS(.required = true, .positional = true) };
static const struct api_param candidate_messages[] = { P_ADDRESS(.required = true, .positional = true), P_LIMIT, P_AFTER };
static const struct api_param candidate_message[] = {
	P_ADDRESS(.required = true, .positional = true),
	{ "uid", API_U64, .required = true, .positional = true, .min = 1, .max = UINT32_MAX, .help = "number of the message, from candidate messages" },
};
static const struct api_param candidate_remove[] = { P_ADDRESS(.required = true, .positional = true), P_DISCARD_MAIL };
static const struct api_param candidate_promote[] = {
	P_ADDRESS(.required = true, .positional = true, .many = true),
	{ "type", API_CHOICE, .required = true, .choices = promote_types, .help = "what it becomes" },
	P_TO,
	P_PASSWORD(.help = "of the new mailbox; without one nobody can log in"),
	P_QUOTA(),
	{ "name", API_STR, .min = 1, .max = 256, .help = "the person's name" },
};
static const struct api_param candidate_banish[] = {
	P_ADDRESS(.required = true, .positional = true, .many = true),
	P_DISCARD_MAIL,
};
static const struct api_result candidate_is[] = {
	{ "address", API_ADDRESS, "the address" },
	{ "type", API_CHOICE, "candidate, or what became of it while mail stayed here" },
	{ "messages", API_U64, "how many messages" },
	{ "size_bytes", API_BYTES, "how large they are together" },
	{ "first_ms", API_TIME, "when the first of them came" },
	{ "last_ms", API_TIME, "when the last one came" },
};
static const struct api_result message_is[] = {
	{ "uid", API_U64, "number of the message" },
	{ "received_ms", API_TIME, "when it came" },
	{ "from", API_STR, "its author" },
	{ "subject", API_STR, "its subject" },
	{ "size_bytes", API_BYTES, "its size" },
};
static const struct api_result source_is[] = {
	{ "uid", API_U64, "number of the message" },
	{ "received_ms", API_TIME, "when it came" },
	{ "from", API_STR, "its author" },
	{ "subject", API_STR, "its subject" },
	{ "size_bytes", API_BYTES, "its size" },
	{ "complete", API_BOOL, "source is all of it: it is cut at 1 MB" },
	{ "source", API_TEXT, "header and body as they came; what is no UTF-8 is replaced" },
};
static const struct api_result removed_is[] = {
	{ "address", API_ADDRESS, "the address" },
	{ "messages", API_U64, "how many messages are gone" },
};

static const struct api_op ops[] = {
	{ "candidate.list", "GET", ROOT "/domains/{domain}/candidates", API_DIRECTORY, .help = "lists addresses that nobody has and that mail came for", IN(candidate_list), PAGE(candidate_is) },
	{ "candidate.show", "GET", ROOT "/candidates/{address}", API_DIRECTORY, .help = "shows a candidate", IN(candidate_show), OUT(candidate_is) },
	{ "candidate.messages", "GET", ROOT "/candidates/{address}/messages", API_DIRECTORY, .help = "lists a candidate's messages", IN(candidate_messages), PAGE(message_is) },
	{ "candidate.message", "GET", ROOT "/candidates/{address}/messages/{uid}", API_DIRECTORY, .help = "shows one message of a candidate", IN(candidate_message), OUT(source_is) },
	{ "candidate.remove", "DELETE", ROOT "/candidates/{address}", API_DIRECTORY, .help = "removes a candidate with its mail; the next mail makes it again", IN(candidate_remove), OUT(removed_is) },
	{ "candidate.promote", "POST", ROOT "/candidates/promote", API_DIRECTORY, .help = "makes candidates mailboxes or aliases, whose mailbox gets the mail, or lists or redirects", IN(candidate_promote), OUT(api_converted_is) },
	{ "candidate.banish", "POST", ROOT "/candidates/banish", API_DIRECTORY, .help = "banishes candidates; their mail stays until it is too old, or goes", IN(candidate_banish), OUT(api_converted_is) },
};
/* clang-format on */
API_GROUP(candidate);
