/* SPDX-License-Identifier: Apache-2.0 */
/* postern timer: jobs as a table. */
#include "cli/cli.h"

const struct cli_noun noun_timer = { .name = "timer", .help = N_("what happens by the clock") };
