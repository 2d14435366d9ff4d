/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of the engine: an empty directory in a fresh folder, and short ways to fill it. */
#ifndef ROOM_DIRECTORY_TESTING_H
#define ROOM_DIRECTORY_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "room/directory/db/engine.h"

struct fixture {
	struct engine *e;
	struct arena *a;
	struct customer customer;
	char folder[64];
};

#define T(literal) slice_str(literal)

static int fixture_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	snprintf(f->folder, sizeof(f->folder), "/tmp/directory-test-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	assert_int_equal(chdir(f->folder), 0);
	assert_int_equal(engine_open("directory.db", &f->e), 0);
	f->a = arena_new();
	f->customer = (struct customer){ .name = T("acme"), .language = T("en"), .created_ms = 1 };
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(customer_add(f->e, f->a, &f->customer, NULL), 0);
	assert_int_equal(engine_commit(f->e), 0);
	*state = f;
	return 0;
}

static int fixture_down(void **state)
{
	static const char *const files[] = { "directory.db", "directory.db-wal", "directory.db-shm", "seal.key" };
	struct fixture *f = *state;
	engine_close(&f->e);
	arena_free(&f->a);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		IGNORE(unlink(files[i]), "may be absent");
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(f->folder), 0);
	free(f);
	return 0;
}

UNUSED static struct domain make_domain(struct fixture *f, const char *name, bool hosted)
{
	struct domain d = {
		.customer = f->customer.id, .name = T(name), .hosted = hosted, .created_ms = 1,
		.server_host = T("old.test"), .server_port = 25,
	};
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(domain_add(f->e, f->a, &d, NULL), 0);
	assert_int_equal(engine_commit(f->e), 0);
	return d;
}

UNUSED static struct account make_mailbox(struct fixture *f, const struct domain *d, const char *local)
{
	struct account x = { .hash = T("{PLAIN}secret") };
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(account_add(f->e, f->a, d, T(local), &x, 1, NULL), 0);
	assert_int_equal(account_set_state(f->e, x.id, ACCOUNT_LIVE), 0);
	assert_int_equal(engine_commit(f->e), 0);
	return x;
}

UNUSED static int try_address(struct fixture *f, const struct domain *d, const char *local, enum address_type type,
			      const char *const *to, struct problem *why)
{
	struct slice targets[64];
	struct address x = { .local = T(local), .type = type, .targets = targets };
	for (; to && to[x.n_targets]; x.n_targets++)
		targets[x.n_targets] = T(to[x.n_targets]);
	assert_int_equal(engine_begin(f->e), 0);
	int r = address_add(f->e, f->a, d, &x, 1, why);
	if (r < 0) {
		engine_rollback(f->e);
		return r;
	}
	assert_int_equal(engine_commit(f->e), 0);
	return 0;
}

#define TO(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define make_address(f, d, local, type, to) assert_int_equal(try_address(f, d, local, type, to, NULL), 0)

#define assert_slice(s, text)                                                                      \
	do {                                                                                       \
		struct slice slice_ = (s);                                                         \
		assert_int_equal(slice_.n, strlen(text));                                          \
		assert_memory_equal(slice_.p, text, slice_.n);                                     \
	} while (0)

#endif
