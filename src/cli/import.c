/* SPDX-License-Identifier: Apache-2.0 */
/* postern import: what a file brought, in one line; a refused file's lines are told by http.c. */
#include "cli/cli.h"

static json_int_t number(const json_t *result, const char *name)
{
	return json_integer_value(json_object_get(result, name));
}

static bool show(struct cli *c, const struct api_op *op, const json_t *result)
{
	if (!strcmp(op->name, "import.settings"))
		return false;
	struct buf line = BUF_INIT(4096);
	size_t i;
	json_t *warning;
	bool dry = json_is_true(json_object_get(result, "dry_run"));
	text_count((uint64_t)number(result, "lines"), N_("line read"), N_("lines read"), &line);
	printf(dry ? T_("%s: %lld would be added, %lld would be changed, %lld unchanged\n")
		   : T_("%s: %lld added, %lld changed, %lld unchanged\n"),
	       buf_cstr(&line), (long long)number(result, "added"), (long long)number(result, "changed"),
	       (long long)number(result, "unchanged"));
	json_array_foreach(json_object_get(result, "warnings"), i, warning) {
		buf_clear(&line);
		show_value(API_STR, warning, &line);
		printf(T_("  note: %s\n"), buf_cstr(&line));
	}
	buf_fini(&line);
	return true;
}

const struct cli_noun noun_import = { .name = "import",
				      .help = N_("mailboxes and aliases from a file"),
				      .show = show };
