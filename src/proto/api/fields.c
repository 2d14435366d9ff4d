/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields in and out of HTTP. In: everything ends as text in an arena, bounded by API_FIELDS_MAX;
 * nested objects, reals and doubled members are refused. Out: what a client sends, in the form that
 * these readers take.
 */
#include "proto/api/http.h"

#include "base/codec.h"
#include "base/err.h"
#include "base/text.h"

#include <jansson.h>

enum { API_SECRET_BYTES = 2048 };

int api_fields_add(struct api_fields *f, struct slice name, struct slice value)
{
	if (f->n == API_FIELDS_MAX)
		return ERR_TOO_BIG;
	if (f->n == f->cap) {
		size_t cap = f->cap ? f->cap * 2 : 16;
		struct api_field *v = ARENA_ARRAY(f->arena, struct api_field, cap);
		if (f->n)
			memcpy(v, f->v, f->n * sizeof(*v));
		f->v = v;
		f->cap = cap;
	}
	f->v[f->n].name = arena_dup(f->arena, name);
	f->v[f->n++].value = arena_dup(f->arena, value);
	return 0;
}

static int fail(struct api_error *ret, int err, struct slice field, const char *rule)
{
	*ret = (struct api_error){ 0 };
	if (field.n && field.n < sizeof(ret->field) && utf8_valid(field))
		memcpy(ret->field, field.p, field.n);
	snprintf(ret->rule, sizeof(ret->rule), "%s", text_in(text_current(), rule));
	return err;
}

static int form_decode(struct slice in, struct arena *a, struct slice *ret)
{
	uint8_t *out = arena_alloc(a, in.n + 1);
	struct buf byte = BUF_INIT(1);
	size_t n = 0;
	int err = 0;
	for (size_t i = 0; i < in.n && err == 0; i++) {
		if (in.p[i] != '%') {
			out[n++] = in.p[i] == '+' ? ' ' : in.p[i];
			continue;
		}
		buf_clear(&byte);
		err = in.n - i > 2 ? hex_decode(&byte, slice_sub(in, i + 1, i + 3)) : ERR_SYNTAX;
		if (err == 0)
			out[n++] = byte.p[0];
		i += 2;
	}
	buf_fini(&byte);
	if (err < 0 || !utf8_valid(slice_of(out, n)))
		return ERR_SYNTAX;
	*ret = slice_of(out, n);
	return 0;
}

static int query_pair(struct api_fields *f, const struct api_op *op, struct slice pair,
		      struct api_error *ret_error)
{
	ptrdiff_t eq = slice_find_byte(pair, '=', 0);
	struct slice name, value = { 0 }, none = { 0 };
	if (form_decode(slice_sub(pair, 0, eq < 0 ? pair.n : (size_t)eq), f->arena, &name) < 0 ||
	    (eq >= 0 && form_decode(slice_sub(pair, (size_t)eq + 1, pair.n), f->arena, &value) < 0))
		return fail(ret_error, ERR_SYNTAX, none,
			    "a query of name=value pairs with UTF-8 escapes");
	const struct api_param *p = api_param_find(op, name);
	if (p && p->type == API_SECRET)
		return fail(ret_error, ERR_INVALID, name,
			    "secrets in the body, never in the query");
	if (api_fields_add(f, name, value) < 0)
		return fail(ret_error, ERR_TOO_BIG, none, "fewer fields");
	return 0;
}

int api_fields_from_query(struct api_fields *f, const struct api_op *op, struct slice query,
			  struct api_error *ret_error)
{
	size_t at = 0;
	if (query.n > API_QUERY_MAX)
		return fail(ret_error, ERR_TOO_BIG, SLICE(""), "a shorter query");
	while (at < query.n) {
		ptrdiff_t amp = slice_find_byte(query, '&', at);
		size_t end = amp < 0 ? query.n : (size_t)amp;
		int err = end > at ? query_pair(f, op, slice_sub(query, at, end), ret_error) : 0;
		if (err < 0)
			return err;
		at = end + 1;
	}
	return 0;
}

static int add_scalar(struct api_fields *f, struct slice name, const json_t *v,
		      struct api_error *ret_error)
{
	struct slice text = { 0 };
	int err = 0;
	if (json_is_string(v))
		text = slice_of(json_string_value(v), json_string_length(v));
	else if (json_is_integer(v))
		text = slice_str(
			arena_printf(f->arena, "%" JSON_INTEGER_FORMAT, json_integer_value(v)));
	else if (json_is_boolean(v))
		text = json_is_true(v) ? SLICE("true") : SLICE("false");
	else
		return fail(ret_error, ERR_INVALID, name, "a text, a whole number, true or false");
	err = api_fields_add(f, name, text);
	return err < 0 ? fail(ret_error, err, name, "fewer fields") : 0;
}

static int add_member(struct api_fields *f, struct slice name, const json_t *v,
		      struct api_error *ret_error)
{
	if (json_is_null(v))
		return 0;
	if (!json_is_array(v))
		return add_scalar(f, name, v, ret_error);
	for (size_t i = 0; i < json_array_size(v); i++) {
		int err = add_scalar(f, name, json_array_get(v, i), ret_error);
		if (err < 0)
			return err;
	}
	return 0;
}

int api_fields_from_json(struct api_fields *f, struct slice body, struct api_error *ret_error)
{
	json_error_t where;
	const char *key;
	json_t *v;
	int err = 0;
	if (body.n > API_JSON_MAX)
		return fail(ret_error, ERR_TOO_BIG, SLICE(""), "a smaller body");
	json_t *object = json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES, &where);
	if (!json_is_object(object)) {
		char rule[160];
		snprintf(rule, sizeof(rule), "%s%s%.90s", text_in(text_current(), "a JSON object"), object ? "" : "; ",
			 object ? "" : where.text);
		json_decref(object);
		return fail(ret_error, ERR_SYNTAX, SLICE(""), rule);
	}
	json_object_foreach(object, key, v) {
		err = add_member(f, slice_str(key), v, ret_error);
		if (err < 0)
			break;
	}
	json_decref(object);
	return err;
}

int api_fields_from_secret(struct api_fields *f, const struct api_op *op, struct slice value,
			   struct api_error *ret_error)
{
	ptrdiff_t space = slice_find_byte(value, ' ', 0);
	struct slice name = slice_sub(value, 0, space < 0 ? value.n : (size_t)space), none = { 0 };
	const struct api_param *p = api_param_find(op, name);
	struct buf text = BUF_INIT(API_SECRET_BYTES);
	int err = 0;
	if (space < 0 || base64_decode(&text, slice_sub(value, (size_t)space + 1, value.n)) < 0 ||
	    !utf8_valid(buf_view(&text)))
		err = fail(ret_error, ERR_SYNTAX, none, "a name and a base64 text in " API_SECRET_HEADER);
	else if (!p || p->type != API_SECRET)
		err = fail(ret_error, ERR_INVALID, name, "a secret of this operation in " API_SECRET_HEADER);
	else if (api_fields_add(f, name, buf_view(&text)) < 0)
		err = fail(ret_error, ERR_TOO_BIG, none, "fewer fields");
	if (text.p)
		explicit_bzero(text.p, text.cap);
	buf_fini(&text);
	return err;
}

void api_secret_header(const struct api_op *op, const struct api_field *fields, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		const struct api_param *p = api_param_find(op, fields[i].name);
		if (!p || p->type != API_SECRET)
			continue;
		buf_printf(out, API_SECRET_HEADER ": %s ", p->name);
		base64_encode(out, fields[i].value);
		return;
	}
}

bool api_in_path(const struct api_op *op, struct slice field)
{
	for (const char *at = strchr(op->path, '{'); at; at = strchr(at + 1, '{')) {
		if (slice_eq(slice_of(at + 1, strcspn(at + 1, "}")), field))
			return true;
	}
	return false;
}

static json_t *text_of(struct slice s)
{
	return json_stringn((const char *)s.p, s.n);
}

void api_fields_to_json(const struct api_op *op, const struct api_field *fields, size_t n,
			struct buf *out)
{
	json_t *object = json_object();
	for (size_t i = 0; i < n; i++) {
		const struct api_param *p = api_param_find(op, fields[i].name);
		json_t *text = text_of(fields[i].value);
		const char *key = p ? p->name : "";
		if (!p || api_in_path(op, fields[i].name) || !text) {
			json_decref(text);
			continue;
		}
		if (!p->many) {
			json_object_set_new(object, key, text);
			continue;
		}
		json_t *list = json_object_get(object, key);
		if (!list) {
			list = json_array();
			json_object_set_new(object, key, list);
		}
		json_array_append_new(list, text);
	}
	char *text = json_dumps(object, JSON_COMPACT);
	bug_if(!text);
	buf_str(out, text);
	explicit_bzero(text, strlen(text)); /* may hold a password */
	free(text);
	json_decref(object);
}

/* RFC 3986 2.3: all but the unreserved */
static void percent_encode(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		if (ascii_is_alpha(c) || ascii_is_digit(c) || (c && strchr("-._~@", c)))
			buf_byte(out, c);
		else
			buf_printf(out, "%%%02X", c);
	}
}

void api_request_target(const struct api_op *op, const struct api_field *fields, size_t n,
			bool in_query, struct buf *out)
{
	char mark = '?';
	for (const char *at = op->path; *at;) {
		size_t plain = strcspn(at, "{");
		buf_append(out, at, plain);
		at += plain;
		if (!*at)
			break;
		size_t name = strcspn(at + 1, "}");
		char key[64];
		snprintf(key, sizeof(key), "%.*s", (int)name, at + 1);
		percent_encode(out, api_get(fields, n, key));
		at += name + 2;
	}
	if (!in_query && strcmp(op->method, "GET") && strcmp(op->method, "DELETE"))
		return;
	for (size_t i = 0; i < n; i++) {
		const struct api_param *p = api_param_find(op, fields[i].name);
		if (api_in_path(op, fields[i].name) || (p && p->type == API_SECRET))
			continue;
		buf_byte(out, (uint8_t)mark);
		percent_encode(out, fields[i].name);
		buf_byte(out, '=');
		percent_encode(out, fields[i].value);
		mark = '&';
	}
}
