/* SPDX-License-Identifier: Apache-2.0 */
/* postern candidate: lists as tables; a message as it came. */
#include "cli/cli.h"

static bool show(struct cli *c, const struct api_op *op, const json_t *result)
{
	const json_t *source = json_object_get(result, "source");
	if (!strcmp(op->name, "candidate.promote") || !strcmp(op->name, "candidate.banish"))
		return show_converted(c, op, result);
	if (strcmp(op->name, "candidate.message"))
		return false;
	/* A mail must not write to the terminal what it likes. */
	show_text(slice_of(json_string_value(source), json_string_length(source)));
	return true;
}

const struct cli_noun noun_candidate = {
	.name = "candidate",
	.help = N_("addresses that nobody has and that mail came for"),
	.show = show,
};
