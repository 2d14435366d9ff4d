/* SPDX-License-Identifier: Apache-2.0 */
/* Failures in HTTP: which status an error of ours is, and the document that says it (RFC 9457, RFC
 * 9110 15). */
#include "proto/api/http.h"

#include "base/err.h"

#include <jansson.h>

static const struct {
	unsigned status;
	const char *title;
} titles[] = {
	{ 200, "OK" },
	{ 201, "Created" },
	{ 400, "Bad request" },
	{ 403, "Not allowed" },
	{ 404, "Not found" },
	{ 405, "Method not allowed" },
	{ 409, "Conflict" },
	{ 413, "Too large" },
	{ 414, "Address too long" },
	{ 415, "Media type not taken" },
	{ 422, "Refused" },
	{ 500, "Internal error" },
	{ 501, "Not offered" },
	{ 502, "Other server's error" },
	{ 503, "Not available now" },
	{ 504, "No answer in time" },
	{ 507, "Storage is full" },
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

void api_problem(unsigned status, const char *title, const char *detail, const char *field,
		 struct buf *out)
{
	json_t *o = json_object();
	json_object_set_new(o, "type", json_string("about:blank"));
	json_object_set_new(o, "title", json_string(title ? title : api_status_title(status)));
	json_object_set_new(o, "status", json_integer(status));
	if (detail && *detail)
		json_object_set_new(o, "detail", json_string(detail));
	if (field && *field)
		json_object_set_new(o, "field", json_string(field));
	char *text = json_dumps(o, JSON_COMPACT);
	bug_if(!text);
	buf_str(out, text);
	free(text);
	json_decref(o);
}
