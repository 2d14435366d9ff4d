/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of a mailbox: what is kept, what is refused, the script that is made of them, and circles. */
#include "room/directory/testing.h"

#include "lib/zone/zones.h"
#include "proto/sieve/sieve.h"
#include "room/directory/noun/responder.h"
#include "room/directory/route/postbox.h"

static uint64_t mailbox(struct fixture *f, const char *local)
{
	static struct domain d;
	if (!strcmp(local, "joe"))
		d = make_domain(f, "example.test", true);
	return make_mailbox(f, &d, local).id;
}

static void set(struct fixture *f, uint64_t id, const struct responder *x)
{
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(responder_put(f->e, id, x, 5), 0);
	assert_int_equal(engine_commit(f->e), 0);
}

static bool runs(struct fixture *f, uint64_t id)
{
	struct postbox box;
	assert_int_equal(postbox_get(f->e, id, &box), 0);
	return box.rules;
}

static void kept(void **state)
{
	struct fixture *f = *state;
	uint64_t joe = mailbox(f, "joe"), mary = mailbox(f, "mary");
	struct slice to[] = { T("a@far.test"), T("b@far.test"), T("c@far.test"), T("d@far.test") };
	struct responder x;
	assert_false(runs(f, joe));
	assert_int_equal(responder_get(f->e, f->a, joe, &x), 0);
	assert_true(!x.n_targets && !x.days && !x.zone.n);
	set(f, joe, &(struct responder){ .zone = T("Europe/Berlin"), .targets = to, .n_targets = FORWARD_TARGETS_MAX,
					 .forward = { T("2026-12-24"), T("") }, .subject = T("Away"), .text = T("Back soon."),
					 .days = 3, .reply = { T(""), T("2026-12-31") } });
	assert_int_equal(responder_get(f->e, f->a, joe, &x), 0);
	assert_int_equal(x.n_targets, 4);
	for (size_t i = 0; i < 4; i++)
		assert_true(slice_eq(x.targets[i], to[i]));
	assert_false(x.keep);
	assert_slice(x.zone, "Europe/Berlin");
	assert_slice(x.forward.start, "2026-12-24");
	assert_slice(x.forward.end, "");
	assert_slice(x.reply.end, "2026-12-31");
	assert_slice(x.subject, "Away");
	assert_slice(x.text, "Back soon.");
	assert_int_equal(x.days, 3);
	assert_true(runs(f, joe));
	assert_false(runs(f, mary));
	/* Neither forward nor reply: there is nothing to keep. */
	set(f, joe, &(struct responder){ .zone = T("Europe/Berlin"), .subject = T("Away") });
	assert_false(runs(f, joe));
}

static void spans_and_zones(void **state)
{
	struct problem why = { 0 };
	static const struct {
		const char *start, *end, *field;
	} cases[] = {
		{ "", "", NULL }, { "2026-12-24", "", NULL }, { "", "2026-12-24", NULL }, { "2026-12-24", "2026-12-24", NULL },
		{ "2026-12-24", "2027-01-06", NULL }, { "2026-12-24", "2026-12-23", "end" }, { "24.12.2026", "", "start" },
		{ "", "2026-02-30", "end" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct span s = { T(cases[i].start), T(cases[i].end) };
		why = (struct problem){ 0 };
		assert_int_equal(responder_check_span(&s, &why), cases[i].field ? ERR_INVALID : 0);
		if (cases[i].field)
			assert_string_equal(why.field, cases[i].field);
	}
	why = (struct problem){ .language = "de" };
	assert_int_equal(responder_check_zone(T("Europe/Berlin"), &why), 0);
	assert_int_equal(responder_check_zone(T("Europe/Nowhere"), &why), ERR_INVALID);
	assert_string_equal(why.field, "zone");
	assert_non_null(strstr(why.text, "Europe/Nowhere"));
	assert_int_equal(responder_check_zone(T("../../etc/passwd"), NULL), ERR_INVALID);
}

/* The script says what the settings say, and compiles, whatever they hold. */
static void scripts(void **state)
{
	struct fixture *f = *state;
	struct slice to[] = { T("dan@far.test"), T("\"od d\"@far.test") };
	struct responder nothing = { .zone = T("Europe/Berlin") };
	assert_int_equal(responder_script(f->a, &nothing).n, 0);
	struct {
		struct responder x;
		const char *want[4], *not;
	} cases[] = {
		{ { .targets = to, .n_targets = 1, .keep = true }, { "if true {\n\tredirect :copy \"dan@far.test\";\n}\n" }, "stop;" },
		{ { .targets = to, .n_targets = 2, .zone = T("Europe/Berlin"), .forward = { T("2026-12-24"), T("2027-01-06") } },
		  { "redirect \"dan@far.test\";", "redirect \"\\\"od d\\\"@far.test\";\n\tstop;\n",
		    "allof (currentdate :value \"ge\" \"date\" \"2026-12-24\", currentdate :value \"le\" \"date\" \"2027-01-06\")",
		    "(Europe/Berlin)" }, "vacation :" },
		{ { .days = 3, .text = T("\"; discard; \\"), .subject = T("a\"b") },
		  { "vacation :days 3 :subject \"a\\\"b\" \"\\\"; discard; \\\\\";" }, "redirect" },
		{ { .days = 1, .text = T("x"), .reply = { T(""), T("2026-12-31") } },
		  { "allof (currentdate :value \"le\" \"date\" \"2026-12-31\")", ", until 2026-12-31" }, ", from" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sieve_script *compiled;
		struct sieve_error why;
		struct slice text = responder_script(f->a, &cases[i].x);
		assert_int_equal(sieve_compile(f->a, text, &compiled, &why), 0);
		const char *said = arena_str(f->a, text);
		for (size_t k = 0; k < 4 && cases[i].want[k]; k++)
			assert_non_null(strstr(said, cases[i].want[k]));
		assert_null(strstr(said, cases[i].not));
	}
}

static void circles(void **state)
{
	struct fixture *f = *state;
	uint64_t joe = mailbox(f, "joe"), mary = mailbox(f, "mary"), olaf = mailbox(f, "olaf");
	struct slice to_joe = T("joe@example.test"), to_mary = T("mary@example.test"), to_olaf = T("olaf@example.test");
	struct slice far = T("joe@far.test"), shout = T("JOE@EXAMPLE.TEST");
	struct account x;
	struct problem why = { 0 };
	assert_int_equal(account_by_id(f->e, f->a, joe, &x), 0);
	assert_int_equal(responder_check_circle(f->e, f->a, &x, &to_joe, 1, 5, &why), ERR_CONFLICT);
	assert_string_equal(why.text, "mail for joe@example.test would come back to joe@example.test");
	assert_int_equal(responder_check_circle(f->e, f->a, &x, &shout, 1, 5, NULL), ERR_CONFLICT);
	assert_int_equal(responder_check_circle(f->e, f->a, &x, &far, 1, 5, NULL), 0);
	assert_int_equal(responder_check_circle(f->e, f->a, &x, &to_mary, 1, 5, NULL), 0);
	/* mary to olaf to joe */
	set(f, mary, &(struct responder){ .targets = &to_olaf, .n_targets = 1 });
	assert_int_equal(responder_check_circle(f->e, f->a, &x, &to_mary, 1, 5, NULL), 0);
	set(f, olaf, &(struct responder){ .targets = &to_joe, .n_targets = 1 });
	why = (struct problem){ 0 };
	assert_int_equal(responder_check_circle(f->e, f->a, &x, &to_mary, 1, 5, &why), ERR_CONFLICT);
	assert_string_equal(why.field, "to");
	assert_string_equal(why.text, "mail for mary@example.test would come back to joe@example.test");
	/* a circle of others ends, too */
	set(f, olaf, &(struct responder){ .targets = &to_mary, .n_targets = 1 });
	assert_int_equal(responder_check_circle(f->e, f->a, &x, &to_mary, 1, 5, NULL), 0);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, fixture_up, fixture_down)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(kept), TEST(spans_and_zones), TEST(scripts), TEST(circles) };
	if (zones_load() == 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
