/* SPDX-License-Identifier: Apache-2.0 */
/* postern lockout: who is refused because of wrong passwords. */
#include "cli/cli.h"

const struct cli_noun noun_lockout = { .name = "lockout",
				       .help = N_("logins and networks that are refused because of wrong passwords") };
