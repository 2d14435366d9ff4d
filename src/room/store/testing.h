/* SPDX-License-Identifier: Apache-2.0 */
/* For the engine's tests: a disk that fills up, fails to sync or loses power at its N-th call; a shard in a folder. */
#ifndef ROOM_STORE_TESTING_H
#define ROOM_STORE_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "base/event.h"
#include "room/store/engine.h"
#include "room/store/power.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static bool sync_fails;
static int64_t room_left = -1;	/* bytes that the disk still takes; -1: no end */
static int64_t calls_left = -1;	/* calls until the process dies; -1: never */

static void die_at_the_last_call(void)
{
	if (calls_left > 0 && --calls_left == 0)
		_exit(9);
}

int fsync(int fd)
{
	die_at_the_last_call();
	if (!sync_fails)
		power_sync(fd);
	errno = EIO;
	return sync_fails ? -1 : 0;	/* the machine stays up in these tests: syncing would only cost time */
}

int fdatasync(int fd)
{
	die_at_the_last_call();
	if (!sync_fails)
		power_sync(fd);
	errno = EIO;
	return sync_fails ? -1 : 0;
}

int ftruncate64(int fd, off_t n)
{
	die_at_the_last_call();
	power_truncate(fd, n);
	return (int)syscall(SYS_ftruncate, fd, n);
}

int unlinkat(int fd, const char *name, int flags)
{
	die_at_the_last_call();
	power_unlink(fd, name);
	return (int)syscall(SYS_unlinkat, fd, name, flags);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off_t at)
{
	die_at_the_last_call();
	if (room_left == 0) {
		errno = ENOSPC;
		return -1;
	}
	if (room_left > 0 && (int64_t)n > room_left)
		n = (size_t)room_left;
	power_write(fd, at, n);
	ssize_t done = syscall(SYS_pwrite64, fd, p, n, at);
	if (room_left > 0 && done > 0)
		room_left -= done;
	return done;
}

static char test_dir[64];
static struct shard_options options = { .segment_bytes = 1 << 20, .tail_bytes = 3000 };

static int set_up(void **state)
{
	static const char name[] = "/tmp/test_store.XXXXXX";

	sync_fails = false;
	room_left = calls_left = -1;
	options = (struct shard_options){ .segment_bytes = 1 << 20, .tail_bytes = 3000 };
	memcpy(test_dir, name, sizeof(name));
	assert_non_null(mkdtemp(test_dir));
	ev_setup("test", false, EV_ERROR);
	return chdir(test_dir);
}

static void remove_dir(const char *path)
{
	DIR *d = opendir(path);

	for (struct dirent *e; d && (e = readdir(d));)
		if (e->d_name[0] != '.' && syscall(SYS_unlinkat, dirfd(d), e->d_name, 0) < 0 && errno == EISDIR)
			remove_dir(e->d_name);
	if (d)
		closedir(d);
	rmdir(path);
}

static int tear_down(void **state)
{
	if (power)
		power->on = false;
	remove_dir("segments");
	remove_dir(".");
	IGNORE(chdir("/"), "a test's folder");
	return rmdir(test_dir);
}

static struct shard *open_shard(void)
{
	struct shard *e = NULL;

	assert_int_equal(shard_open(&options, &e), 0);
	return e;
}

static int64_t test_now = 1700000000000;

static void begin(struct shard *e)
{
	assert_int_equal(shard_begin(e, test_now += 1000), 0);
}

/* One change in a batch of its own: OP(e, shard_x(e, ...)). */
#define OP(e, call)                                                                                \
	({                                                                                         \
		begin(e);                                                                          \
		assert_int_equal(shard_op_begin((e), NULL), 0);                                    \
		int op_err_ = shard_op_end((e), (call));                                           \
		int commit_err_ = shard_commit(e);                                                 \
		op_err_ ? op_err_ : commit_err_;                                                   \
	})

static struct buf dump(struct shard *e)
{
	struct buf out = BUF_INIT(256 << 20);

	assert_int_equal(shard_dump(e, &out), 0);
	return out;
}

static void print_fault(void *ctx, const char *text)
{
	print_error("fault: %s\n", text);
}

static void must_be_whole(struct shard *e)
{
	struct check_result r;

	assert_int_equal(shard_check(e, true, print_fault, NULL, &r), 0);
	assert_int_equal(r.faults, 0);
}

static void no_fault(void *ctx, const char *text)
{
	print_error("rebuild: %s\n", text);
	++*(int *)ctx;
}

static void show_difference(struct slice a, struct slice b)
{
	size_t i = 0, line = 0;

	while (i < a.n && i < b.n && a.p[i] == b.p[i]) {
		if (a.p[i] == '\n')
			line = i + 1;
		i++;
	}
	print_error("live:    %.*s\n", 150, a.n > line ? (const char *)a.p + line : "");
	print_error("rebuilt: %.*s\n", 150, b.n > line ? (const char *)b.p + line : "");
}

/* Puts the index aside, makes it anew from the segments, and goes on with that one. */
static inline struct shard *rebuild_and_compare(struct shard *e)
{
	struct buf live = dump(e);
	int faults = 0;

	must_be_whole(e);
	shard_close(&e);
	assert_int_equal(rename("store.db", "live.db"), 0);
	IGNORE(unlink("store.db-wal"), "empty after a clean close");
	assert_int_equal(shard_rebuild("store.db", "segments", options.segment_bytes, NULL, no_fault, &faults), 0);
	assert_int_equal(faults, 0);
	e = open_shard();
	struct buf again = dump(e);
	if (!slice_eq(buf_view(&live), buf_view(&again))) {
		buf_byte(&live, 0);
		buf_byte(&again, 0);
		show_difference(buf_view(&live), buf_view(&again));
		fail_msg("the rebuilt index differs");
	}
	buf_fini(&live);
	buf_fini(&again);
	must_be_whole(e);
	return e;
}

#define STORE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
