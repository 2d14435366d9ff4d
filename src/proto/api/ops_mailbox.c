/* SPDX-License-Identifier: Apache-2.0 */
/* Mailboxes. */
#include "proto/api/ops.h"

static const char *const states[] = { "ready", "must-change", "invited", "no-password", NULL };

/* clang-format off */
static const struct api_param mailbox_add[] = {
	P_ADDRESS(.required = true, .positional = true),
	P_PASSWORD(.help = "the login's password; without one nobody can log in"),
	P_MUST_CHANGE,
	P_QUOTA(),
	P_RETENTION(),
	{ "name", API_STR, .min = 1, .max = 256, .help = "the person's name" },
	P_OWN_LANGUAGE,
	P_HOSTED,
	P_SEND_ANY,
};
static const struct api_param mailbox_list[] = {
	P_DOMAIN(),
	P_CUSTOMER(),
	P_Q("address or person"),
	{ "without_password", API_BOOL, .help = "only those that nobody can log in to: all that are not ready" },
	{ "state", API_CHOICE, .choices = states, .help = "only those that are: with a password of one's own, with one that must be changed, with an open invitation, or with none of these" },
	{ "over", API_U64, .min = 1, .max = 100, .help = "only those that use more than so many percent of their quota; 100: more than it gives them" },
	P_LIMIT,
	P_AFTER,
};
static const struct api_param mailbox_show[] = { P_ADDRESS(.required = true, .positional = true) };
static const struct api_param mailbox_set[] = {
	P_ADDRESS(.required = true, .positional = true),
	P_QUOTA(.by = API_BY_ADMIN),
	P_RETENTION(.by = API_BY_ADMIN),
	{ "name", API_STR, .min = 1, .max = 256, .help = "the person's name", .by = API_BY_ADMIN },
	P_OWN_LANGUAGE,
	P_HOSTED,
	P_SEND_ANY,
	{ "recovery", API_ADDRESS, .help = "another address of the person: where a link for a lost password goes", .by = API_BY_ADMIN },
	{ "forget_recovery", API_BOOL, .help = "takes the recovery address away", .by = API_BY_ADMIN },
};
static const struct api_param mailbox_first_password[] = { P_ADDRESS(.positional = true), P_DOMAIN() };
static const struct api_result invited_is[] = {
	{ "address", API_ADDRESS, "the mailbox" },
	{ "to", API_STR, "where the mail goes" },
	{ "expires_ms", API_TIME, "until when the link is good" },
};
static const struct api_result first_is[] = {
	{ "count", API_U64, "mailboxes that have a first password now" },
	{ "nowhere", API_LIST, "mailboxes without one: there is no address to write to" },
};
static const struct api_param mailbox_password[] = {
	P_ADDRESS(.required = true, .positional = true),
	P_PASSWORD(.required = true, .help = "the new password"),
	P_MUST_CHANGE,
};
static const struct api_param mailbox_remove[] = { P_ADDRESS(.required = true, .positional = true), P_DISCARD_MAIL };
static const struct api_result mailbox_removed[] = {
	{ "address", API_ADDRESS, "the address" },
	{ "messages", API_U64, "how many messages are gone" },
	{ "pending", API_BOOL, "its shard does not answer just now: nothing reaches the mail any more, and it goes when the shard is back" },
};
static const struct api_result mailbox_is[] = {
	{ "address", API_ADDRESS, "address and login" },
	{ "name", API_STR, "the person's name" },
	{ "aliases", API_LIST, "its other names" },
	{ "language", API_STR, "language in which the person is written to; default: the customer's" },
	{ "used_bytes", API_BYTES, "storage used" },
	{ "quota_bytes", API_LIMIT, "storage allowed, 0 for no limit" },
	{ "retention", API_STR, "days after which mail is deleted, or off" },
	{ "percent", API_U64, "how much of that is used, in percent" },
	{ "messages", API_U64, "how many messages" },
	{ "has_password", API_BOOL, "whether somebody can log in" },
	{ "state", API_CHOICE, "ready, must-change, invited or no-password" },
	{ "recovery", API_STR, "where a link for a lost password goes" },
	{ "invited_ms", API_TIME, "until when an invitation is good", true },
	{ "must_change", API_BOOL, "whether the password is only good for setting one of one's own" },
	{ "hosted", API_BOOL, "whether it lives here even while its domain is forwarded" },
	{ "send_any", API_BOOL, "whether it may send as any address of its customer's domains" },
	{ "account_id", API_U64, "number of the account, never given again" },
	{ "created_ms", API_TIME, "when it was added" },
};

static const struct api_op ops[] = {
	{ "mailbox.add", "POST", ROOT "/mailboxes", API_DIRECTORY, .help = "adds a mailbox", IN(mailbox_add), OUT(mailbox_is) },
	{ "mailbox.list", "GET", ROOT "/mailboxes", API_DIRECTORY, .help = "lists mailboxes", IN(mailbox_list), PAGE(mailbox_is) },
	{ "mailbox.show", "GET", ROOT "/mailboxes/{address}", API_DIRECTORY, .help = "shows a mailbox", IN(mailbox_show), OUT(mailbox_is) },
	{ "mailbox.set", "PATCH", ROOT "/mailboxes/{address}", API_DIRECTORY, .help = "changes a mailbox", IN(mailbox_set), OUT(mailbox_is) },
	{ "mailbox.password", "PUT", ROOT "/mailboxes/{address}/password", API_DIRECTORY, .help = "sets a mailbox's password and ends its sessions", IN(mailbox_password), OUT(mailbox_is) },
	{ "mailbox.invite", "POST", ROOT "/mailboxes/{address}/invite", API_DIRECTORY, .help = "mails a link to set a password: to the old server while the domain is forwarded, else to the recovery address", .good = { 202 }, IN(mailbox_show), OUT(invited_is) },
	{ "mailbox.first-password", "POST", ROOT "/mailboxes/first-password", API_DIRECTORY, .help = "mails a password that is good for setting one's own: to a mailbox, or to all of a domain without one", .good = { 202 }, IN(mailbox_first_password), OUT(first_is) },
	{ "mailbox.remove", "DELETE", ROOT "/mailboxes/{address}", API_DIRECTORY, .help = "removes a mailbox; its mail only where that may be lost", IN(mailbox_remove), OUT(mailbox_removed) },
};
/* clang-format on */
API_GROUP(mailbox);
