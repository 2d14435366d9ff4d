/* SPDX-License-Identifier: Apache-2.0 */
#include "room/directory/testing.h"

#include "room/directory/noun/audit.h"
#include "room/directory/rights/revision.h"

#define KEY(...) ((const struct slice[API_KEY_MAX]){ T(__VA_ARGS__) })

static struct slice now(struct fixture *f, const char *noun, const char *value)
{
	const struct slice key[API_KEY_MAX] = { T(value) };
	struct slice revision = { 0 };
	assert_int_equal(revision_of(f->e, f->a, noun, key, &revision), 0);
	assert_int_equal(revision.n, REVISION_BYTES);
	return revision;
}

/* Whatever changes a setting changes the revision of its object, and of no other. */
static void revisions(void **state)
{
	struct fixture *f = *state;
	struct slice none, before, other, domain;
	uint64_t version;
	struct domain d = make_domain(f, "example.test", true);
	struct account x = make_mailbox(f, &d, "joe");
	make_mailbox(f, &d, "mary");
	make_address(f, &d, "info", ADDRESS_ALIAS, TO("joe@example.test"));
	before = now(f, "mailbox", "joe@example.test");
	other = now(f, "mailbox", "mary@example.test");
	domain = now(f, "domain", "example.test");
	assert_true(slice_eq(before, now(f, "mailbox", "JOE@Example.TEST")));
	assert_false(slice_eq(before, other));
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(account_set_quota(f->e, x.id, 5), 0);
	assert_false(slice_eq(before, now(f, "mailbox", "joe@example.test")));
	assert_int_equal(account_set_quota(f->e, x.id, 0), 0);
	assert_true(slice_eq(before, now(f, "mailbox", "joe@example.test")));
	assert_int_equal(credential_set(f->e, x.id, T("{X}"), false, 9, &version), 0);
	assert_false(slice_eq(before, now(f, "mailbox", "joe@example.test")));
	d.recipients = RECIPIENTS_ANY;
	assert_int_equal(domain_update(f->e, &d), 0);
	assert_false(slice_eq(domain, now(f, "domain", "example.test")));
	assert_int_equal(engine_commit(f->e), 0);
	assert_true(slice_eq(other, now(f, "mailbox", "mary@example.test")));
	now(f, "address", "info@example.test");
	now(f, "customer", "acme");
	assert_int_equal(revision_of(f->e, f->a, "mailbox", KEY("nobody@example.test"), &none), ERR_NOT_FOUND);
	assert_int_equal(revision_of(f->e, f->a, "mailbox", KEY("joe@none.test"), &none), ERR_NOT_FOUND);
	assert_int_equal(revision_of(f->e, f->a, "queue", KEY("1"), &none), ERR_UNSUPPORTED);
}

/* Each kind of the API's table is known here, and finds nothing where there is nothing. */
static void kinds_are_known(void **state)
{
	struct fixture *f = *state;
	size_t n = 0;
	for (size_t i = 0; api_op_at(i); i++) {
		const struct api_revised *is = api_revised(api_op_at(i));
		struct slice revision;
		if (!is)
			continue;
		int r = revision_of(f->e, f->a, is->kind, KEY("none@none.test"), &revision);
		assert_int_equal(r, strcmp(is->kind, "template") == 0 ? 0 : ERR_NOT_FOUND);
		n++;
	}
	assert_true(n > 40);
}

/* What changes something and has no revision is one of these: no object, or one that is made and spent. */
static void all_that_changes_has_one(void **state)
{
	static const char *const without[] = {
		"password.", "lockout.clear", "sieve.check", "import.accounts", "import.aliases",
		"queue.",    "timer.run",     "session.",    "store.",		"reload",
	};
	for (size_t i = 0; api_op_at(i); i++) {
		const struct api_op *op = api_op_at(i);
		bool known = false;
		for (size_t k = 0; k < ARRAY_SIZE(without); k++)
			known |= !strncmp(op->name, without[k], strlen(without[k]));
		if (strcmp(op->method, "GET") != 0 && known == (api_revised(op) != NULL))
			fail_msg("%s", op->name);
	}
}

static void matching(void **state)
{
	static const struct {
		const char *list;
		bool matches;
	} cases[] = {
		{ "\"abc\"", true },	   { "*", true },	      { " * ", true },	     { "\"x\", \"abc\"", true },
		{ "\"abc\",\"x\"", true }, { "abc", false },	      { "W/\"abc\"", false }, { "\"ABC\"", false },
		{ "\"abcd\"", false },	   { "", false },	      { ",", false },	     { "\"abc", false },
		{ "\"\"", false },	   { "\"*\"", false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(revision_matches(T(cases[i].list), T("abc")), cases[i].matches);
}

static size_t count(struct fixture *f, const struct audit_filter *filter, int64_t viewer)
{
	struct page page = { .viewer = viewer };
	struct audit_row *rows;
	size_t n = 0;
	assert_int_equal(audit_list(f->e, f->a, filter, &page, &rows, &n), 0);
	for (size_t i = 1; i < n; i++)
		assert_true(rows[i].id < rows[i - 1].id);
	return n;
}

static void audits(void **state)
{
	struct fixture *f = *state;
	struct domain d = make_domain(f, "example.test", true);
	const struct audit rows[] = {
		{ .at_ms = 10, .actor = T("a"), .operation = T("mailbox.set"), .object = T("joe"), .customer = f->customer.id, .domain = d.id },
		{ .at_ms = 20, .actor = T("b"), .operation = T("mailbox.add"), .object = T("mary"), .customer = f->customer.id, .domain = d.id },
		{ .at_ms = 30, .actor = T("a"), .operation = T("mailboxes.x"), .object = T("joe"), .customer = f->customer.id },
		{ .at_ms = 40, .actor = T("a"), .operation = T("reload"), .object = T("") },
	};
	assert_int_equal(engine_begin(f->e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(audit_add(f->e, &rows[i]), 0);
	assert_int_equal(engine_commit(f->e), 0);
	assert_int_equal(count(f, &(struct audit_filter){ 0 }, 0), 4);
	assert_int_equal(count(f, &(struct audit_filter){ .actor = T("a") }, 0), 3);
	assert_int_equal(count(f, &(struct audit_filter){ .operation = T("mailbox") }, 0), 2);
	assert_int_equal(count(f, &(struct audit_filter){ .operation = T("mailbox.add") }, 0), 1);
	assert_int_equal(count(f, &(struct audit_filter){ .operation = T("mail") }, 0), 0);
	assert_int_equal(count(f, &(struct audit_filter){ .object = T("joe") }, 0), 2);
	assert_int_equal(count(f, &(struct audit_filter){ .domain = d.id }, 0), 2);
	assert_int_equal(count(f, &(struct audit_filter){ .customer = f->customer.id }, 0), 3);
	assert_int_equal(count(f, &(struct audit_filter){ .since_ms = 20 }, 0), 3);
	assert_int_equal(count(f, &(struct audit_filter){ 0 }, 77), 0);
}

int main(void)
{
#define WITH(t) cmocka_unit_test_setup_teardown(t, fixture_up, fixture_down)
	const struct CMUnitTest tests[] = { WITH(revisions), WITH(kinds_are_known), cmocka_unit_test(all_that_changes_has_one), cmocka_unit_test(matching), WITH(audits) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
