/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/mail/digest.h"
#include "room/filter/verdict.h"

static void loops(void **state)
{
	static const struct {
		const char *origin;
		uint32_t received;
		Postern__Verdict verdict;
		unsigned code;
	} cases[] = {
		{ "smtp", 0, POSTERN__VERDICT__VERDICT_ACCEPT, 0 },
		{ "smtp", 100, POSTERN__VERDICT__VERDICT_ACCEPT, 0 },
		{ "smtp", 101, POSTERN__VERDICT__VERDICT_REFUSE, 554 },
		{ "submission", 101, POSTERN__VERDICT__VERDICT_REFUSE, 554 },
		{ "append", 101, POSTERN__VERDICT__VERDICT_ACCEPT, 0 },
		{ "copy", 5000, POSTERN__VERDICT__VERDICT_ACCEPT, 0 },
		{ "dsn", 101, POSTERN__VERDICT__VERDICT_ACCEPT, 0 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		Postern__JudgeRequest req = POSTERN__JUDGE_REQUEST__INIT;
		Postern__Digest digest = POSTERN__DIGEST__INIT;
		struct verdict_input in = { .request = &req, .digest = &digest, .max_hops = 100 };
		struct verdict v;
		req.origin = (char *)cases[i].origin;
		digest.received_count = cases[i].received;
		digest.n_authors = 1;
		verdict_init(&v);
		verdict_run(&in, &v);
		assert_int_equal(v.verdict, cases[i].verdict);
		assert_int_equal(v.code, cases[i].code);
		if (v.code) {
			assert_string_equal(v.enhanced, "5.4.6");
			assert_string_equal(v.check, "loop");
		}
		verdict_fini(&v);
	}
}

static void authors(void **state)
{
	static const struct {
		const char *origin;
		unsigned flags;
		size_t n;
		unsigned code;
	} cases[] = {
		{ "smtp", 0, 0, 0 },
		{ "smtp", DIGEST_FROM_THERE, 1, 0 },
		{ "smtp", DIGEST_FROM_THERE | DIGEST_FROM_SEVERAL, 2, 550 },
		{ "smtp", DIGEST_FROM_THERE | DIGEST_FROM_UNCLEAR, 1, 550 },
		{ "smtp", DIGEST_FROM_THERE | DIGEST_FROM_DOMAINS, 2, 550 },
		{ "smtp", DIGEST_FROM_THERE | DIGEST_SENDER_UNCLEAR, 1, 0 },
		{ "submission", 0, 0, 550 },
		{ "submission", DIGEST_FROM_THERE, 0, 550 },
		{ "submission", DIGEST_FROM_THERE, 1, 0 },
		{ "submission", DIGEST_FROM_THERE | DIGEST_FROM_SEVERAL, 2, 550 },
		{ "submission", DIGEST_FROM_THERE | DIGEST_FROM_UNCLEAR, 1, 550 },
		{ "submission", DIGEST_FROM_THERE | DIGEST_FROM_DOMAINS, 2, 0 },
		{ "submission", DIGEST_FROM_THERE | DIGEST_SENDER_UNCLEAR, 1, 550 },
		{ "append", DIGEST_FROM_THERE | DIGEST_FROM_SEVERAL, 2, 0 },
		{ "copy", DIGEST_FROM_UNCLEAR, 0, 0 },
		{ "dsn", 0, 0, 0 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		Postern__JudgeRequest req = POSTERN__JUDGE_REQUEST__INIT;
		Postern__Digest digest = POSTERN__DIGEST__INIT;
		struct verdict_input in = { .request = &req, .digest = &digest, .max_hops = 100 };
		struct verdict v;
		req.origin = (char *)cases[i].origin;
		digest.author_flags = cases[i].flags;
		digest.n_authors = cases[i].n;
		verdict_init(&v);
		verdict_run(&in, &v);
		assert_int_equal(v.code, cases[i].code);
		if (v.code)
			assert_string_equal(v.enhanced, "5.6.0");
		verdict_fini(&v);
	}
}

static void gtube(void **state)
{
#define GTUBE "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
	static const struct {
		const char *origin, *message;
		size_t at;
		Postern__Verdict verdict;
	} cases[] = {
		{ "smtp", GTUBE, 0, POSTERN__VERDICT__VERDICT_JUNK },
		{ "smtp", GTUBE, 64 * 1024 - sizeof(GTUBE) + 1, POSTERN__VERDICT__VERDICT_JUNK },
		{ "smtp", GTUBE, 64 * 1024 - sizeof(GTUBE) + 2, POSTERN__VERDICT__VERDICT_ACCEPT },
		{ "smtp", "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE", 0, POSTERN__VERDICT__VERDICT_ACCEPT },
		{ "submission", GTUBE, 0, POSTERN__VERDICT__VERDICT_ACCEPT },
		{ "append", GTUBE, 0, POSTERN__VERDICT__VERDICT_ACCEPT },
		{ "dsn", GTUBE, 0, POSTERN__VERDICT__VERDICT_ACCEPT },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		Postern__JudgeRequest req = POSTERN__JUDGE_REQUEST__INIT;
		Postern__Digest digest = POSTERN__DIGEST__INIT;
		struct buf message = BUF_INIT(100000);
		struct verdict v;
		req.origin = (char *)cases[i].origin;
		digest.n_authors = 1;
		for (size_t k = 0; k < cases[i].at; k++)
			buf_byte(&message, 'x');
		buf_str(&message, cases[i].message);
		struct verdict_input in = {
			.request = &req, .digest = &digest, .message = buf_view(&message), .max_hops = 100
		};
		verdict_init(&v);
		verdict_run(&in, &v);
		assert_int_equal(v.verdict, cases[i].verdict);
		verdict_fini(&v);
		buf_fini(&message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(loops), cmocka_unit_test(authors),
					   cmocka_unit_test(gtube) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
