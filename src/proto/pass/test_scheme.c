/* SPDX-License-Identifier: Apache-2.0 */
/* Which texts are hashes; vectors of auth's tests check what they verify. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "proto/pass/random.h"
#include "proto/pass/scheme.h"

static void forms(void **state)
{
	static const struct {
		const char *text;
		int err;
		enum scheme_kind kind;
	} cases[] = {
		{ "$6$4MtWZ2k2f5TGzUa9$ASOG0TQlTbkxVmZghJ23nwmkzeV.JQ9C8jhxKqWExJTGJUuETbcPKL5lwT9E", 0, SCHEME_CRYPT },
		{ "$2y$05$Ah1Qa.qUDXJpzfQ6tLoT.eCfS/gkcjdjBp3DhxIljivo1MjFiQhYC", 0, SCHEME_CRYPT },
		{ "{CRYPT}$1$FLt.mhRq$AwDhDcpovPV2Y9XQBqt0X/", 0, SCHEME_CRYPT },
		{ "{crypt}abJnggxhB/yWI", 0, SCHEME_CRYPT },
		{ "abJnggxhB/yWI", ERR_SYNTAX, 0 },
		{ "$argon2id$v=19$m=65536,t=3,p=1$LDpl+V44Gpg4bJSewpc2Dw$GtYowbjbNRPvPi4N", 0, SCHEME_ARGON2 },
		{ "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$LDpl+V44Gpg4bJSewpc2Dw$GtYowb", 0, SCHEME_ARGON2 },
		{ "{ARGON2ID}$6$x", ERR_INVALID, 0 },
		{ "{PBKDF2}$1$eCbSAckKTa.cnnsq$5000$3ae9d8e8b68ac4f37cc259efd5fdf0dc3e361933", 0, SCHEME_PBKDF2 },
		{ "{PBKDF2}$1$eCbSAckKTa.cnnsq$0$3ae9d8e8b68ac4f37cc259efd5fdf0dc3e361933", ERR_INVALID, 0 },
		{ "{PBKDF2}$1$eCbSAckKTa.cnnsq$5000$3ae9", ERR_INVALID, 0 },
		{ "{SSHA}LWm2/W7XG5d3J5gAc5CxWQuWfX/Xt4M0", 0, SCHEME_DIGEST },
		{ "{SSHA.HEX}3fd04c57fbae467c4d99bb04eb64bce38c6354fc9b9fc6c2", 0, SCHEME_DIGEST },
		{ "{SSHA}HX1ZUgMmGVejMF1bp/xZetwqN5o=", ERR_INVALID, 0 },	/* no salt behind it */
		{ "{SHA}HX1ZUgMmGVejMF1bp/xZetwqN5o=", 0, SCHEME_DIGEST },
		{ "{SHA}HX1ZUgMmGVejMF1bp/xZetwqN5", ERR_INVALID, 0 },
		{ "{PLAIN-MD5}fece0a49029effcf4165481714717e79", 0, SCHEME_DIGEST },
		{ "{LDAP-MD5}/s4KSQKe/89BZUgXFHF+eQ==", 0, SCHEME_DIGEST },
		/* Too expensive to be checked at every login. */
		{ "$6$rounds=1000000$4MtWZ2k2f5TGzUa9$ASOG0TQl", 0, SCHEME_CRYPT },
		{ "$6$rounds=1000001$4MtWZ2k2f5TGzUa9$ASOG0TQl", ERR_UNSUPPORTED, 0 },
		{ "$2b$14$Ah1Qa.qUDXJpzfQ6tLoT.eCfS/gkcjdjBp3DhxIljivo1MjFiQhYC", 0, SCHEME_CRYPT },
		{ "$2b$15$Ah1Qa.qUDXJpzfQ6tLoT.eCfS/gkcjdjBp3DhxIljivo1MjFiQhYC", ERR_UNSUPPORTED, 0 },
		{ "$y$j9T$LdJMENpBABJJ3hIHjB1Bi.$HboGM6qPrsK.StKYGt6KErmUYtioHreJd98oIugoNB6", 0, SCHEME_CRYPT },
		{ "$y$jZT$LdJMENpBABJJ3hIHjB1Bi.$HboGM6qPrsK.StKYGt6KErmUYtioHreJd98oIugoNB6", ERR_UNSUPPORTED, 0 },
		{ "$argon2id$v=19$m=4194304,t=3,p=1$LDpl+V44Gpg4bJSewpc2Dw$GtYowbjbNRPvPi4N", ERR_INVALID, 0 },
		{ "{PLAIN}x", 0, SCHEME_PLAIN },
		{ "{PLAIN}", ERR_INVALID, 0 },
		{ "{CRAM-MD5}abc", ERR_UNSUPPORTED, 0 },
		{ "$9$what$ever", ERR_UNSUPPORTED, 0 },
		{ "{}x", ERR_SYNTAX, 0 },
		{ "password", ERR_SYNTAX, 0 },
		{ "$ecret money", ERR_SYNTAX, 0 },
		{ "", ERR_SYNTAX, 0 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct scheme s = { 0 };
		int r = scheme_parse(slice_str(cases[i].text), &s);
		if (r != cases[i].err)
			fail_msg("%s: %s", cases[i].text, err_name(r));
		if (r == 0)
			assert_int_equal(s.kind, cases[i].kind);
	}
}

static void made_by_the_program(void **state)
{
	char last[PASS_RANDOM_TEXT] = "";
	for (int i = 0; i < 1000; i++) {
		char text[PASS_RANDOM_TEXT];
		pass_random(text);
		assert_int_equal(strlen(text), PASS_RANDOM_TEXT - 1);
		for (size_t k = 0; text[k]; k++)
			assert_true(k % 6 == 5 ? text[k] == '-' : strchr("abcdefghijkmnpqrstuvwxyz23456789", text[k]) != NULL);
		assert_string_not_equal(text, last);
		memcpy(last, text, sizeof(last));
	}
}

/* Each of 32 letters as often as any other: five bits a letter. */
static void random_letters(void **state)
{
	enum { TEXTS = 2000, EACH = TEXTS * 20 / 32 };
	unsigned seen[256] = { 0 }, letters = 0;
	char text[PASS_RANDOM_TEXT];
	for (size_t i = 0; i < TEXTS; i++) {
		pass_random(text);
		assert_int_equal(strlen(text), PASS_RANDOM_TEXT - 1);
		for (const char *c = text; *c; c++)
			seen[(uint8_t)*c]++;
	}
	assert_int_equal(seen['-'], 3 * TEXTS);
	for (size_t c = 0; c < 256; c++) {
		letters += c != '-' && seen[c];
		if (c != '-' && seen[c])
			assert_in_range(seen[c], EACH * 3 / 4, EACH * 5 / 4); /* nine standard deviations */
	}
	assert_int_equal(letters, 32);
	assert_true(!seen['l'] && !seen['o'] && !seen['0'] && !seen['1']);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(forms), cmocka_unit_test(made_by_the_program),
					    cmocka_unit_test(random_letters) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
