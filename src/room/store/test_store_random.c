/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random operations against a model, with compaction between them and the index made anew from the segments now and
 * then; and a process that dies at every N-th call to the disk.
 */
#include "room/store/testing.h"

#include <sys/mman.h>
#include <sys/wait.h>

static uint64_t seed;

static unsigned pick(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

/* ---- the model: what each mailbox should hold ---- */

enum { BOXES = 6, MODEL_MAX = 400 };
static const char *const box_names[BOXES] = { "INBOX", "Sent", "Trash", "a", "a/b", "c" };

struct model_msg {
	uint32_t uid, flags, content;
};
struct model_box {
	bool exists;
	size_t n;
	struct model_msg m[MODEL_MAX];
};
static struct model_box model[BOXES];

static struct slice content(uint32_t id)
{
	static char text[400];
	int n = snprintf(text, sizeof(text), "Subject: message %u\r\n\r\nbody %u %0*u\r\n", id, id, (int)(id % 300), id);

	return slice_of(text, (size_t)n);
}

static struct model_msg *model_find(struct model_box *b, uint32_t uid)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->m[i].uid == uid)
			return &b->m[i];
	return NULL;
}

static void model_remove(struct model_box *b, uint32_t first, uint32_t last)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++)
		if (b->m[i].uid < first || b->m[i].uid > last)
			b->m[n++] = b->m[i];
	b->n = n;
}

static uint64_t id_of(struct shard *e, unsigned box)
{
	struct mailbox m;

	assert_int_equal(shard_mailbox(e, 1, slice_str(box_names[box]), &m), 0);
	return m.id;
}

static unsigned existing(void)
{
	unsigned b;

	do
		b = pick(BOXES);
	while (!model[b].exists);
	return b;
}

struct compare {
	struct shard *e;
	struct model_box *b;
	size_t at;
};

static int compare_one(void *ctx, const struct msg *m)
{
	struct compare *c = ctx;

	assert_true(c->at < c->b->n);
	assert_int_equal(m->uid, c->b->m[c->at].uid);
	assert_int_equal(m->flags, c->b->m[c->at].flags);
	c->at++;
	return 0;
}

static struct msg fetched_msgs[MODEL_MAX];
static size_t n_fetched;

static int collect(void *ctx, const struct msg *m)
{
	fetched_msgs[n_fetched++] = *m;
	return compare_one(ctx, m);
}

static void must_count_recent(const struct mailbox *m, const struct model_box *b)
{
	uint32_t n = 0;

	for (size_t i = 0; i < b->n; i++)
		n += b->m[i].uid >= m->recent_from;
	assert_int_equal(m->recent, n);
}

static void must_match(struct shard *e)
{
	for (unsigned b = 0; b < BOXES; b++) {
		struct mailbox m;
		int err = shard_mailbox(e, 1, slice_str(box_names[b]), &m);
		if (!model[b].exists) {
			assert_true(err == ERR_NOT_FOUND || m.no_select);
			continue;
		}
		struct compare c = { e, &model[b], 0 };
		n_fetched = 0;
		assert_int_equal(shard_messages(e, m.id, collect, &c), 0);
		assert_int_equal(c.at, model[b].n);
		assert_int_equal(m.messages, model[b].n);
		must_count_recent(&m, &model[b]);
		for (size_t i = 0; i < n_fetched; i++) {
			struct buf out = BUF_INIT(4096);
			struct fetched f;
			assert_int_equal(shard_fetch(e, fetched_msgs[i].blob, BLOB_WANT_HEADER | BLOB_WANT_BODY, &f, &out), 0);
			assert_true(slice_eq(buf_view(&out), content(model[b].m[i].content)));
			buf_fini(&out);
		}
	}
}

/* ---- random operations ---- */

static uint32_t next_content;

static void do_append(struct shard *e)
{
	unsigned b = existing();
	uint32_t flags = pick(32);
	struct incoming m = { .message = content(next_content), .flags = flags };
	struct appended r;

	if (model[b].n == MODEL_MAX)
		return;
	if (pick(3) == 0) {
		m.source_folder = SLICE("f");
		m.source_uid = next_content;
	}
	assert_int_equal(OP(e, shard_append(e, 1, slice_str(box_names[b]), &m, &r)), 0);
	model[b].m[model[b].n++] = (struct model_msg){ r.uid, flags, next_content++ };
}

static struct uid_range some_range(unsigned b)
{
	uint32_t top = model[b].n ? model[b].m[model[b].n - 1].uid + 2 : 3;
	uint32_t first = 1 + pick(top);

	return (struct uid_range){ first, first + pick(6) };
}

static void do_flags(struct shard *e, struct arena *a)
{
	unsigned b = existing();
	struct uid_range r = some_range(b);
	struct flags_change c = { .uids = &r, .n_uids = 1, .how = pick(3), .flags = pick(32) };
	struct slice kw = SLICE("kw1");
	struct flags_result res;

	if (pick(4) == 0) {
		c.keywords = &kw;
		c.n_keywords = 1;
	}
	assert_int_equal(OP(e, shard_flags(e, id_of(e, b), &c, a, &res)), 0);
	for (size_t i = 0; i < model[b].n; i++) {
		struct model_msg *m = &model[b].m[i];
		if (m->uid < r.first || m->uid > r.last)
			continue;
		m->flags = c.how == FLAGS_REPLACE ? c.flags : c.how == FLAGS_ADD ? m->flags | c.flags : m->flags & ~c.flags;
	}
}

static void do_expunge(struct shard *e, struct arena *a)
{
	unsigned b = existing();
	struct uid_range r = some_range(b);
	struct expunge_result res;

	assert_int_equal(OP(e, shard_expunge(e, id_of(e, b), &r, 1, false, a, &res)), 0);
	model_remove(&model[b], r.first, r.last);
}

static void do_copy(struct shard *e, struct arena *a, bool move)
{
	unsigned b = existing(), to = existing();
	struct uid_range r = some_range(b);
	struct copy_result res;
	struct model_box from = model[b];

	if (model[to].n + 10 > MODEL_MAX)
		return;
	assert_int_equal(OP(e, shard_copy(e, id_of(e, b), &r, 1, slice_str(box_names[to]), move, (struct slice){ 0 }, a, &res)), 0);
	if (move)
		model_remove(&model[b], r.first, r.last);
	for (size_t i = 0; i < res.n_pairs; i++)
		for (uint32_t k = 0; k < res.pairs[i].count; k++) {
			struct model_msg m = *model_find(&from, res.pairs[i].from + k);
			m.uid = res.pairs[i].to + k;
			model[to].m[model[to].n++] = m;
		}
}

static void do_delete_or_create(struct shard *e)
{
	unsigned b = 3 + pick(3);
	struct mailbox m;

	if (model[b].exists) {
		assert_int_equal(OP(e, shard_delete(e, 1, slice_str(box_names[b]))), 0);
		model[b].exists = false;
		model[b].n = 0;
		return;
	}
	int err = OP(e, shard_create(e, 1, slice_str(box_names[b]), 0, pick(2), &m));
	assert_int_equal(err, 0);
	model[b].exists = true;
	if (b == 4) {
		/* Made its parent, unless that was there. */
		assert_int_equal(shard_mailbox(e, 1, SLICE("a"), &m), 0);
		model[3].exists = !m.no_select;
	}
}

static void do_rename(struct shard *e)
{
	struct model_box t;

	/* There and back, with children. */
	assert_int_equal(OP(e, shard_subscribe(e, 1, SLICE("gone"), pick(2))), 0);
	if (!model[5].exists || model[3].exists || model[4].exists)
		return;
	struct mailbox m;
	if (shard_mailbox(e, 1, SLICE("a"), &m) == 0 || shard_mailbox(e, 1, SLICE("a/b"), &m) == 0)
		return;
	assert_int_equal(OP(e, shard_rename(e, 1, SLICE("c"), SLICE("a"))), 0);
	t = model[3];
	model[3] = model[5];
	model[5] = t;
}

static void do_claim(struct shard *e)
{
	unsigned b = existing();
	struct mailbox before, m;

	assert_int_equal(shard_mailbox(e, 1, slice_str(box_names[b]), &before), 0);
	uint32_t uid = pick(before.uidnext + 2), want = uid < before.uidnext ? uid : before.uidnext;
	assert_int_equal(OP(e, shard_claim_recent(e, before.id, uid)), 0);
	assert_int_equal(shard_mailbox(e, 1, slice_str(box_names[b]), &m), 0);
	assert_int_equal(m.recent_from, want > before.recent_from ? want : before.recent_from);
}

static void do_compact(struct shard *e)
{
	uint32_t segment = shard_compact_pick(e, true, 0);
	uint64_t offset = 0;
	int done = 0;

	while (segment && !done)
		done = shard_compact_step(e, segment, &offset, test_now);
	assert_true(done >= 0);
}

static void one_step(struct shard *e)
{
	struct arena *a = arena_new();

	switch (pick(13)) {
	case 0: case 1: case 2: case 3:
		do_append(e);
		break;
	case 4: case 5:
		do_flags(e, a);
		break;
	case 6:
		do_expunge(e, a);
		break;
	case 7:
		do_copy(e, a, false);
		break;
	case 8:
		do_copy(e, a, true);
		break;
	case 9:
		do_delete_or_create(e);
		break;
	case 10:
		do_rename(e);
		break;
	case 11:
		do_claim(e);
		break;
	case 12:
		if (pick(4) == 0)
			do_compact(e);
		break;
	}
	arena_free(&a);
}

static void random_operations(void **state)
{
	const char *rounds = getenv("POSTERN_LONG");
	unsigned runs = rounds ? 40 : 4;

	options.segment_bytes = 6000;
	for (unsigned run = 0; run < runs; run++) {
		seed = 1000 + run;
		memset(model, 0, sizeof(model));
		model[0].exists = model[1].exists = model[2].exists = true;
		next_content = 1;
		struct shard *e = open_shard();
		assert_int_equal(OP(e, shard_account_put(e, 1, SLICE("a@b"), 200000, 0)), 0);
		assert_int_equal(OP(e, shard_account_limits(e, 1, 7, 0)), 0);
		for (int i = 0; i < 400; i++) {
			/* What its pool and its quota count is compared with a recount at each rebuild. */
			assert_int_equal(OP(e, shard_pool_put(e, 7, 1 << 30, 1 << 30, 0)), 0);
			one_step(e);
			if (i % 20 == 0)
				must_match(e);
			if (i % 100 == 99)
				e = rebuild_and_compare(e);
		}
		must_match(e);
		shard_close(&e);
		remove_dir("segments");
		remove_dir(".");
	}
}

/* Everything dead is given back, and what is alive can still be read and rebuilt. */
static void compaction_gives_space_back(void **state)
{
	struct shard *e;
	uint64_t before;
	struct shard_space space;
	struct arena *a = arena_new();
	struct expunge_result x;

	options.segment_bytes = 6000;
	memset(model, 0, sizeof(model));
	model[0].exists = model[1].exists = model[2].exists = true;
	next_content = 1;
	seed = 5;
	e = open_shard();
	assert_int_equal(OP(e, shard_account_put(e, 1, SLICE("a@b"), 0, 0)), 0);
	for (int i = 0; i < 300; i++)
		do_append(e);
	shard_space(e, &space);
	before = space.bytes;
	for (unsigned b = 0; b < 3; b++) {
		struct uid_range r = { 1, (uint32_t)model[b].n - 5 };
		assert_int_equal(OP(e, shard_expunge(e, id_of(e, b), &r, 1, false, a, &x)), 0);
		model_remove(&model[b], 1, r.last);
	}
	uint32_t below = space.active + 1, segment;
	while ((segment = shard_compact_pick(e, true, below))) {
		uint64_t offset = 0;
		int done;
		while ((done = shard_compact_step(e, segment, &offset, test_now)) == 0)
			must_match(e);
		assert_int_equal(done, 1);
	}
	shard_space(e, &space);
	assert_true(space.bytes * 2 < before);
	must_match(e);
	e = rebuild_and_compare(e);
	must_match(e);
	arena_free(&a);
	shard_close(&e);
}

/* ---- death at any call ---- */

enum { CRASH_OPS = 12 };

static void operation_id(char out[16], int i)
{
	snprintf(out, 16, "operation-%05d", i);
}

static int crash_op(struct shard *e, int i)
{
	char id[16];
	struct delivery d = { .account = 1 };
	struct incoming m = { .message = content((uint32_t)i) };
	int err = shard_begin(e, test_now);

	operation_id(id, i);
	m.operation_id = slice_of(id, 16);
	if (!err)
		err = shard_op_begin(e, NULL);
	if (!err)
		err = shard_op_end(e, shard_deliver(e, &d, 1, &m));
	return err ? err : shard_commit(e);
}

/* The child works until it dies; told counts what it heard to be done. */
static void crash_child(int64_t calls, volatile int *told)
{
	struct shard *e;

	close(2);
	calls_left = calls;
	if (shard_open(&options, &e))
		_exit(3);
	for (int i = *told; i < CRASH_OPS; i++) {
		if (crash_op(e, i))
			_exit(4);
		*told = i + 1;
		uint32_t segment = shard_compact_pick(e, true, 0);
		uint64_t offset = 0;
		while (segment && i % 3 == 2 && shard_compact_step(e, segment, &offset, test_now) == 0)
			;
	}
	calls_left = -1;
	shard_close(&e);
	_exit(0);
}

static void count_each(unsigned seen[CRASH_OPS], struct shard *e)
{
	struct mailbox m;

	memset(seen, 0, CRASH_OPS * sizeof(*seen));
	assert_int_equal(shard_mailbox(e, 1, SLICE("INBOX"), &m), 0);
	for (uint32_t uid = 1; uid < m.uidnext; uid++) {
		struct fetched f;
		struct buf out = BUF_INIT(4096);
		assert_int_equal(shard_fetch(e, uid, BLOB_WANT_HEADER | BLOB_WANT_BODY, &f, &out), 0);
		for (uint32_t i = 0; i < CRASH_OPS; i++)
			seen[i] += slice_eq(buf_view(&out), content(i));
		buf_fini(&out);
	}
}

static void dies_at_any_call(void **state)
{
	volatile int *told = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool finished = false;

	options.segment_bytes = 1500;
	for (int64_t calls = 1; !finished; calls += getenv("POSTERN_LONG") ? 1 : 1 + calls / 12) {
		*told = 0;
		struct shard *e = open_shard();
		assert_int_equal(OP(e, shard_account_put(e, 1, SLICE("a@b"), 0, 0)), 0);
		shard_close(&e);
		pid_t pid = fork();
		if (pid == 0)
			crash_child(calls, told);
		int status = -1;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 9 || WEXITSTATUS(status) == 0));
		finished = WEXITSTATUS(status) == 0;
		e = open_shard();
		must_be_whole(e);
		/* Whoever did not hear asks again; nobody gets anything twice. */
		for (int i = *told; i < CRASH_OPS; i++)
			assert_int_equal(crash_op(e, i), 0);
		unsigned seen[CRASH_OPS];
		count_each(seen, e);
		for (int i = 0; i < CRASH_OPS; i++)
			assert_int_equal(seen[i], 1);
		e = rebuild_and_compare(e);
		shard_close(&e);
		remove_dir("segments");
		remove_dir(".");
	}
	munmap((void *)told, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(random_operations), STORE_TEST(compaction_gives_space_back), STORE_TEST(dies_at_any_call),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
