/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A noun and a verb: find the operation, read the words, ask the instance, show what came back.
 * Lists are fetched page by page until the end, unless the caller asks for one page with --limit or
 * --after.
 */
#include "cli/cli.h"

#include "base/err.h"

#define PAGE "1000"

static const struct api_op *find_op(struct cli *c, const char *noun, const char *verb)
{
	return api_op_find(slice_str(arena_printf(c->arena, "%s.%s", noun, verb)));
}

static void show(struct cli *c, const struct api_op *op, const struct cli_noun *noun,
		 const json_t *result)
{
	if (c->json)
		show_json(result ? result : json_null());
	else if (noun->show && result && noun->show(c, op, result))
		return;
	else if (op->list)
		show_list(op, noun->columns, json_object_get(result, "items"));
	else if (json_object_size(result))
		show_object(op, result);
}

static bool is_one_page(const struct cli_args *args)
{
	return api_get(args->fields.v, args->fields.n, "limit").p ||
	       api_get(args->fields.v, args->fields.n, "after").p;
}

/* All pages as one: {"items": [...], "next": null}. */
static int request_all(struct cli *c, const struct api_op *op, struct cli_args *args, json_t **ret)
{
	struct api_fields *f = &args->fields;
	json_t *whole = json_array(), *page;
	int code = CLI_DONE;
	bug_if(api_fields_add(f, SLICE("limit"), SLICE(PAGE)) < 0);
	size_t n = f->n;
	for (;;) {
		code = cli_request(c, op, args, &page);
		if (code)
			break;
		json_array_extend(whole, json_object_get(page, "items"));
		const char *next = json_string_value(json_object_get(page, "next"));
		f->n = n;
		bool more =
			next && *next && api_fields_add(f, SLICE("after"), slice_str(next)) == 0;
		json_decref(page);
		if (!more)
			break;
	}
	if (code)
		json_decref(whole);
	else
		*ret = json_pack("{s:o, s:n}", "items", whole, "next");
	return code;
}

int cli_op_run(struct cli *c, const struct api_op *op, const struct cli_noun *noun,
	       struct cli_args *args)
{
	json_t *result = NULL;
	bool all = op->list && api_op_has(op, "limit") && !is_one_page(args);
	int code = all ? request_all(c, op, args, &result) : cli_request(c, op, args, &result);
	if (!code)
		show(c, op, noun, result);
	/* Of several some may be refused: done is only what is done whole. */
	if (!code && json_integer_value(json_object_get(result, "refused")) > 0)
		code = CLI_REFUSED;
	json_decref(result);
	return code;
}

int cli_ask(struct cli *c, const char *operation, json_t **ret)
{
	struct cli_args args = { .fields = { .arena = c->arena } };
	const struct api_op *op = api_op_find(slice_str(operation));
	bug_if(!op);
	return cli_request(c, op, &args, ret);
}

int cli_noun_main(struct cli *c, const struct cli_noun *noun)
{
	struct cli_args args;
	if (c->n == 0) {
		help_noun(noun);
		return c->help ? CLI_DONE : CLI_USAGE;
	}
	const char *verb = c->words[0];
	const struct api_op *op = find_op(c, noun->name, verb);
	if (!op)
		return cli_usage("there is no \"%s %s\"; `postern %s --help` shows what there is",
				 noun->name, verb, noun->name);
	if (c->help) {
		help_op(noun, op);
		return CLI_DONE;
	}
	c->words++;
	c->n--;
	int code = cli_args_parse(c, op, noun, &args);
	if (code)
		return code;
	return noun->run ? noun->run(c, op, &args) : cli_op_run(c, op, noun, &args);
}
