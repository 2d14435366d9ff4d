/* SPDX-License-Identifier: Apache-2.0 */
#include "room/directory/noun/limits.h"
#include "room/directory/testing.h"

#include "proto/api/api.h"
#include "room/directory/db/name.h"
#include "room/directory/noun/policy.h"
#include "room/directory/login/seal.h"
#include "room/directory/noun/staff.h"

static void names(void **state)
{
	static const struct {
		const char *in;
		int err;
		const char *local, *domain;
	} cases[] = {
		{ "joe@example.test", 0, "joe", "example.test" },
		{ "Joe.Doe@EXAMPLE.Test", 0, "joe.doe", "example.test" },
		{ "\"joe\"@example.test", 0, "joe", "example.test" },
		{ "\"a b\"@example.test", 0, "a b", "example.test" },
		{ "\"a@gmail.com x\"@internal.test", 0, "a@gmail.com x", "internal.test" },
		{ "\"x\\\"y\\\\z\"@example.test", 0, "x\"y\\z", "example.test" },
		{ ";id;@example.test", ERR_SYNTAX, 0, 0 },
		{ "\";id;\"@example.test", 0, ";id;", "example.test" },
		{ "$(id)@example.test", ERR_SYNTAX, 0, 0 },
		{ "\"$(id)\"@example.test", 0, "$(id)", "example.test" },
		{ "\"../../x\"@example.test", 0, "../../x", "example.test" },
		{ "|cmd@example.test", 0, "|cmd", "example.test" },
		{ "-oX@example.test", 0, "-ox", "example.test" },
		{ "\"x'/**/UNION/**/SELECT/**/X'00'--\"@example.test", 0, "x'/**/union/**/select/**/x'00'--",
		  "example.test" },
		{ "x%ext@us.test", 0, "x%ext", "us.test" },
		{ "ext!x@us.test", 0, "ext!x", "us.test" },
		{ "=?x?q?a=40b?=c@h.test", 0, "=?x?q?a=40b?=c", "h.test" },
		{ "M\xc3\xbcller@example.test", 0, "m\xc3\xbcller", "example.test" },
		{ "Mu\xcc\x88ller@example.test", 0, "m\xc3\xbcller", "example.test" },
		{ "joe@b\xc3\xbc" "cher.test", 0, "joe", "xn--bcher-kva.test" },
		{ "joe@XN--BCHER-KVA.test", 0, "joe", "xn--bcher-kva.test" },
		{ "joe@example\xe3\x80\x82test", 0, "joe", "example.test" },
		{ "joe@xn--a.test", ERR_SYNTAX, 0, 0 },
		{ "joe@[192.0.2.1]", 0, "joe", "[192.0.2.1]" },
		{ "joe", ERR_SYNTAX, 0, 0 },
		{ "joe@", ERR_SYNTAX, 0, 0 },
		{ "@example.test", ERR_SYNTAX, 0, 0 },
		{ "@us.test:x@ext.test", ERR_SYNTAX, 0, 0 },
		{ "x@ext@us.test", ERR_SYNTAX, 0, 0 },
		{ "x@us.test.", ERR_SYNTAX, 0, 0 },
		{ "x@us..test", ERR_SYNTAX, 0, 0 },
		{ "x@192.0.2.1", ERR_SYNTAX, 0, 0 },
		{ "x@-us.test", ERR_SYNTAX, 0, 0 },
		{ ".x@us.test", ERR_SYNTAX, 0, 0 },
		{ "x.@us.test", ERR_SYNTAX, 0, 0 },
		{ "x..y@us.test", ERR_SYNTAX, 0, 0 },
		{ "\"\"@us.test", ERR_SYNTAX, 0, 0 },
		{ "\"x\ny\"@us.test", ERR_SYNTAX, 0, 0 },
		{ "x y@us.test", ERR_SYNTAX, 0, 0 },
		{ "x(c)@us.test", ERR_SYNTAX, 0, 0 },
		{ "\xff@us.test", ERR_SYNTAX, 0, 0 },
		{ "x@us.test\r\nRCPT TO:<y@z>", ERR_SYNTAX, 0, 0 },
		{ "", ERR_SYNTAX, 0, 0 },
	};
	struct arena *a = arena_new();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct name n = { 0 };
		int r = name_parse(a, T(cases[i].in), &n);
		if (r != cases[i].err)
			fail_msg("%s: %s", cases[i].in, err_name(r));
		if (r < 0)
			continue;
		assert_slice(n.local, cases[i].local);
		assert_slice(n.domain, cases[i].domain);
		/* What is written parses back to the same. */
		struct name again = { 0 };
		assert_int_equal(name_parse(a, name_text(a, n.local, n.domain), &again), 0);
		assert_true(slice_eq(again.local, n.local) && slice_eq(again.domain, n.domain));
	}
	arena_free(&a);
}

static void name_limits(void **state)
{
	struct arena *a = arena_new();
	for (size_t n = 63; n <= 66; n++) {
		char text[400] = { 0 };
		struct name name;
		memset(text, 'a', n);
		snprintf(text + n, sizeof(text) - n, "@example.test");
		assert_int_equal(name_parse(a, T(text), &name), n <= NAME_LOCAL_MAX ? 0 : ERR_TOO_BIG);
		memset(text, 'd', n);
		snprintf(text + n, sizeof(text) - n, ".test");
		struct slice domain;
		assert_int_equal(name_domain(a, T(text), &domain), n <= 63 ? 0 : ERR_SYNTAX);
	}
	arena_free(&a);
}

static void customers(void **state)
{
	struct fixture *f = *state;
	struct problem why = { 0 };
	struct customer twice = { .name = T("acme"), .language = T("de") };
	assert_int_equal(customer_add(f->e, f->a, &twice, &why), ERR_EXISTS);
	assert_string_equal(why.field, "name");
	assert_string_equal(why.text, "the customer acme exists already");
	struct customer bad = { .name = T("a b"), .language = T("de") };
	why = (struct problem){ 0 };
	assert_int_equal(customer_add(f->e, f->a, &bad, &why), ERR_INVALID);
	bad = (struct customer){ .name = T("b"), .language = T("fr") };
	why = (struct problem){ 0 };
	assert_int_equal(customer_add(f->e, f->a, &bad, &why), ERR_INVALID);
	assert_string_equal(why.field, "language");
	struct domain d = make_domain(f, "example.test", true);
	why = (struct problem){ 0 };
	assert_int_equal(customer_remove(f->e, f->customer.id, &why), ERR_CONFLICT);
	assert_int_equal(domain_remove(f->e, d.id, &why), 0);
	assert_int_equal(customer_remove(f->e, f->customer.id, &why), 0);
}

static void domains(void **state)
{
	struct fixture *f = *state;
	struct problem why = { 0 };
	struct domain d = make_domain(f, "Example.TEST", false);
	assert_slice(d.name, "example.test");
	struct domain twice = { .customer = f->customer.id, .name = T("EXAMPLE.test"), .hosted = true };
	assert_int_equal(domain_add(f->e, f->a, &twice, &why), ERR_EXISTS);
	assert_string_equal(why.field, "domain");
	static const char *const bad[] = { "test", "-x.test", "x..test", "a b.test", "192.0.2.1", "", "x.test." };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct domain x = { .customer = f->customer.id, .name = T(bad[i]), .hosted = true };
		why = (struct problem){ 0 };
		assert_int_equal(domain_add(f->e, f->a, &x, &why), ERR_INVALID);
		assert_string_equal(why.field, "domain");
	}
	struct domain x = { .customer = f->customer.id, .name = T("y.test"), .hosted = false };
	why = (struct problem){ 0 };
	assert_int_equal(domain_add(f->e, f->a, &x, &why), ERR_INVALID);
	assert_string_equal(why.field, "server");
	make_mailbox(f, &d, "joe");
	why = (struct problem){ 0 };
	assert_int_equal(domain_remove(f->e, d.id, &why), ERR_CONFLICT);
}

static void pool(void **state)
{
	struct fixture *f = *state;
	struct customer c = { .name = T("small"), .language = T("en"), .pool = 1000 };
	struct customer_limits fixed = { .fixed = true };
	assert_int_equal(customer_add(f->e, f->a, &c, NULL), 0);
	assert_int_equal(limits_set_customer(f->e, c.id, &fixed), 0);
	struct domain d = { .customer = c.id, .name = T("small.test"), .hosted = true };
	assert_int_equal(domain_add(f->e, f->a, &d, NULL), 0);
	struct account x = { .quota = 600 }, y = { .quota = 401 }, z = { .quota = 400 };
	struct problem why = { 0 };
	assert_int_equal(account_add(f->e, f->a, &d, T("x"), &x, 1, NULL), 0);
	assert_int_equal(account_add(f->e, f->a, &d, T("y"), &y, 1, &why), ERR_QUOTA);
	assert_string_equal(why.field, "quota");
	assert_int_equal(account_add(f->e, f->a, &d, T("z"), &z, 1, NULL), 0);
	assert_int_equal(customer_check_pool(f->e, f->a, c.id, 600, 601, NULL), ERR_QUOTA);
	assert_int_equal(customer_check_pool(f->e, f->a, c.id, 600, 500, NULL), 0);
}

static void address_rules(void **state)
{
	struct fixture *f = *state;
	struct domain d = make_domain(f, "example.test", true);
	make_mailbox(f, &d, "mary");
	make_mailbox(f, &d, "jane");
	static const struct {
		enum address_type type;
		const char *const to[4];
		int err;
	} cases[] = {
		{ ADDRESS_ALIAS, { "mary" }, 0 },
		{ ADDRESS_ALIAS, { "Mary@EXAMPLE.test" }, 0 },
		{ ADDRESS_ALIAS, { "mary", "jane" }, ERR_INVALID },
		{ ADDRESS_ALIAS, { "mary", "MARY@example.test" }, 0 },
		{ ADDRESS_ALIAS, { "nobody" }, ERR_INVALID },
		{ ADDRESS_ALIAS, { "dan@yahoo.example" }, ERR_INVALID },
		{ ADDRESS_ALIAS, { NULL }, ERR_INVALID },
		{ ADDRESS_LIST, { "mary", "jane" }, 0 },
		{ ADDRESS_LIST, { "mary", "dan@yahoo.example" }, ERR_INVALID },
		{ ADDRESS_REDIRECT, { "mary", "dan@yahoo.example" }, 0 },
		{ ADDRESS_REDIRECT, { "x y" }, ERR_INVALID },
		{ ADDRESS_REDIRECT, { "x@[192.0.2.1]" }, ERR_INVALID },
		{ ADDRESS_BANISHED, { NULL }, 0 },
		{ ADDRESS_BANISHED, { "mary" }, ERR_INVALID },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct problem why = { 0 };
		char local[16];
		snprintf(local, sizeof(local), "a%zu", i);
		assert_int_equal(try_address(f, &d, local, cases[i].type, cases[i].to, &why), cases[i].err);
		if (cases[i].err)
			assert_string_equal(why.field, "to");
	}
	struct problem why = { 0 };
	assert_int_equal(try_address(f, &d, "mary", ADDRESS_ALIAS, TO("jane"), &why), ERR_EXISTS);
	assert_string_equal(why.text, "mary@example.test exists already (mailbox)");
	struct slice *who;
	size_t n;
	assert_int_equal(address_pointing(f->e, f->a, T("jane@example.test"), &who, &n), 0);
	assert_int_equal(n, 1);
	struct page page = { .limit = 2 };
	struct address_filter of = { .domain = d.id, .type = -1 };
	struct address *rows;
	assert_int_equal(address_list(f->e, f->a, &of, &page, &rows, &n), 0);
	assert_int_equal(n, 2);
	page.after = name_text(f->a, rows[1].local, d.name);
	assert_int_equal(address_list(f->e, f->a, NULL, &page, &rows, &n), 0);
	assert_int_equal(n, 2);
	assert_slice(rows[0].local, "a12");
}

static void credentials(void **state)
{
	struct fixture *f = *state;
	struct domain d = make_domain(f, "example.test", true);
	struct account joe = make_mailbox(f, &d, "joe"), got;
	make_address(f, &d, "info", ADDRESS_ALIAS, TO("joe"));
	make_address(f, &d, "all", ADDRESS_LIST, TO("joe"));
	assert_int_equal(credential_find(f->e, f->a, T("JOE@example.test"), 1, &got), 0);
	assert_int_equal(got.id, joe.id);
	assert_slice(got.address, "joe@example.test");
	assert_int_equal(credential_find(f->e, f->a, T("info@example.test"), 1, &got), 0);
	assert_int_equal(got.id, joe.id);
	assert_int_equal(credential_find(f->e, f->a, T("all@example.test"), 1, &got), ERR_NOT_FOUND);
	assert_int_equal(credential_find(f->e, f->a, T("joe"), 1, &got), ERR_NOT_FOUND);
	uint64_t before = got.version, version = 0;
	assert_int_equal(credential_rehash(f->e, joe.id, before, T("$argon2id$x")), 0);
	assert_int_equal(credential_set(f->e, joe.id, T("{PLAIN}new"), false, 2, &version), 0);
	assert_true(version > before);
	assert_int_equal(credential_rehash(f->e, joe.id, before, T("$argon2id$old")), ERR_CONFLICT);
	assert_int_equal(account_by_id(f->e, f->a, joe.id, &got), 0);
	assert_slice(got.hash, "{PLAIN}new");
	assert_int_equal(account_retire(f->e, joe.id), 0);
	assert_int_equal(credential_find(f->e, f->a, T("joe@example.test"), 1, &got), ERR_NOT_FOUND);
	/* A version never comes again, even behind a removed account; nor does an id. */
	struct account again = make_mailbox(f, &d, "joe");
	assert_true(again.version > version && again.id > joe.id);
}

static void half_made(void **state)
{
	struct fixture *f = *state;
	struct domain d = make_domain(f, "example.test", true);
	struct account x = { .hash = T("{PLAIN}x") }, got, *rows;
	size_t n;
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(account_add(f->e, f->a, &d, T("joe"), &x, 1, NULL), 0);
	assert_int_equal(engine_commit(f->e), 0);
	engine_close(&f->e);
	assert_int_equal(engine_open("directory.db", &f->e), 0);
	assert_int_equal(credential_find(f->e, f->a, T("joe@example.test"), 1, &got), ERR_UNAVAILABLE);
	assert_int_equal(account_in_state(f->e, f->a, ACCOUNT_MADE, &rows, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(rows[0].id, x.id);
	assert_int_equal(account_set_state(f->e, x.id, ACCOUNT_LIVE), 0);
	assert_int_equal(credential_find(f->e, f->a, T("joe@example.test"), 1, &got), 0);
	assert_int_equal(account_retire(f->e, x.id), 0);
	assert_int_equal(account_in_state(f->e, f->a, ACCOUNT_REMOVING, &rows, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(account_forget(f->e, x.id), 0);
	assert_int_equal(account_by_id(f->e, f->a, x.id, &got), ERR_NOT_FOUND);
}

static void policy(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *in;
		int err;
	} cases[] = {
		{ "Abcdefghijk1", 0 },
		{ "Abcdefghij1", ERR_INVALID },
		{ "abcdefghijk1", ERR_INVALID },
		{ "ABCDEFGHIJK1", ERR_INVALID },
		{ "Abcdefghijkl", ERR_INVALID },
		{ "Ab1\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc", ERR_INVALID },
		{ "Ab1\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc", 0 },
		{ "Abcdefghijk1\n", ERR_INVALID },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(password_check(f->e, f->customer.id, "password", T(cases[i].in), NULL), cases[i].err);
	for (size_t n = 1024; n <= 1025; n++) {
		char text[1100] = "Aa1";
		memset(text + 3, 'x', n - 3);
		assert_int_equal(password_check(f->e, f->customer.id, "password", slice_of(text, n), NULL),
				 n <= 1024 ? 0 : ERR_TOO_BIG);
	}
}

static void own_policy(void **state)
{
	struct fixture *f = *state;
	struct policy p;
	struct problem why = { 0 };
	uint64_t c = f->customer.id;
	assert_int_equal(policy_get(f->e, c, &p), 0);
	assert_int_equal(p.length, 12);
	assert_int_equal(p.classes, POLICY_LOWER | POLICY_UPPER | POLICY_DIGIT);
	assert_int_equal(p.old_login_days, 5);
	p.length = 20;
	p.classes = POLICY_SYMBOL;
	assert_int_equal(policy_put(f->e, c, &p), 0);
	assert_int_equal(password_check(f->e, c, "new", T("Abcdefghijk1"), &why), ERR_INVALID);
	assert_string_equal(why.field, "new");
	assert_string_equal(why.text, "the password has 12 characters, the policy asks for at least 20");
	why = (struct problem){ 0 };
	assert_int_equal(password_check(f->e, c, "new", T("abcdefghijklmnopqrst"), &why), ERR_INVALID);
	assert_non_null(strstr(why.text, "neither letter nor digit"));
	assert_int_equal(password_check(f->e, c, "new", T("abcdefghijklmnopqrs!"), NULL), 0);
	assert_int_equal(password_check(f->e, c, "new", T("abcdefghijklmnopqr !"), NULL), 0);
	/* Another customer's stays as it was. */
	assert_int_equal(password_check(f->e, c + 1, "new", T("Abcdefghijk1"), NULL), 0);
	p.classes = 0;
	assert_int_equal(policy_put(f->e, c, &p), 0);
	assert_int_equal(password_check(f->e, c, "new", T("aaaaaaaaaaaaaaaaaaaa"), NULL), 0);
	assert_int_equal(customer_remove(f->e, c, NULL), 0);
	assert_int_equal(policy_get(f->e, c, &p), 0);
	assert_int_equal(p.length, 12);
}

static void senders(void **state)
{
	struct fixture *f = *state;
	struct domain d = make_domain(f, "example.test", true), other = make_domain(f, "second.test", true);
	struct account joe = make_mailbox(f, &d, "joe");
	make_mailbox(f, &d, "mary");
	make_address(f, &d, "info", ADDRESS_ALIAS, TO("joe"));
	static const struct {
		const char *address;
		bool own, any;
	} cases[] = {
		{ "joe@example.test", true, true },   { "JOE@Example.test", true, true },
		{ "joe+x@example.test", true, true }, { "info@example.test", true, true },
		{ "", true, true },		      { "mary@example.test", false, true },
		{ "x@second.test", false, true },     { "joe@elsewhere.test", false, false },
		{ "joe", false, false },
	};
	(void)other;
	for (int any = 0; any <= 1; any++) {
		assert_int_equal(account_set_send_any(f->e, joe.id, any), 0);
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			bool allowed = false;
			assert_int_equal(sender_allowed(f->e, f->a, joe.id, T(cases[i].address), &allowed), 0);
			assert_int_equal(allowed, any ? cases[i].any : cases[i].own);
		}
	}
}

static void sealing(void **state)
{
	struct fixture *f = *state;
	struct seal *s = NULL;
	struct slice sealed, plain;
	assert_int_equal(seal_open("seal.key", &s), 0);
	assert_int_equal(seal_put(s, f->a, T("task 1"), T("hunter2"), &sealed), 0);
	assert_int_equal(slice_find(sealed, T("hunter2"), 0), -1);
	seal_close(&s);
	assert_int_equal(seal_open("seal.key", &s), 0);
	assert_int_equal(seal_get(s, f->a, T("task 1"), sealed, &plain), 0);
	assert_slice(plain, "hunter2");
	assert_int_equal(seal_get(s, f->a, T("task 2"), sealed, &plain), ERR_CORRUPT);
	for (size_t n = 0; n < sealed.n; n++)
		assert_int_equal(seal_get(s, f->a, T("task 1"), slice_sub(sealed, 0, n), &plain), ERR_CORRUPT);
	assert_int_equal(seal_put(s, f->a, T("x"), T(""), &sealed), 0);
	assert_int_equal(seal_get(s, f->a, T("x"), sealed, &plain), 0);
	assert_int_equal(plain.n, 0);
	seal_close(&s);
	assert_int_equal(truncate("seal.key", 31), 0);
	assert_int_equal(seal_open("seal.key", &s), ERR_CORRUPT);
}

static void switching(void **state)
{
	struct fixture *f = *state;
	struct domain d = make_domain(f, "example.test", false);
	struct account x = { 0 };
	struct switch_report report;
	struct problem why = { 0 };
	assert_int_equal(account_add(f->e, f->a, &d, T("joe"), &x, 1, NULL), 0);
	assert_int_equal(recipient_note(f->e, d.id, T("joe"), true, 1), 0);
	assert_int_equal(recipient_note(f->e, d.id, T("mary"), true, 1), 0);
	assert_int_equal(domain_switch_report(f->e, f->a, &d, &report), 0);
	assert_int_equal(report.mailboxes, 1);
	assert_int_equal(report.n_missing, 1);
	assert_slice(report.missing[0], "mary@example.test");
	assert_int_equal(report.n_no_password, 1);
	assert_int_equal(domain_switch(f->e, &d, true, 5, &why), 0);
	assert_int_equal(domain_get(f->e, f->a, T("example.test"), &d), 0);
	assert_true(d.hosted);
	assert_int_equal(d.switched_ms, 5);
	assert_int_equal(domain_switch(f->e, &d, false, 6, &why), 0);
	d.server_host = T("");
	assert_int_equal(domain_switch(f->e, &d, false, 6, &why), ERR_CONFLICT);
}

static void first_login(void **state)
{
	struct fixture *f = *state;
	struct staff who = { 0 };
	struct principal p = { 0 };
	assert_int_equal(staff_take_first(f->e, "first-login", 5), 0); /* none: nothing to do */
	FILE *file = fopen("first-login", "w");
	assert_non_null(file);
	fputs("provider $argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA\n", file);
	fclose(file);
	assert_int_equal(staff_take_first(f->e, "first-login", 5), 0);
	assert_int_equal(access("first-login", F_OK), -1);
	assert_int_equal(staff_get(f->e, f->a, T("provider"), &who), 0);
	assert_true(slice_eq(who.hash, T("$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA")));
	assert_int_equal(principal_hats(f->e, f->a, holder_staff(who.id), &p), 0);
	assert_int_equal(principal_rank(&p), RANK_PROVIDER);
	assert_int_equal(staff_get(f->e, f->a, T("stranger"), &who), ERR_NOT_FOUND);
	file = fopen("first-login", "w");
	assert_non_null(file);
	fputs("provider in-clear\n", file);
	fclose(file);
	assert_int_equal(staff_take_first(f->e, "first-login", 5), ERR_SYNTAX);
	assert_int_equal(unlink("first-login"), 0);
}

int main(void)
{
#define WITH(t) cmocka_unit_test_setup_teardown(t, fixture_up, fixture_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names), cmocka_unit_test(name_limits), WITH(customers), WITH(domains), WITH(pool),
		WITH(address_rules), WITH(credentials), WITH(half_made), WITH(policy), WITH(own_policy), WITH(senders),
		WITH(sealing), WITH(switching), WITH(first_login),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
