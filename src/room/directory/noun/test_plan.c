/* SPDX-License-Identifier: Apache-2.0 */
/* Plans and tasks: leases, crashes, failures with pauses, and passwords that go when the plan ends. */
#include "room/directory/testing.h"

#include "room/directory/noun/plan.h"

struct move {
	struct domain d;
	struct plan plan;
	uint64_t tasks[2];
	struct account accounts[2];
};

static struct move make_move(struct fixture *f)
{
	struct move m = { .d = make_domain(f, "example.test", false) };
	m.accounts[0] = make_mailbox(f, &m.d, "joe");
	m.accounts[1] = make_mailbox(f, &m.d, "mary");
	m.plan = (struct plan){ .domain = m.d.id, .host = T("old.test"), .port = 143, .sealed = T("SEALED") };
	assert_int_equal(plan_put(f->e, &m.plan, 10), 0);
	for (int i = 0; i < 2; i++) {
		struct task t = { .plan = m.plan.id, .account = m.accounts[i].id, .user = T("u"), .sealed = T("S") };
		assert_int_equal(source_id(f->e, t.account, m.plan.host, 143, t.user, &t.source), 0);
		assert_int_equal(task_put(f->e, &t, 10, &m.tasks[i]), 0);
	}
	return m;
}

static void leases(void **state)
{
	struct fixture *f = *state;
	struct move m = make_move(f);
	struct task t;
	struct counts c = { .messages_total = 5, .messages_done = 2 };
	uint64_t one = 1 << 16 | 1, two = 1 << 16 | 2, other = 2 << 16 | 1;
	assert_int_equal(task_take(f->e, f->a, one, 100, &t), 0);
	assert_int_equal(t.id, m.tasks[0]);
	assert_slice(t.address, "joe@example.test");
	assert_int_equal(task_take(f->e, f->a, one, 200, &t), 0);
	assert_int_equal(t.id, m.tasks[0]);	/* asked again: the same */
	assert_int_equal(task_take(f->e, f->a, two, 100, &t), 0);
	assert_int_equal(t.id, m.tasks[1]);
	assert_int_equal(task_take(f->e, f->a, other, 100, &t), ERR_NOT_FOUND);
	assert_int_equal(task_progress(f->e, m.tasks[0], one, &c, 300), 0);
	assert_int_equal(task_progress(f->e, m.tasks[0], two, &c, 300), ERR_CONFLICT);
	/* The lease runs out, another mover gets it, the first one's news no longer count. */
	assert_int_equal(task_take(f->e, f->a, other, 300 + TASK_LEASE_MS, &t), 0);
	assert_int_equal(t.id, m.tasks[1]);
	assert_int_equal(task_finish(f->e, m.tasks[1], two, true, T(""), &c, T("{}"), 400), ERR_CONFLICT);
	assert_int_equal(task_finish(f->e, m.tasks[1], other, true, T(""), &c, T("{}"), 400), 0);
	assert_int_equal(task_by_id(f->e, f->a, m.tasks[1], &t), 0);
	assert_int_equal(t.state, TASK_DONE);
	/* The first mover dies: its task waits again. */
	assert_int_equal(task_release(f->e, 1), 0);
	assert_int_equal(task_take(f->e, f->a, other, 500, &t), 0);
	assert_int_equal(t.id, m.tasks[0]);
	assert_int_equal(t.counts.messages_done, 2);
}

static void failures(void **state)
{
	struct fixture *f = *state;
	struct move m = make_move(f);
	struct counts c = { 0 };
	struct task t;
	int64_t now = 1000, due = 0;
	assert_int_equal(task_take(f->e, f->a, 1 << 16, now, &t), 0);
	assert_int_equal(task_finish(f->e, t.id, 1 << 16, true, T(""), &c, T(""), now), 0);
	for (int i = 1; i <= TASK_ATTEMPTS_MAX; i++) {
		assert_int_equal(task_take(f->e, f->a, 1 << 16, now, &t), 0);
		assert_int_equal(t.id, m.tasks[1]);
		assert_int_equal(task_finish(f->e, t.id, 1 << 16, false, T("no route"), &c, T(""), now), 0);
		assert_int_equal(task_take(f->e, f->a, 1 << 16, now, &t), ERR_NOT_FOUND);
		now += (int64_t)i * TASK_PAUSE_MS;
		if (i < TASK_ATTEMPTS_MAX) {
			assert_int_equal(task_next_due(f->e, &due), 0);
			assert_int_equal(due, now);
		}
	}
	assert_int_equal(task_next_due(f->e, &due), ERR_NOT_FOUND);
	assert_int_equal(task_by_id(f->e, f->a, m.tasks[1], &t), 0);
	assert_int_equal(t.state, TASK_FAILED);
	assert_slice(t.error, "no route");
}

static void again_and_end(void **state)
{
	struct fixture *f = *state;
	struct move m = make_move(f);
	struct task t, *rows;
	struct plan p;
	size_t n;
	uint64_t source = 0, id = 0;
	assert_int_equal(task_by_id(f->e, f->a, m.tasks[0], &t), 0);
	assert_int_equal(source_id(f->e, t.account, T("old.test"), 143, T("u"), &source), 0);
	assert_int_equal(source, t.source);	/* the same source keeps its number: a second run copies nothing */
	assert_int_equal(task_put(f->e, &t, 20, &id), 0);
	assert_int_equal(id, m.tasks[0]);
	t.proof = true;
	assert_int_equal(task_put(f->e, &t, 20, &id), 0);
	assert_int_not_equal(id, m.tasks[0]);
	assert_int_equal(task_take(f->e, f->a, 1 << 16, 30, &t), 0);
	assert_int_equal(plan_end(f->e, m.plan.id, 40), 0);
	assert_int_equal(plan_get(f->e, f->a, m.d.id, &p), 0);
	assert_true(p.ended);
	assert_int_equal(p.sealed.n, 0);
	assert_int_equal(task_list(f->e, f->a, m.plan.id, false, &rows, &n), 0);
	assert_int_equal(n, 2);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(rows[i].sealed.n, 0);
		assert_int_equal(rows[i].state, TASK_STOPPED);
	}
	assert_int_equal(task_take(f->e, f->a, 1 << 16, 50, &t), ERR_NOT_FOUND);
	assert_int_equal(account_retire(f->e, m.accounts[0].id), 0);
	assert_int_equal(task_list(f->e, f->a, m.plan.id, false, &rows, &n), 0);
	assert_int_equal(n, 1);
}

int main(void)
{
#define WITH(t) cmocka_unit_test_setup_teardown(t, fixture_up, fixture_down)
	const struct CMUnitTest tests[] = { WITH(leases), WITH(failures), WITH(again_and_end) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
