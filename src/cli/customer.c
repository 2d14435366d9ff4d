/* SPDX-License-Identifier: Apache-2.0 */
/* postern customer: lists as tables, one customer as lines. */
#include "cli/cli.h"

const struct cli_noun noun_customer = {
	.name = "customer", .help = N_("customers: who pays, how much storage, which language")
};
