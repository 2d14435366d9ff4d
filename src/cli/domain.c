/* SPDX-License-Identifier: Apache-2.0 */
/* postern domain: a switch is told in a sentence, with what to look at before. */
#include "cli/cli.h"

static bool show(struct cli *c, const struct api_op *op, const json_t *result)
{
	struct buf line = BUF_INIT(4096);
	size_t i;
	json_t *warning;
	if (strcmp(op->name, "domain.switch"))
		return false;
	show_value(API_STR, json_object_get(result, "domain"), &line);
	printf(json_is_true(json_object_get(result, "dry_run")) ? T_("%s would go from %s to %s\n")
								: T_("%s went from %s to %s\n"),
	       buf_cstr(&line), json_string_value(json_object_get(result, "mode_before")),
	       json_string_value(json_object_get(result, "mode")));
	json_array_foreach(json_object_get(result, "warnings"), i, warning) {
		buf_clear(&line);
		show_value(API_STR, warning, &line);
		printf(T_("  note: %s\n"), buf_cstr(&line));
	}
	buf_fini(&line);
	return true;
}

static const char *const columns[] = { "domain", "customer",  "mode",      "phase",
				       "server", "mailboxes", "addresses", NULL };

const struct cli_noun noun_domain = {
	.name = "domain",
	.help = N_("mail domains: which server has the mailboxes, and the switch over"),
	.show = show,
	.columns = columns,
};
