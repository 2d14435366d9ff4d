/* SPDX-License-Identifier: Apache-2.0 */
/* Links: unlike each other, good once, and void by whatever changes behind them (THREATS H14). */
#include "room/directory/testing.h"

#include "base/map.h"
#include "lib/sql/sql.h"
#include "room/directory/login/link.h"
#include "room/directory/noun/staff.h"

#include <sys/wait.h>

enum { MANY = 1000 * 1000 };

static struct slice make(struct fixture *f, int64_t holder, enum link_kind kind, int64_t expires)
{
	struct link l = { .holder = holder, .kind = kind, .created_ms = 1, .expires_ms = expires };
	struct slice token;
	assert_int_equal(link_make(f->e, f->a, &l, &token), 0);
	return token;
}

static int find(struct fixture *f, struct slice token, int64_t now)
{
	struct link l;
	return link_find(f->e, token, now, &l);
}

static void once_and_in_time(void **state)
{
	struct fixture *f = *state;
	struct slice t = make(f, -7, LINK_RESET, 100);
	assert_int_equal(t.n, LINK_TOKEN_TEXT);
	assert_int_equal(find(f, t, 99), 0);
	assert_int_equal(find(f, t, 100), ERR_NOT_FOUND);
	assert_int_equal(link_spend(f->e, t, 100), ERR_NOT_FOUND);
	assert_int_equal(link_spend(f->e, t, 99), 0);
	assert_int_equal(link_spend(f->e, t, 99), ERR_NOT_FOUND);
	assert_int_equal(find(f, t, 99), ERR_NOT_FOUND);
	struct slice old = make(f, -7, LINK_RESET, 100), other = make(f, -7, LINK_INVITATION, 100);
	struct slice young = make(f, -7, LINK_RESET, 100);
	assert_int_equal(find(f, old, 5), ERR_NOT_FOUND);	/* the next one of its kind replaces it */
	assert_int_equal(find(f, young, 5), 0);
	assert_int_equal(find(f, other, 5), 0);
	assert_int_equal(link_expire(f->e, 99), 0);
	assert_int_equal(link_expire(f->e, 100), 2);
	assert_int_equal(find(f, T(""), 5), ERR_NOT_FOUND);
	assert_int_equal(find(f, T("x"), 5), ERR_NOT_FOUND);
}

static void only_its_hash_is_kept(void **state)
{
	struct fixture *f = *state;
	struct slice t = make(f, -7, LINK_RESET, 100);
	int64_t n = 0;
	assert_int_equal(sql_get(engine_sql(f->e), &n, "SELECT count(*) FROM link WHERE instr(hash, ?1) > 0", "b", t), 0);
	assert_int_equal(n, 0);
	assert_int_equal(sql_get(engine_sql(f->e), &n, "SELECT length(hash) FROM link", ""), 0);
	assert_int_equal(n, 32);
}

static void a_million_differ(void **state)
{
	struct fixture *f = *state;
	struct map *seen = map_new();
	struct arena *a = arena_new();
	struct link l = { .holder = -7, .expires_ms = 100 };
	assert_int_equal(engine_begin(f->e), 0);
	for (unsigned i = 0; i < MANY; i++) {
		struct slice token;
		assert_int_equal(link_make(f->e, a, &l, &token), 0);
		assert_null(map_put(seen, slice_sub(token, 0, 32), seen));	/* half of it is unlike already */
		if (i % 1000 == 999) {
			arena_free(&a);
			a = arena_new();
		}
	}
	engine_rollback(f->e);
	arena_free(&a);
	map_free(&seen);
}

/* A child that begins with a copy of our memory does not make our tokens. */
static void unlike_after_fork(void **state)
{
	struct fixture *f = *state;
	int fds[2];
	char theirs[LINK_TOKEN_TEXT];
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct slice t;
		struct link l = { .holder = -1, .expires_ms = 100 };
		bool ok = link_make(f->e, f->a, &l, &t) == 0 && write(fds[1], t.p, t.n) == (ssize_t)t.n;
		_exit(ok ? 0 : 1);
	}
	int status = 1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(read(fds[0], theirs, sizeof(theirs)), sizeof(theirs));
	struct slice ours = make(f, -2, LINK_RESET, 100);
	assert_memory_not_equal(ours.p, theirs, LINK_TOKEN_TEXT);
	close(fds[0]);
	close(fds[1]);
}

static void what_makes_it_void(void **state)
{
	struct fixture *f = *state;
	struct domain d = make_domain(f, "example.test", true);
	struct account joe = make_mailbox(f, &d, "joe"), mary = make_mailbox(f, &d, "mary");
	uint64_t version;
	struct slice t = make(f, -(int64_t)joe.id, LINK_RESET, 100), other = make(f, -(int64_t)mary.id, LINK_RESET, 100);
	assert_int_equal(credential_rehash(f->e, joe.id, joe.version, T("{PLAIN}x")), 0);
	assert_int_equal(find(f, t, 5), 0);	/* a login is no change */
	assert_int_equal(credential_set(f->e, joe.id, T("{PLAIN}x"), false, 1, &version), 0);
	assert_int_equal(find(f, t, 5), ERR_NOT_FOUND);
	t = make(f, -(int64_t)joe.id, LINK_INVITATION, 100);
	assert_int_equal(account_set_recovery(f->e, joe.id, T("joe@elsewhere.test")), 0);
	assert_int_equal(find(f, t, 5), ERR_NOT_FOUND);
	t = make(f, -(int64_t)joe.id, LINK_INVITATION, 100);
	assert_int_equal(account_retire(f->e, joe.id), 0);
	assert_int_equal(find(f, t, 5), ERR_NOT_FOUND);
	assert_int_equal(find(f, other, 5), 0);
	struct staff s = { .login = T("boss"), .person = T(""), .customer = f->customer.id, .hash = T(""), .recovery = T("") };
	assert_int_equal(staff_add(f->e, &s, NULL), 0);
	t = make(f, (int64_t)s.id, LINK_RESET, 100);
	assert_int_equal(staff_set_password(f->e, s.id, T("{PLAIN}x"), false, 1), 0);
	assert_int_equal(find(f, t, 5), ERR_NOT_FOUND);
	t = make(f, (int64_t)s.id, LINK_RESET, 100);
	s.recovery = T("boss@elsewhere.test");
	assert_int_equal(staff_update(f->e, &s), 0);
	assert_int_equal(find(f, t, 5), ERR_NOT_FOUND);
	t = make(f, (int64_t)s.id, LINK_RESET, 100);
	assert_int_equal(staff_remove(f->e, s.id), 0);
	assert_int_equal(find(f, t, 5), ERR_NOT_FOUND);
}

int main(void)
{
#define WITH(t) cmocka_unit_test_setup_teardown(t, fixture_up, fixture_down)
	const struct CMUnitTest tests[] = {
		WITH(once_and_in_time), WITH(only_its_hash_is_kept), WITH(a_million_differ), WITH(unlike_after_fork),
		WITH(what_makes_it_void),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
