/* SPDX-License-Identifier: Apache-2.0 */
/* postern totp: second factors. */
#include "cli/cli.h"

const struct cli_noun noun_totp = { .name = "totp", .help = N_("second factors of logins on the web, as codes by the clock") };
