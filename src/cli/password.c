/* SPDX-License-Identifier: Apache-2.0 */
/* postern password: what anybody may do without having logged in. */
#include "cli/cli.h"

const struct cli_noun noun_password = { .name = "password",
					.help = N_("links to set a password, and setting one's own") };
