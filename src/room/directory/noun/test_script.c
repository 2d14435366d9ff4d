/* SPDX-License-Identifier: Apache-2.0 */
/* Scripts of mailboxes: names, limits at N and N+1, one active at most, what is included comes along. */
#include "room/directory/testing.h"

#include "room/directory/noun/script.h"
#include "room/directory/route/postbox.h"

static uint64_t account(struct fixture *f, const char *local)
{
	struct domain d = make_domain(f, "example.test", true);
	struct account x = make_mailbox(f, &d, local);
	return x.id;
}

static int put(struct fixture *f, uint64_t id, const char *name, struct slice text, struct problem *why)
{
	assert_int_equal(engine_begin(f->e), 0);
	int r = script_put(f->e, f->a, id, T(name), text, false, 5, why);
	if (r < 0)
		engine_rollback(f->e);
	else
		assert_int_equal(engine_commit(f->e), 0);
	return r;
}

static int activate(struct fixture *f, uint64_t id, const char *name)
{
	assert_int_equal(engine_begin(f->e), 0);
	int r = script_activate(f->e, id, T(name), NULL);
	if (r < 0)
		engine_rollback(f->e);
	else
		assert_int_equal(engine_commit(f->e), 0);
	return r;
}

static bool runs(struct fixture *f, uint64_t id)
{
	struct postbox box;
	assert_int_equal(postbox_get(f->e, id, &box), 0);
	assert_int_equal(box.script, box.rules);
	return box.script;
}

static void one_active(void **state)
{
	struct fixture *f = *state;
	uint64_t id = account(f, "joe");
	struct script *rows;
	size_t n = 0;
	assert_false(runs(f, id));
	assert_int_equal(put(f, id, "a", T("keep;"), NULL), 0);
	assert_int_equal(put(f, id, "b", T("discard;"), NULL), 0);
	assert_int_equal(activate(f, id, "c"), ERR_NOT_FOUND);
	assert_false(runs(f, id));
	assert_int_equal(activate(f, id, "a"), 0);
	assert_int_equal(activate(f, id, "b"), 0);
	assert_true(runs(f, id));
	assert_int_equal(activate(f, id, "nothing"), ERR_NOT_FOUND);	/* the one before stays */
	assert_int_equal(script_list(f->e, f->a, id, &rows, &n), 0);
	assert_int_equal(n, 2);
	assert_true(!rows[0].active && rows[1].active && rows[1].size == 8);
	assert_int_equal(script_remove(f->e, id, T("b"), NULL), ERR_CONFLICT);
	assert_int_equal(script_remove(f->e, id, T("x"), NULL), ERR_NOT_FOUND);
	assert_int_equal(script_remove(f->e, id, T("a"), NULL), 0);
	assert_int_equal(script_rename(f->e, id, T("b"), T("a"), 6, NULL), 0);
	assert_int_equal(put(f, id, "b", T("stop;"), NULL), 0);
	assert_int_equal(script_rename(f->e, id, T("b"), T("a"), 6, NULL), ERR_EXISTS);
	assert_int_equal(script_rename(f->e, id, T("b"), T("a/b"), 6, NULL), ERR_INVALID);
	assert_int_equal(script_rename(f->e, id, T("z"), T("y"), 6, NULL), ERR_NOT_FOUND);
	assert_int_equal(activate(f, id, ""), 0);
	assert_false(runs(f, id));
}

static void refused(void **state)
{
	struct fixture *f = *state;
	uint64_t id = account(f, "joe");
	struct problem why = { 0 };
	assert_int_equal(put(f, id, "a", T("keep;\nkep;"), &why), ERR_SYNTAX);
	assert_string_equal(why.text, "line 2, column 1: there is no command \"kep\"");
	assert_string_equal(why.field, "file");
	struct problem german = { .language = "de" };
	assert_int_equal(put(f, id, "a", T("keep;\nkep;"), &german), ERR_SYNTAX);
	assert_string_equal(german.text, "Zeile 2, Spalte 1: es gibt keinen Befehl \"kep\"");
	assert_int_equal(put(f, id, "a\nb", T("keep;"), NULL), ERR_INVALID);
	assert_int_equal(put(f, id, "", T("keep;"), NULL), ERR_INVALID);
}

static struct slice spaces(struct fixture *f, size_t n)
{
	uint8_t *p = arena_alloc(f->a, n + 1);
	memset(p, ' ', n);
	return slice_of(p, n);
}

static void limits(void **state)
{
	struct fixture *f = *state;
	uint64_t id = account(f, "joe");
	struct problem why = { 0 };
	char name[16];
	assert_int_equal(put(f, id, "s0", spaces(f, SIEVE_SCRIPT_MAX), NULL), 0);
	assert_int_equal(put(f, id, "s1", spaces(f, SIEVE_BYTES_MAX - SIEVE_SCRIPT_MAX), NULL), 0);
	assert_int_equal(put(f, id, "s2", spaces(f, 1), &why), ERR_QUOTA);
	assert_string_equal(why.field, "file");
	/* One that takes another's place counts instead of it. */
	assert_int_equal(put(f, id, "s1", spaces(f, 10), NULL), 0);
	assert_int_equal(put(f, id, "s1", spaces(f, SIEVE_BYTES_MAX - SIEVE_SCRIPT_MAX), NULL), 0);
	assert_int_equal(put(f, id, "s1", spaces(f, 10), NULL), 0);
	for (unsigned i = 2; i < SIEVE_SCRIPTS_MAX; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		assert_int_equal(put(f, id, name, T("keep;"), NULL), 0);
	}
	why = (struct problem){ 0 };
	assert_int_equal(put(f, id, "more", T("keep;"), &why), ERR_QUOTA);
	assert_string_equal(why.field, "name");
	assert_int_equal(put(f, id, "s2", T("stop;"), NULL), 0);
}

static void included(void **state)
{
	struct fixture *f = *state;
	uint64_t id = account(f, "joe");
	struct rules rules;
	assert_int_equal(put(f, id, "main", T("require \"include\"; include \"one\"; include :optional \"gone\"; include :global \"two\";"), NULL), 0);
	assert_int_equal(put(f, id, "one", T("require \"include\"; if true { include \"three\"; include \"main\"; }"), NULL), 0);
	assert_int_equal(put(f, id, "two", T("keep;"), NULL), 0);
	assert_int_equal(put(f, id, "three", T("stop;"), NULL), 0);
	assert_int_equal(rules_of(f->e, f->a, id, &rules), 0);
	assert_int_equal(rules.n, 0);
	assert_int_equal(activate(f, id, "main"), 0);
	assert_int_equal(rules_of(f->e, f->a, id, &rules), 0);
	assert_false(rules.mailboxes);
	assert_int_equal(put(f, id, "three", T("require \"mailbox\"; if not mailboxexists \"x\" { stop; }"), NULL), 0);
	assert_int_equal(rules_of(f->e, f->a, id, &rules), 0);
	assert_true(rules.mailboxes);
	assert_int_equal(rules.run, 1);
	assert_int_equal(rules.n, 3);
	assert_true(slice_eq(rules.scripts[0].name, T("main")));
	assert_true(slice_eq(rules.scripts[1].name, T("one")));
	assert_true(slice_eq(rules.scripts[2].name, T("three")));
}

/* Another mailbox's scripts are its own. */
static void apart(void **state)
{
	struct fixture *f = *state;
	struct domain d = make_domain(f, "example.test", true);
	struct account joe = make_mailbox(f, &d, "joe"), mary = make_mailbox(f, &d, "mary");
	struct script script;
	assert_int_equal(put(f, joe.id, "a", T("keep;"), NULL), 0);
	assert_int_equal(script_get(f->e, f->a, mary.id, T("a"), &script), ERR_NOT_FOUND);
	assert_int_equal(activate(f, mary.id, "a"), ERR_NOT_FOUND);
	assert_int_equal(script_remove(f->e, mary.id, T("a"), NULL), ERR_NOT_FOUND);
	assert_int_equal(script_get(f->e, f->a, joe.id, T("a"), &script), 0);
	assert_true(slice_eq(script.text, T("keep;")));
}

static bool fails(struct fixture *f, uint64_t id, const char *name, int64_t version, const char *arg, int64_t now_ms)
{
	struct sieve_error why = { .line = 3, .column = 7, .what = "there is no script \"%s\" to include" };
	bool first = false, due = false;
	snprintf(why.arg, sizeof(why.arg), "%s", arg);
	assert_int_equal(script_failure_due(f->e, id, T(name), version, now_ms, &due), 0);
	if (!due)
		return false;
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(script_failed(f->e, id, T(name), version, &why, T(""), now_ms, &first), 0);
	assert_int_equal(engine_commit(f->e), 0);
	return first;
}

static const char *failure_of(struct fixture *f, uint64_t id, const char *name, const char *language, int64_t *ret_at)
{
	struct script x;
	struct buf out = BUF_INIT(1000);
	assert_int_equal(script_get(f->e, f->a, id, T(name), &x), 0);
	if (x.failed_ms)
		script_failure_text(&x.failure, x.failed_within, language, &out);
	*ret_at = x.failed_ms;
	const char *text = arena_str(f->a, buf_view(&out));
	buf_fini(&out);
	return text;
}

/* The last one is kept, its owner told once a version, and a flood of mail is no flood of writes. */
static void failures(void **state)
{
	struct fixture *f = *state;
	uint64_t id = account(f, "joe");
	struct sieve_error why = { .what = "x" };
	bool due = false;
	int64_t at;
	assert_int_equal(put(f, id, "a", T("keep;"), NULL), 0);
	assert_int_equal(put(f, id, "b", T("keep;"), NULL), 0);
	assert_string_equal(failure_of(f, id, "a", NULL, &at), "");
	assert_true(fails(f, id, "a", 5, "x", 1000));
	assert_string_equal(failure_of(f, id, "a", NULL, &at), "line 3, column 7: there is no script \"x\" to include");
	assert_int_equal(at, 1000);
	assert_string_equal(failure_of(f, id, "a", "de", &at),
			    "Zeile 3, Spalte 7: das Skript \"x\", das eingeschlossen werden soll, gibt es nicht");
	assert_string_equal(failure_of(f, id, "b", NULL, &at), "");
	assert_false(fails(f, id, "a", 5, "y", 1000 + SCRIPT_FAILED_MS - 1));
	assert_string_equal(failure_of(f, id, "a", NULL, &at), "line 3, column 7: there is no script \"x\" to include");
	assert_false(fails(f, id, "a", 5, "y", 1000 + SCRIPT_FAILED_MS));
	assert_string_equal(failure_of(f, id, "a", NULL, &at), "line 3, column 7: there is no script \"y\" to include");
	/* of a version that is not there any more */
	assert_int_equal(script_failure_due(f->e, id, T("a"), 4, 10000000, &due), ERR_NOT_FOUND);
	assert_int_equal(script_failure_due(f->e, id, T("c"), 5, 10000000, &due), ERR_NOT_FOUND);
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(script_failed(f->e, id, T("a"), 4, &why, T(""), 10000000, &due), ERR_NOT_FOUND);
	engine_rollback(f->e);
	/* Another script may be what it includes. */
	assert_int_equal(put(f, id, "b", T("stop;"), NULL), 0);
	assert_string_equal(failure_of(f, id, "a", NULL, &at), "");
	assert_true(fails(f, id, "a", 5, "z", 1001 + SCRIPT_FAILED_MS));
	/* What a format would make of it is text. */
	assert_int_equal(put(f, id, "a", T("stop;"), NULL), 0);
	why = (struct sieve_error){ .what = "%n%s%x", .arg = "%s" };
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(script_failed(f->e, id, T("a"), 5, &why, T("%s"), 7, &due), 0);
	assert_int_equal(engine_commit(f->e), 0);
	assert_string_equal(failure_of(f, id, "a", NULL, &at), "in the included script \"%s\": %n%s%x");
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, fixture_up, fixture_down)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(one_active), TEST(refused), TEST(limits), TEST(included), TEST(apart),
					    TEST(failures) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
