/* SPDX-License-Identifier: Apache-2.0 */
/* postern address: lists as tables, one address as lines, a conversion as a sentence each. */
#include "cli/cli.h"

static void show_mail(const json_t *item, struct buf *line)
{
	const char *mail = json_string_value(json_object_get(item, "mail"));
	json_int_t n = json_integer_value(json_object_get(item, "messages"));
	if (!mail)
		return;
	if (!strcmp(mail, "moves"))
		buf_printf(line, n == 1 ? T_("; %lld message moves") : T_("; %lld messages move"), (long long)n);
	else if (!strcmp(mail, "stays"))
		buf_printf(line,
			   n == 1 ? T_("; %lld message stays in the candidates' area")
				  : T_("; %lld messages stay in the candidates' area"),
			   (long long)n);
	else if (!strcmp(mail, "discarded"))
		buf_printf(line, n == 1 ? T_("; %lld message discarded") : T_("; %lld messages discarded"), (long long)n);
}

bool show_converted(struct cli *c, const struct api_op *op, const json_t *result)
{
	struct buf line = BUF_INIT(8192);
	size_t i, k;
	json_t *item, *who;
	json_array_foreach(json_object_get(result, "items"), i, item) {
		json_t *error = json_object_get(item, "error");
		buf_clear(&line);
		show_value(API_ADDRESS, json_object_get(item, "address"), &line);
		buf_str(&line, error ? T_(": refused: ") : ": ");
		if (error) {
			show_value(API_STR, error, &line);
		} else {
			show_safe(slice_str(word_said(json_string_value(json_object_get(item, "type_before")))), &line);
			buf_str(&line, " -> ");
			show_safe(slice_str(word_said(json_string_value(json_object_get(item, "type")))), &line);
			show_mail(item, &line);
		}
		fprintf(error ? stderr : stdout, "%s\n", buf_cstr(&line));
		json_array_foreach(json_object_get(item, "repointed"), k, who) {
			buf_clear(&line);
			show_value(API_ADDRESS, who, &line);
			printf(T_("  %s leads there too now\n"), buf_cstr(&line));
		}
	}
	buf_fini(&line);
	return true;
}

static bool show(struct cli *c, const struct api_op *op, const json_t *result)
{
	return !strcmp(op->name, "address.convert") && show_converted(c, op, result);
}

const struct cli_noun noun_address = { .name = "address",
				       .help = N_("aliases, lists, redirects and banished addresses"),
				       .show = show };
