/* SPDX-License-Identifier: Apache-2.0 */
/* Candidates as rows: folder names, the picture of an area, generations, and what follows an address. */
#include "room/directory/testing.h"

#include "room/directory/noun/candidate.h"
#include "room/directory/db/name.h"
#include "room/directory/work/transfer.h"

static void folder_names(void **state)
{
	static const struct {
		const char *local, *folder;
	} good[] = {
		{ "joe", "0=joe" },	  { "inbox", "0=inbox" },	{ "../../x", "0=..%2F..%2Fx" },
		{ "a b", "0=a%20b" },	  { "a=b%", "0=a%3Db%25" },	{ "\xc3\xbc", "0=%C3%BC" },
		{ "a@b\"c", "0=a%40b%22c" }, { "x'/**/y", "0=x%27%2F%2A%2A%2Fy" },
	};
	static const char *const bad[] = { "", "joe", "=joe", "x=joe", "0=", "0=%", "0=%4", "0=%zz", "0=%c3", "-1=a" };
	struct fixture *f = *state;
	struct slice local;
	uint64_t generation;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct slice folder = candidate_folder(f->a, 0, T(good[i].local));
		assert_slice(folder, good[i].folder);
		assert_int_equal(candidate_of_folder(f->a, folder, &generation, &local), 0);
		assert_slice(local, good[i].local);
		assert_int_equal(generation, 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(candidate_of_folder(f->a, T(bad[i]), &generation, &local), ERR_SYNTAX);
	/* The longest local part that there is, folded and escaped, is still a mailbox name. */
	uint8_t long_local[3 * NAME_LOCAL_MAX];
	memset(long_local, 0xc3, sizeof(long_local));
	assert_true(candidate_folder(f->a, UINT64_MAX, slice_of(long_local, sizeof(long_local))).n < 1000);
}

static void refresh(struct fixture *f, uint64_t domain, const struct candidate *rows, size_t n, bool changed)
{
	bool did = false;
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(candidate_refresh(f->e, f->a, domain, rows, n, &did), 0);
	assert_int_equal(engine_commit(f->e), 0);
	assert_int_equal(did, changed);
}

static struct candidate get(struct fixture *f, uint64_t domain, const char *local)
{
	struct candidate c;
	assert_int_equal(candidate_get(f->e, f->a, domain, T(local), &c), 0);
	return c;
}

static void the_picture_of_an_area(void **state)
{
	struct fixture *f = *state;
	struct domain d = make_domain(f, "example.test", true);
	struct candidate rows[] = {
		{ .domain = d.id, .local = T("a"), .messages = 2, .bytes = 20, .first_ms = 1, .last_ms = 2 },
		{ .domain = d.id, .local = T("b"), .messages = 1, .bytes = 10, .first_ms = 1, .last_ms = 1 },
	};
	struct slice folder;
	struct candidate_sum sum;
	refresh(f, d.id, rows, 2, true);
	refresh(f, d.id, rows, 2, false);
	assert_int_equal(candidate_sums(f->e, d.id, &sum), 0);
	assert_int_equal(sum.candidates, 2);
	assert_int_equal(sum.messages, 3);
	refresh(f, d.id, rows, 1, true);
	assert_int_equal(get(f, d.id, "b").messages, 0);
	/* The folder goes out of use: its name is no row's any more, whatever is counted in it. */
	struct candidate a = get(f, d.id, "a");
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(candidate_next(f->e, f->a, &a, &folder), 0);
	assert_int_equal(engine_commit(f->e), 0);
	assert_slice(folder, "0=a");
	refresh(f, d.id, rows, 1, false);
	assert_int_equal(get(f, d.id, "a").messages, 0);
	assert_int_equal(get(f, d.id, "a").generation, 1);
	rows[0].generation = 1;
	refresh(f, d.id, rows, 1, true);
	assert_int_equal(get(f, d.id, "a").messages, 2);
}

/* However the address came to be: its mail follows, once. */
static void mail_follows_its_address(void **state)
{
	struct fixture *f = *state;
	struct domain d = make_domain(f, "example.test", true);
	struct account joe = make_mailbox(f, &d, "joe");
	struct candidate rows[] = {
		{ .domain = d.id, .local = T("info"), .messages = 2, .bytes = 20 },
		{ .domain = d.id, .local = T("joe"), .messages = 1, .bytes = 10 },
		{ .domain = d.id, .local = T("all"), .messages = 1, .bytes = 10 },
		{ .domain = d.id, .local = T("new"), .messages = 1, .bytes = 10 },
	};
	struct addressing x;
	struct transfer *moves;
	size_t n = 0;
	make_address(f, &d, "info", ADDRESS_ALIAS, TO("joe"));
	make_address(f, &d, "all", ADDRESS_LIST, TO("joe"));
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(addressing_get(f->e, f->a, d.id, &x), 0);
	x.candidates = true;
	assert_int_equal(addressing_make_area(f->e, f->a, &d, &x, 0, 1), 0);
	assert_int_equal(engine_commit(f->e), 0);
	refresh(f, d.id, rows, 4, true);
	for (size_t round = 0; round < 2; round++) {
		assert_int_equal(engine_begin(f->e), 0);
		assert_int_equal(transfer_settle(f->e, f->a, d.id, T(""), 1, &n), 0);
		assert_int_equal(n, round ? 0 : 2);
		assert_int_equal(engine_commit(f->e), 0);
	}
	assert_int_equal(transfer_list(f->e, f->a, d.id, &moves, &n), 0);
	assert_int_equal(n, 2);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(moves[i].from, x.area);
		assert_int_equal(moves[i].to, joe.id);
	}
	assert_int_not_equal(moves[0].source, moves[1].source);
	assert_int_equal(get(f, d.id, "all").messages, 1);
	assert_int_equal(get(f, d.id, "new").messages, 1);
	bool into = false;
	assert_int_equal(transfer_into(f->e, joe.id, &into), 0);
	assert_true(into);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(transfer_end(f->e, &moves[i]), 0);
	assert_int_equal(transfer_into(f->e, joe.id, &into), 0);
	assert_false(into);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(folder_names, fixture_up, fixture_down),
		cmocka_unit_test_setup_teardown(the_picture_of_an_area, fixture_up, fixture_down),
		cmocka_unit_test_setup_teardown(mail_follows_its_address, fixture_up, fixture_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
