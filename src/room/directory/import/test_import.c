/* SPDX-License-Identifier: Apache-2.0 */
/* Import files: what reads, what is refused with line and reason (M23, H21), and that a refused file changes nothing. */
#include "room/directory/testing.h"

#include "base/buf.h"
#include "base/clock.h"
#include "room/directory/import/import.h"

static void accounts_text(void **state)
{
	struct arena *a = arena_new();
	struct import_errors errors = { 0 };
	struct import_account *rows;
	size_t n;
	static const char file[] = "\xef\xbb\xbf" "joe joes-password\r\n"
				   "# comment\n\n"
				   "mary\tmarys password \n"
				   "jane\n"
				   "bob {SSHA}5ZRKGGlV7tpHWPlCwKQBRjOcTxlz1Nhz\n"
				   "eve {PLAIN}letmein\n"
				   "Kim@Example.test $6$saltsalt$abcdefghijklmnopqrstuvwxyz";
	assert_int_equal(import_read_accounts(a, T(file), &rows, &n, &errors), 0);
	assert_int_equal(n, 6);
	assert_int_equal(rows[0].line, 1);
	assert_slice(rows[0].name, "joe");
	assert_slice(rows[0].secret, "joes-password");
	assert_slice(rows[1].secret, "marys password");
	assert_int_equal(rows[2].line, 5);
	assert_int_equal(rows[2].secret.n, 0);
	assert_true(rows[3].hashed);
	assert_false(rows[4].hashed);
	assert_slice(rows[4].secret, "letmein");
	assert_true(rows[5].hashed);
	arena_free(&a);
}

static void accounts_csv(void **state)
{
	struct arena *a = arena_new();
	struct import_errors errors = { 0 };
	struct import_account *rows;
	size_t n;
	static const char file[] = "Address;Password;Quota;Name\n"
				   "joe;\"se;cr\"\"et\";2G;\"Doe, Joe\"\n"
				   "mary;;;\n";
	assert_int_equal(import_read_accounts(a, T(file), &rows, &n, &errors), 0);
	assert_int_equal(n, 2);
	assert_slice(rows[0].secret, "se;cr\"et");
	assert_slice(rows[0].person, "Doe, Joe");
	assert_int_equal(rows[0].quota, 2ull << 30);
	assert_int_equal(rows[1].secret.n, 0);
	arena_free(&a);
}

static void unreadable(void **state)
{
	static const struct {
		const char *file;
		bool aliases;
		size_t line;
		const char *part;
	} cases[] = {
		{ "joe pw\nmary \xff\n", false, 2, "UTF-8" },
		{ "joe {NOPE}abc\n", false, 1, "scheme" },
		{ "joe {SSHA}!!!\n", false, 1, "scheme" },
		{ "\xff\xfej\n", false, 1, "UTF-16" },
		{ "address,password\njoe\n", false, 2, "1 cell, but the header has 2" },
		{ "address,password\njoe,\"x\n", false, 2, "quotation" },
		{ "address,quota\njoe,lots\n", false, 2, "quota" },
		{ "sales mary\n", true, 1, "colon" },
		{ "sales: mary,,jane\n", true, 1, "empty" },
		{ ": mary\n", true, 1, "no name" },
		{ "x: |/bin/sh\n", true, 1, "programs" },
		{ "x: /dev/null\n", true, 1, "programs" },
		{ "x: :include:/etc/passwd\n", true, 1, "includes" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct arena *a = arena_new();
		struct import_errors errors = { 0 };
		struct import_account *accounts;
		struct import_alias *aliases;
		size_t n;
		int r = cases[i].aliases ? import_read_aliases(a, T(cases[i].file), &aliases, &n, &errors)
					 : import_read_accounts(a, T(cases[i].file), &accounts, &n, &errors);
		assert_int_equal(r, ERR_SYNTAX);
		assert_int_equal(errors.n, 1);
		assert_int_equal(errors.rows[0].line, cases[i].line);
		if (slice_find(errors.rows[0].text, T(cases[i].part), 0) < 0)
			fail_msg("%s: " SLICE_FMT, cases[i].file, SLICE_ARG(errors.rows[0].text));
		arena_free(&a);
	}
}

static void nul_and_limits(void **state)
{
	struct arena *a = arena_new();
	struct import_errors errors = { 0 };
	struct import_account *rows;
	size_t n;
	assert_int_equal(import_read_accounts(a, SLICE("joe p\0w\n"), &rows, &n, &errors), ERR_SYNTAX);
	for (size_t k = 1024; k <= 1025; k++) {
		char line[1100] = "joe ";
		memset(line + 4, 'x', k);
		errors = (struct import_errors){ 0 };
		assert_int_equal(import_read_accounts(a, slice_of(line, k + 4), &rows, &n, &errors),
				 k == 1024 ? 0 : ERR_SYNTAX);
	}
	/* Many errors: the first hundred in full, all counted. */
	struct buf many = BUF_INIT(1 << 20);
	for (int i = 0; i < 150; i++)
		buf_str(&many, "x {NOPE}y\n");
	errors = (struct import_errors){ 0 };
	assert_int_equal(import_read_accounts(a, buf_view(&many), &rows, &n, &errors), ERR_SYNTAX);
	assert_int_equal(errors.n, IMPORT_ERRORS_MAX);
	assert_int_equal(errors.total, 150);
	buf_fini(&many);
	arena_free(&a);
}

static struct buf repeated(const char *part, size_t times, const char *end)
{
	struct buf text = BUF_INIT(32 << 20);
	for (size_t i = 0; i < times; i++)
		buf_str(&text, part);
	buf_str(&text, end);
	return text;
}

/* Each named limit at N and N + 1. */
static void limits(void **state)
{
	for (size_t over = 0; over <= 1; over++) {
		struct arena *a = arena_new();
		struct import_errors errors = { 0 };
		struct import_account *accounts;
		struct import_alias *aliases;
		size_t n;
		int want = over ? ERR_SYNTAX : 0;
		struct buf rows = repeated("a\n", IMPORT_ROWS_MAX + over, "");
		assert_int_equal(import_read_accounts(a, buf_view(&rows), &accounts, &n, &errors), want);
		assert_int_equal(n, IMPORT_ROWS_MAX);
		struct buf line = repeated("x", IMPORT_LINE_MAX - 3 + over, "");
		struct buf named = repeated("a: ", 1, buf_cstr(&line));
		errors = (struct import_errors){ 0 };
		assert_int_equal(import_read_aliases(a, buf_view(&named), &aliases, &n, &errors), want);
		struct buf targets = repeated("b,", ADDRESS_TARGETS_MAX - 1 + over, "c");
		struct buf list = repeated("a: ", 1, buf_cstr(&targets));
		errors = (struct import_errors){ 0 };
		assert_int_equal(import_read_aliases(a, buf_view(&list), &aliases, &n, &errors), want);
		struct buf cells = repeated("x,", IMPORT_CELLS_MAX - 1 + over, "x\n");
		struct buf csv = repeated("address,password\n", 1, buf_cstr(&cells));
		errors = (struct import_errors){ 0 };
		assert_int_equal(import_read_accounts(a, buf_view(&csv), &accounts, &n, &errors), ERR_SYNTAX);
		buf_fini(&rows);
		buf_fini(&line);
		buf_fini(&named);
		buf_fini(&targets);
		buf_fini(&list);
		buf_fini(&cells);
		buf_fini(&csv);
		arena_free(&a);
	}
}

static int run_accounts(struct fixture *f, const struct domain *d, const char *file, struct import_result *result,
			struct import_errors *errors)
{
	struct import_account *rows;
	size_t n;
	*errors = (struct import_errors){ 0 };
	*result = (struct import_result){ 0 };
	int r = import_read_accounts(f->a, T(file), &rows, &n, errors);
	if (r == 0)
		r = import_check_accounts(f->e, f->a, d, rows, n, result, errors);
	if (r < 0)
		return r;
	assert_int_equal(engine_begin(f->e), 0);
	r = import_apply_accounts(f->e, f->a, d, rows, n, 1, 1, errors);
	if (r < 0) {
		engine_rollback(f->e);
		return r;
	}
	return engine_commit(f->e);
}

static void accounts_applied(void **state)
{
	struct fixture *f = *state;
	struct domain d = make_domain(f, "example.test", false);
	struct import_result result;
	struct import_errors errors;
	struct account *rows;
	size_t n;
	make_address(f, &d, "taken", ADDRESS_BANISHED, NULL);
	static const struct {
		const char *file;
		size_t line;
		const char *part;
	} bad[] = {
		{ "joe x\nJOE y\n", 2, "line 1 already" },
		{ "joe x\njoe@example.test y\n", 2, "line 1 already" },
		{ "joe x\njoe@other.test y\n", 2, "not in the domain" },
		{ "joe x\ntaken y\n", 2, "exists already (banished)" },
		{ "joe x\n=cmd() y\n", 2, "not a name" },
		{ "joe x\na..b y\n", 2, "not a name" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(run_accounts(f, &d, bad[i].file, &result, &errors), ERR_INVALID);
		assert_int_equal(errors.total, 1);
		assert_int_equal(errors.rows[0].line, bad[i].line);
		if (slice_find(errors.rows[0].text, T(bad[i].part), 0) < 0)
			fail_msg("%s: " SLICE_FMT, bad[i].file, SLICE_ARG(errors.rows[0].text));
		struct page all = { 0 };
		assert_int_equal(account_list(f->e, f->a, d.id, 0, &all, &rows, &n), 0);
		assert_int_equal(n, 0);
	}
	static const char file[] = "joe {SSHA}5ZRKGGlV7tpHWPlCwKQBRjOcTxlz1Nhz\nmary\n";
	assert_int_equal(run_accounts(f, &d, file, &result, &errors), 0);
	assert_int_equal(result.added, 2);
	assert_int_equal(result.n_warnings, 1);
	/* The same file again changes nothing. */
	assert_int_equal(run_accounts(f, &d, file, &result, &errors), 0);
	assert_int_equal(result.added, 0);
	assert_int_equal(result.unchanged, 2);
	assert_int_equal(run_accounts(f, &d, "joe other\n", &result, &errors), ERR_INVALID);
}

static int run_aliases(struct fixture *f, const struct domain *d, const char *file, struct import_result *result,
		       struct import_errors *errors)
{
	struct import_alias *rows;
	size_t n;
	*errors = (struct import_errors){ 0 };
	*result = (struct import_result){ 0 };
	int r = import_read_aliases(f->a, T(file), &rows, &n, errors);
	if (r < 0)
		return r;
	assert_int_equal(engine_begin(f->e), 0);
	r = import_apply_aliases(f->e, f->a, d, rows, n, 1, result, errors);
	if (r < 0) {
		engine_rollback(f->e);
		return r;
	}
	return engine_commit(f->e);
}

static void aliases_applied(void **state)
{
	struct fixture *f = *state;
	struct domain d = make_domain(f, "example.test", true);
	struct import_result result;
	struct import_errors errors;
	struct address x;
	static const char *const boxes[] = { "joe", "mary", "jane" };
	for (size_t i = 0; i < ARRAY_SIZE(boxes); i++)
		make_mailbox(f, &d, boxes[i]);
	static const char file[] = "info: mary\nsales: mary, jane\nmerry: mary\ndan: dan@yahoo.com\njanitor: joe\n"
				   "all: mary, jane, dan, joe\nmixed: mary, dan@yahoo.com\n";
	assert_int_equal(run_aliases(f, &d, file, &result, &errors), 0);
	assert_int_equal(result.added, 7);
	static const struct {
		const char *local;
		enum address_type type;
	} types[] = {
		{ "info", ADDRESS_ALIAS }, { "sales", ADDRESS_LIST }, { "dan", ADDRESS_REDIRECT },
		{ "all", ADDRESS_REDIRECT }, { "mixed", ADDRESS_REDIRECT },
	};
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		assert_int_equal(address_get(f->e, f->a, d.id, T(types[i].local), &x), 0);
		assert_int_equal(x.type, types[i].type);
	}
	assert_int_equal(run_aliases(f, &d, file, &result, &errors), 0);
	assert_int_equal(result.unchanged, 7);
	static const struct {
		const char *file;
		size_t line;
		const char *part;
	} bad[] = {
		{ "new: mary\nbad: nobody\n", 2, "no address nobody@example.test" },
		{ "new: mary\nNEW: jane\n", 2, "line 1 already" },
		{ "new: mary\nmary: jane\n", 2, "exists already (mailbox)" },
		{ "new: mary\ninfo: jane\n", 2, "exists already (alias)" },
		{ "new: mary\nb@d: mary\n", 2, "not in the domain" },
		{ "new: mary\nb d: mary\n", 2, "not a name" },
		{ "address,to,type\nnew,mary,alias\nx,mary,mailbox\n", 3, "type" },
		{ "address,to,type\nnew,\"mary,jane\",alias\n", 2, "list" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(run_aliases(f, &d, bad[i].file, &result, &errors), ERR_INVALID);
		assert_int_equal(errors.rows[0].line, bad[i].line);
		if (slice_find(errors.rows[0].text, T(bad[i].part), 0) < 0)
			fail_msg("%s: " SLICE_FMT, bad[i].file, SLICE_ARG(errors.rows[0].text));
		assert_int_equal(address_get(f->e, f->a, d.id, T("new"), &x), ERR_NOT_FOUND);
	}
}

static void logins(void **state)
{
	struct arena *a = arena_new();
	struct import_errors errors = { 0 };
	struct import_login *rows;
	size_t n;
	static const char file[] = "joe@example.test:pass\nmary:custo1:pa:ss\njane janes-password\n";
	assert_int_equal(import_read_logins(a, T(file), &rows, &n, &errors), 0);
	assert_int_equal(n, 3);
	assert_slice(rows[0].password, "pass");
	assert_int_equal(rows[0].user.n, 0);
	assert_slice(rows[1].user, "custo1");
	assert_slice(rows[1].password, "pa:ss");
	assert_slice(rows[2].password, "janes-password");
	assert_int_equal(import_read_logins(a, T("joe:\nx\n"), &rows, &n, &errors), ERR_SYNTAX);
	assert_int_equal(errors.total, 2);
	arena_free(&a);
}

static void ten_thousand(void **state)
{
	struct fixture *f = *state;
	struct domain d = make_domain(f, "example.test", true);
	struct buf file = BUF_INIT(4 << 20);
	struct import_result result;
	struct import_errors errors;
	for (int i = 0; i < 10000; i++)
		buf_printf(&file, "user%d {SSHA}5ZRKGGlV7tpHWPlCwKQBRjOcTxlz1Nhz\n", i);
	int64_t start = clock_mono_ms();
	assert_int_equal(run_accounts(f, &d, buf_cstr(&file), &result, &errors), 0);
	assert_int_equal(result.added, 10000);
	print_message("10,000 accounts in %lld ms\n", (long long)(clock_mono_ms() - start));
	buf_fini(&file);
}

int main(void)
{
#define WITH(t) cmocka_unit_test_setup_teardown(t, fixture_up, fixture_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accounts_text), cmocka_unit_test(accounts_csv), cmocka_unit_test(unreadable),
		cmocka_unit_test(nul_and_limits), cmocka_unit_test(limits), WITH(accounts_applied), WITH(aliases_applied),
		cmocka_unit_test(logins), WITH(ten_thousand),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
