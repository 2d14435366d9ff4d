/* SPDX-License-Identifier: Apache-2.0 */
/* postern export: the file itself, for `> accounts.csv`. */
#include "cli/cli.h"

static bool show(struct cli *c, const struct api_op *op, const json_t *result)
{
	show_file(json_object_get(result, "text"));
	return true;
}

const struct cli_noun noun_export = { .name = "export",
				      .help = N_("mailboxes and aliases as files that imports take"),
				      .show = show };
