/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "lib/room/timers.h"

static struct {
	int often, daily, kept;
	int64_t kept_ms;
} seen;

static void often(void *ctx, int64_t now_ms)
{
	assert_ptr_equal(ctx, &seen);
	seen.often++;
}

static void daily(void *ctx, int64_t now_ms)
{
	seen.daily++;
}

static void keep(void *ctx, const struct timer_job *job, int64_t ran_ms)
{
	seen.kept++;
	seen.kept_ms = ran_ms;
}

#define DAY (24 * 3600 * 1000LL)
static const struct timer_job jobs[] = {
	{ "a.often", "does it at each tick", 0, often },
	{ "b.daily", "does it once a day", DAY, daily },
};

static void due(void **state)
{
	struct timers *t = timers_new(jobs, ARRAY_SIZE(jobs), keep, &seen);
	memset(&seen, 0, sizeof(seen));
	timers_restore(t, SLICE("b.daily"), 1000);
	timers_restore(t, SLICE("c.gone"), 1000);
	timers_tick(t, 1000 + DAY - 1);
	assert_int_equal(seen.often, 1);
	assert_int_equal(seen.daily, 0);
	timers_tick(t, 1000 + DAY);
	assert_int_equal(seen.often, 2);
	assert_int_equal(seen.daily, 1);
	assert_int_equal(seen.kept_ms, 1000 + DAY);
	timers_tick(t, 1000 + DAY + 1);
	assert_int_equal(seen.daily, 1);
	timers_tick(t, 999 + DAY); /* the clock went back */
	assert_int_equal(seen.daily, 2);
	timers_free(&t);
	assert_null(t);
}

static void asked(void **state)
{
	struct timers *t = timers_new(jobs, ARRAY_SIZE(jobs), NULL, &seen);
	struct arena *a = arena_new();
	Postern__TimerRequest req = POSTERN__TIMER_REQUEST__INIT;
	Postern__TimerReply *reply = NULL;
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(timers_answer(t, &req, 5, a, &reply), 0);
	assert_int_equal(reply->n_rows, 2);
	assert_string_equal(reply->rows[1]->name, "b.daily");
	assert_int_equal(reply->rows[1]->last_ms, 0);
	assert_int_equal(seen.often + seen.daily, 0);
	req.run = true;
	assert_int_equal(timers_answer(t, &req, 5, a, &reply), 0);
	assert_true(reply->rows[0]->ran && reply->rows[1]->ran);
	assert_int_equal(timers_answer(t, &req, 6, a, &reply), 0);
	assert_true(reply->rows[0]->ran && !reply->rows[1]->ran);
	req.name = (char *)"b.daily"; /* named: due or not */
	assert_int_equal(timers_answer(t, &req, 7, a, &reply), 0);
	assert_int_equal(reply->n_rows, 1);
	assert_true(reply->rows[0]->ran);
	assert_int_equal(reply->rows[0]->last_ms, 7);
	assert_int_equal(seen.daily, 2);
	req.name = (char *)"b.dail";
	assert_int_equal(timers_answer(t, &req, 8, a, &reply), ERR_NOT_FOUND);
	arena_free(&a);
	timers_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(due), cmocka_unit_test(asked) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
