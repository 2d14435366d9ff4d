/* SPDX-License-Identifier: Apache-2.0 */
/* Old user names: whose they are, what starts their grace, and when they end. The clock is a number. */
#include "room/directory/testing.h"

#include "lib/sql/sql.h"
#include "room/directory/login/old_login.h"
#include "room/directory/noun/policy.h"

enum { DAY = 24 * 3600 * 1000 };

struct house {
	struct fixture *f;
	struct domain d;
	struct account joe, mary;
};

static struct house house_of(void **state)
{
	struct house h = { .f = *state };
	h.d = make_domain(h.f, "example.test", true);
	h.joe = make_mailbox(h.f, &h.d, "joe");
	h.mary = make_mailbox(h.f, &h.d, "mary");
	assert_int_equal(old_login_add(h.f->e, h.f->a, h.joe.id, T("Custo1"), 1, NULL), 0);
	return h;
}

static enum old_login_state state_of(const struct house *h, const char *name, int64_t now, int64_t *deadline)
{
	struct page all = { 0 };
	struct old_login *rows;
	size_t n = 0;
	assert_int_equal(old_login_list(h->f->e, h->f->a, 0, 0, 0, now, &all, &rows, &n), 0);
	for (size_t i = 0; i < n; i++) {
		if (!slice_eq(rows[i].name, T(name)))
			continue;
		if (deadline)
			*deadline = rows[i].deadline_ms;
		return rows[i].state;
	}
	fail_msg("no row %s", name);
	return 0;
}

static bool works(const struct house *h, const char *name, int64_t now)
{
	struct account got;
	int r = credential_find(h->f->e, h->f->a, T(name), now, &got);
	assert_true(r == 0 || r == ERR_NOT_FOUND);
	return r == 0 && got.id == h->joe.id;
}

static void whose_it_is(void **state)
{
	struct house h = house_of(state);
	struct fixture *f = h.f;
	struct problem why = { 0 };
	assert_true(works(&h, "custo1", 5));
	assert_true(works(&h, "CUSTO1", 5));
	assert_true(works(&h, "joe@example.test", 5));
	assert_false(works(&h, "custo2", 5));
	assert_int_equal(old_login_add(f->e, f->a, h.joe.id, T("custo1"), 9, NULL), 0);	/* again: the same */
	assert_int_equal(old_login_add(f->e, f->a, h.mary.id, T("CUSTO1"), 9, &why), ERR_EXISTS);
	assert_string_equal(why.field, "name");
	why = (struct problem){ 0 };
	assert_int_equal(old_login_add(f->e, f->a, h.mary.id, T("jane@example.test"), 9, &why), ERR_EXISTS);
	assert_int_equal(old_login_add(f->e, f->a, h.mary.id, T("mary@old.elsewhere.test"), 9, NULL), 0);
	static const char *const bad[] = { "", "a b", "a\tb", "\x7f", "\xff" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(old_login_add(f->e, f->a, h.joe.id, T(bad[i]), 9, NULL), ERR_INVALID);
	for (size_t n = OLD_LOGIN_MAX; n <= OLD_LOGIN_MAX + 1; n++) {
		char text[OLD_LOGIN_MAX + 2] = { 0 };
		memset(text, 'x', n);
		assert_int_equal(old_login_add(f->e, f->a, h.joe.id, T(text), 9, NULL), n <= OLD_LOGIN_MAX ? 0 : ERR_INVALID);
	}
	assert_int_equal(old_login_remove(f->e, h.mary.id, T("custo1")), ERR_NOT_FOUND);
	assert_int_equal(old_login_remove(f->e, h.joe.id, T("custo1")), 0);
	assert_false(works(&h, "custo1", 5));
}

static void change_password(const struct house *h)
{
	uint64_t version;
	assert_int_equal(credential_set(h->f->e, h->joe.id, T("{PLAIN}x"), false, 1, &version), 0);
}

static void change_quota(const struct house *h)
{
	assert_int_equal(account_set_quota(h->f->e, h->joe.id, 4711), 0);
}

static void change_person(const struct house *h)
{
	assert_int_equal(account_set_person(h->f->e, h->joe.id, T("Joe Doe")), 0);
}

static void change_sender(const struct house *h)
{
	assert_int_equal(account_set_send_any(h->f->e, h->joe.id, true), 0);
}

static void add_alias(const struct house *h)
{
	struct slice to = T("joe@example.test");
	struct address x = { .local = T("info"), .type = ADDRESS_ALIAS, .targets = &to, .n_targets = 1 };
	assert_int_equal(address_add(h->f->e, h->f->a, &h->d, &x, 1, NULL), 0);
}

static void nothing(const struct house *h)
{
	struct slice to[] = { T("joe@example.test"), T("mary@example.test") };
	struct address x = { .local = T("all"), .type = ADDRESS_LIST, .targets = to, .n_targets = 2 };
	uint64_t version;
	assert_int_equal(account_set_quota(h->f->e, h->joe.id, 0), 0);	/* as it was */
	assert_int_equal(account_set_person(h->f->e, h->joe.id, T("")), 0);
	assert_int_equal(credential_rehash(h->f->e, h->joe.id, h->joe.version, T("{PLAIN}better")), 0);
	assert_int_equal(address_add(h->f->e, h->f->a, &h->d, &x, 1, NULL), 0);	/* a list is the list's */
	assert_int_equal(credential_set(h->f->e, h->mary.id, T("{PLAIN}x"), false, 1, &version), 0);
}

static void what_starts_the_grace(void **state)
{
	static const struct {
		void (*change)(const struct house *h);
		enum old_login_state then;
	} cases[] = {
		{ change_password, OLD_LOGIN_GRACE }, { change_quota, OLD_LOGIN_GRACE },
		{ change_person, OLD_LOGIN_GRACE },   { change_sender, OLD_LOGIN_GRACE },
		{ add_alias, OLD_LOGIN_GRACE },	      { nothing, OLD_LOGIN_WAITING },
	};
	struct house h = house_of(state);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(engine_begin(h.f->e), 0);
		cases[i].change(&h);
		assert_int_equal(old_login_settle(h.f->e, h.f->a, 1000), 0);
		if (state_of(&h, "custo1", 1000, NULL) != cases[i].then)
			fail_msg("case %zu", i);
		engine_rollback(h.f->e);
		assert_int_equal(state_of(&h, "custo1", 1000, NULL), OLD_LOGIN_WAITING);
	}
}

static void an_alias_that_goes_counts(void **state)
{
	struct house h = house_of(state);
	struct address x;
	add_alias(&h);
	assert_int_equal(sql_run(engine_sql(h.f->e), "UPDATE login SET state = 0", ""), 1);
	assert_int_equal(address_get(h.f->e, h.f->a, h.d.id, T("info"), &x), 0);
	assert_int_equal(address_remove(h.f->e, x.id), 0);
	assert_int_equal(old_login_settle(h.f->e, h.f->a, 1000), 0);
	assert_int_equal(state_of(&h, "custo1", 1000, NULL), OLD_LOGIN_GRACE);
}

static void the_grace_runs_once(void **state)
{
	struct house h = house_of(state);
	int64_t deadline = 0;
	change_password(&h);
	assert_int_equal(old_login_settle(h.f->e, h.f->a, 1000), 0);
	assert_int_equal(state_of(&h, "custo1", 1000, &deadline), OLD_LOGIN_GRACE);
	assert_true(deadline == 1000 + 5LL * DAY);
	change_quota(&h);	/* a second one moves nothing */
	assert_int_equal(old_login_settle(h.f->e, h.f->a, 1000 + 3LL * DAY), 0);
	assert_int_equal(state_of(&h, "custo1", 1000, &deadline), OLD_LOGIN_GRACE);
	assert_true(deadline == 1000 + 5LL * DAY);
	assert_true(works(&h, "custo1", deadline - 1) && works(&h, "joe@example.test", deadline - 1));
	assert_false(works(&h, "custo1", deadline));
	assert_true(works(&h, "joe@example.test", deadline));
	assert_int_equal(state_of(&h, "custo1", deadline, NULL), OLD_LOGIN_ENDED);
	assert_int_equal(old_login_expire(h.f->e, deadline - 1), 0);
	assert_int_equal(old_login_expire(h.f->e, deadline), 1);
	assert_false(works(&h, "custo1", 1));	/* ended stays ended, whatever the clock does */
	change_password(&h);
	assert_int_equal(old_login_settle(h.f->e, h.f->a, 2000), 0);
	assert_false(works(&h, "custo1", 2001));
}

static void the_customer_says_how_long(void **state)
{
	struct house h = house_of(state);
	struct policy p;
	int64_t deadline = 0;
	assert_int_equal(policy_get(h.f->e, h.f->customer.id, &p), 0);
	p.old_login_days = 14;
	assert_int_equal(policy_put(h.f->e, h.f->customer.id, &p), 0);
	change_password(&h);
	assert_int_equal(old_login_settle(h.f->e, h.f->a, 1000), 0);
	assert_int_equal(state_of(&h, "custo1", 1000, &deadline), OLD_LOGIN_GRACE);
	assert_true(deadline == 1000 + 14LL * DAY);
}

static void it_goes_with_its_account(void **state)
{
	struct house h = house_of(state);
	assert_int_equal(account_retire(h.f->e, h.joe.id), 0);
	assert_int_equal(old_login_add(h.f->e, h.f->a, h.mary.id, T("custo1"), 9, NULL), 0);
}

int main(void)
{
#define WITH(t) cmocka_unit_test_setup_teardown(t, fixture_up, fixture_down)
	const struct CMUnitTest tests[] = {
		WITH(whose_it_is),	   WITH(what_starts_the_grace),	     WITH(an_alias_that_goes_counts),
		WITH(the_grace_runs_once), WITH(the_customer_says_how_long), WITH(it_goes_with_its_account),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
