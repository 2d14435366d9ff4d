/* SPDX-License-Identifier: Apache-2.0 */
/* postern queue: one message with a table of its recipients; flush and remove say how many. */
#include "cli/cli.h"

static const struct api_result recipient_columns[] = {
	{ "address", API_STR, "recipient" }, { "state", API_STR, "state" },
	{ "host", API_STR, "target" },       { "tries", API_U64, "attempts" },
	{ "next_ms", API_TIME, "next" },     { "error", API_STR, "last reply" },
};
static const struct api_op recipients = {
	.results = recipient_columns,
	.n_results = ARRAY_SIZE(recipient_columns),
};

static bool show(struct cli *c, const struct api_op *op, const json_t *result)
{
	json_t *count = json_object_get(result, "count");
	if (json_is_integer(count)) {
		printf(strcmp(op->name, "queue.flush") ? T_("%lld removed\n") : T_("%lld will be tried now\n"),
		       (long long)json_integer_value(count));
		return true;
	}
	if (strcmp(op->name, "queue.show"))
		return false;
	show_object(op, result);
	puts("");
	show_list(&recipients, NULL, json_object_get(result, "recipients"));
	return true;
}

const struct cli_noun noun_queue = { .name = "queue",
				     .help = N_("mail that waits to go out"),
				     .show = show };
