/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loss of power: what was written and not synced is there in part, or not at all, or in pieces (power.h). Whatever was
 * acknowledged is there once, the index agrees with the segments, and the segments alone tell the same.
 */
#include "room/store/testing.h"

#include <sys/wait.h>

static uint64_t seed;

static unsigned pick(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

enum { OPS = 40, LARGE = 140000 };

/* Every ninth message is larger than what goes along with a commit; none packs. */
static struct slice content(unsigned id)
{
	static char text[LARGE + 100];
	size_t n = id % 9 == 8 ? LARGE : 300 + id * 37 % 900;
	uint64_t x = id;
	int head = snprintf(text, sizeof(text), "Subject: message %u\r\n\r\n", id);

	for (size_t i = 0; i < n; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		text[(size_t)head + i] = (char)('!' + (x >> 40) % 90);
	}
	return slice_of(text, (size_t)head + n);
}

static int deliver(struct shard *e, unsigned i)
{
	char id[17];
	struct delivery d = { .account = 1 };
	struct incoming m = { .message = content(i) };
	int err = shard_begin(e, test_now);

	snprintf(id, sizeof(id), "operation-%06u", i);
	m.operation_id = slice_of(id, 16);
	if (!err)
		err = shard_op_begin(e, NULL);
	if (!err)
		err = shard_op_end(e, shard_deliver(e, &d, 1, &m));
	return err ? err : shard_commit(e);
}

static void expunge_one(struct shard *e, uint32_t uid)
{
	struct arena *a = arena_new();
	struct uid_range r = { uid, uid };
	struct expunge_result x;
	struct mailbox m;

	if (shard_mailbox(e, 1, SLICE("Trash"), &m) || shard_begin(e, test_now) || shard_op_begin(e, NULL) ||
	    shard_op_end(e, shard_expunge(e, m.id, &r, 1, false, a, &x)) || shard_commit(e))
		_exit(5);
	arena_free(&a);
}

static void compact(struct shard *e)
{
	uint32_t segment = shard_compact_pick(e, true, 0);
	uint64_t offset = 0;

	while (segment && shard_compact_step(e, segment, &offset, test_now) == 0)
		;
}

/* Works until it dies at its N-th call to the disk; told counts what it heard to be done. */
static void work(int64_t calls, volatile unsigned *told)
{
	struct shard *e;

	close(2);
	calls_left = calls;
	if (shard_open(&options, &e))
		_exit(3);
	for (unsigned i = *told; i < OPS; i++) {
		if (deliver(e, i))
			_exit(4);
		*told = i + 1;
		if (i % 7 == 6)
			expunge_one(e, i / 7 + 1);
		if (i % 5 == 4) {
			shard_idle(e);
			shard_idle(e);
		}
		if (i % 11 == 10)
			compact(e);
	}
	calls_left = -1;
	shard_close(&e);
	_exit(0);
}

static int note_blob(void *ctx, const struct msg *m)
{
	uint64_t **blobs = ctx;

	*(*blobs)++ = m->blob;
	return 0;
}

static void each_is_there_once(struct shard *e, unsigned n)
{
	unsigned seen[OPS] = { 0 };
	uint64_t blobs[OPS * 2], *end = blobs;
	struct mailbox m;

	assert_int_equal(shard_mailbox(e, 1, SLICE("INBOX"), &m), 0);
	assert_true(m.messages <= OPS);
	assert_int_equal(shard_messages(e, m.id, note_blob, &end), 0);
	for (uint64_t *b = blobs; b < end; b++) {
		struct buf out = BUF_INIT(LARGE + 1000);
		struct fetched f;
		unsigned id = 0;
		assert_int_equal(shard_fetch(e, *b, BLOB_WANT_HEADER | BLOB_WANT_BODY, &f, &out), 0);
		for (size_t at = 17; at < out.n && out.p[at] >= '0' && out.p[at] <= '9'; at++)
			id = id * 10 + out.p[at] - '0';
		assert_true(id < OPS);
		assert_true(slice_eq(buf_view(&out), content(id)));
		seen[id]++;
		buf_fini(&out);
	}
	for (unsigned i = 0; i < OPS; i++)
		assert_true(seen[i] == 1 || (i >= n && !seen[i]));
}

static void begin_shard(void)
{
	struct shard *e = open_shard();

	assert_int_equal(OP(e, shard_account_put(e, 1, SLICE("a@b"), 0, 0)), 0);
	for (int i = 0; i < 6; i++) {
		struct incoming m = { .message = SLICE("Subject: old\r\n\r\ntrash\r\n") };
		struct appended r;
		assert_int_equal(OP(e, shard_append(e, 1, SLICE("Trash"), &m, &r)), 0);
	}
	shard_close(&e);
}

/* One life: work until call number calls, power fails, and everything is looked at. True when the work came to its end. */
static bool live_and_lose(int64_t calls, volatile unsigned *told, unsigned lose, size_t *lost)
{
	int status = -1;

	*told = 0;
	begin_shard();
	power_on();
	pid_t pid = fork();
	if (pid == 0)
		work(calls, told);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 9 || WEXITSTATUS(status) == 0));
	*lost += power_fails(pick, lose);
	struct shard *e = open_shard();
	must_be_whole(e);
	each_is_there_once(e, *told);
	for (unsigned i = *told; i < OPS; i++)
		assert_int_equal(deliver(e, i), 0);
	each_is_there_once(e, OPS);
	e = rebuild_and_compare(e);
	shard_close(&e);
	remove_dir("segments");
	remove_dir(".");
	return WEXITSTATUS(status) == 0;
}

static void power_fails_at_any_call(void **state)
{
	volatile unsigned *told = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool finished = false, always = getenv("POSTERN_LONG");
	size_t lost = 0;

	options.segment_bytes = 12000;
	options.tail_bytes = 6000;
	for (int64_t calls = 1; !finished; calls += always ? 1 + calls / 300 : 1 + calls / 5) {
		seed = (uint64_t)calls;
		finished = live_and_lose(calls, told, 1 + pick(4), &lost);
	}
	assert_true(lost > 1000);
	munmap((void *)told, 4096);
}

/* The index holds the bytes of small batches: all that the segments did not get is put back, also before a rebuild. */
static void unsynced_segments_are_put_back(void **state)
{
	struct shard *e;

	options.tail_bytes = 1 << 20;
	for (int rebuild = 0; rebuild < 2; rebuild++) {
		begin_shard();
		power_on();
		pid_t pid = fork();
		if (pid == 0) {
			if (shard_open(&options, &e))
				_exit(3);
			for (unsigned i = 0; i < 8; i++)
				if (deliver(e, i))
					_exit(4);
			_exit(0);
		}
		int status = -1;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		assert_true(power_fails(pick, 4) > 8);
		if (rebuild) {
			assert_int_equal(shard_put_back("store.db", "segments"), 0);
			int faults = 0;
			assert_int_equal(unlink("store.db"), 0);
			IGNORE(unlink("store.db-wal"), "may be gone");
			assert_int_equal(shard_rebuild("store.db", "segments", options.segment_bytes, NULL, no_fault, &faults), 0);
			assert_int_equal(faults, 0);
		}
		e = open_shard();
		must_be_whole(e);
		each_is_there_once(e, 8);
		shard_close(&e);
		remove_dir("segments");
		remove_dir(".");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(power_fails_at_any_call),
		STORE_TEST(unsynced_segments_are_put_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
