/* SPDX-License-Identifier: Apache-2.0 */
/* A bulk request taken apart (http.h). Threats: bodies of any bytes; what may come is bounded by API_JSON_MAX and
 * API_BULK_MAX. */
#include "proto/api/http.h"

#include "base/err.h"
#include "base/text.h"

#include <jansson.h>

static int fail(struct api_error *e, int err, const char *rule)
{
	*e = (struct api_error){ .field = "items" };
	snprintf(e->rule, sizeof(e->rule), "%s", text_in(text_current(), rule));
	return err;
}

/* What changes something, and takes no file. */
static const struct api_op *bulk_op(struct slice name)
{
	const struct api_op *op = api_op_find(name);
	const struct api_param *file = op ? api_op_file(op) : NULL;
	bool fits = op && strcmp(op->method, "GET") && !op->list && !(file && file->required) &&
		    (op->owner == API_DIRECTORY || op->owner == API_QUEUE);
	return fits ? op : NULL;
}

static struct slice text_of(struct arena *a, const json_t *v)
{
	return json_is_string(v) ? arena_dup(a, slice_of(json_string_value(v), json_string_length(v))) : (struct slice){ 0 };
}

static int take_item(json_t *item, struct arena *a, struct api_bulk_item *ret)
{
	if (!json_is_object(item))
		return ERR_SYNTAX;
	ret->name = text_of(a, json_object_get(item, "operation"));
	ret->if_match = text_of(a, json_object_get(item, "if_match"));
	ret->op = bulk_op(ret->name);
	json_object_del(item, "operation");
	json_object_del(item, "if_match");
	char *text = json_dumps(item, JSON_COMPACT);
	if (!text)
		return ERR_SYNTAX;
	ret->fields = arena_dup(a, slice_str(text));
	explicit_bzero(text, strlen(text));
	free(text);
	return 0;
}

int api_bulk(struct slice body, struct arena *a, struct api_bulk_item **ret, size_t *ret_n, struct api_error *ret_error)
{
	json_error_t where;
	if (body.n > API_JSON_MAX)
		return fail(ret_error, ERR_TOO_BIG, N_("a smaller body"));
	json_t *root = json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES, &where);
	json_t *items = json_object_get(root, "items");
	size_t n = json_array_size(items);
	int r = 0;
	if (!json_is_array(items) || json_object_size(root) != 1)
		r = fail(ret_error, ERR_SYNTAX, N_("a JSON object with items, a list, and nothing else"));
	else if (!n || n > API_BULK_MAX)
		r = fail(ret_error, n ? ERR_TOO_BIG : ERR_INVALID, N_("1 to 1000 items"));
	struct api_bulk_item *list = r < 0 ? NULL : ARENA_ARRAY(a, struct api_bulk_item, n);
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (take_item(json_array_get(items, i), a, &list[i]) < 0)
			r = fail(ret_error, ERR_SYNTAX, N_("items that are JSON objects with an operation"));
	}
	json_decref(root);
	if (r < 0)
		return r;
	*ret = list;
	*ret_n = n;
	return 0;
}
