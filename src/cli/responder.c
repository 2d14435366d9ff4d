/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

const struct cli_noun noun_forward = { .name = "forward", .help = N_("mailboxes that pass their mail on") };
const struct cli_noun noun_autoreply = { .name = "autoreply", .help = N_("automatic replies of mailboxes") };
