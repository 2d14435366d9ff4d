/* SPDX-License-Identifier: Apache-2.0 */
/* Routing as tables: who asks for what, and where it goes. S28 (open relay), S30, H22, M17 to M21, M35 to M37. */
#include "room/directory/testing.h"

#include "base/buf.h"
#include "room/directory/noun/other_name.h"
#include "room/directory/route/route.h"
#include "room/directory/route/standing.h"

/* "box:joe@x srv:a@b mx:c@d drop" sorted as they come, or "550 5.1.1". */
static const char *routed(struct fixture *f, const struct route_ask *ask)
{
	static char text[4096];
	struct route route;
	struct buf out = BUF_INIT(sizeof(text) - 1);
	static const char *const kinds[] = { "box", "srv", "mx", "drop" };
	route_resolve(f->e, f->a, ask, &route);
	if (route.probe)
		buf_str(&out, "probe");
	else if (!route.n_targets)
		buf_printf(&out, "%u %s", route.code, route.enhanced);
	for (size_t i = 0; i < route.n_targets; i++)
		buf_printf(&out, "%s%s:" SLICE_FMT, i ? " " : "", kinds[route.targets[i].kind],
			   SLICE_ARG(route.targets[i].address));
	snprintf(text, sizeof(text), "%s", buf_cstr(&out));
	buf_fini(&out);
	return text;
}

static const char *to(struct fixture *f, const char *address)
{
	struct route_ask ask = { .address = T(address), .now_ms = 1000 };
	return routed(f, &ask);
}

static void hosted(void **state)
{
	struct fixture *f = *state;
	struct domain d = make_domain(f, "us.test", true);
	make_mailbox(f, &d, "joe");
	make_mailbox(f, &d, "mary");
	make_mailbox(f, &d, "m\xc3\xbcller");
	make_address(f, &d, "info", ADDRESS_ALIAS, TO("mary"));
	make_address(f, &d, "sales", ADDRESS_LIST, TO("mary", "joe"));
	make_address(f, &d, "dan", ADDRESS_REDIRECT, TO("dan@yahoo.example"));
	make_address(f, &d, "all", ADDRESS_REDIRECT, TO("mary", "joe", "dan", "info"));
	make_address(f, &d, "self", ADDRESS_REDIRECT, TO("self", "joe"));
	make_address(f, &d, "only", ADDRESS_REDIRECT, TO("only"));
	make_address(f, &d, "ring1", ADDRESS_REDIRECT, TO("ring2"));
	make_address(f, &d, "ring2", ADDRESS_REDIRECT, TO("ring1"));
	make_address(f, &d, "gone", ADDRESS_REDIRECT, TO("nobody", "joe"));
	make_address(f, &d, "empty", ADDRESS_REDIRECT, TO("nobody"));
	make_address(f, &d, "spam", ADDRESS_BANISHED, NULL);
	make_address(f, &d, "joe+vip", ADDRESS_ALIAS, TO("mary"));
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "joe@us.test", "box:joe@us.test" },
		{ "JOE@US.Test", "box:joe@us.test" },
		{ "\"joe\"@us.test", "box:joe@us.test" },
		{ "joe+shop@us.test", "box:joe+shop@us.test" },
		{ "joe+vip@us.test", "box:mary@us.test" },
		{ "+joe@us.test", "550 5.1.1" },
		{ "M\xc3\x9cller@us.test", "box:m\xc3\xbcller@us.test" },
		{ "info@us.test", "box:mary@us.test" },
		{ "info+x@us.test", "box:mary@us.test" },
		{ "sales@us.test", "box:mary@us.test box:joe@us.test" },
		{ "dan@us.test", "mx:dan@yahoo.example" },
		{ "all@us.test", "box:mary@us.test box:joe@us.test mx:dan@yahoo.example" },
		{ "self@us.test", "box:joe@us.test" },
		{ "only@us.test", "550 5.4.6" },
		{ "ring1@us.test", "550 5.4.6" },
		{ "gone@us.test", "box:joe@us.test" },
		{ "empty@us.test", "550 5.1.1" },
		{ "spam@us.test", "550 5.7.1" },
		{ "nobody@us.test", "550 5.1.1" },
		{ "postmaster@us.test", "box:postmaster@us.test" },
		{ "Postmaster", "box:postmaster@us.test" },
		/* S28 */
		{ "x@ext.test", "550 5.7.1" },
		{ "\"x@ext.test\"@us.test", "550 5.1.1" },
		{ "x%ext.test@us.test", "550 5.1.1" },
		{ "@us.test:x@ext.test", "553 5.1.3" },
		{ "ext.test!x@us.test", "550 5.1.1" },
		{ "x@ext.test@us.test", "553 5.1.3" },
		{ "x@[127.0.0.1]", "550 5.7.1" },
		{ "x@[IPv6:::1]", "550 5.7.1" },
		{ "joe@[127.0.0.1]", "550 5.7.1" },
		{ "\"x@ext.test\"", "553 5.1.3" },
		{ "x", "553 5.1.3" },
		{ "x@", "553 5.1.3" },
		{ "@us.test", "553 5.1.3" },
		{ "joe@us.test.", "553 5.1.3" },
		{ "joe@sub.us.test", "550 5.7.1" },
		{ "joe@xus.test", "550 5.7.1" },
		{ "joe@us.test@ext.test", "553 5.1.3" },
		{ "joe%us.test@ext.test", "550 5.7.1" },
		{ "joe@us.test%ext.test", "553 5.1.3" },
		{ "joe@us.test ext.test", "553 5.1.3" },
		{ "joe@us.test,x@ext.test", "553 5.1.3" },
		{ "<joe@us.test>", "553 5.1.3" },
		{ "joe@u\xcc\x88s.test", "550 5.7.1" },
		{ "", "553 5.1.3" },
		/* S30 */
		{ "\";id;\"@us.test", "550 5.1.1" },
		{ "\"$(id)\"@us.test", "550 5.1.1" },
		{ "\"../../x\"@us.test", "550 5.1.1" },
		{ "|cmd@us.test", "550 5.1.1" },
		{ "-oX@us.test", "550 5.1.1" },
		{ "\"x'/**/UNION/**/SELECT/**/X'00'--\"@us.test", "550 5.1.1" },
		{ "%s%n@us.test", "550 5.1.1" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *out = to(f, cases[i].in);
		if (strcmp(out, cases[i].out))
			fail_msg("%s: %s, not %s", cases[i].in, out, cases[i].out);
	}
}

/* What somebody who logged in may do, and what the queue asks again. */
static void elsewhere(void **state)
{
	struct fixture *f = *state;
	struct domain d = make_domain(f, "us.test", true);
	make_mailbox(f, &d, "joe");
	make_address(f, &d, "spam", ADDRESS_BANISHED, NULL);
	static const struct {
		const char *in;
		bool authenticated, retry, local_only;
		const char *out;
	} cases[] = {
		{ "x@ext.test", true, false, false, "mx:x@ext.test" },
		{ "x@ext.test", false, true, false, "mx:x@ext.test" },
		{ "x@ext.test", true, false, true, "550 5.7.1" },
		{ "x@ext.test", false, false, true, "550 5.7.1" },
		{ "x@[192.0.2.1]", true, false, false, "550 5.1.2" },
		{ "joe@us.test", true, false, false, "box:joe@us.test" },
		{ "joe@us.test", false, true, false, "box:joe@us.test" },
		{ "nobody@us.test", true, false, false, "550 5.1.1" },
		{ "nobody@us.test", false, true, false, "srv:nobody@us.test" },
		{ "spam@us.test", false, true, false, "drop:spam@us.test" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct route_ask ask = {
			.address = T(cases[i].in), .authenticated = cases[i].authenticated, .retry = cases[i].retry,
			.local_only = cases[i].local_only, .now_ms = 1,
		};
		assert_string_equal(routed(f, &ask), cases[i].out);
	}
	d.banished = BANISHED_DROP;
	assert_int_equal(domain_update(f->e, &d), 0);
	assert_string_equal(to(f, "spam@us.test"), "drop:spam@us.test");
}

static void gateway(void **state)
{
	struct fixture *f = *state;
	struct domain d = make_domain(f, "gw.test", false);
	struct account joe = make_mailbox(f, &d, "joe");
	struct address x;
	make_mailbox(f, &d, "mary");
	make_address(f, &d, "info", ADDRESS_ALIAS, TO("joe"));
	make_address(f, &d, "spam", ADDRESS_BANISHED, NULL);
	assert_string_equal(to(f, "joe@gw.test"), "srv:joe@gw.test");
	assert_string_equal(to(f, "joe+x@gw.test"), "srv:joe+x@gw.test");
	assert_string_equal(to(f, "info@gw.test"), "srv:info@gw.test");
	assert_string_equal(to(f, "spam@gw.test"), "550 5.7.1");
	assert_string_equal(to(f, "postmaster@gw.test"), "srv:postmaster@gw.test");
	assert_string_equal(to(f, "new@gw.test"), "probe");
	assert_string_equal(to(f, "x%ext.test@gw.test"), "550 5.1.1");
	assert_string_equal(to(f, "ext.test!x@gw.test"), "550 5.1.1");
	assert_string_equal(to(f, "\"x@ext.test\"@gw.test"), "550 5.1.1");
	/* One address lives here, the rest does not (M37). */
	assert_int_equal(address_get(f->e, f->a, d.id, T("joe"), &x), 0);
	assert_int_equal(address_set_hosted(f->e, x.id, true), 0);
	assert_string_equal(to(f, "joe@gw.test"), "box:joe@gw.test");
	assert_string_equal(to(f, "mary@gw.test"), "srv:mary@gw.test");
	assert_string_equal(to(f, "info@gw.test"), "srv:info@gw.test");
	assert_int_equal(address_get(f->e, f->a, d.id, T("info"), &x), 0);
	assert_int_equal(address_set_hosted(f->e, x.id, true), 0);
	assert_string_equal(to(f, "info@gw.test"), "box:joe@gw.test");
	/* Queued mail is asked again after the switch, and after the way back. */
	struct route_ask again = { .address = T("mary@gw.test"), .retry = true, .now_ms = 1 };
	assert_string_equal(routed(f, &again), "srv:mary@gw.test");
	assert_int_equal(domain_switch(f->e, &d, true, 1, NULL), 0);
	assert_string_equal(routed(f, &again), "box:mary@gw.test");
	assert_int_equal(domain_switch(f->e, &d, false, 1, NULL), 0);
	assert_string_equal(routed(f, &again), "srv:mary@gw.test");
	/* An account that the store has not confirmed: later, not never. */
	assert_int_equal(account_set_state(f->e, joe.id, ACCOUNT_MADE), 0);
	assert_string_equal(to(f, "joe@gw.test"), "451 4.3.0");
}

enum { HOUR = 3600 * 1000 };

static void asking(void **state)
{
	struct fixture *f = *state;
	struct domain d = make_domain(f, "gw.test", false);
	static const struct {
		enum down_mode down;
		enum known noted;	/* KNOWN_STALE: noted as good 30 hours ago; KNOWN_UNSURE: never asked */
		bool probed;
		enum known answer;
		const char *out;
	} cases[] = {
		{ DOWN_QUEUE, KNOWN_UNSURE, false, 0, "probe" },
		{ DOWN_QUEUE, KNOWN_YES, false, 0, "srv:u@gw.test" },
		{ DOWN_QUEUE, KNOWN_NO, false, 0, "550 5.1.1" },
		{ DOWN_QUEUE, KNOWN_STALE, false, 0, "probe" },
		{ DOWN_QUEUE, KNOWN_UNSURE, true, KNOWN_YES, "srv:u@gw.test" },
		{ DOWN_QUEUE, KNOWN_UNSURE, true, KNOWN_NO, "550 5.1.1" },
		{ DOWN_QUEUE, KNOWN_UNSURE, true, KNOWN_UNSURE, "srv:u@gw.test" },
		{ DOWN_LATER, KNOWN_UNSURE, true, KNOWN_UNSURE, "451 4.4.1" },
		{ DOWN_LATER, KNOWN_STALE, true, KNOWN_UNSURE, "srv:u@gw.test" },
		{ DOWN_LATER, KNOWN_STALE, true, KNOWN_NO, "550 5.1.1" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t now = (int64_t)(i + 1) * 1000 * HOUR;
		struct route_ask ask = {
			.address = T("u@gw.test"), .probed = cases[i].probed, .answer = cases[i].answer, .now_ms = now,
		};
		d.when_down = cases[i].down;
		assert_int_equal(domain_update(f->e, &d), 0);
		assert_int_equal(recipient_note(f->e, d.id, T("u"), false, 1), 0);
		recipient_forget(f->e, d.id);
		if (cases[i].noted == KNOWN_YES || cases[i].noted == KNOWN_NO)
			assert_int_equal(recipient_note(f->e, d.id, T("u"), cases[i].noted == KNOWN_YES, now), 0);
		else if (cases[i].noted == KNOWN_STALE)
			assert_int_equal(recipient_note(f->e, d.id, T("u"), true, now - 30 * HOUR), 0);
		const char *out = routed(f, &ask);
		if (strcmp(out, cases[i].out))
			fail_msg("case %zu: %s, not %s", i, out, cases[i].out);
	}
}

static void ask_modes(void **state)
{
	struct fixture *f = *state;
	struct domain d = make_domain(f, "gw.test", false);
	d.recipients = RECIPIENTS_LIST;
	assert_int_equal(domain_update(f->e, &d), 0);
	assert_string_equal(to(f, "u@gw.test"), "550 5.1.1");
	d.recipients = RECIPIENTS_ANY;
	assert_int_equal(domain_update(f->e, &d), 0);
	assert_string_equal(to(f, "u@gw.test"), "srv:u@gw.test");
	/* A refusal is remembered for ten minutes. */
	assert_int_equal(recipient_note(f->e, d.id, T("u"), false, 1000), 0);
	assert_int_equal(recipient_known(f->e, d.id, T("u"), 1000 + 10 * 60 * 1000 - 1), KNOWN_NO);
	assert_int_equal(recipient_known(f->e, d.id, T("u"), 1000 + 10 * 60 * 1000), KNOWN_UNSURE);
	/* What the server takes survives a restart, what it refused does not. */
	assert_int_equal(recipient_note(f->e, d.id, T("good"), true, 1000), 0);
	assert_int_equal(recipient_note(f->e, d.id, T("bad"), false, 1000), 0);
	engine_close(&f->e);
	assert_int_equal(engine_open("directory.db", &f->e), 0);
	assert_int_equal(recipient_known(f->e, d.id, T("good"), 1000), KNOWN_YES);
	assert_int_equal(recipient_known(f->e, d.id, T("bad"), 1000), KNOWN_UNSURE);
}

/* Ten at each of ten levels would be 10^10 (H22). */
static void bomb(void **state)
{
	struct fixture *f = *state;
	struct domain d = make_domain(f, "us.test", true);
	make_mailbox(f, &d, "joe");
	for (int level = 0; level < 10; level++) {
		for (int i = 0; i < 10; i++) {
			char local[32], next[10][32];
			const char *targets[11] = { 0 };
			snprintf(local, sizeof(local), "l%d-%d", level, i);
			for (int k = 0; k < 10; k++) {
				snprintf(next[k], sizeof(next[k]), "l%d-%d", level + 1, k);
				targets[k] = next[k];
			}
			make_address(f, &d, local, ADDRESS_REDIRECT, level == 9 ? TO("joe") : targets);
		}
	}
	assert_string_equal(to(f, "l0-0@us.test"), "box:joe@us.test");
	/* One level more than the cap. */
	make_address(f, &d, "top", ADDRESS_REDIRECT, TO("l0-0"));
	assert_string_equal(to(f, "top@us.test"), "550 5.4.6");
}

static void wide(void **state)
{
	struct fixture *f = *state;
	struct domain d = make_domain(f, "us.test", true);
	for (size_t n = ROUTE_TARGETS_MAX; n <= ROUTE_TARGETS_MAX + 1; n++) {
		struct slice targets[ROUTE_TARGETS_MAX];
		char local[32];
		struct route route;
		for (size_t i = 0; i < ROUTE_TARGETS_MAX; i++)
			targets[i] = slice_str(arena_printf(f->a, "u%zu-%zu@far.test", n, i));
		if (n > ROUTE_TARGETS_MAX)
			targets[0] = T("two@us.test");
		snprintf(local, sizeof(local), "w%zu", n);
		struct address x = { .local = T(local), .type = ADDRESS_REDIRECT, .targets = targets,
				     .n_targets = ROUTE_TARGETS_MAX };
		assert_int_equal(address_add(f->e, f->a, &d, &x, 1, NULL), 0);
		make_address(f, &d, n > ROUTE_TARGETS_MAX ? "unused" : "two", ADDRESS_REDIRECT,
			     TO("a@far.test", "b@far.test"));
		struct route_ask ask = { .address = slice_str(arena_printf(f->a, "%s@us.test", local)) };
		route_resolve(f->e, f->a, &ask, &route);
		assert_int_equal(route.n_targets, n <= ROUTE_TARGETS_MAX ? ROUTE_TARGETS_MAX : 0);
		assert_int_equal(route.code, n <= ROUTE_TARGETS_MAX ? 0 : 550);
	}
}

static void postmaster(void **state)
{
	struct fixture *f = *state;
	struct domain d = make_domain(f, "us.test", true), second = make_domain(f, "second.test", true);
	assert_string_equal(to(f, "postmaster@us.test"), "550 5.1.1");
	make_mailbox(f, &d, "joe");
	make_mailbox(f, &d, "ann");
	assert_string_equal(to(f, "PostMaster@us.test"), "box:postmaster@us.test");
	make_address(f, &d, "postmaster", ADDRESS_ALIAS, TO("ann"));
	assert_string_equal(to(f, "postmaster@us.test"), "box:ann@us.test");
	make_mailbox(f, &second, "sue");
	struct route_ask ask = { .address = T("postmaster"), .host_name = T("second.test") };
	assert_string_equal(routed(f, &ask), "box:postmaster@second.test");
	struct customer c = { .name = T("c2"), .language = T("en"), .contact = T("Admin@elsewhere.test") };
	assert_int_equal(customer_add(f->e, f->a, &c, NULL), 0);
	struct domain third = { .customer = c.id, .name = T("third.test"), .hosted = true };
	assert_int_equal(domain_add(f->e, f->a, &third, NULL), 0);
	assert_string_equal(to(f, "postmaster@third.test"), "mx:admin@elsewhere.test");
}

/* The target of an address that has one. */
static struct route_target target(struct fixture *f, const char *address)
{
	struct route_ask ask = { .address = T(address), .now_ms = 1000 };
	struct route route;
	route_resolve(f->e, f->a, &ask, &route);
	assert_int_equal(route.n_targets, 1);
	return route.targets[0];
}

/* What holds for a domain is kept between two routes, and nothing that is kept outlives a change. */
static void changed(void **state)
{
	struct fixture *f = *state;
	struct domain d = make_domain(f, "us.test", true), more = make_domain(f, "more.test", true);
	struct addressing x;
	make_mailbox(f, &d, "joe");
	assert_string_equal(to(f, "joe-shop@us.test"), "550 5.1.1");
	assert_int_equal(addressing_get(f->e, f->a, d.id, &x), 0);
	x.separator = '-';
	assert_int_equal(addressing_put(f->e, &x), 0);	/* outside of a transaction: one of its own */
	assert_string_equal(to(f, "joe-shop@us.test"), "box:joe-shop@us.test");
	x.catch_all = T("joe@us.test");
	assert_int_equal(addressing_put(f->e, &x), 0);
	assert_string_equal(to(f, "nobody@us.test"), "box:joe@us.test");

	assert_false(target(f, "joe@us.test").refuse);
	assert_int_equal(limits_set_domain(f->e, d.id, &(struct domain_limits){ .refuse = true, .retention = -1 }), 0);
	assert_true(target(f, "joe@us.test").refuse);
	assert_int_equal(limits_set_customer(f->e, f->customer.id, &(struct customer_limits){ .level = 2 }), 0);
	assert_false(target(f, "joe@us.test").near_full);	/* there is no pool */
	f->customer.pool = 1000;
	assert_int_equal(customer_update(f->e, f->a, &f->customer, NULL), 0);
	assert_true(target(f, "joe@us.test").near_full);
	assert_int_equal(limits_set_customer(f->e, f->customer.id, &(struct customer_limits){ .level = 1 }), 0);
	assert_false(target(f, "joe@us.test").near_full);

	assert_int_equal(domain_switch(f->e, &d, false, 2000, NULL), 0);
	assert_string_equal(to(f, "joe@us.test"), "srv:joe@us.test");
	assert_slice(target(f, "joe@us.test").host, "old.test");
	assert_string_equal(to(f, "joe@more.test"), "550 5.1.1");
	assert_int_equal(domain_remove(f->e, more.id, NULL), 0);
	assert_string_equal(to(f, "joe@more.test"), "550 5.7.1");
}

static void taken_back(void **state)
{
	struct fixture *f = *state;
	struct domain d = make_domain(f, "us.test", true);
	make_mailbox(f, &d, "joe");
	assert_string_equal(to(f, "joe@us.test"), "box:joe@us.test");
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(domain_switch(f->e, &d, false, 2000, NULL), 0);
	assert_string_equal(to(f, "joe@us.test"), "srv:joe@us.test");
	engine_rollback(f->e);
	assert_string_equal(to(f, "joe@us.test"), "box:joe@us.test");
}

static void other_base(void **state)
{
	struct fixture *f = *state;
	struct domain d = make_domain(f, "us.test", true);
	make_mailbox(f, &d, "joe");
	engine_set_alternate_base(f->e, T("one.example"));
	assert_string_equal(to(f, "joe@ustest.one.example"), "box:joe@us.test");
	engine_set_alternate_base(f->e, T("two.example"));
	assert_string_equal(to(f, "joe@ustest.one.example"), "550 5.7.1");
	assert_string_equal(to(f, "joe@ustest.two.example"), "box:joe@us.test");
}

/* As many domains as are kept, and one more. */
static void many_domains(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(engine_begin(f->e), 0);
	for (int i = 0; i <= STANDINGS_MAX; i++) {
		struct domain d = { .customer = f->customer.id, .hosted = true, .banished = BANISHED_DROP,
				    .name = slice_str(arena_printf(f->a, "d%d.test", i)) };
		struct address x = { .local = T("x"), .type = ADDRESS_BANISHED };
		assert_int_equal(domain_add(f->e, f->a, &d, NULL), 0);
		if (i % 2 == 0)
			assert_int_equal(address_add(f->e, f->a, &d, &x, 1, NULL), 0);
	}
	assert_int_equal(engine_commit(f->e), 0);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i <= STANDINGS_MAX; i++) {
			const char *name = arena_printf(f->a, "x@d%d.test", i);
			assert_string_equal(to(f, name), i % 2 ? "550 5.1.1" : arena_printf(f->a, "drop:%s", name));
		}
	}
}

int main(void)
{
#define WITH(t) cmocka_unit_test_setup_teardown(t, fixture_up, fixture_down)
	const struct CMUnitTest tests[] = {
		WITH(hosted), WITH(elsewhere), WITH(gateway), WITH(asking), WITH(ask_modes), WITH(bomb), WITH(wide),
		WITH(postmaster), WITH(changed), WITH(taken_back), WITH(other_base), WITH(many_domains),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
