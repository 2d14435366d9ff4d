/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/codec.h"
#include "base/err.h"
#include "proto/sasl/sasl.h"

#define S(x) { (const uint8_t *)(x), sizeof(x) - 1 }

static int step(struct sasl *s, struct slice plain, bool initial, struct buf *challenge)
{
	struct buf line = BUF_INIT(SASL_LINE_MAX * 2);
	base64_encode(&line, plain);
	int r = sasl_step(s, buf_view(&line), initial, challenge);
	buf_fini(&line);
	return r;
}

static void plain(void **state)
{
	static const struct {
		struct slice in;
		int r;
		const char *authzid, *login, *password;
	} cases[] = {
		{ S("\0joe@x.example\0secret"), 1, "", "joe@x.example", "secret" },
		{ S("z\0joe\0s e c"), 1, "z", "joe", "s e c" }, { S("\0j\0\xc3\xa4"), 1, "", "j", "\xc3\xa4" },
		{ S("joe\0secret"), ERR_SYNTAX, 0, 0, 0 }, { S("\0joe\0sec\0ret"), ERR_SYNTAX, 0, 0, 0 },
		{ S("\0joe\0"), ERR_SYNTAX, 0, 0, 0 }, { S("\0\0x"), ERR_SYNTAX, 0, 0, 0 },
		{ S(""), ERR_SYNTAX, 0, 0, 0 }, { S("\0joe\0\xc0\xaf"), ERR_SYNTAX, 0, 0, 0 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sasl s;
		struct buf challenge = BUF_INIT(100);
		sasl_init(&s, SASL_PLAIN);
		assert_int_equal(step(&s, cases[i].in, i & 1, &challenge), cases[i].r);
		if (cases[i].r == 1) {
			assert_true(slice_eq(sasl_authzid(&s), slice_str(cases[i].authzid)));
			assert_true(slice_eq(sasl_login(&s), slice_str(cases[i].login)));
			assert_true(slice_eq(sasl_password(&s), slice_str(cases[i].password)));
		}
		sasl_wipe(&s);
		buf_fini(&challenge);
	}
}

static void login(void **state)
{
	struct sasl s;
	struct buf challenge = BUF_INIT(100);
	sasl_init(&s, SASL_LOGIN);
	sasl_begin(&s, &challenge);
	assert_string_equal(buf_cstr(&challenge), "VXNlcm5hbWU6");
	buf_clear(&challenge);
	assert_int_equal(step(&s, SLICE("joe"), false, &challenge), 0);
	assert_string_equal(buf_cstr(&challenge), "UGFzc3dvcmQ6");
	assert_int_equal(step(&s, SLICE("secret"), false, &challenge), 1);
	assert_true(slice_eq(sasl_login(&s), SLICE("joe")) && slice_eq(sasl_password(&s), SLICE("secret")));
	sasl_init(&s, SASL_LOGIN);
	assert_int_equal(sasl_step(&s, SLICE("*"), false, &challenge), ERR_CLOSED);
	assert_int_equal(sasl_step(&s, SLICE("not base64"), false, &challenge), ERR_SYNTAX);
	buf_fini(&challenge);
}

/* Fields at their maximum and one past it; the line too. */
static void limits(void **state)
{
	static uint8_t in[2 + SASL_LOGIN_MAX + SASL_PASSWORD_MAX + 4], line[SASL_LINE_MAX + 1];
	struct buf challenge = BUF_INIT(100);
	for (size_t more = 0; more < 4; more++) {
		size_t login_n = SASL_LOGIN_MAX + (more & 1), password_n = SASL_PASSWORD_MAX + (more >> 1);
		memset(in, 'x', sizeof(in));
		in[0] = in[1 + login_n] = 0;
		struct sasl s;
		sasl_init(&s, SASL_PLAIN);
		assert_int_equal(step(&s, slice_of(in, 2 + login_n + password_n), false, &challenge), more ? ERR_TOO_BIG : 1);
	}
	memset(line, 'x', sizeof(line));
	struct sasl s;
	sasl_init(&s, SASL_PLAIN);
	assert_int_equal(sasl_step(&s, slice_of(line, SASL_LINE_MAX), false, &challenge), ERR_SYNTAX);
	assert_int_equal(sasl_step(&s, slice_of(line, SASL_LINE_MAX + 1), false, &challenge), ERR_TOO_BIG);
	buf_fini(&challenge);
}

static void mechanisms(void **state)
{
	enum sasl_mechanism m;
	assert_int_equal(sasl_mechanism(SLICE("plain"), &m), 0);
	assert_int_equal(m, SASL_PLAIN);
	assert_int_equal(sasl_mechanism(SLICE("LOGIN"), &m), 0);
	assert_int_equal(m, SASL_LOGIN);
	assert_int_equal(sasl_mechanism(SLICE("CRAM-MD5"), &m), ERR_UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain), cmocka_unit_test(login), cmocka_unit_test(limits), cmocka_unit_test(mechanisms),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
