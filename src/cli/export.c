/* SPDX-License-Identifier: Apache-2.0 */
/* postern export: the file itself, for `> accounts.csv`. */
#include "cli/cli.h"

static bool show(struct cli *c, const struct api_op *op, const json_t *result)
{
	const char *text = json_string_value(json_object_get(result, "text"));
	if (text)
		fputs(text, stdout);
	return true;
}

const struct cli_noun noun_export = { .name = "export",
				      .help = "mailboxes and aliases as files that imports take",
				      .show = show };
