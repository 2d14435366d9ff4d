/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "proto/mail/address.h"
#include "proto/mail/digest.h"
#include "proto/mail/multidrop.h"

static struct slice pack(struct arena *a, const Postern__Digest *d)
{
	size_t n = postern__digest__get_packed_size(d);
	uint8_t *p = arena_alloc(a, n);
	return slice_of(p, postern__digest__pack(d, p));
}

/* What is made of the old digest is what the filter would say of the new bytes. */
static void digest_is_that_of_the_copy(void **state)
{
	static const struct slice messages[] = {
		SLICE("Received: x\r\nSubject: a\r\nFrom: a@b.test\r\n\r\nbody\r\n"),
		SLICE("Received: x\r\nDelivered-To: Before@x.test\r\nSubject: a\r\n\r\nbody"),
		SLICE("Received: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n--b\r\n\r\none\r\n--b\r\n"
		      "Content-Type: message/rfc822\r\n\r\nSubject: in\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"
		      "--c\r\n\r\nx\r\n--c--\r\n--b--\r\nend"),
		SLICE("Received: x\r\n"),
	};
	static const struct slice addresses[] = { SLICE("joe@x.test"), SLICE("\"A b\"@x.test"), SLICE("m\xc3\xbc@x.test") };
	static const struct slice path = SLICE("Return-Path: <a@b.test>\r\n");
	struct arena *a = arena_new();
	for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(addresses); k++) {
			struct buf old = BUF_INIT(4096), new = BUF_INIT(4096);
			struct slice got, want;
			buf_slice(&old, path);
			buf_slice(&old, messages[i]);
			buf_slice(&new, path);
			assert_int_equal(multidrop_lines(&new, addresses[k]), 0);
			buf_slice(&new, messages[i]);
			want = pack(a, digest_make(a, buf_view(&new)));
			assert_int_equal(multidrop_digest(a, pack(a, digest_make(a, buf_view(&old))), addresses[k], &got), 0);
			assert_int_equal(got.n, want.n);
			assert_memory_equal(got.p, want.p, want.n);
			buf_fini(&old);
			buf_fini(&new);
		}
	}
	arena_free(&a);
}

static void lines(void **state)
{
	struct buf b = BUF_INIT(MULTIDROP_LINES_MAX);
	assert_int_equal(multidrop_lines(&b, SLICE("joe@x.test")), 0);
	assert_true(slice_eq(buf_view(&b), SLICE("Delivered-To: joe@x.test\r\nX-Original-To: joe@x.test\r\n")));
	buf_fini(&b);
	static const struct slice bad[] = { SLICE(""), SLICE("a\r\nB: c@x.test"), SLICE("a\nb@x.test"), SLICE("a\tb@x.test"),
					    SLICE("a\x7f@x.test"), SLICE("a\0@x.test") };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct buf none = BUF_INIT(MULTIDROP_LINES_MAX);
		assert_int_equal(multidrop_lines(&none, bad[i]), ERR_INVALID);
		assert_int_equal(none.n, 0);
		buf_fini(&none);
	}
}

static void longest_line(void **state)
{
	char text[ADDR_TEXT_MAX + 1];
	memset(text, 'a', sizeof(text));
	for (size_t n = ADDR_TEXT_MAX; n <= ADDR_TEXT_MAX + 1; n++) {
		struct buf b = BUF_INIT(MULTIDROP_LINES_MAX);
		assert_int_equal(multidrop_lines(&b, slice_of(text, n)), n > ADDR_TEXT_MAX ? ERR_INVALID : 0);
		buf_fini(&b);
	}
}

static void broken_digest(void **state)
{
	struct arena *a = arena_new();
	struct slice got;
	assert_int_equal(multidrop_digest(a, SLICE("\xff\xff"), SLICE("a@b.test"), &got), ERR_CORRUPT);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digest_is_that_of_the_copy),
		cmocka_unit_test(lines),
		cmocka_unit_test(longest_line),
		cmocka_unit_test(broken_digest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
