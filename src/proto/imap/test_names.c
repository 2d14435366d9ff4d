/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/codec.h"
#include "base/err.h"
#include "proto/imap/mutf7.h"
#include "proto/imap/name.h"
#include "proto/imap/pattern.h"
#include "proto/imap/seqset.h"

static void seqsets(void **state)
{
	static const struct {
		const char *in;
		uint32_t highest;
		const char *out;	/* NULL: refused */
	} cases[] = {
		{ "1", 10, "1" },
		{ "5:3,1", 10, "1,3:5" },
		{ "1,2,3,5", 10, "1:3,5" },
		{ "*", 10, "10" },
		{ "12:*", 10, "10:12" },
		{ "*:4", 10, "4:10" },
		{ "1:4,2:3,4:6", 10, "1:6" },
		{ "4294967295,1", 10, "1,4294967295" },
		{ "1:4294967295,7", 10, "1:4294967295" },
		{ "1:*", 0, "" },
		{ "*:*", 7, "7" },
		{ "0", 10, NULL },
		{ "", 10, NULL },
		{ "1,", 10, NULL },
		{ ",1", 10, NULL },
		{ "1:", 10, NULL },
		{ "1:2:3", 10, NULL },
		{ "4294967296", 10, NULL },
		{ "1 2", 10, NULL },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct imap_seqset s = { 0 };
		int err = imap_seqset_parse(slice_str(cases[i].in), &s);
		assert_int_equal(err, cases[i].out ? 0 : ERR_SYNTAX);
		if (err < 0)
			continue;
		struct buf b = BUF_INIT(1000);
		imap_seqset_resolve(&s, cases[i].highest);
		imap_seqset_write(&b, &s);
		assert_string_equal(buf_cstr(&b), cases[i].out);
		buf_fini(&b);
		imap_seqset_fini(&s);
	}
}

static void seqset_limit(void **state)
{
	for (int n = IMAP_SEQSET_MAX; n <= IMAP_SEQSET_MAX + 1; n++) {
		struct buf b = BUF_INIT(1 << 20);
		struct imap_seqset s = { 0 };
		for (int i = 0; i < n; i++)
			buf_printf(&b, "%s%d", i ? "," : "", 2 * i + 1);
		assert_int_equal(imap_seqset_parse(buf_view(&b), &s), n > IMAP_SEQSET_MAX ? ERR_TOO_BIG : 0);
		imap_seqset_resolve(&s, 1);
		if (s.n) {
			assert_int_equal(imap_seqset_count(&s), n);
			assert_true(imap_seqset_has(&s, 39999) && !imap_seqset_has(&s, 39998));
		}
		imap_seqset_fini(&s);
		buf_fini(&b);
	}
}

static void mutf7(void **state)
{
	static const struct {
		const char *wire, *utf8;	/* utf8 NULL: refused */
	} cases[] = {
		{ "INBOX", "INBOX" },
		{ "a&-b", "a&b" },
		{ "Entw&APw-rfe", "Entw\xc3\xbcrfe" },
		{ "~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e" },
		{ "&2D3eAA-", "\xf0\x9f\x98\x80" },
		{ "&", NULL },
		{ "&AAA-", NULL },		/* bits left over */
		{ "&AGE-", NULL },		/* an "a" could stand for itself */
		{ "&APw", NULL },
		{ "&APw-&APw-", NULL },		/* two runs where one would do */
		{ "&APz-", NULL },		/* padding bits set */
		{ "&2D0-", NULL },		/* half a pair */
		{ "&3gDYPQ-", NULL },		/* the wrong way round */
		{ "&AP/8-", NULL },		/* '/' instead of ',' */
		{ "a\x7f", NULL },
		{ "\xc3\xa4", NULL },
		{ "a\tb", NULL },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf b = BUF_INIT(1000), back = BUF_INIT(1000);
		int err = mutf7_decode(&b, slice_str(cases[i].wire));
		assert_int_equal(err, cases[i].utf8 ? 0 : ERR_SYNTAX);
		if (err == 0) {
			assert_string_equal(buf_cstr(&b), cases[i].utf8);
			assert_int_equal(mutf7_encode(&back, buf_view(&b)), 0);
			assert_string_equal(buf_cstr(&back), cases[i].wire);
		}
		buf_fini(&b);
		buf_fini(&back);
	}
}

static void names(void **state)
{
	static const struct {
		const char *wire;
		bool utf8;
		const char *name;	/* NULL: refused */
		bool creatable;
	} cases[] = {
		{ "inbox", false, "INBOX", true },
		{ "iNbOx/Sub", false, "INBOX/Sub", true },
		{ "inboxes", false, "inboxes", true },
		{ "Entw&APw-rfe", false, "Entw\xc3\xbcrfe", true },
		{ "u\xcc\x88", true, "\xc3\xbc", true },	/* the decomposed twin */
		{ "\xc3\xbc", true, "\xc3\xbc", true },
		{ "\xc3\xbc", false, NULL, false },
		{ "\xc0\xaf", true, NULL, false },
		{ "a//b", false, NULL, false },
		{ "/a", false, NULL, false },
		{ "a/", false, NULL, false },
		{ "", false, NULL, false },
		{ "a\xe2\x80\xa8", true, NULL, false },
		{ "../x", false, "../x", false },
		{ "a/..", false, "a/..", false },
		{ "a/.", false, "a/.", false },
		{ "...", false, "...", true },
		{ "~joe", false, "~joe", false },
		{ "#shared", false, "#shared", false },
		{ "a*", false, "a*", false },
		{ "%", false, "%", false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct arena *a = arena_new();
		struct slice name;
		int err = imap_name_read(a, slice_str(cases[i].wire), cases[i].utf8, &name);
		assert_int_equal(err, cases[i].name ? 0 : ERR_INVALID);
		if (err == 0) {
			assert_true(slice_eq(name, slice_str(cases[i].name)));
			assert_int_equal(imap_name_creatable(name), cases[i].creatable);
		}
		arena_free(&a);
	}
}

static void name_limits(void **state)
{
	struct arena *a = arena_new();
	struct buf b = BUF_INIT(4000);
	struct slice name;
	for (int i = 0; i < IMAP_NAME_MAX; i++)
		buf_byte(&b, 'x');
	assert_int_equal(imap_name_read(a, buf_view(&b), false, &name), 0);
	buf_byte(&b, 'x');
	assert_int_equal(imap_name_read(a, buf_view(&b), false, &name), ERR_INVALID);
	buf_clear(&b);
	for (int i = 1; i < IMAP_NAME_LEVELS; i++)
		buf_str(&b, "a/");
	buf_byte(&b, 'a');
	assert_int_equal(imap_name_read(a, buf_view(&b), false, &name), 0);
	buf_str(&b, "/a");
	assert_int_equal(imap_name_read(a, buf_view(&b), false, &name), ERR_INVALID);
	buf_fini(&b);
	arena_free(&a);
}

static void patterns(void **state)
{
	static const struct {
		const char *pattern, *name;
		bool match;
	} cases[] = {
		{ "*", "a/b", true },
		{ "%", "a/b", false },
		{ "%", "a", true },
		{ "%/%", "a/b", true },
		{ "%/%", "a/b/c", false },
		{ "a*b", "a/x/b", true },
		{ "a*b", "ab", true },
		{ "a*b", "abc", false },
		{ "", "", true },
		{ "", "a", false },
		{ "inbox", "INBOX", true },
		{ "InBox/x", "INBOX/x", true },
		{ "inbox/X", "INBOX/x", false },
		{ "foo", "Foo", false },
		{ "*%*%*x", "aaaax", true },
		{ "*%*%*x", "aaaay", false },
		{ "%%%", "ab", true },
		{ "%%/%", "ab", false },
		{ "Foo/*", "Foo", false },
		{ "Foo*", "Foo", true },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct imap_pattern *p;
		assert_int_equal(imap_pattern_new(slice_str(cases[i].pattern), &p), 0);
		assert_int_equal(imap_pattern_match(p, slice_str(cases[i].name)), cases[i].match);
		imap_pattern_free(&p);
	}
}

/* The textbook definition, exponential and obviously right, on all short strings of a small alphabet. */
static bool naive(const char *p, const char *s)
{
	if (!*p)
		return !*s;
	if (*p == '*' || *p == '%') {
		for (;; s++) {
			if (naive(p + 1, s))
				return true;
			if (!*s || (*p == '%' && *s == '/'))
				return false;
		}
	}
	return *s == *p && naive(p + 1, s + 1);
}

static void patterns_against_definition(void **state)
{
	static const char alphabet[] = "a/*%";
	for (int n = 0; n < 1024; n++) {
		char pattern[6] = { 0 };
		for (int i = 0; i < 5; i++)
			pattern[i] = alphabet[n >> (2 * i) & 3];
		struct imap_pattern *p;
		assert_int_equal(imap_pattern_new(slice_str(pattern), &p), 0);
		for (int m = 0; m < 64; m++) {
			char name[7] = { 0 };
			for (int i = 0; i < 6; i++)
				name[i] = m >> i & 1 ? '/' : 'a';
			assert_int_equal(imap_pattern_match(p, slice_str(name)), naive(pattern, name));
		}
		imap_pattern_free(&p);
	}
}

static void pattern_longer_than_a_word(void **state)
{
	struct buf p = BUF_INIT(2000), s = BUF_INIT(2000);
	struct imap_pattern *pattern;
	for (int i = 0; i < 340; i++) {
		buf_str(&p, "a%b");
		buf_str(&s, "axxb");
	}
	assert_int_equal(imap_pattern_new(buf_view(&p), &pattern), 0);
	assert_true(imap_pattern_match(pattern, buf_view(&s)));
	buf_byte(&s, 'c');
	assert_false(imap_pattern_match(pattern, buf_view(&s)));
	imap_pattern_free(&pattern);
	buf_str(&p, "1234");
	assert_int_equal(imap_pattern_new(buf_view(&p), &pattern), ERR_TOO_BIG);
	buf_fini(&p);
	buf_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seqsets), cmocka_unit_test(seqset_limit), cmocka_unit_test(mutf7),
		cmocka_unit_test(names), cmocka_unit_test(name_limits), cmocka_unit_test(patterns),
		cmocka_unit_test(patterns_against_definition), cmocka_unit_test(pattern_longer_than_a_word),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
