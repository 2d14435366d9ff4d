/* SPDX-License-Identifier: Apache-2.0 */
/* Failures in HTTP: which status an error of ours is, and the document that says it (RFC 9457, RFC
 * 9110 15). */
#include "proto/api/http.h"

#include "base/err.h"
#include "base/text.h"

#include <jansson.h>

static const struct {
	unsigned status;
	const char *title;
} titles[] = {
	{ 200, N_("OK") },
	{ 201, N_("Created") },
	{ 400, N_("Bad request") },
	{ 401, N_("Not logged in") },
	{ 403, N_("Not allowed") },
	{ 404, N_("Not found") },
	{ 405, N_("Method not allowed") },
	{ 409, N_("Conflict") },
	{ 413, N_("Too large") },
	{ 414, N_("Address too long") },
	{ 415, N_("Media type not taken") },
	{ 421, N_("Another server's name") },
	{ 422, N_("Refused") },
	{ 500, N_("Internal error") },
	{ 501, N_("Not offered") },
	{ 502, N_("Other server's error") },
	{ 503, N_("Not available now") },
	{ 504, N_("No answer in time") },
	{ 507, N_("Storage is full") },
};

const char *api_status_title(unsigned status)
{
	for (size_t i = 0; i < ARRAY_SIZE(titles); i++) {
		if (titles[i].status == status)
			return titles[i].title;
	}
	return "Error";
}

unsigned api_status_of(int err)
{
	switch (err) {
	case ERR_SYNTAX:
		return 400;
	case ERR_DENIED:
		return 403;
	case ERR_NOT_FOUND:
		return 404;
	case ERR_EXISTS:
	case ERR_CONFLICT:
		return 409;
	case ERR_TOO_BIG:
		return 413;
	case ERR_INVALID:
		return 422;
	case ERR_UNSUPPORTED:
		return 501;
	case ERR_CLOSED:
	case ERR_UNAVAILABLE:
		return 503;
	case ERR_TIMEOUT:
		return 504;
	case ERR_QUOTA:
	case ERR_FULL:
		return 507;
	default:
		return err < 0 ? 500 : 200;
	}
}

static json_t *problem(unsigned status, const char *title, const char *detail, const char *field)
{
	json_t *o = json_object();
	json_object_set_new(o, "type", json_string(API_PROBLEM));
	json_object_set_new(o, "title", json_string(text_in(text_current(), title ? title : api_status_title(status))));
	json_object_set_new(o, "status", json_integer(status));
	if (detail && *detail)
		json_object_set_new(o, "detail", json_string(text_in(text_current(), detail)));
	if (field && *field)
		json_object_set_new(o, "field", json_string(field));
	return o;
}

static void put(json_t *o, struct buf *out)
{
	char *text = json_dumps(o, JSON_COMPACT);
	bug_if(!text);
	buf_str(out, text);
	free(text);
	json_decref(o);
}

void api_problem(unsigned status, const char *title, const char *detail, const char *field, struct buf *out)
{
	put(problem(status, title, detail, field), out);
}

void api_problem_second(unsigned status, const char *detail, const char *field, struct buf *out)
{
	json_t *o = problem(status, NULL, detail, field);
	json_object_set_new(o, "type", json_string(API_SECOND_FACTOR));
	put(o, out);
}

void api_problem_error(unsigned status, const struct api_error *e, struct buf *out)
{
	struct buf detail = BUF_INIT(1024);
	api_error_text(e, &detail);
	json_t *o = problem(status, NULL, buf_cstr(&detail), e->field);
	if (e->value[0])
		json_object_set_new(o, "value", json_string(e->value));
	json_object_set_new(o, "rule", json_string(e->rule));
	buf_fini(&detail);
	put(o, out);
}
