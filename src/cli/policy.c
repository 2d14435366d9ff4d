/* SPDX-License-Identifier: Apache-2.0 */
/* postern policy: what a customer asks of passwords. */
#include "cli/cli.h"

const struct cli_noun noun_policy = { .name = "policy",
				      .help = N_("what a customer asks of passwords, and how long links are good") };
