/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "proto/api/api.h"

static void table_is_sound(void **state)
{
	for (size_t i = 0; api_op_at(i); i++) {
		const struct api_op *op = api_op_at(i);
		size_t files = 0;
		assert_ptr_equal(api_op_find(slice_str(op->name)), op);
		assert_true(op->help && *op->help);
		assert_true(!strncmp(op->path, "/api/v1/", 8));
		for (size_t k = 0; k < op->n_params; k++) {
			const struct api_param *p = &op->params[k];
			assert_ptr_equal(api_param_find(op, slice_str(p->name)), p);
			assert_true(p->help && *p->help);
			assert_int_equal(p->type == API_CHOICE, p->choices != NULL);
			assert_true(p->type <= API_FILE);
			files += p->type == API_FILE;
		}
		assert_true(files <= 1);
		for (const char *at = strchr(op->path, '{'); at; at = strchr(at + 1, '{')) {
			const struct api_param *p =
				api_param_find(op, slice_of(at + 1, strcspn(at + 1, "}")));
			assert_non_null(p);
			assert_true(p->required && !p->many);
		}
		for (size_t k = i + 1; api_op_at(k); k++)
			assert_false(!strcmp(op->path, api_op_at(k)->path) &&
				     !strcmp(op->method, api_op_at(k)->method));
	}
}

static void paths(void **state)
{
	static const struct {
		const char *method, *path;
		int err;
		const char *op, *field, *value;
	} cases[] = {
		{ "GET", "/api/v1/customers", 0, "customer.list", NULL, NULL },
		{ "POST", "/api/v1/customers", 0, "customer.add", NULL, NULL },
		{ "GET", "/api/v1/customers/acme", 0, "customer.show", "customer", "acme" },
		{ "POST", "/api/v1/domains/example.test/switch", 0, "domain.switch", "domain",
		  "example.test" },
		{ "DELETE", "/api/v1/mailboxes/a%40b.test", 0, "mailbox.remove", "address",
		  "a@b.test" },
		{ "DELETE", "/api/v1/mailboxes/a%2Fc@b.test", 0, "mailbox.remove", "address",
		  "a/c@b.test" },
		{ "PUT", "/api/v1/mailboxes/%C3%BC@b.test/password", 0, "mailbox.password",
		  "address", "\xc3\xbc@b.test" },
		{ "POST", "/api/v1/queue/flush", 0, "queue.flush", NULL, NULL },
		{ "GET", "/api/v1/queue/7", 0, "queue.show", "id", "7" },
		{ "PATCH", "/api/v1/customers", ERR_UNSUPPORTED, NULL, NULL, NULL },
		{ "get", "/api/v1/customers", ERR_UNSUPPORTED, NULL, NULL, NULL },
		{ "GET", "/api/v1/customers/", ERR_NOT_FOUND, NULL, NULL, NULL },
		{ "GET", "/api/v1/customers/a/b", ERR_NOT_FOUND, NULL, NULL, NULL },
		{ "GET", "/api/v1", ERR_NOT_FOUND, NULL, NULL, NULL },
		{ "GET", "/", ERR_NOT_FOUND, NULL, NULL, NULL },
		{ "GET", "", ERR_NOT_FOUND, NULL, NULL, NULL },
		{ "GET", "api/v1/customers", ERR_NOT_FOUND, NULL, NULL, NULL },
		{ "GET", "/api/v1/../v1/customers", ERR_NOT_FOUND, NULL, NULL, NULL },
		{ "GET", "/api/v1//customers", ERR_NOT_FOUND, NULL, NULL, NULL },
		{ "GET", "/api/v1/customers/%", ERR_SYNTAX, NULL, NULL, NULL },
		{ "GET", "/api/v1/customers/%4", ERR_SYNTAX, NULL, NULL, NULL },
		{ "GET", "/api/v1/customers/%4g", ERR_SYNTAX, NULL, NULL, NULL },
		{ "GET", "/api/v1/customers/%00", ERR_SYNTAX, NULL, NULL, NULL },
		{ "GET", "/api/v1/customers/%ff", ERR_SYNTAX, NULL, NULL, NULL },
		{ "GET", "/api/v1/customers/%41", 0, "customer.show", "customer", "A" },
	};
	struct arena *a = arena_new();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct api_match m = { 0 };
		int err = api_match(slice_str(cases[i].method), slice_str(cases[i].path), a, &m);
		if (err != cases[i].err)
			fail_msg("%s %s: %s", cases[i].method, cases[i].path, err_name(err));
		if (err < 0)
			continue;
		assert_string_equal(m.op->name, cases[i].op);
		assert_int_equal(m.n_fields, cases[i].field != NULL);
		if (cases[i].field) {
			assert_true(slice_eq(m.fields[0].name, slice_str(cases[i].field)));
			assert_true(slice_eq(m.fields[0].value, slice_str(cases[i].value)));
		}
	}
	struct api_match m = { 0 };
	assert_int_equal(api_match(SLICE("PATCH"), SLICE("/api/v1/customers"), a, &m),
			 ERR_UNSUPPORTED);
	assert_string_equal(m.allow, "POST, GET");
	char *longest = arena_alloc(a, API_PATH_MAX + 2);
	memset(longest, '/', API_PATH_MAX + 1);
	assert_int_equal(api_match(SLICE("GET"), slice_of(longest, API_PATH_MAX), a, &m),
			 ERR_NOT_FOUND);
	assert_int_equal(api_match(SLICE("GET"), slice_of(longest, API_PATH_MAX + 1), a, &m),
			 ERR_TOO_BIG);
	arena_free(&a);
}

static void values(void **state)
{
	static const struct {
		const char *op, *field, *value;
		bool ok;
	} cases[] = {
		{ "customer.show", "customer", "acme", true },
		{ "customer.show", "customer", "acme-2_x.y", true },
		{ "customer.show", "customer", "Acme", false },
		{ "customer.show", "customer", "-acme", false },
		{ "customer.show", "customer", "", false },
		{ "domain.show", "domain", "example.test", true },
		{ "domain.show", "domain",
		  "b\xc3\xbc"
		  "cher.example",
		  true },
		{ "domain.show", "domain", "example..test", false },
		{ "domain.show", "domain", ".test", false },
		{ "domain.show", "domain", "test.", false },
		{ "domain.show", "domain", "-a.test", false },
		{ "domain.show", "domain", "a b.test", false },
		{ "domain.show", "domain", "a\n.test", false },
		{ "mailbox.show", "address", "joe@example.test", true },
		{ "mailbox.show", "address", "joe+x@example.test", true },
		{ "mailbox.show", "address", "j\xc3\xb6@example.test", true },
		{ "mailbox.show", "address", "joe", false },
		{ "mailbox.show", "address", "@example.test", false },
		{ "mailbox.show", "address", "joe@", false },
		{ "mailbox.show", "address", ".joe@example.test", false },
		{ "mailbox.show", "address", "j..oe@example.test", false },
		{ "mailbox.show", "address", "a@b@example.test", false },
		{ "mailbox.show", "address", "\"a b\"@example.test", true },
		{ "mailbox.show", "address", "\"a@gmail.com x\"@example.test", true },
		{ "mailbox.show", "address", "\"a\\\"b\"@example.test", true },
		{ "mailbox.show", "address", "\"a\"b\"@example.test", false },
		{ "mailbox.show", "address", "\"a\\\"@example.test", false },
		{ "mailbox.show", "address", "\"\"@example.test", false },
		{ "mailbox.show", "address", "\"a\nb\"@example.test", false },
		{ "mailbox.show", "address", "\"a\"b@example.test", false },
		{ "mailbox.show", "address", "a\"b\"@example.test", false },
		{ "mailbox.show", "address", "a\r\n@example.test", false },
		{ "queue.show", "id", "1", true },
		{ "queue.show", "id", "0", false },
		{ "queue.show", "id", "x", false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct api_field f = { slice_str(cases[i].field), slice_str(cases[i].value) };
		struct api_error e = { 0 };
		int err = api_check(api_op_find(slice_str(cases[i].op)), &f, 1, false, &e);
		if (err != (cases[i].ok ? 0 : ERR_INVALID))
			fail_msg("%s=%s: %s", cases[i].field, cases[i].value, err_name(err));
		if (!cases[i].ok)
			assert_string_equal(e.field, cases[i].field);
	}
}

static void expect_refusal(const char *op, const struct api_field *f, size_t n, bool file,
			   const char *text)
{
	struct api_error e;
	struct buf out = BUF_INIT(1024);
	assert_int_equal(api_check(api_op_find(slice_str(op)), f, n, file, &e), ERR_INVALID);
	api_error_text(&e, &out);
	assert_string_equal(buf_cstr(&out), text);
	buf_fini(&out);
}

static void refusals(void **state)
{
	const struct api_field box[] = {
		{ SLICE("address"), SLICE("joe@example.test") },
		{ SLICE("quota"), SLICE("lots") },
		{ SLICE("password"), SLICE("") },
		{ SLICE("colour"), SLICE("red") },
	};
	struct api_error e;
	assert_int_equal(api_check(api_op_find(SLICE("mailbox.add")), box, 1, false, &e), 0);
	expect_refusal(
		"mailbox.add", box, 2, false,
		"quota: expected a size such as 500M, 2G or a number of bytes, got \"lots\"");
	expect_refusal("mailbox.add", box + 2, 1, false,
		       "password: expected a secret of 1 to 1024 bytes");
	expect_refusal("mailbox.add", box + 3, 1, false,
		       "colour: expected one of the fields address, password, must_change, quota, retention, name, language, hosted, "
		       "send_any");
	expect_refusal("mailbox.add", NULL, 0, false,
		       "address: expected a mail address such as name@example.org");
	expect_refusal("mailbox.add", box, 1, true, "expected no file here");
	const struct api_field twice[] = { box[0], box[0] };
	expect_refusal("mailbox.show", twice, 2, false, "address: expected this field once only");
	const struct api_field list[] = { box[0],
					  { SLICE("type"), SLICE("list") },
					  { SLICE("to"), SLICE("a@b.test") },
					  { SLICE("to"), SLICE("c@b.test") } };
	assert_int_equal(api_check(api_op_find(SLICE("address.add")), list, 4, false, &e), 0);
	const struct api_field import[] = { { SLICE("domain"), SLICE("example.test") } };
	assert_int_equal(api_check(api_op_find(SLICE("import.accounts")), import, 1, true, &e), 0);
	expect_refusal("import.accounts", import, 1, false,
		       "file: expected a file of at most 256M");
}

static void fields_limit(void **state)
{
	struct api_field *f = calloc(API_FIELDS_MAX + 1, sizeof(*f));
	struct api_error e;
	f[0] = (struct api_field){ SLICE("address"), SLICE("joe@example.test") };
	f[1] = (struct api_field){ SLICE("type"), SLICE("list") };
	for (size_t i = 2; i <= API_FIELDS_MAX; i++)
		f[i] = (struct api_field){ SLICE("to"), SLICE("a@b.test") };
	assert_int_equal(api_check(api_op_find(SLICE("address.add")), f, API_FIELDS_MAX, false, &e),
			 0);
	assert_int_equal(
		api_check(api_op_find(SLICE("address.add")), f, API_FIELDS_MAX + 1, false, &e),
		ERR_INVALID);
	free(f);
}

static void sizes(void **state)
{
	static const struct {
		const char *in;
		int err;
		uint64_t v;
	} cases[] = {
		{ "0", 0, 0 },
		{ "17", 0, 17 },
		{ "1k", 0, 1024 },
		{ "2G", 0, 2ull << 30 },
		{ "100G", 0, 100ull << 30 },
		{ "8191P", 0, 8191ull << 50 },
		{ "8192P", ERR_TOO_BIG, 0 },
		{ "9223372036854775807", 0, INT64_MAX },
		{ "9223372036854775808", ERR_TOO_BIG, 0 },
		{ "G", ERR_SYNTAX, 0 },
		{ "", ERR_SYNTAX, 0 },
		{ "1.5G", ERR_SYNTAX, 0 },
		{ "-1", ERR_SYNTAX, 0 },
		{ "2GB", ERR_SYNTAX, 0 },
		{ "2 G", ERR_SYNTAX, 0 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t v = 0;
		assert_int_equal(api_size(slice_str(cases[i].in), &v), cases[i].err);
		assert_int_equal(v, cases[i].v);
	}
}

static void places(void **state)
{
	static const struct {
		const char *in, *host;
		unsigned port;
	} cases[] = {
		{ "mx.example.test", "mx.example.test", 25 },
		{ "127.0.0.1:2525", "127.0.0.1", 2525 },
		{ "[::1]:2525", "::1", 2525 },
		{ "[2001:db8::1]", "2001:db8::1", 25 },
		{ "", NULL, 0 },
		{ ":25", NULL, 0 },
		{ "mx:", NULL, 0 },
		{ "mx:0", NULL, 0 },
		{ "mx:65536", NULL, 0 },
		{ "mx:25x", NULL, 0 },
		{ "[::1", NULL, 0 },
		{ "[::1]25", NULL, 0 },
		{ "::1", NULL, 0 },
		{ "[x]", NULL, 0 },
	};
	struct slice host;
	uint16_t port;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int err = api_hostport(slice_str(cases[i].in), 25, NULL, &host, &port);
		assert_int_equal(err, cases[i].host ? 0 : ERR_SYNTAX);
		if (!err) {
			assert_true(slice_eq(host, slice_str(cases[i].host)));
			assert_int_equal(port, cases[i].port);
		}
	}
	static const struct {
		const char *in, *host;
		uint16_t port;
		bool pop3, tls;
	} sources[] = {
		{ "imaps://old.test", "old.test", 993, false, true },
		{ "imap://127.0.0.1:10143/", "127.0.0.1", 10143, false, false },
		{ "pop3://old.test", "old.test", 110, true, false },
		{ "POP3S://[::1]", "::1", 995, true, true },
		{ "http://old.test", NULL, 0, false, false },
		{ "pop://old.test", NULL, 0, false, false },
		{ "imap://", NULL, 0, false, false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		struct api_source source = { 0 };
		int err = api_source(slice_str(sources[i].in), NULL, &source);
		assert_int_equal(err, sources[i].host ? 0 : ERR_SYNTAX);
		if (err)
			continue;
		assert_true(slice_eq(source.host, slice_str(sources[i].host)));
		assert_int_equal(source.port, sources[i].port);
		assert_true(source.pop3 == sources[i].pop3 && source.tls == sources[i].tls);
	}
}

static void days(void **state)
{
	static const struct {
		const char *day;
		bool is;
	} cases[] = {
		{ "2026-12-24", true }, { "2024-02-29", true }, { "2000-02-29", true }, { "2026-02-28", true },
		{ "2026-02-29", false }, { "1900-02-29", false }, { "2026-04-31", false }, { "2026-13-01", false },
		{ "2026-00-10", false }, { "2026-01-00", false }, { "0000-01-01", false }, { "2026-1-01", false },
		{ "2026/01/01", false }, { "2026-01-01 ", false }, { "", false }, { "2026-01-1a", false }, { "26-01-01", false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(api_day(slice_str(cases[i].day)), cases[i].is ? 0 : ERR_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(days),
		cmocka_unit_test(table_is_sound), cmocka_unit_test(paths),
		cmocka_unit_test(values),         cmocka_unit_test(refusals),
		cmocka_unit_test(fields_limit),   cmocka_unit_test(sizes),
		cmocka_unit_test(places),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
