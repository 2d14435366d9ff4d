/* SPDX-License-Identifier: Apache-2.0 */
/* The move: copying from the old server. */
#include "proto/api/ops.h"

static const char *const source_tls[] = { "tls", "starttls", "none", NULL };

/* clang-format off */
static const struct api_param move_start[] = {
	P_DOMAIN(.required = true, .positional = true),
	{ "from", API_SOURCE, .required = true, .help = "the old server: imap://HOST:PORT, imaps://, or where it has no IMAP pop3:// or pop3s://" },
	{ "tls", API_CHOICE, .choices = source_tls, .help = "TLS towards it (tls with imaps and pop3s, else starttls)" },
	{ "verify", API_BOOL, .help = "demand a valid certificate of the old server" },
	{ "master_user", API_STR, .min = 1, .max = 320, .help = "login that may read every mailbox there" },
	P_PASSWORD(.help = "the master user's password"),
	{ "passwords", API_FILE, .max = API_FILE_MAX, .help = "file with lines ADDRESS:PASSWORD or ADDRESS:LOGIN:PASSWORD" },
};
static const struct api_param move_domain[] = { P_DOMAIN(.required = true, .positional = true) };
static const struct api_result move_is[] = {
	{ "domain", API_DOMAIN, "the domain" },
	{ "state", API_CHOICE, "none, running, done, failed or stopped" },
	{ "from", API_STR, "the old server" },
	{ "mailboxes_total", API_U64, "mailboxes to copy" },
	{ "mailboxes_done", API_U64, "mailboxes that are here" },
	{ "mailboxes_failed", API_U64, "mailboxes that could not be read" },
	{ "messages_total", API_U64, "messages seen at the old server" },
	{ "messages_done", API_U64, "messages that are here" },
	{ "messages_new", API_U64, "messages copied by this run" },
	{ "bytes_new", API_BYTES, "bytes copied by this run" },
	{ "messages_failed", API_U64, "messages that could not be copied" },
	{ "messages_per_second", API_U64, "rate of this run" },
	{ "bytes_per_second", API_BYTES, "rate of this run" },
	{ "eta_ms", API_U64, "milliseconds that are left at this rate" },
	{ "started_ms", API_TIME, "start of this run" },
	{ "updated_ms", API_TIME, "last sign of life" },
	{ "mailboxes", API_OBJECTS, "each mailbox: address, state, error, folders_total, folders_done, messages_total, messages_done, messages_new, bytes_new, messages_failed" },
};
static const struct api_result proof_is[] = {
	{ "domain", API_DOMAIN, "the domain" },
	{ "state", API_CHOICE, "running, or done" },
	{ "complete", API_BOOL, "everything of the old server is here" },
	{ "messages_there", API_U64, "messages at the old server" },
	{ "messages_here", API_U64, "of these, messages here" },
	{ "messages_missing", API_U64, "of these, messages not here" },
	{ "messages_different", API_U64, "of these, messages whose bytes or date differ" },
	{ "mailboxes", API_OBJECTS, "each mailbox: address, state, error, folders [{name, there, here, missing}]" },
};

static const struct api_op ops[] = {
	{ "move.start", "POST", ROOT "/domains/{domain}/move", API_DIRECTORY, .help = "starts copying a domain's mailboxes from its old server", .good = { 202 }, IN(move_start), OUT(move_is) },
	{ "move.status", "GET", ROOT "/domains/{domain}/move", API_DIRECTORY, .help = "says how far the copy is", IN(move_domain), OUT(move_is) },
	{ "move.proof", "POST", ROOT "/domains/{domain}/move/proof", API_DIRECTORY, .help = "compares what is there and what is here", IN(move_domain), OUT(proof_is) },
	{ "move.stop", "DELETE", ROOT "/domains/{domain}/move", API_DIRECTORY, .help = "stops the copy; what is here stays", IN(move_domain), OUT(move_is) },
};
/* clang-format on */
API_GROUP(move);
