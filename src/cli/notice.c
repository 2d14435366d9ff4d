/* SPDX-License-Identifier: Apache-2.0 */
/* postern notice, postern template: texts are shown as they are, below what is short. */
#include "cli/cli.h"

static void show_lines(const char *title, const json_t *text)
{
	struct buf line = BUF_INIT(256 * 1024);
	struct slice rest = slice_of(json_string_value(text), json_string_length(text));
	if (!rest.n)
		return;
	printf("\n%s:\n\n", title);
	while (rest.n) {
		ptrdiff_t end = slice_find_byte(rest, '\n', 0);
		buf_clear(&line);
		show_safe(slice_sub(rest, 0, end < 0 ? rest.n : (size_t)end), &line);
		puts(buf_cstr(&line));
		rest = slice_sub(rest, end < 0 ? rest.n : (size_t)end + 1, rest.n);
	}
	buf_fini(&line);
}

/* The operation's results but text and html, which have lines. */
static bool show(struct cli *c, const struct api_op *op, const json_t *result)
{
	static const char *const texts[] = { "text", "html" };
	if (op->list || !json_is_string(json_object_get(result, "text")))
		return false;
	json_t *rest = json_copy((json_t *)result);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		json_object_del(rest, texts[i]);
	show_object(op, rest);
	json_decref(rest);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		show_lines(texts[i], json_object_get(result, texts[i]));
	size_t k;
	json_t *v;
	json_array_foreach(json_object_get(result, "variables"), k, v)
		printf("%s{%s}  %s\n", k ? "" : "\n", json_string_value(json_object_get(v, "name")),
		       json_string_value(json_object_get(v, "help")));
	return true;
}

const struct cli_noun noun_notice = { .name = "notice", .help = "what people were told by mail", .show = show };
const struct cli_noun noun_template = { .name = "template", .help = "the texts of notices", .show = show };
