/* SPDX-License-Identifier: Apache-2.0 */
/* postern address: lists as tables, one address as lines. */
#include "cli/cli.h"

const struct cli_noun noun_address = { .name = "address",
				       .help = "aliases, lists, redirects and banished addresses" };
