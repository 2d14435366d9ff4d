/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/codec.h"
#include "proto/imap/client.h"
#include "proto/imap/name.h"
#include "room/mover/names.h"

static struct arena *arena;

static int setup(void **state)
{
	arena = arena_new();
	return 0;
}

static int teardown(void **state)
{
	arena_free(&arena);
	return 0;
}

static struct folder one(struct slice raw, char delimiter, unsigned attributes)
{
	return (struct folder){ .raw = raw, .delimiter = delimiter, .attributes = attributes };
}

static const struct folder *find(const struct folder *f, size_t n, const char *raw)
{
	for (size_t i = 0; i < n; i++)
		if (slice_eq(f[i].raw, slice_str(raw)))
			return &f[i];
	fail_msg("%s is gone", raw);
	return NULL;
}

static void expect_name(const struct folder *f, size_t n, const char *raw, const char *name, unsigned special)
{
	const struct folder *found = find(f, n, raw);

	assert_string_equal(arena_str(arena, found->name), name);
	assert_int_equal(found->special, special);
}

static void ordinary(void **state)
{
	struct folder f[] = {
		one(SLICE("INBOX"), '.', 0),
		one(SLICE("INBOX.Projekte.K&APw-che &- Garten"), '.', 0),
		one(SLICE("INBOX.Gesendet"), '.', 0),
		one(SLICE("INBOX.Papierkorb"), '.', IMAPC_TRASH),
		one(SLICE("INBOX.Papierkorb.Alt"), '.', 0),
		one(SLICE("INBOX.Entw&APw-rfe"), '.', 0),
		one(SLICE("INBOX.a/b"), '.', 0),
	};
	static const struct here here[] = { { SLICE("Deleted"), IMAPC_TRASH, false } };

	names_map(arena, f, ARRAY_SIZE(f), SLICE("INBOX."), here, 1);
	expect_name(f, ARRAY_SIZE(f), "INBOX", "INBOX", 0);
	expect_name(f, ARRAY_SIZE(f), "INBOX.Projekte.K&APw-che &- Garten", "Projekte/K\xc3\xbc" "che & Garten", 0);
	expect_name(f, ARRAY_SIZE(f), "INBOX.Gesendet", "Sent", IMAPC_SENT);
	expect_name(f, ARRAY_SIZE(f), "INBOX.Papierkorb", "Deleted", IMAPC_TRASH);
	expect_name(f, ARRAY_SIZE(f), "INBOX.Papierkorb.Alt", "Deleted/Alt", 0);
	expect_name(f, ARRAY_SIZE(f), "INBOX.Entw&APw-rfe", "Drafts", IMAPC_DRAFTS);
	expect_name(f, ARRAY_SIZE(f), "INBOX.a/b", "a_b", 0);
}

/* What the server says of a folder counts more than what it is called; nothing is merged. */
static void attribute_wins(void **state)
{
	struct folder f[] = {
		one(SLICE("Sent"), '/', 0),
		one(SLICE("Sent Items"), '/', IMAPC_SENT),
		one(SLICE("Gesendet"), '/', 0),
		one(SLICE("Starred"), '/', IMAPC_FLAGGED),
	};

	names_map(arena, f, ARRAY_SIZE(f), SLICE(""), NULL, 0);
	expect_name(f, ARRAY_SIZE(f), "Sent Items", "Sent", IMAPC_SENT);
	expect_name(f, ARRAY_SIZE(f), "Gesendet", "Gesendet", 0);
	assert_true(slice_starts(find(f, 4, "Sent")->name, SLICE("Sent~")));
	assert_non_null(find(f, 4, "Starred")->skip);
}

static void check_all(struct folder *f, size_t n)
{
	struct slice normal;

	names_map(arena, f, n, SLICE(""), NULL, 0);
	for (size_t i = 0; i < n; i++) {
		if (f[i].skip)
			continue;
		assert_true(f[i].name.n > 0 && f[i].name.n <= FOLDER_NAME_MAX);
		assert_true(utf8_valid(f[i].name));
		assert_true(slice_eq(f[i].name, SLICE("INBOX")) || imap_name_creatable(f[i].name));
		assert_int_equal(imap_name_normalise(arena, f[i].name, &normal), 0);
		assert_true(slice_eq(normal, f[i].name));
		for (size_t j = 0; j < i; j++)
			assert_false(!f[j].skip && slice_eq(f[i].name, f[j].name));
	}
}

static void hostile(void **state)
{
	uint8_t deep[FOLDER_RAW_MAX], wide[FOLDER_RAW_MAX];
	memset(deep, '/', sizeof(deep));
	memset(wide, 'x', sizeof(wide));
	struct folder f[] = {
		one(SLICE("../../etc/passwd"), '/', 0),
		one(SLICE("."), '/', 0),
		one(SLICE(".."), '.', 0),
		one(SLICE(""), '/', 0),
		one(SLICE("/"), '/', 0),
		one(SLICE("a\0b"), '/', 0),
		one(SLICE("a\r\nb DELETE INBOX"), '/', 0),
		one(SLICE("a_b"), '/', 0),
		one(SLICE("~root"), '/', 0),
		one(SLICE("#shared"), '/', 0),
		one(SLICE("%/*"), '/', 0),
		one(SLICE("inbox"), '/', 0),
		one(SLICE("INBOX"), '/', 0),
		one(SLICE("&AGE-"), '/', 0),
		one(SLICE("&"), '/', 0),
		one(SLICE("\xff\xfe"), '/', 0),
		one(SLICE("K\xc3\xbc"), '/', 0),
		one(SLICE("K&APw-"), '/', 0),
		one(SLICE("Ku\xcc\x88"), '/', 0),
		one(SLICE("K&AHUDCA-"), '/', 0),
		one(slice_of(deep, sizeof(deep)), '/', 0),
		one(slice_of(deep, sizeof(deep) - 1), '/', 0),
		one(slice_of(wide, sizeof(wide)), '/', 0),
		one(slice_of(wide, sizeof(wide) - 1), '/', 0),
		one(SLICE("twice"), '/', 0),
		one(SLICE("twice"), '/', 0),
	};
	check_all(f, ARRAY_SIZE(f));
}

static void many_levels(void **state)
{
	uint8_t raw[4 * FOLDER_LEVELS_MAX];

	for (size_t levels = FOLDER_LEVELS_MAX; levels <= FOLDER_LEVELS_MAX + 1; levels++) {
		struct folder f[1];
		size_t slashes = 0;
		for (size_t i = 0; i < 2 * levels - 1; i++)
			raw[i] = i % 2 ? '.' : 'a';
		f[0] = one(slice_of(raw, 2 * levels - 1), '.', 0);
		check_all(f, 1);
		for (size_t i = 0; i < f[0].name.n; i++)
			slashes += f[0].name.p[i] == '/';
		assert_int_equal(slashes, FOLDER_LEVELS_MAX - 1);
	}
}

/* The second run finds the same names. */
static void stable(void **state)
{
	static const char *const raws[] = { "a\xff", "a\xfe", "a_", "INBOX", "Inbox" };
	struct slice names[ARRAY_SIZE(raws)];

	for (int run = 0; run < 2; run++) {
		struct folder f[ARRAY_SIZE(raws)];
		for (size_t i = 0; i < ARRAY_SIZE(raws); i++)
			f[i] = one(slice_str(raws[run ? ARRAY_SIZE(raws) - 1 - i : i]), '/', 0);
		check_all(f, ARRAY_SIZE(raws));
		for (size_t i = 0; i < ARRAY_SIZE(raws); i++) {
			if (run)
				assert_true(slice_eq(names[i], f[i].name));
			names[i] = f[i].name;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ordinary, setup, teardown),
		cmocka_unit_test_setup_teardown(attribute_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(hostile, setup, teardown),
		cmocka_unit_test_setup_teardown(many_levels, setup, teardown),
		cmocka_unit_test_setup_teardown(stable, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
