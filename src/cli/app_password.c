/* SPDX-License-Identifier: Apache-2.0 */
/* postern apppassword: passwords of programs. */
#include "cli/cli.h"

const struct cli_noun noun_apppassword = { .name = "apppassword",
					   .help = N_("passwords of single programs, for some protocols alone") };
