/* SPDX-License-Identifier: Apache-2.0 */
/* postern mailbox: lists as tables, one mailbox as lines. */
#include "cli/cli.h"

static const char *const columns[] = { "address",  "name",  "aliases", "language", "used_bytes", "quota_bytes",
				       "messages", "has_password", "must_change", "invited_ms", "retention", NULL };

const struct cli_noun noun_mailbox = {
	.name = "mailbox",
	.help = N_("mailboxes: logins with storage"),
	.columns = columns,
};
