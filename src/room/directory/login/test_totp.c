/* SPDX-License-Identifier: Apache-2.0 */
/* One-time codes: the vectors of RFC 6238, each once and in its time, and what is kept of them (THREATS H27). */
#include "room/directory/testing.h"

#include "lib/sql/sql.h"
#include "room/directory/login/totp.h"
#include "room/directory/noun/staff.h"

#define SECRET "12345678901234567890"
enum { NOW_S = 1111111109 };	/* its code is 081804 */

/* RFC 6238 appendix B, SHA-1, the last six of its eight digits. */
static const struct {
	int64_t at_s;
	const char *code;
} vectors[] = {
	{ 59, "287082" },	  { 1111111109, "081804" },  { 1111111111, "050471" },
	{ 1234567890, "005924" }, { 2000000000, "279037" }, { 20000000000, "353130" },
};

static void vectors_of_the_rfc(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		int64_t step = vectors[i].at_s / TOTP_STEP_S;
		assert_int_equal(totp_step(T(SECRET), T(vectors[i].code), vectors[i].at_s * 1000, 0), step);
		/* One step on each side, and no more. */
		for (int64_t off = step < 3 ? -1 : -3; off <= 3; off++) {	/* not before 1970 */
			int64_t at_ms = (step + off) * TOTP_STEP_S * 1000;
			int64_t want = off >= -1 && off <= 1 ? step : 0;
			assert_int_equal(totp_step(T(SECRET), T(vectors[i].code), at_ms, 0), want);
			assert_int_equal(totp_step(T(SECRET), T(vectors[i].code), at_ms + TOTP_STEP_S * 1000 - 1, 0), want);
		}
		assert_int_equal(totp_step(T(SECRET), T(vectors[i].code), vectors[i].at_s * 1000, step), 0);
		assert_int_equal(totp_step(T(SECRET), T(vectors[i].code), vectors[i].at_s * 1000, step - 1), step);
	}
}

static void what_is_a_code(void **state)
{
	static const char *const codes[] = { "123456", "123 456", " 12-34 56 ", "000000" };
	static const char *const others[] = { "", "12345", "1234567", "12345a", "+12345", "abcde-fghij-abcde-fghij",
					      "1111111111111111111111111111111111111111111111111111111111111111111111" };
	struct fixture *f = *state;
	struct slice s;
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		assert_true(totp_is_code(f->a, T(codes[i]), &s));
		assert_int_equal(s.n, TOTP_DIGITS);
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_false(totp_is_code(f->a, T(others[i]), &s));
	for (size_t n = 0; n < 20; n++)
		assert_int_equal(totp_step(T(SECRET), slice_of("00000000000000000000", n), NOW_S * INT64_C(1000), 0), 0);
}

static struct seal *seal(void)
{
	struct seal *s;
	assert_int_equal(seal_open("seal.key", &s), 0);
	return s;
}

static struct totp get(struct fixture *f, int64_t holder)
{
	struct totp t;
	assert_int_equal(totp_get(f->e, f->a, holder, &t), 0);
	return t;
}

static int spend(struct fixture *f, const struct seal *s, int64_t holder, struct slice code, int64_t at_s)
{
	struct totp t = get(f, holder);
	bool recovery;
	return totp_spend(f->e, s, f->a, &t, code, at_s * 1000, &recovery);
}

static void turn_on(struct fixture *f, const struct seal *s, int64_t holder, int64_t at_s, const char *code)
{
	assert_int_equal(totp_start(f->e, s, f->a, holder, T(SECRET), at_s * 1000), 0);
	struct totp t = get(f, holder);
	assert_int_equal(totp_confirm(f->e, s, f->a, &t, T(code), at_s * 1000), 0);
}

static unsigned left(struct fixture *f, int64_t holder)
{
	unsigned n = 99;
	assert_int_equal(totp_codes_left(f->e, holder, &n), 0);
	return n;
}

static void a_code_is_good_once(void **state)
{
	struct fixture *f = *state;
	struct seal *s = seal();
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(totp_start(f->e, s, f->a, 7, T(SECRET), (NOW_S - 60) * INT64_C(1000)), 0);
	assert_int_equal(spend(f, s, 7, T("081804"), NOW_S), ERR_DENIED);	/* not confirmed */
	struct totp t = get(f, 7);
	assert_int_equal(totp_confirm(f->e, s, f->a, &t, T("081805"), NOW_S * INT64_C(1000)), ERR_DENIED);
	assert_int_equal(totp_confirm(f->e, s, f->a, &t, T("081804"), (NOW_S - 60) * INT64_C(1000) + TOTP_WAITS_MS), ERR_NOT_FOUND);
	assert_int_equal(totp_confirm(f->e, s, f->a, &t, T("081804"), NOW_S * INT64_C(1000)), 0);
	assert_int_equal(totp_confirm(f->e, s, f->a, &t, T("050471"), NOW_S * INT64_C(1000)), ERR_NOT_FOUND);
	assert_int_equal(totp_start(f->e, s, f->a, 7, T(SECRET), NOW_S * INT64_C(1000)), ERR_EXISTS);
	assert_int_equal(spend(f, s, 7, T("081804"), NOW_S), ERR_DENIED);	/* it has confirmed */
	assert_int_equal(spend(f, s, 7, T("05 04 71"), NOW_S), 0);		/* of the next step */
	assert_int_equal(spend(f, s, 7, T("050471"), NOW_S + 2), ERR_DENIED);
	assert_int_equal(spend(f, s, 7, T("005924"), 1234567890), 0);
	assert_int_equal(spend(f, s, 7, T("050471"), NOW_S), ERR_DENIED);	/* the clock went back */
	/* Two who read the row before either spent it: one of them gets through. */
	struct totp both = get(f, 7);
	bool recovery;
	assert_int_equal(totp_spend(f->e, s, f->a, &both, T("279037"), INT64_C(2000000000000), &recovery), 0);
	assert_int_equal(totp_spend(f->e, s, f->a, &both, T("279037"), INT64_C(2000000000000), &recovery), ERR_DENIED);
	engine_rollback(f->e);
	seal_close(&s);
}

static void another_holders_secret_does_not_open(void **state)
{
	struct fixture *f = *state;
	struct seal *s = seal();
	assert_int_equal(engine_begin(f->e), 0);
	turn_on(f, s, 7, NOW_S, "081804");
	int64_t n = 0;
	assert_int_equal(sql_get(engine_sql(f->e), &n, "SELECT count(*) FROM totp WHERE instr(secret, ?1) > 0", "b", T(SECRET)), 0);
	assert_int_equal(n, 0);
	assert_true(sql_run(engine_sql(f->e), "INSERT INTO totp SELECT 8, secret, made, since, 0, wrong FROM totp", "") >= 0);
	assert_int_equal(spend(f, s, 8, T("050471"), NOW_S), ERR_CORRUPT);
	assert_int_equal(spend(f, s, 7, T("050471"), NOW_S), 0);
	engine_rollback(f->e);
	seal_close(&s);
}

static void recovery_codes(void **state)
{
	struct fixture *f = *state;
	struct seal *s = seal();
	struct slice codes[TOTP_RECOVERY_CODES], again[TOTP_RECOVERY_CODES];
	int64_t n = 0;
	assert_int_equal(engine_begin(f->e), 0);
	turn_on(f, s, 7, NOW_S, "081804");
	assert_int_equal(totp_make_codes(f->e, f->a, 7, codes), 0);
	assert_int_equal(left(f, 7), TOTP_RECOVERY_CODES);
	for (size_t i = 0; i < TOTP_RECOVERY_CODES; i++) {
		assert_int_equal(sql_get(engine_sql(f->e), &n, "SELECT count(*) FROM totp_recovery WHERE instr(hash, ?1) > 0", "b",
					 codes[i]), 0);
		assert_int_equal(n, 0);
		assert_int_equal(spend(f, s, 8, codes[i], NOW_S), ERR_DENIED);	/* of nobody */
	}
	struct buf typed = BUF_INIT(64);
	for (size_t i = 0; i < codes[0].n; i++)
		if (codes[0].p[i] != '-')
			buf_byte(&typed, (uint8_t)(codes[0].p[i] >= 'a' ? codes[0].p[i] - 32 : codes[0].p[i]));
	assert_int_equal(spend(f, s, 7, buf_view(&typed), NOW_S), 0);		/* as people type them */
	buf_fini(&typed);
	assert_int_equal(spend(f, s, 7, codes[0], NOW_S), ERR_DENIED);
	assert_int_equal(spend(f, s, 7, T(""), NOW_S), ERR_DENIED);
	assert_int_equal(left(f, 7), TOTP_RECOVERY_CODES - 1);
	assert_int_equal(totp_make_codes(f->e, f->a, 7, again), 0);
	assert_int_equal(spend(f, s, 7, codes[1], NOW_S), ERR_DENIED);		/* those there were are over */
	assert_int_equal(spend(f, s, 7, again[1], NOW_S), 0);
	/* Off and on: nothing of before is good. */
	assert_int_equal(totp_remove(f->e, 7), 0);
	assert_int_equal(totp_remove(f->e, 7), ERR_NOT_FOUND);
	assert_int_equal(left(f, 7), 0);
	turn_on(f, s, 7, NOW_S, "081804");
	assert_int_equal(spend(f, s, 7, again[2], NOW_S), ERR_DENIED);
	engine_rollback(f->e);
	seal_close(&s);
}

static void wrong_ones_in_a_row_end_it(void **state)
{
	struct fixture *f = *state;
	struct seal *s = seal();
	struct slice codes[TOTP_RECOVERY_CODES];
	struct staff who = { .login = T("otto"), .hash = T("x"), .created_ms = 1 };
	unsigned n = 0;
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(staff_add(f->e, &who, NULL), 0);
	int64_t holder = holder_staff(who.id);
	turn_on(f, s, holder, NOW_S, "081804");
	assert_int_equal(totp_make_codes(f->e, f->a, holder, codes), 0);
	for (unsigned i = 1; i <= TOTP_WRONG_MAX; i++) {
		if (i == TOTP_WRONG_MAX)
			assert_int_equal(spend(f, s, holder, T("050471"), NOW_S), 0);	/* forgives */
		assert_int_equal(totp_note_wrong(f->e, holder, &n), 0);
	}
	assert_int_equal(n, 1);
	while (n < TOTP_WRONG_MAX)
		assert_int_equal(totp_note_wrong(f->e, holder, &n), 0);
	assert_int_equal(spend(f, s, holder, T("005924"), 1234567890), ERR_DENIED);
	assert_int_equal(spend(f, s, holder, codes[0], 1234567890), 0);
	assert_int_equal(spend(f, s, holder, T("005924"), 1234567890), 0);
	for (n = 0; n < TOTP_WRONG_MAX;)
		assert_int_equal(totp_note_wrong(f->e, holder, &n), 0);
	assert_int_equal(spend(f, s, holder, T("279037"), 2000000000), ERR_DENIED);
	assert_int_equal(staff_set_password(f->e, who.id, T("y"), false, 2), 0);
	assert_int_equal(spend(f, s, holder, T("279037"), 2000000000), 0);
	engine_rollback(f->e);
	seal_close(&s);
}

static void it_goes_with_its_holder(void **state)
{
	struct fixture *f = *state;
	struct seal *s = seal();
	struct domain d = make_domain(f, "example.test", true);
	struct account x = make_mailbox(f, &d, "joe");
	struct staff who = { .login = T("otto"), .hash = T("x"), .created_ms = 1 };
	struct slice codes[TOTP_RECOVERY_CODES];
	uint64_t version;
	unsigned n = 0;
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(staff_add(f->e, &who, NULL), 0);
	int64_t holders[] = { holder_account(x.id), holder_staff(who.id) };
	for (size_t i = 0; i < 2; i++) {
		turn_on(f, s, holders[i], NOW_S, "081804");
		assert_int_equal(totp_make_codes(f->e, f->a, holders[i], codes), 0);
		assert_int_equal(totp_note_wrong(f->e, holders[i], &n), 0);
	}
	assert_int_equal(credential_set(f->e, x.id, T("z"), CREDENTIAL_OWN, 2, &version), 0);
	assert_int_equal(get(f, holders[0]).wrong, 0);
	assert_int_equal(get(f, holders[1]).wrong, 1);
	assert_true(totp_is_on(&(struct totp){ .since_ms = get(f, holders[0]).since_ms }));	/* a new password leaves it */
	assert_int_equal(account_retire(f->e, x.id), 0);
	assert_int_equal(staff_remove(f->e, who.id), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(get(f, holders[i]).holder, 0);
		assert_int_equal(left(f, holders[i]), 0);
	}
	engine_rollback(f->e);
	seal_close(&s);
}

static void for_apps(void **state)
{
	struct fixture *f = *state;
	struct slice b = totp_base32(f->a, T(SECRET));
	assert_slice(b, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
	assert_slice(totp_uri(f->a, b, T("mail.example.test"), T("jo&e%ü@example.test")),
		     "otpauth://totp/mail.example.test:jo%26e%25%C3%BC@example.test?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
		     "&issuer=mail.example.test&algorithm=SHA1&digits=6&period=30");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_of_the_rfc),
#define ON(test) cmocka_unit_test_setup_teardown(test, fixture_up, fixture_down)
		ON(what_is_a_code),
		ON(a_code_is_good_once),
		ON(another_holders_secret_does_not_open),
		ON(recovery_codes),
		ON(wrong_ones_in_a_row_end_it),
		ON(it_goes_with_its_holder),
		ON(for_apps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
