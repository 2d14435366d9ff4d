/* SPDX-License-Identifier: Apache-2.0 */
/* What people are told of, and which variables their texts have. */
#include "room/directory/notice/notice.h"

#include "base/compiler.h"
#include "base/text.h"

#define LINK { "link", NOTICE_SECRET, N_("where to go"), "https://mail.example.org/password/0123456789" }
#define EXPIRES { "expires", NOTICE_TIME, N_("until when that works"), "1767225600000" }
#define WHEN { "when", NOTICE_TIME, N_("when it was changed"), "1767225600000" }
#define WHOSE { "login", NOTICE_WORDS, N_("whose it is"), "joe@example.org" }
#define REMOTE { "remote", NOTICE_WORDS, N_("from which network address"), "192.0.2.1" }
#define USE                                                                                        \
	{ "used", NOTICE_BYTES, N_("storage in use"), "1825361101" },                                  \
		{ "quota", NOTICE_BYTES, N_("storage of the mailbox"), "2147483648" },                 \
		{ "percent", NOTICE_COUNT, N_("how full it is"), "85" }
#define POOL_USE                                                                                   \
	{ "used", NOTICE_BYTES, N_("storage in use"), "182536110080" },                                \
		{ "quota", NOTICE_BYTES, N_("storage of the customer"), "214748364800" },              \
		{ "percent", NOTICE_COUNT, N_("how full it is"), "85" }
#define MOVE                                                                                       \
	{ "date", NOTICE_TIME, N_("when the domain moves"), "1767225600000" },                         \
		{ "list", NOTICE_WORDS, N_("mailboxes and aliases, a line each"), "joe@example.org" }

const struct notice_var_def notice_common[NOTICE_COMMON] = {
	{ "address", NOTICE_WORDS, N_("the mailbox it is about, else to whom it goes"), "joe@example.org" },
	{ "person", NOTICE_WORDS, N_("whose mailbox it is, else its address"), "Joe Doe" },
	{ "customer", NOTICE_WORDS, N_("the customer's short name"), "acme" },
	{ "domain", NOTICE_WORDS, N_("the mail domain"), "example.org" },
	{ "host", NOTICE_WORDS, N_("name of the mail server"), "mail.example.org" },
};

const struct notice_kind_def notice_kinds[NOTICE_KINDS] = {
	[NOTICE_TEST] = { "test", N_("a trial of notices"), {} },
	[NOTICE_OLD_LOGIN] = { "old_login", N_("the mailbox was modified: its old user name ends"),
			       { { "old_login", NOTICE_WORDS, N_("the old user name"), "custo1" },
				 { "new_login", NOTICE_WORDS, N_("the new one"), "joe@example.org" },
				 { "deadline", NOTICE_TIME, N_("until when the old one works"), "1767225600000" } } },
	[NOTICE_QUOTA_80] = { "quota_80", N_("the mailbox is filled to 80 %"), { USE } },
	[NOTICE_QUOTA_95] = { "quota_95", N_("the mailbox is filled to 95 %"), { USE } },
	[NOTICE_POOL_80] = { "pool_80", N_("the storage that the customer's mailboxes share is filled to 80 %"), { POOL_USE } },
	[NOTICE_POOL_95] = { "pool_95", N_("the storage that the customer's mailboxes share is filled to 95 %"), { POOL_USE } },
	[NOTICE_INVITATION] = { "invitation", N_("a link to set the first password"), { LINK, EXPIRES } },
	[NOTICE_RESET] = { "reset", N_("a link to set a new password"), { WHOSE, LINK, EXPIRES } },
	[NOTICE_FIRST_PASSWORD] = { "first_password", N_("a password that is good for setting one's own"),
				    { { "password", NOTICE_SECRET, N_("the first password"), "Abcd-2345-efgh" }, LINK,
				      EXPIRES } },
	[NOTICE_DEFAULT_PASSWORD] = { "default_password", N_("a default password has to be replaced"), { LINK } },
	[NOTICE_PASSWORD_CHANGED] = { "password_changed", N_("the password was changed"), { WHEN, REMOTE } },
	[NOTICE_FORWARD_CHANGED] = { "forward_changed", N_("the forwarding was changed"),
				     { WHEN, REMOTE,
				       { "targets", NOTICE_WORDS, N_("to where mail goes now"), "joe@elsewhere.example" } } },
	[NOTICE_CANDIDATES] = { "candidates", N_("mail came for addresses that do not exist"),
				{ { "count", NOTICE_COUNT, N_("how many addresses"), "2" },
				  { "list", NOTICE_WORDS, N_("the addresses, a line each"), "jo@example.org" },
				  { "days", NOTICE_COUNT, N_("how long their mail is kept"), "30" } } },
	[NOTICE_ANNOUNCE] = { "announce", N_("the domain will move here"), { MOVE } },
	[NOTICE_SCRIPT_FAILED] = { "script_failed", N_("a Sieve script of the mailbox failed over a message"),
				   { { "script", NOTICE_WORDS, N_("the script's name"), "rules" },
				     { "error", NOTICE_WORDS, N_("what went wrong, and where"),
				       "line 3, column 1: there are too many redirects: \"joe@example.org\" is one more" },
				     { "when", NOTICE_TIME, N_("when it failed"), "1767225600000" } } },
	[NOTICE_WARNING] = { "warning", N_("what will move, to be looked through before"), { MOVE } },
	[NOTICE_TOTP_ON] = { "totp_on", N_("the second factor was turned on"), { WHOSE, WHEN, REMOTE } },
	[NOTICE_TOTP_OFF] = { "totp_off", N_("the second factor was turned off"), { WHOSE, WHEN, REMOTE } },
	[NOTICE_TOTP_RECOVERY] = { "totp_recovery", N_("a recovery code was used"),
				   { WHOSE, WHEN, REMOTE, { "left", NOTICE_COUNT, N_("recovery codes that are left"), "9" } } },
	[NOTICE_TOTP_GUESSED] = { "totp_guessed", N_("somebody with the password has guessed codes"), { WHOSE, WHEN, REMOTE } },
};

int notice_kind_by_name(struct slice name)
{
	for (int i = 0; i < NOTICE_KINDS; i++)
		if (slice_eq(name, slice_str(notice_kinds[i].name)))
			return i;
	return -1;
}
