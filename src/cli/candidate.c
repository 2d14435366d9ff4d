/* SPDX-License-Identifier: Apache-2.0 */
/* postern candidate: lists as tables; a message as it came. */
#include "cli/cli.h"

static bool show(struct cli *c, const struct api_op *op, const json_t *result)
{
	struct buf text = BUF_INIT(8 << 20);
	if (!strcmp(op->name, "candidate.promote") || !strcmp(op->name, "candidate.banish"))
		return show_converted(c, op, result);
	if (strcmp(op->name, "candidate.message"))
		return false;
	const char *rest = json_string_value(json_object_get(result, "source"));
	/* Line by line: a mail must not write to the terminal what it likes. */
	while (rest && *rest) {
		size_t n = strcspn(rest, "\n");
		show_safe(slice_trim(slice_of(rest, n)), &text);
		puts(buf_cstr(&text));
		buf_clear(&text);
		rest += rest[n] ? n + 1 : n;
	}
	buf_fini(&text);
	return true;
}

const struct cli_noun noun_candidate = {
	.name = "candidate",
	.help = "addresses that nobody has and that mail came for",
	.show = show,
};
