/* SPDX-License-Identifier: Apache-2.0 */
/* Compaction of a segment that its disk does not give (played by interposition), for once or for good. */
#include "room/store/engine_priv.h"
#include "room/store/testing.h"

static ino_t bad_file;		/* 0: all can be read */
static off_t bad_from, bad_to;

ssize_t pread64(int fd, void *p, size_t n, off_t at)
{
	struct stat st;

	if (bad_file && at < bad_to && at + (off_t)n > bad_from && fstat(fd, &st) == 0 && st.st_ino == bad_file) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_pread64, fd, p, n, at);
}

static ino_t inode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_ino : 0;
}

/* Segments of which most is dead mail. */
static struct shard *fill(void)
{
	struct uid_range gone = { 1, 38 };
	struct expunge_result x;
	struct arena *a = arena_new();
	struct mailbox inbox;
	uint8_t text[3000] = "Subject: x\r\n\r\n";
	uint32_t seed = 7;

	options.segment_bytes = 40000;
	bad_file = 0;
	struct shard *e = open_shard();
	assert_int_equal(OP(e, shard_account_put(e, 1, SLICE("joe@example.test"), 0, 0)), 0);
	for (unsigned i = 0; i < 40; i++) {
		for (size_t k = 14; k < sizeof(text); k++)
			text[k] = (uint8_t)('!' + ((seed = seed * 1103515245 + 12345) >> 16) % 90);
		struct delivery d = { .account = 1 };
		struct incoming m = { .message = slice_of(text, sizeof(text)) };
		assert_int_equal(OP(e, shard_deliver(e, &d, 1, &m)), 0);
	}
	assert_int_equal(shard_mailbox(e, 1, SLICE("INBOX"), &inbox), 0);
	assert_int_equal(OP(e, shard_expunge(e, inbox.id, &gone, 1, false, a, &x)), 0);
	arena_free(&a);
	return e;
}

static void compact(struct shard *e, uint32_t segment)
{
	uint64_t offset = 0;
	int done;

	while ((done = shard_compact_step(e, segment, &offset, test_now)) == 0)
		;
	assert_int_equal(done, 1);
}

static bool there(const char *path)
{
	return inode_of(path) != 0;
}

static const char first[] = "segments/00000001.seg";

/* Segment 1 cannot be read from 4000 bytes before its end on. */
static struct shard *damaged(void)
{
	struct shard *e = fill();
	struct stat st;

	assert_int_equal(stat(first, &st), 0);
	bad_from = st.st_size - 4000;
	bad_to = st.st_size;
	bad_file = st.st_ino;
	assert_int_equal(shard_compact_pick(e, false, 0), 1);
	compact(e, 1);
	assert_true(there(first));
	return e;
}

static void picks_nothing_of_it(struct shard *e, uint32_t not)
{
	uint32_t n;

	while ((n = shard_compact_pick(e, true, 0))) {
		assert_int_not_equal(n, not);
		compact(e, n);
	}
}

static void waits_a_day(void **state)
{
	struct shard *e = damaged();
	int64_t at = test_now;

	picks_nothing_of_it(e, 1);
	bad_file = 0;
	test_now = at + COMPACT_LOOK_MS - 1;
	e->now = test_now;
	assert_int_equal(shard_compact_pick(e, false, 0), 0);
	e->now = ++test_now;
	assert_int_equal(shard_compact_pick(e, false, 0), 1);
	compact(e, 1);
	assert_false(there(first));
	e = rebuild_and_compare(e);
	shard_close(&e);
}

static void asked_for(void **state)
{
	struct shard *e = damaged();

	picks_nothing_of_it(e, 1);
	shard_compact_look(e);
	for (int i = 0; i < 2; i++) {	/* still bad: once a run, and it stays */
		uint32_t n = shard_compact_pick(e, true, 0);
		assert_int_equal(n, i ? 0 : 1);
		if (n)
			compact(e, n);
		assert_true(there(first));
	}
	bad_file = 0;
	shard_compact_look(e);
	assert_int_equal(shard_compact_pick(e, true, 0), 1);
	compact(e, 1);
	assert_false(there(first));
	e = rebuild_and_compare(e);
	shard_close(&e);
}

/* The mark outlives a start, and is looked at once behind it. */
static void over_a_start(void **state)
{
	struct shard *e = damaged();

	shard_close(&e);
	e = open_shard();
	assert_int_equal(shard_compact_pick(e, false, 0), 1);
	compact(e, 1);
	assert_true(there(first));
	assert_int_equal(shard_compact_pick(e, false, 0), 2);
	shard_close(&e);
	bad_file = 0;
	e = open_shard();
	assert_int_equal(shard_compact_pick(e, false, 0), 1);
	compact(e, 1);
	assert_false(there(first));
	e = rebuild_and_compare(e);
	shard_close(&e);
}

/* Bytes that were changed are found wherever they are, with heads that look whole. */
static void changed_bytes(void **state)
{
	struct shard *e = damaged();
	int fd = open(first, O_RDWR | O_CLOEXEC);
	uint8_t c;

	bad_file = 0;
	assert_int_equal(syscall(SYS_pread64, fd, &c, 1, bad_from - 2000), 1);
	c ^= 1;
	assert_int_equal(syscall(SYS_pwrite64, fd, &c, 1, bad_from - 2000), 1);
	close(fd);
	shard_compact_look(e);
	assert_int_equal(shard_compact_pick(e, true, 0), 1);
	compact(e, 1);
	assert_true(there(first));
	picks_nothing_of_it(e, 1);
	shard_close(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(waits_a_day), STORE_TEST(asked_for), STORE_TEST(over_a_start), STORE_TEST(changed_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
