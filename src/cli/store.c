/* SPDX-License-Identifier: Apache-2.0 */
/* postern store: faults are shown, and are a failure (exit 1). */
#include "cli/cli.h"

static bool show(struct cli *c, const struct api_op *op, const json_t *result)
{
	size_t i;
	json_t *text;
	json_t *texts = json_object_get(result, "texts");
	if (strcmp(op->name, "store.check"))
		return false;
	show_object(op, result);
	json_array_foreach(texts, i, text) {
		struct buf line = BUF_INIT(4096);
		show_value(API_STR, text, &line);
		printf("  %s\n", buf_cstr(&line));
		buf_fini(&line);
	}
	return true;
}

static int run(struct cli *c, const struct api_op *op, struct cli_args *args)
{
	json_t *result = NULL;
	int code = cli_request(c, op, args, &result);
	if (code)
		return code;
	if (c->json)
		show_json(result);
	else if (!show(c, op, result))
		show_object(op, result);
	json_int_t faults = json_integer_value(json_object_get(result, "faults"));
	json_decref(result);
	return faults ? cli_refuse("%lld faults", (long long)faults) : CLI_DONE;
}

const struct cli_noun noun_store = { .name = "store",
				     .help = N_("the stored mail itself"),
				     .run = run };
