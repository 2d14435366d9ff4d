/* SPDX-License-Identifier: Apache-2.0 */
/* What runs over a mailbox's mail: settings, the active script, and what these include, of the mailbox and of its domain. */
#include "room/directory/testing.h"

#include "room/directory/noun/responder.h"
#include "room/directory/noun/script.h"
#include "room/directory/route/postbox.h"

struct house {
	struct fixture *f;
	struct domain d;
	uint64_t joe;
};

static struct house house(void **state)
{
	struct house h = { .f = *state };
	h.d = make_domain(h.f, "example.test", true);
	h.joe = make_mailbox(h.f, &h.d, "joe").id;
	return h;
}

static int put_text(struct house *h, bool global, const char *name, struct slice text, struct problem *why)
{
	assert_int_equal(engine_begin(h->f->e), 0);
	int r = global ? global_script_put(h->f->e, h->f->a, h->d.id, T(name), text, false, 5, why)
		       : script_put(h->f->e, h->f->a, h->joe, T(name), text, false, 5, why);
	if (r < 0)
		engine_rollback(h->f->e);
	else
		assert_int_equal(engine_commit(h->f->e), 0);
	return r;
}

static void put(struct house *h, bool global, const char *name, const char *text)
{
	assert_int_equal(put_text(h, global, name, T(text), NULL), 0);
}

static void activate(struct house *h, const char *name)
{
	assert_int_equal(engine_begin(h->f->e), 0);
	assert_int_equal(script_activate(h->f->e, h->joe, T(name), NULL), 0);
	assert_int_equal(engine_commit(h->f->e), 0);
}

static void respond(struct house *h, const struct responder *x)
{
	assert_int_equal(engine_begin(h->f->e), 0);
	assert_int_equal(responder_put(h->f->e, h->joe, x, 5), 0);
	assert_int_equal(engine_commit(h->f->e), 0);
}

/* "run | the others", a * before a name of the domain. */
static const char *names_of(struct house *h, struct rules *ret)
{
	struct buf out = BUF_INIT(4096);
	assert_int_equal(rules_of(h->f->e, h->f->a, h->joe, ret), 0);
	for (size_t i = 0; i < ret->n; i++)
		buf_printf(&out, "%s%s" SLICE_FMT, i == ret->run ? "| " : "", ret->scripts[i].global ? "*" : "",
			   SLICE_ARG(ret->scripts[i].name)), buf_str(&out, i + 1 < ret->n ? " " : "");
	const char *text = arena_str(h->f->a, buf_view(&out));
	buf_fini(&out);
	return text;
}

static void order(void **state)
{
	struct house h = house(state);
	struct rules rules;
	struct postbox box;
	struct slice to = T("dan@far.test");
	assert_string_equal(names_of(&h, &rules), "");
	put(&h, false, "mine", "keep;");
	assert_string_equal(names_of(&h, &rules), "");	/* not active */
	assert_int_equal(postbox_get(h.f->e, h.joe, &box), 0);
	assert_true(!box.rules && !box.script);
	respond(&h, &(struct responder){ .zone = T("Europe/Berlin"), .targets = &to, .n_targets = 1, .keep = true });
	assert_int_equal(postbox_get(h.f->e, h.joe, &box), 0);
	assert_true(box.rules && !box.script);
	assert_string_equal(names_of(&h, &rules), "(settings)");
	assert_slice(rules.zone, "Europe/Berlin");
	assert_int_equal(rules.scripts[0].changed_ms, 0);	/* no script that anybody could be told of */
	activate(&h, "mine");
	assert_string_equal(names_of(&h, &rules), "(settings) mine");
	respond(&h, &(struct responder){ .zone = T("Europe/Berlin") });
	assert_string_equal(names_of(&h, &rules), "mine");
	assert_int_equal(rules.scripts[0].changed_ms, 5);
	/* a mailbox that is gone has none */
	assert_int_equal(rules_of(h.f->e, h.f->a, h.joe + 1000, &rules), ERR_NOT_FOUND);
}

#define INCLUDE "require \"include\"; "

static void included(void **state)
{
	static const struct {
		const char *main, *names;
	} cases[] = {
		{ "keep;", "main" },
		{ INCLUDE "include \"a\";", "main | a b *g" },
		{ INCLUDE "include :global \"g\";", "main | *g" },
		{ INCLUDE "include :personal \"g\"; include :global \"a\";", "main" },	/* each where it is, not elsewhere */
		{ INCLUDE "include \"b\"; include :global :once \"ring\"; include \"b\";", "main | b *ring *g" },
		{ INCLUDE "include :global \"home\";", "main | *home b *g" },
		{ INCLUDE "if false { include :optional \"gone\"; include :global :optional \"gone\"; }", "main" },
		{ INCLUDE "include \"main\";", "main" },
		{ INCLUDE "include \"main\"; include :global \"main\";", "main | *main" },
	};
	struct house h = house(state);
	struct rules rules;
	put(&h, false, "a", INCLUDE "include \"b\"; include \"b\";");
	put(&h, false, "b", INCLUDE "include :global \"g\";");
	put(&h, true, "g", "keep;");
	put(&h, true, "ring", INCLUDE "include :global \"ring\"; include :global \"g\";");
	put(&h, true, "home", INCLUDE "include \"b\";");
	put(&h, true, "main", "keep;");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		put(&h, false, "main", cases[i].main);
		activate(&h, "main");
		assert_string_equal(names_of(&h, &rules), cases[i].names);
		assert_int_equal(rules.run, 1);
	}
}

/* Another domain's are not his. */
static void of_his_domain(void **state)
{
	struct house h = house(state);
	struct rules rules;
	struct script x;
	struct domain other = make_domain(h.f, "other.test", true);
	put(&h, false, "main", INCLUDE "include :global \"g\";");
	activate(&h, "main");
	struct domain own = h.d;
	h.d = other;
	put(&h, true, "g", "keep;");
	h.d = own;
	assert_string_equal(names_of(&h, &rules), "main");
	assert_int_equal(global_script_get(h.f->e, h.f->a, own.id, T("g"), &x), ERR_NOT_FOUND);
	assert_int_equal(global_script_get(h.f->e, h.f->a, other.id, T("g"), &x), 0);
	assert_true(x.global && x.size == 5);
}

static void asks_mailboxes(void **state)
{
	struct house h = house(state);
	struct rules rules;
	put(&h, true, "g", "require \"mailbox\"; if mailboxexists \"x\" { stop; }");
	put(&h, false, "main", "keep;");
	activate(&h, "main");
	names_of(&h, &rules);
	assert_false(rules.mailboxes);
	put(&h, false, "main", INCLUDE "include :global \"g\";");
	names_of(&h, &rules);
	assert_true(rules.mailboxes);
}

static struct slice filled(struct fixture *f, const char *front, size_t n)
{
	uint8_t *p = arena_alloc(f->a, n + 1);
	memset(p, ' ', n);
	memcpy(p, front, strlen(front));
	return slice_of(p, n);
}

/* What goes to filter in one frame has SIEVE_BYTES_MAX bytes: exactly so many go along, one more does not. */
static void bytes(void **state)
{
	struct house h = house(state);
	struct rules rules;
	static const char front[] = INCLUDE "include \"a\"; include :global \"g\";";
	assert_int_equal(put_text(&h, false, "main", filled(h.f, front, SIEVE_SCRIPT_MAX), NULL), 0);
	assert_int_equal(put_text(&h, false, "a", filled(h.f, "", SIEVE_BYTES_MAX - SIEVE_SCRIPT_MAX - 100), NULL), 0);
	activate(&h, "main");
	assert_int_equal(put_text(&h, true, "g", filled(h.f, "", 100), NULL), 0);
	assert_string_equal(names_of(&h, &rules), "main | a *g");
	assert_int_equal(put_text(&h, true, "g", filled(h.f, "", 101), NULL), 0);
	assert_string_equal(names_of(&h, &rules), "main | a");
}

static void global_limits(void **state)
{
	struct house h = house(state);
	struct problem why = { 0 };
	struct script *rows;
	size_t n = 0;
	char name[16];
	assert_int_equal(put_text(&h, true, "s0", filled(h.f, "", SIEVE_GLOBAL_BYTES_MAX - 100), NULL), 0);
	for (unsigned i = 1; i < SIEVE_GLOBAL_SCRIPTS_MAX; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		assert_int_equal(put_text(&h, true, name, T("keep;"), NULL), 0);
	}
	assert_int_equal(put_text(&h, true, "more", T("keep;"), &why), ERR_QUOTA);
	assert_string_equal(why.text, "a domain has at most 16 global scripts: remove one");
	assert_string_equal(why.field, "name");
	why = (struct problem){ .language = "de" };
	assert_int_equal(put_text(&h, true, "s1", filled(h.f, "", 31), &why), ERR_QUOTA);
	assert_string_equal(why.text, "die globalen Skripte einer Domain haben zusammen höchstens 64K");
	assert_int_equal(put_text(&h, true, "s1", filled(h.f, "", 30), NULL), 0);
	assert_int_equal(put_text(&h, true, "s1", T("kep;"), NULL), ERR_SYNTAX);
	assert_int_equal(put_text(&h, true, "a/b", T("keep;"), NULL), ERR_INVALID);
	assert_int_equal(global_script_list(h.f->e, h.f->a, h.d.id, &rows, &n), 0);
	assert_int_equal(n, SIEVE_GLOBAL_SCRIPTS_MAX);
	assert_int_equal(engine_begin(h.f->e), 0);
	assert_int_equal(global_script_remove(h.f->e, h.d.id, T("s1"), NULL), 0);
	assert_int_equal(global_script_remove(h.f->e, h.d.id, T("s1"), NULL), ERR_NOT_FOUND);
	assert_int_equal(engine_commit(h.f->e), 0);
}

/* Who may refuse in the session: true too often rather than too seldom. */
static void refuses(void **state)
{
	static const struct {
		const char *active, *other, *global;
		bool want;
	} cases[] = {
		{ "keep;", "keep;", NULL, false },
		{ "require \"ereject\"; if size :over 1M { ereject \"no\"; }", "keep;", NULL, true },
		{ "require \"reject\"; reject \"no\";", "keep;", NULL, false },
		{ INCLUDE "include \"other\";", "require \"ereject\"; ereject \"no\";", NULL, true },
		{ "keep;", "keep;", "require \"ereject\"; ereject \"no\";", false },
		{ INCLUDE "include :GLOBAL \"g\";", "keep;", "require \"ereject\"; ereject \"no\";", true },
		{ INCLUDE "include :global \"g\";", "keep;", "keep;", false },
	};
	struct house h = house(state);
	bool yes = true;
	put(&h, false, "active", cases[1].active);
	assert_int_equal(rules_refuse(h.f->e, h.joe, h.d.id, &yes), 0);
	assert_false(yes);	/* none is active */
	activate(&h, "active");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		put(&h, false, "active", cases[i].active);
		put(&h, false, "other", cases[i].other);
		put(&h, true, "g", cases[i].global ? cases[i].global : "keep;");
		assert_int_equal(rules_refuse(h.f->e, h.joe, h.d.id, &yes), 0);
		assert_int_equal(yes, cases[i].want);
	}
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, fixture_up, fixture_down)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(order), TEST(included), TEST(of_his_domain), TEST(asks_mailboxes), TEST(bytes),
					    TEST(global_limits), TEST(refuses) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
