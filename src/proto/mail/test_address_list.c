/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/mail/address_list.h"

/* name|route|mailbox|host, "-" where absent; "name:" a group's start, ";" its end; blanks between. */
static void show(struct slice in, struct buf *out)
{
	struct address_list l;
	struct mail_address a;
	address_list_init(&l, in);
	while (address_list_next(&l, &a) > 0) {
		if (out->n)
			buf_byte(out, ' ');
		if (a.kind == MAIL_GROUP_END) {
			buf_byte(out, ';');
		} else if (a.kind == MAIL_GROUP_START) {
			buf_printf(out, SLICE_FMT ":", SLICE_ARG(a.mailbox));
		} else {
			const bool has[] = { a.has_name, a.has_route, a.has_mailbox, a.has_host };
			const struct slice s[] = { a.name, a.route, a.mailbox, a.host };
			for (int i = 0; i < 4; i++) {
				if (i)
					buf_byte(out, '|');
				buf_slice(out, has[i] ? s[i] : SLICE("-"));
			}
		}
	}
	address_list_fini(&l);
}

static void lists(void **state)
{
	static const struct {
		struct slice in;
		const char *out;
	} cases[] = {
		{ SLICE(""), "" },
		{ SLICE(" , ,;, "), "" },
		{ SLICE("joe@a.test"), "-|-|joe|a.test" },
		{ SLICE("<joe@a.test>"), "-|-|joe|a.test" },
		{ SLICE("Joe <joe@a.test>"), "Joe|-|joe|a.test" },
		{ SLICE("Joe Q. Public <joe@a.test>"), "Joe Q. Public|-|joe|a.test" },
		{ SLICE("\"Joe \\\"Q\\\" P\" <joe@a.test>"), "Joe \"Q\" P|-|joe|a.test" },
		{ SLICE("\"Public, Joe\" <joe@a.test>, x@y"), "Public, Joe|-|joe|a.test -|-|x|y" },
		{ SLICE("joe@a.test (Joe Smith)"), "Joe Smith|-|joe|a.test" },
		{ SLICE("joe@a.test (a) (b (c))"), "b (c)|-|joe|a.test" },
		{ SLICE("\"joe x\"@a.test"), "-|-|joe x|a.test" },
		{ SLICE("joe . x@a . test"), "-|-|joe.x|a.test" },
		{ SLICE("joe(c)@(d)a.test(e)"), "e|-|joe|a.test" },
		{ SLICE("<@r.test,@s.test:joe@a.test>"), "-|@r.test,@s.test|joe|a.test" },
		{ SLICE("joe@[192.0.2.1]"), "-|-|joe|[192.0.2.1]" },
		{ SLICE("friends: a@b, C <c@d>;, e@f"), "friends: -|-|a|b C|-|c|d ; -|-|e|f" },
		{ SLICE("undisclosed-recipients:;"), "undisclosed-recipients: ;" },
		{ SLICE("open: a@b"), "open: -|-|a|b ;" },
		{ SLICE("open:"), "open: ;" },
		{ SLICE("a: b: c@d;"), "a: -|-|b|- ;" },
		{ SLICE("joe"), "-|-|joe|-" },
		{ SLICE("Joe Smith"), "Joe Smith|-|-|-" },
		{ SLICE("MAILER DAEMON <>"), "MAILER DAEMON|-|-|-" },
		{ SLICE("<>"), "-|-|-|-" },
		{ SLICE("<joe>"), "-|-|joe|-" },
		{ SLICE("joe@"), "-|-|joe|" },
		{ SLICE("@a.test"), "-|-|-|a.test" },
		{ SLICE("Big Bug bb@bug.test"), "Big Bug|-|bb|bug.test" },
		{ SLICE("joe@a.test <joe@b.test>"), "joe@a.test|-|joe|b.test" },
		{ SLICE("Joe <joe@a.test"), "Joe|-|joe|a.test" },
		{ SLICE("Joe <joe@a.test> trailing, x@y"), "Joe|-|joe|a.test -|-|x|y" },
		{ SLICE("[x] Joe <joe@a.test>"), "[x] Joe|-|joe|a.test" },
		{ SLICE("=?utf-8?Q?J=C3=B6?= <j@a.test>"), "=?utf-8?Q?J=C3=B6?=|-|j|a.test" },
		{ SLICE("J\xc3\xb6 <j@a.test>"), "J\xc3\xb6|-|j|a.test" },
		{ SLICE("Joe\r\n <joe@a.test>,\r\n\tx@y"), "Joe|-|joe|a.test -|-|x|y" },
		{ SLICE("\"never ends"), "-|-|never ends|-" },
		{ SLICE("\"ends\\"), "-|-|ends\\|-" },
		{ SLICE("(never ends"), "" },
		{ SLICE("(ends\\"), "" },
		{ SLICE("a@b (ends\\"), "ends\\|-|a|b" },
		{ SLICE(")>]"), "-|-|-|-" },
		{ SLICE("a@b c@d"), "-|-|a|b" },
		{ SLICE("a@[never"), "-|-|a|[never" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf out = BUF_INIT(1000);
		show(cases[i].in, &out);
		if (strcmp(buf_cstr(&out), cases[i].out) != 0)
			fail_msg(SLICE_FMT ": %s, not %s", SLICE_ARG(cases[i].in), buf_cstr(&out), cases[i].out);
		buf_fini(&out);
	}
}

static void long_ones(void **state)
{
	for (size_t n = MAIL_ADDRESS_PART_MAX; n <= MAIL_ADDRESS_PART_MAX + 1; n++) {
		struct buf in = BUF_INIT(10000);
		struct address_list l;
		struct mail_address a;
		for (size_t i = 0; i < n; i++)
			buf_byte(&in, 'x');
		buf_str(&in, "@a.test, b@c");
		address_list_init(&l, buf_view(&in));
		assert_int_equal(address_list_next(&l, &a), 1);
		assert_int_equal(a.mailbox.n, n == MAIL_ADDRESS_PART_MAX ? n : 0);
		assert_int_equal(l.limited, n > MAIL_ADDRESS_PART_MAX);
		assert_int_equal(address_list_next(&l, &a), 1);
		assert_true(slice_eq(a.mailbox, SLICE("b")));
		assert_int_equal(address_list_next(&l, &a), 0);
		address_list_fini(&l);
		buf_fini(&in);
	}
}

static void every_prefix(void **state)
{
	static const char in[] = "A \"b\\\"c\" (d\\)(e)) <@f,@g:h.i@[1]>, j: k@l (m), n; o@p.q <r@s>, t";
	for (size_t n = 0; n <= sizeof(in) - 1; n++) {
		struct buf out = BUF_INIT(1000);
		uint8_t *exact = malloc(n ? n : 1);
		assert_non_null(exact);
		memcpy(exact, in, n);
		show(slice_of(exact, n), &out);
		free(exact);
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists),
		cmocka_unit_test(long_ones),
		cmocka_unit_test(every_prefix),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
