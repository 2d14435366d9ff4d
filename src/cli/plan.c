/* SPDX-License-Identifier: Apache-2.0 */
/* postern plan: domains in the order of their move. */
#include "cli/cli.h"

static const char *const columns[] = { "place", "day", "domain", "customer", "phase", "next", "mailboxes", "note", NULL };

const struct cli_noun noun_plan = {
	.name = "plan",
	.help = N_("when each domain moves, and where it stands"),
	.columns = columns,
};
