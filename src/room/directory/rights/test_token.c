/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of sessions and scripts: unlike each other, also after a fork (THREATS H14). */
#include "room/directory/testing.h"

#include "base/arena.h"
#include "room/directory/rights/token.h"

#include <sys/wait.h>

enum {
	MANY = 1000 * 1000,
	BATCH = 1000,
	TEXT = sizeof(TOKEN_PREFIX) - 1 + 2 * TOKEN_BYTES,
	HALF = TOKEN_BYTES,	/* digits: half of it is unlike already */
};

static struct slice make(struct fixture *f, enum token_kind kind)
{
	struct token t = { .kind = kind, .holder = 1, .created_ms = 1, .expires_ms = 2 };
	struct slice text;
	assert_int_equal(token_add(f->e, f->a, &t, &text, NULL), 0);
	return text;
}

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, HALF);
}

static void a_million_differ(void **state)
{
	uint8_t *seen = malloc((size_t)MANY * HALF);
	assert_non_null(seen);
	for (size_t i = 0; i < MANY;) {
		struct arena *a = arena_new();
		for (unsigned k = 0; k < BATCH; k++, i++) {
			struct slice text = token_draw(a);
			assert_int_equal(text.n, TEXT);
			memcpy(seen + i * HALF, text.p + sizeof(TOKEN_PREFIX) - 1, HALF);
		}
		arena_free(&a);
	}
	qsort(seen, MANY, HALF, by_bytes);
	for (size_t i = 1; i < MANY; i++)
		if (!memcmp(seen + (i - 1) * HALF, seen + i * HALF, HALF))
			fail_msg("a token came twice");
	free(seen);
}

static void unlike_after_fork(void **state)
{
	struct fixture *f = *state;
	int fds[2], status = 1;
	char theirs[TEXT];
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct slice t = make(f, TOKEN_SESSION);
		_exit(write(fds[1], t.p, t.n) == (ssize_t)t.n ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(read(fds[0], theirs, sizeof(theirs)), sizeof(theirs));
	struct slice ours = make(f, TOKEN_KEY);
	assert_false(slice_eq(ours, slice_of(theirs, sizeof(theirs))));
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
#define WITH(t) cmocka_unit_test_setup_teardown(t, fixture_up, fixture_down)
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_million_differ), WITH(unlike_after_fork) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
