/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "proto/api/http.h"

#include <jansson.h>

/* "name=value;name=value;" of what was read, or the rule of the refusal. */
static void render(struct api_fields *f, int err, const struct api_error *e, struct buf *out)
{
	if (err < 0) {
		buf_printf(out, "%s:%s", e->field, e->rule);
		return;
	}
	for (size_t i = 0; i < f->n; i++)
		buf_printf(out, SLICE_FMT "=" SLICE_FMT ";", SLICE_ARG(f->v[i].name),
			   SLICE_ARG(f->v[i].value));
}

static void json_bodies(void **state)
{
	static const struct {
		const char *body;
		int err;
		const char *fields;
	} cases[] = {
		{ "{}", 0, "" },
		{ "{\"a\": \"x\", \"b\": 7, \"c\": true, \"d\": null, \"e\": false}", 0,
		  "a=x;b=7;c=true;e=false;" },
		{ "{\"to\": [\"x\", \"y\", 3], \"n\": -1}", 0, "to=x;to=y;to=3;n=-1;" },
		{ "{\"to\": []}", 0, "" },
		{ "{\"a\": 1.5}", ERR_INVALID, "a:a text, a whole number, true or false" },
		{ "{\"a\": {}}", ERR_INVALID, "a:a text, a whole number, true or false" },
		{ "{\"a\": [[1]]}", ERR_INVALID, "a:a text, a whole number, true or false" },
		{ "[]", ERR_SYNTAX, ":a JSON object" },
	};
	static const char *const broken[] = { "",
					      "{",
					      "{\"a\": 1, \"a\": 2}",
					      "{\"a\": \"\\u0000\"}",
					      "{\"a\": \"\xff\"}",
					      "{} x",
					      "{\"a\":99999999999999999999}",
					      "nul" };
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct api_fields f = { .arena = arena_new() };
		struct api_error e = { 0 };
		struct buf out = BUF_INIT(4096);
		int err = api_fields_from_json(&f, slice_str(cases[i].body), &e);
		render(&f, err, &e, &out);
		assert_int_equal(err, cases[i].err);
		assert_string_equal(buf_cstr(&out), cases[i].fields);
		buf_fini(&out);
		arena_free(&f.arena);
	}
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		struct api_fields f = { .arena = arena_new() };
		struct api_error e = { 0 };
		assert_int_equal(api_fields_from_json(&f, slice_str(broken[i]), &e), ERR_SYNTAX);
		arena_free(&f.arena);
	}
}

static void json_limits(void **state)
{
	struct buf body = BUF_INIT(API_JSON_MAX + 10);
	struct api_fields f = { .arena = arena_new() };
	struct api_error e;
	buf_str(&body, "{}");
	while (body.n < API_JSON_MAX)
		buf_byte(&body, ' ');
	assert_int_equal(api_fields_from_json(&f, buf_view(&body), &e), 0);
	buf_byte(&body, ' ');
	assert_int_equal(api_fields_from_json(&f, buf_view(&body), &e), ERR_TOO_BIG);
	buf_clear(&body);
	buf_str(&body, "{\"to\": [1");
	for (int i = 1; i < API_FIELDS_MAX; i++)
		buf_str(&body, ",1");
	size_t n = body.n;
	buf_str(&body, "]}");
	assert_int_equal(api_fields_from_json(&f, buf_view(&body), &e), 0);
	assert_int_equal(f.n, API_FIELDS_MAX);
	f.n = 0;
	body.n = n;
	buf_str(&body, ",1]}");
	assert_int_equal(api_fields_from_json(&f, buf_view(&body), &e), ERR_TOO_BIG);
	buf_clear(&body);
	buf_str(&body, "{\"a\":");
	for (int i = 0; i < 100000; i++)
		buf_byte(&body, '[');
	assert_int_equal(api_fields_from_json(&f, buf_view(&body), &e), ERR_SYNTAX); /* depth */
	buf_fini(&body);
	arena_free(&f.arena);
}

static void queries(void **state)
{
	static const struct {
		const char *query;
		int err;
		const char *fields;
	} cases[] = {
		{ "", 0, "" },
		{ "a=1&b=%C3%BC+x&&c", 0, "a=1;b=\xc3\xbc x;c=;" },
		{ "a=%4", ERR_SYNTAX, ":a query of name=value pairs with UTF-8 escapes" },
		{ "a=%", ERR_SYNTAX, ":a query of name=value pairs with UTF-8 escapes" },
		{ "a=%zz", ERR_SYNTAX, ":a query of name=value pairs with UTF-8 escapes" },
		{ "a=%ff", ERR_SYNTAX, ":a query of name=value pairs with UTF-8 escapes" },
		{ "password=x", ERR_INVALID, "password:secrets in the body, never in the query" },
		{ "pass%77ord=x", ERR_INVALID, "password:secrets in the body, never in the query" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct api_fields f = { .arena = arena_new() };
		struct api_error e = { 0 };
		struct buf out = BUF_INIT(4096);
		int err = api_fields_from_query(&f, api_op_find(SLICE("mailbox.add")),
						slice_str(cases[i].query), &e);
		render(&f, err, &e, &out);
		assert_int_equal(err, cases[i].err);
		assert_string_equal(buf_cstr(&out), cases[i].fields);
		buf_fini(&out);
		arena_free(&f.arena);
	}
}

static void requests(void **state)
{
	const struct api_field f[] = { { SLICE("address"), SLICE("j/e@b.test") },
				       { SLICE("quota"), SLICE("2G") } };
	const struct api_field to[] = { { SLICE("address"), SLICE("a@b.test") },
					{ SLICE("type"), SLICE("list") },
					{ SLICE("to"), SLICE("x@b.test") },
					{ SLICE("to"), SLICE("y@b.test") } };
	const struct api_field page[] = { { SLICE("domain"), SLICE("b\xc3\xbc.test") },
					  { SLICE("after"), SLICE("a b") } };
	struct buf out = BUF_INIT(4096);
	api_request_target(api_op_find(SLICE("mailbox.set")), f, 2, false, &out);
	assert_string_equal(buf_cstr(&out), "/api/v1/mailboxes/j%2Fe@b.test");
	buf_clear(&out);
	api_fields_to_json(api_op_find(SLICE("mailbox.set")), f, 2, &out);
	assert_string_equal(buf_cstr(&out), "{\"quota\":\"2G\"}");
	buf_clear(&out);
	api_fields_to_json(api_op_find(SLICE("address.add")), to, 4, &out);
	assert_string_equal(
		buf_cstr(&out),
		"{\"address\":\"a@b.test\",\"type\":\"list\",\"to\":[\"x@b.test\",\"y@b.test\"]}");
	buf_clear(&out);
	api_request_target(api_op_find(SLICE("mailbox.list")), page, 2, false, &out);
	assert_string_equal(buf_cstr(&out), "/api/v1/mailboxes?domain=b%C3%BC.test&after=a%20b");
	buf_fini(&out);
}

static void problems(void **state)
{
	struct buf out = BUF_INIT(4096);
	api_problem(404, NULL, "no such \"thing\"", "domain", &out);
	assert_string_equal(buf_cstr(&out),
			    "{\"type\":\"about:blank\",\"title\":\"Not found\",\"status\":404,"
			    "\"detail\":\"no such \\\"thing\\\"\",\"field\":\"domain\"}");
	buf_fini(&out);
	assert_int_equal(api_status_of(0), 200);
	assert_int_equal(api_status_of(ERR_EXISTS), 409);
	assert_int_equal(api_status_of(-5), 500);
}

static void openapi_names_everything(void **state)
{
	struct buf out = BUF_INIT(API_OPENAPI_MAX);
	api_openapi("1.2.3", &out);
	assert_true(buf_ok(&out));
	json_t *doc = json_loadb((const char *)out.p, out.n, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(doc);
	assert_string_equal(json_string_value(json_object_get(doc, "openapi")), "3.1.0");
	json_t *paths = json_object_get(doc, "paths");
	assert_non_null(json_object_get(json_object_get(doc, "components"), "responses"));
	for (size_t i = 0; api_op_at(i); i++) {
		json_t *item = json_object_get(paths, api_op_at(i)->path);
		bool found = false;
		const char *method;
		json_t *op;
		json_object_foreach(item, method, op)
			found |= !strcmp(json_string_value(json_object_get(op, "operationId")),
					 api_op_at(i)->name);
		assert_true(found);
	}
	json_decref(doc);
	buf_fini(&out);
}

/* A secret beside a file, and back. */
static void secret_header(void **state)
{
	static const struct {
		const char *value;
		int err;
		const char *field;
	} cases[] = {
		{ "default_password U2VjcmV0LTE=", 0, "" },
		{ "default_password U2VjcmV0LTE", ERR_SYNTAX, "" },
		{ "default_password", ERR_SYNTAX, "" },
		{ "default_password /w==", ERR_SYNTAX, "" },
		{ "domain U2VjcmV0LTE=", ERR_INVALID, "domain" },
		{ "nobody U2VjcmV0LTE=", ERR_INVALID, "nobody" },
		{ "", ERR_SYNTAX, "" },
	};
	const struct api_op *op = api_op_find(SLICE("import.accounts"));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct api_fields f = { .arena = arena_new() };
		struct api_error e = { 0 };
		struct buf out = BUF_INIT(256);
		int err = api_fields_from_secret(&f, op, slice_str(cases[i].value), &e);
		if (err != cases[i].err)
			fail_msg("%s: %s", cases[i].value, err_name(err));
		assert_string_equal(e.field, cases[i].field);
		assert_int_equal(f.n, err == 0);
		if (err == 0) {
			assert_true(slice_eq(f.v[0].value, SLICE("Secret-1")));
			api_secret_header(op, f.v, f.n, &out);
			assert_string_equal(buf_cstr(&out), "Postern-Secret: default_password U2VjcmV0LTE=");
			buf_clear(&out);
			api_request_target(op, f.v, f.n, true, &out);
			assert_null(strstr(buf_cstr(&out), "ecret"));
		}
		buf_fini(&out);
		arena_free(&f.arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secret_header),
		cmocka_unit_test(json_bodies), cmocka_unit_test(json_limits),
		cmocka_unit_test(queries),     cmocka_unit_test(requests),
		cmocka_unit_test(problems),    cmocka_unit_test(openapi_names_everything),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
