/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "proto/mail/authors.h"

/* "a@b c@d | pretended@e" */
static void show(struct slice in, struct buf *out)
{
	struct arena *a = arena_new();
	struct authors who = { 0 };
	if (authors_read(a, in, &who) < 0) {
		buf_str(out, "fault");
	} else {
		for (size_t i = 0; i < who.n; i++)
			buf_printf(out, "%s" SLICE_FMT, i ? " " : "", SLICE_ARG(who.list[i]));
		for (size_t i = 0; i < who.n_names; i++)
			buf_printf(out, " | " SLICE_FMT, SLICE_ARG(who.names[i]));
	}
	arena_free(&a);
}

static void tables(void **state)
{
	static const struct {
		struct slice in;
		const char *out;
	} cases[] = {
		{ SLICE(""), "" },
		{ SLICE(" root"), "" },
		{ SLICE("MAILER-DAEMON (Mail Delivery System)"), "" },
		{ SLICE("undisclosed-recipients:;"), "" },
		{ SLICE("joe@a.test"), "joe@a.test" },
		{ SLICE(" Joe@A.Test (Joe (Smith)) "), "Joe@a.test" },
		{ SLICE("Joe <joe@a.test>"), "joe@a.test" },
		{ SLICE("Joe <\r\n joe@a.test>"), "joe@a.test" },
		{ SLICE("Joe\r\n\t<joe@a.test>"), "joe@a.test" },
		{ SLICE("Joe Q. P\xc3\xbc" "blic <joe@a.test>"), "joe@a.test" },
		{ SLICE("=?utf-8?q?J=C3=B6?= <joe@a.test>"), "joe@a.test" },
		{ SLICE("\"Public, Joe\" <joe@a.test>"), "joe@a.test" },
		{ SLICE("\"joe x\"@a.test"), "\"joe x\"@a.test" },
		{ SLICE("<\"a>b\"@a.test>"), "\"a>b\"@a.test" },
		{ SLICE("joe@[192.0.2.1]"), "joe@[192.0.2.1]" },
		{ SLICE("joe@[IPv6:2001:db8::1]"), "joe@[IPv6:2001:db8::1]" },
		{ SLICE("a@a.test, B <b@b.test>,, c@c.test,"), "a@a.test b@b.test c@c.test" },
		{ SLICE("team: a@a.test, B <b@b.test>; , c@c.test"), "a@a.test b@b.test c@c.test" },
		{ SLICE("boss@d.test:u@d.test;"), "fault" },
		{ SLICE("boss: u@d.test;"), "u@d.test" },
		/* names that look like addresses */
		{ SLICE("\"boss@b.test\" <joe@a.test>"), "joe@a.test | boss@b.test" },
		{ SLICE("\"'boss@b.test' via us\" <joe@a.test>"), "joe@a.test | boss@b.test" },
		{ SLICE("=?utf-8?q?boss=40b=2Etest?= <joe@a.test>"), "joe@a.test | boss@b.test" },
		{ SLICE("=?utf-8?b?Ym9zc0BiLnRlc3Q=?= <joe@a.test>"), "joe@a.test | boss@b.test" },
		{ SLICE("\"Joe @ home\" <joe@a.test>"), "joe@a.test" },
		/* more than one way to read it */
		{ SLICE("Joe, Ltd <joe@a.test>"), "fault" },
		{ SLICE("boss@b.test <joe@a.test>"), "fault" },
		{ SLICE("<joe@a.test>b@b.test"), "fault" },
		{ SLICE("<joe@a.test> <b@b.test>"), "fault" },
		{ SLICE("joe@a.test b@b.test"), "fault" },
		{ SLICE("joe@a.test\r\n From: b@b.test"), "fault" },
		{ SLICE("<@r.test:joe@a.test>"), "fault" },
		{ SLICE("@r.test:joe@a.test"), "fault" },
		{ SLICE("joe@b.test@a.test"), "fault" },
		{ SLICE("a\\,b@a.test"), "fault" },
		{ SLICE("joe @ a.test"), "fault" },
		{ SLICE("joe(x)@a.test"), "fault" },
		{ SLICE("joe@(x)a.test"), "fault" },
		{ SLICE("Joe <joe@a.test"), "fault" },
		{ SLICE("Joe joe@a.test>"), "fault" },
		{ SLICE("Joe <<joe@a.test>>"), "fault" },
		{ SLICE("\"Joe <joe@a.test>"), "fault" },
		{ SLICE("(Joe <joe@a.test>"), "fault" },
		{ SLICE("=?utf-8?q?joe=40b.test=2C?=@a.test"), "fault" },
		{ SLICE("<=?utf-8?q?joe=40b.test?=@a.test>"), "fault" },
		{ SLICE("<>"), "" },
		{ SLICE("MAILER DAEMON <>"), "" },
		{ SLICE("<>, joe@a.test"), "fault" },
		{ SLICE("joe@a.test <joe@A.test>"), "joe@a.test" },
		{ SLICE("joe@a.test <joe@a.test>, b@b.test"), "joe@a.test b@b.test" },
		{ SLICE("joe@a.test <JOE@a.test>"), "joe@a.test" },
		{ SLICE("joe@a.test <joe@b.test>"), "fault" },
		{ SLICE("team: a@a.test"), "fault" },
		{ SLICE("a: b: c@c.test;;"), "fault" },
		{ SLICE("joe@a.test;"), "fault" },
		{ SLICE("joe@a.test\0"), "fault" },
		{ SLICE("joe@a..test"), "fault" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf out = BUF_INIT(4096);
		show(cases[i].in, &out);
		if (strcmp(buf_cstr(&out), cases[i].out) != 0)
			fail_msg("%s: %s, not %s", cases[i].in.p, buf_cstr(&out), cases[i].out);
		buf_fini(&out);
	}
}

static void limits(void **state)
{
	for (size_t n = AUTHORS_MAX; n <= AUTHORS_MAX + 1; n++) {
		struct arena *a = arena_new();
		struct authors who = { 0 };
		struct buf in = BUF_INIT(AUTHORS_VALUE_MAX);
		for (size_t i = 0; i < n; i++)
			buf_printf(&in, "a%zu@a.test,", i);
		assert_int_equal(authors_read(a, buf_view(&in), &who), n > AUTHORS_MAX ? ERR_TOO_BIG : 0);
		assert_int_equal(who.n, AUTHORS_MAX);
		buf_fini(&in);
		arena_free(&a);
	}
	for (unsigned depth = 50; depth <= 51; depth++) {
		struct arena *a = arena_new();
		struct authors who = { 0 };
		struct buf in = BUF_INIT(4096);
		for (unsigned i = 0; i < depth; i++)
			buf_byte(&in, '(');
		for (unsigned i = 0; i < depth; i++)
			buf_byte(&in, ')');
		buf_str(&in, "a@a.test");
		assert_int_equal(authors_read(a, buf_view(&in), &who), depth > 50 ? ERR_SYNTAX : 0);
		buf_fini(&in);
		arena_free(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(tables), cmocka_unit_test(limits) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
