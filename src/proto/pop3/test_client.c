/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "proto/pop3/client.h"

/* Events as text; octets of a message run together, so that a cut anywhere gives the same. */
static int run(enum pop3c_want want, struct slice in, size_t cut, uint64_t max, struct buf *out)
{
	struct pop3c p;
	struct pop3c_event e;
	size_t at = 0, used, seen = cut;
	bool bytes = false;
	pop3c_init(&p);
	pop3c_expect(&p, want, max);
	for (;;) {
		int r = pop3c_next(&p, slice_sub(in, at, seen), &used, &e);
		if (r < 0)
			return r;
		if (r == 0) {
			assert_int_equal(used, 0);
			if (seen == in.n)
				return 0;
			seen = in.n;
			continue;
		}
		at += used;
		if (e.kind == POP3C_BYTES && !bytes)
			buf_str(out, "|");
		else if (e.kind != POP3C_BYTES)
			buf_printf(out, "%s", (const char *[]){ "|ok:", "|err:", "|line:", "", "|end", "|go:" }[e.kind]);
		bytes = e.kind == POP3C_BYTES;
		buf_slice(out, e.text);
		if (pop3c_is_over(&p, &e))
			pop3c_expect(&p, want, max);
	}
}

static const struct {
	enum pop3c_want want;
	const char *in, *out;
	int err;
} cases[] = {
	{ POP3C_STATUS, "+OK ready <1.2@x>\r\n", "|ok:ready <1.2@x>", 0 },
	{ POP3C_STATUS, "+OK\r\n-ERR [AUTH] no\r\n+ \r\n+ok fine\n", "|ok:|err:[AUTH] no|go:|ok:fine", 0 },
	{ POP3C_STATUS, "* OK IMAP\r\n", "", ERR_SYNTAX },
	{ POP3C_STATUS, "+OKAY\r\n", "", ERR_SYNTAX },
	{ POP3C_LINES, "+OK 2\r\n1 a\r\n2 ..b\r\n.\r\n+OK\r\n.\r\n", "|ok:2|line:1 a|line:2 ..b|end|ok:|end", 0 },
	{ POP3C_LINES, "+OK\r\n..dot\r\n\r\n.\r\n", "|ok:|line:.dot|line:|end", 0 },
	{ POP3C_LINES, "-ERR not offered\r\n", "|err:not offered", 0 },
	{ POP3C_MESSAGE, "+OK 9 octets\r\na: b\r\n\r\nx\r\n.\r\n", "|ok:9 octets|a: b\r\n\r\nx\r\n|end", 0 },
	{ POP3C_MESSAGE, "+OK\r\n..\r\n...x\r\n.y\r\n. \r\n.\r\n", "|ok:|.\r\n..x\r\ny\r\n \r\n|end", 0 },
	{ POP3C_MESSAGE, "+OK\r\n.\r\n+OK\r\nb\r\n.\r\n", "|ok:|end|ok:|b\r\n|end", 0 },
	{ POP3C_MESSAGE, "+OK\r\na\n..b\n.\n", "|ok:|a\n.b\n|end", 0 },
	{ POP3C_MESSAGE, "+OK\r\na\r.\r\n.\r\r\n.\r\n", "|ok:|a\r.\r\n\r\r\n|end", 0 },
	{ POP3C_MESSAGE, "+OK\r\n0123456789012345678\r\n.\r\n", "|ok:", ERR_TOO_BIG },
	{ POP3C_MESSAGE, "+OK\r\n012345678901234567\r\n.\r\n", "|ok:|012345678901234567\r\n|end", 0 },
};

static void events(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct slice in = slice_str(cases[i].in);
		for (size_t cut = 0; cut <= in.n; cut++) {
			struct buf out = BUF_INIT(1000);
			int r = run(cases[i].want, in, cut, 20, &out);
			if (r != cases[i].err || (!r && strcmp(buf_cstr(&out), cases[i].out) != 0))
				fail_msg("case %zu cut %zu: %d %s", i, cut, r, buf_cstr(&out));
			buf_fini(&out);
		}
	}
}

static void line_limit(void **state)
{
	for (size_t extra = 0; extra < 2; extra++) {
		struct buf in = BUF_INIT(8192), out = BUF_INIT(8192);
		buf_str(&in, "+OK ");
		while (in.n < POP3C_LINE_MAX + extra)
			buf_byte(&in, 'x');
		buf_str(&in, "\n");
		assert_int_equal(run(POP3C_STATUS, buf_view(&in), in.n, 0, &out), extra ? ERR_TOO_BIG : 0);
		buf_fini(&in);
		buf_fini(&out);
	}
}

static void pairs(void **state)
{
	uint64_t n = 0;
	struct slice rest;
	assert_int_equal(pop3c_pair(SLICE("12 abc d"), 12, &n, &rest), 0);
	assert_int_equal(n, 12);
	assert_true(slice_eq(rest, SLICE("abc d")));
	assert_int_equal(pop3c_pair(SLICE("13 abc"), 12, &n, &rest), ERR_SYNTAX);
	assert_int_equal(pop3c_pair(SLICE("12"), 12, &n, &rest), ERR_SYNTAX);
	assert_int_equal(pop3c_pair(SLICE("12 "), 12, &n, &rest), ERR_SYNTAX);
	assert_int_equal(pop3c_pair(SLICE(" 12"), 12, &n, &rest), ERR_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events),
		cmocka_unit_test(line_limit),
		cmocka_unit_test(pairs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
