/* SPDX-License-Identifier: Apache-2.0 */
/* postern sieve, postern globalscript: `get` prints the script as it is, so that it can go into a file and come back. */
#include "cli/cli.h"

static bool show(struct cli *c, const struct api_op *op, const json_t *result)
{
	const json_t *text = json_object_get(result, "text");
	if (!text)
		return false;
	show_file(text);
	return true;
}

const struct cli_noun noun_sieve = { .name = "sieve", .help = N_("Sieve scripts of mailboxes"), .show = show };
const struct cli_noun noun_globalscript = { .name = "globalscript",
					    .help = N_("Sieve scripts of domains, which their mailboxes' scripts may include"),
					    .show = show };
