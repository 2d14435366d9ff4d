/* SPDX-License-Identifier: Apache-2.0 */
/* postern notice, postern template: a template's variables stand below its texts. */
#include "cli/cli.h"

static bool show(struct cli *c, const struct api_op *op, const json_t *result)
{
	size_t k;
	json_t *v;
	if (op->list || !json_is_string(json_object_get(result, "text")))
		return false;
	show_object(op, result);
	json_array_foreach(json_object_get(result, "variables"), k, v)
		printf("%s{%s}  %s\n", k ? "" : "\n", json_string_value(json_object_get(v, "name")),
		       json_string_value(json_object_get(v, "help")));
	return true;
}

const struct cli_noun noun_notice = { .name = "notice", .help = N_("what people were told by mail"), .show = show };
const struct cli_noun noun_template = { .name = "template", .help = N_("the texts of notices"), .show = show };
