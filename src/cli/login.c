/* SPDX-License-Identifier: Apache-2.0 */
/* postern login: old user names. */
#include "cli/cli.h"

const struct cli_noun noun_login = { .name = "login",
				     .help = N_("old user names of mailboxes, and until when they work") };
