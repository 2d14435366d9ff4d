/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

const struct cli_noun noun_forward = { .name = "forward", .help = "mailboxes that pass their mail on" };
const struct cli_noun noun_autoreply = { .name = "autoreply", .help = "automatic replies of mailboxes" };
