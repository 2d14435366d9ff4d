/* SPDX-License-Identifier: Apache-2.0 */
/* What people are told of, and which variables their texts have. */
#include "room/directory/notice/notice.h"

#include "base/compiler.h"

#define LINK { "link", NOTICE_SECRET, "where to go", "https://mail.example.org/password/0123456789" }
#define EXPIRES { "expires", NOTICE_TIME, "until when that works", "1767225600000" }
#define WHEN { "when", NOTICE_TIME, "when it was changed", "1767225600000" }
#define WHOSE { "login", NOTICE_WORDS, "whose it is", "joe@example.org" }
#define REMOTE { "remote", NOTICE_WORDS, "from which network address", "192.0.2.1" }
#define USE                                                                                        \
	{ "used", NOTICE_BYTES, "storage in use", "1825361101" },                                  \
		{ "quota", NOTICE_BYTES, "storage of the mailbox", "2147483648" },                 \
		{ "percent", NOTICE_COUNT, "how full it is", "85" }
#define MOVE                                                                                       \
	{ "date", NOTICE_TIME, "when the domain moves", "1767225600000" },                         \
		{ "list", NOTICE_WORDS, "mailboxes and aliases, a line each", "joe@example.org" }

const struct notice_var_def notice_common[NOTICE_COMMON] = {
	{ "address", NOTICE_WORDS, "the mailbox it is about, else to whom it goes", "joe@example.org" },
	{ "person", NOTICE_WORDS, "whose mailbox it is, else its address", "Joe Doe" },
	{ "customer", NOTICE_WORDS, "the customer's short name", "acme" },
	{ "domain", NOTICE_WORDS, "the mail domain", "example.org" },
	{ "host", NOTICE_WORDS, "name of the mail server", "mail.example.org" },
};

const struct notice_kind_def notice_kinds[NOTICE_KINDS] = {
	[NOTICE_TEST] = { "test", "a trial of notices", {} },
	[NOTICE_OLD_LOGIN] = { "old_login", "the mailbox was modified: its old user name ends",
			       { { "old_login", NOTICE_WORDS, "the old user name", "custo1" },
				 { "new_login", NOTICE_WORDS, "the new one", "joe@example.org" },
				 { "deadline", NOTICE_TIME, "until when the old one works", "1767225600000" } } },
	[NOTICE_QUOTA_80] = { "quota_80", "the mailbox uses 80 % of its storage", { USE } },
	[NOTICE_QUOTA_95] = { "quota_95", "the mailbox uses 95 % of its storage", { USE } },
	[NOTICE_INVITATION] = { "invitation", "a link to set the first password", { LINK, EXPIRES } },
	[NOTICE_RESET] = { "reset", "a link to set a new password", { LINK, EXPIRES } },
	[NOTICE_FIRST_PASSWORD] = { "first_password", "a password that is good for setting one's own",
				    { { "password", NOTICE_SECRET, "the first password", "Abcd-2345-efgh" }, LINK,
				      EXPIRES } },
	[NOTICE_DEFAULT_PASSWORD] = { "default_password", "a default password has to be replaced", { LINK } },
	[NOTICE_PASSWORD_CHANGED] = { "password_changed", "the password was changed", { WHEN, REMOTE } },
	[NOTICE_FORWARD_CHANGED] = { "forward_changed", "the forwarding was changed",
				     { WHEN, REMOTE,
				       { "targets", NOTICE_WORDS, "to where mail goes now", "joe@elsewhere.example" } } },
	[NOTICE_CANDIDATES] = { "candidates", "mail came for addresses that do not exist",
				{ { "count", NOTICE_COUNT, "how many addresses", "2" },
				  { "list", NOTICE_WORDS, "the addresses, a line each", "jo@example.org" },
				  { "days", NOTICE_COUNT, "how long their mail is kept", "30" } } },
	[NOTICE_ANNOUNCE] = { "announce", "the domain will move here", { MOVE } },
	[NOTICE_SCRIPT_FAILED] = { "script_failed", "a Sieve script of the mailbox failed over a message",
				   { { "script", NOTICE_WORDS, "the script's name", "rules" },
				     { "error", NOTICE_WORDS, "what went wrong, and where",
				       "line 3, column 1: there are too many redirects: \"joe@example.org\" is one more" },
				     { "when", NOTICE_TIME, "when it failed", "1767225600000" } } },
	[NOTICE_WARNING] = { "warning", "what will move, to be looked through before", { MOVE } },
	[NOTICE_TOTP_ON] = { "totp_on", "the second factor was turned on", { WHOSE, WHEN, REMOTE } },
	[NOTICE_TOTP_OFF] = { "totp_off", "the second factor was turned off", { WHOSE, WHEN, REMOTE } },
	[NOTICE_TOTP_RECOVERY] = { "totp_recovery", "a recovery code was used",
				   { WHOSE, WHEN, REMOTE, { "left", NOTICE_COUNT, "recovery codes that are left", "9" } } },
	[NOTICE_TOTP_GUESSED] = { "totp_guessed", "somebody with the password has guessed codes", { WHOSE, WHEN, REMOTE } },
};

int notice_kind_by_name(struct slice name)
{
	for (int i = 0; i < NOTICE_KINDS; i++)
		if (slice_eq(name, slice_str(notice_kinds[i].name)))
			return i;
	return -1;
}
