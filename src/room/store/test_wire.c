/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of a list that are written by hand read back, by the library, as what went in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "room/store/room.h"

/* The room's own start is linked, and never runs here. */
const struct room_ops *room_ops_of(enum role role)
{
	return NULL;
}

static uint64_t seed = 1;

static uint64_t some(unsigned bits)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	uint64_t v = seed ^ seed >> 29;
	return v >> (64 - (bits ? bits : 1));
}

/* keywords: 0 none, 1 a few, 2 all: the length in front takes two bytes then. */
static struct msg made(unsigned keywords)
{
	struct msg m = { .uid = (uint32_t)some((unsigned)some(5) + 1), .flags = (uint32_t)some(5), .modseq = some((unsigned)some(6)),
			 .size = some((unsigned)some(5)), .internal_date = (int64_t)some(41), .save_date = (int64_t)some(41) };
	if (keywords == 1)
		m.kw.w[some(1)] = some(10);
	else if (keywords == 2)
		m.kw.w[0] = m.kw.w[1] = UINT64_MAX;
	if (some(4) == 0)
		m.internal_date = -m.internal_date;
	return m;
}

static void entries(void **state)
{
	enum { N = 3000 };
	static struct msg all[N];
	struct buf out = BUF_INIT(4 << 20);

	for (unsigned i = 0; i < N; i++) {
		all[i] = made(i % 3);
		wire_meta_encode(&out, &all[i]);
	}
	assert_true(buf_ok(&out));
	Postern__MessageList *list = postern__message_list__unpack(NULL, out.n, out.p);
	assert_non_null(list);
	assert_int_equal(list->n_messages, N);
	for (size_t i = 0; i < N; i++) {
		const Postern__MessageMeta *m = list->messages[i];
		struct kwset kw = { 0 };
		for (size_t k = 0; k < m->n_keywords; k++)
			kwset_add(&kw, m->keywords[k]);
		assert_true(kwset_eq(&kw, &all[i].kw));
		assert_int_equal(m->uid, all[i].uid);
		assert_int_equal(m->flags, all[i].flags);
		assert_int_equal(m->modseq, all[i].modseq);
		assert_int_equal(m->size, all[i].size);
		assert_int_equal(m->internal_date_ms, all[i].internal_date);
		assert_int_equal(m->base.n_unknown_fields, 0);
	}
	postern__message_list__free_unpacked(list, NULL);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(entries) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
