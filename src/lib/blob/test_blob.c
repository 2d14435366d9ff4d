/* SPDX-License-Identifier: Apache-2.0 */
/* The log against damage, torn tails, a full disk and failing syncs (played by interposition). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "lib/blob/blob_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static bool sync_fails;
static off_t gone_from, gone_to;	/* bytes that the disk does not give */
static int64_t room_left = -1;	/* bytes that the disk still takes; -1: no end */

int fsync(int fd)
{
	errno = EIO;
	return sync_fails ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	errno = EIO;
	return sync_fails ? -1 : (int)syscall(SYS_fdatasync, fd);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off_t at)
{
	if (room_left >= 0 && (int64_t)n > room_left)
		n = (size_t)room_left;
	if (!n && room_left == 0) {
		errno = ENOSPC;
		return -1;
	}
	ssize_t done = syscall(SYS_pwrite64, fd, p, n, at);
	if (room_left >= 0 && done > 0)
		room_left -= done;
	return done;
}

ssize_t pread64(int fd, void *p, size_t n, off_t at)
{
	errno = EIO;
	return at < gone_to && at + (off_t)n > gone_from ? -1 : syscall(SYS_pread64, fd, p, n, at);
}

static char dir[64];

static int set_up(void **state)
{
	static const char name[] = "/tmp/test_blob.XXXXXX";

	sync_fails = false;
	gone_from = gone_to = 0;
	room_left = -1;
	memcpy(dir, name, sizeof(name));
	assert_non_null(mkdtemp(dir));
	return chdir(dir);
}

static int tear_down(void **state)
{
	DIR *d = opendir("log");

	for (struct dirent *e; d && (e = readdir(d));)
		unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	rmdir("log");
	IGNORE(chdir("/"), "a test's folder");
	return rmdir(dir);
}

static struct blob_log *open_log(uint64_t segment_bytes, const struct blob_end *end)
{
	struct blob_log *log = NULL;

	assert_int_equal(blob_open("log", segment_bytes, end, &log), 0);
	return log;
}

/* A message of n bytes whose header is its first 40; text that packs, or noise that does not. */
static struct slice message(size_t n, bool noise)
{
	static uint8_t *p;
	static size_t cap;
	uint64_t x = n + 1;

	if (cap < n) {
		p = realloc(p, n);
		cap = n;
	}
	for (size_t i = 0; i < n; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		p[i] = noise ? (uint8_t)(x >> 56) : "From: someone; a line of text here\r\n"[i % 36];
	}
	if (n)
		p[n - 1] = '\n';
	return slice_of(p, n);
}

static struct blob_addr put(struct blob_log *log, size_t n, bool noise)
{
	struct blob_addr a = { 0 };
	uint8_t sha[32];

	assert_int_equal(blob_put_message(log, SLICE("meta"), SLICE("Received: x\r\n"), message(n, noise), 40, &a, sha), 0);
	return a;
}

static void must_read(struct blob_log *log, struct blob_addr a, size_t n, bool noise)
{
	struct buf out = BUF_INIT(BLOB_MESSAGE_MAX);
	struct slice m = message(n, noise);

	assert_int_equal(blob_read(log, &a, true, true, &out), 0);
	assert_int_equal(out.n, n + 13);
	assert_memory_equal(out.p, "Received: x\r\n", 13);
	if (n)
		assert_memory_equal(out.p + 13, m.p, n);
	buf_clear(&out);
	assert_int_equal(blob_read(log, &a, true, false, &out), 0);
	assert_int_equal(out.n, (n < 40 ? n : 40) + 13);
	buf_clear(&out);
	assert_int_equal(blob_read(log, &a, false, true, &out), 0);
	assert_int_equal(out.n, n < 40 ? 0 : n - 40);
	buf_fini(&out);
}

static void round_trip(void **state)
{
	static const size_t sizes[] = { 0, 1, 39, 40, 41, 2000, 100000, 5000000, 20000000 };
	struct blob_addr a[2 * ARRAY_SIZE(sizes)];
	struct blob_log *log = open_log(1 << 20, NULL);

	for (size_t i = 0; i < ARRAY_SIZE(a); i++)
		a[i] = put(log, sizes[i / 2], i % 2);
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < ARRAY_SIZE(a); i++)
			must_read(log, a[i], sizes[i / 2], i % 2);
		if (pass)
			break;
		assert_int_equal(blob_sync(log), 0);
		struct blob_end end = blob_end_of(log);
		blob_close(&log);
		log = open_log(1 << 20, &end);
	}
	assert_true(blob_segments(log, NULL, 0) == 2);
	assert_true(a[12].length < 3000);	/* text packs */
	blob_close(&log);
}

static void limits(void **state)
{
	struct blob_log *log = open_log(1 << 20, NULL);
	uint8_t *meta = calloc(1, BLOB_META_MAX + 1);
	struct blob_addr a;
	struct blob_record r;
	uint8_t sha[32];

	assert_int_equal(blob_put_state(log, slice_of(meta, BLOB_META_MAX), &a), 0);
	assert_int_equal(blob_put_state(log, slice_of(meta, BLOB_META_MAX + 1), &a), ERR_TOO_BIG);
	assert_int_equal(blob_read_record(log, &a, BLOB_WANT_META, &r, NULL), 0);
	assert_int_equal(r.meta.n, BLOB_META_MAX);
	struct slice huge = slice_of(meta, (size_t)BLOB_MESSAGE_MAX + 1);	/* refused before it is read */
	assert_int_equal(blob_put_message(log, SLICE(""), SLICE(""), huge, 1, &a, sha), ERR_TOO_BIG);
	struct buf small = BUF_INIT(100);
	a = put(log, 88, false);
	assert_int_equal(blob_read(log, &a, true, true, &small), ERR_TOO_BIG);
	assert_int_equal(small.n, 0);
	buf_fini(&small);
	free(meta);
	blob_close(&log);
}

struct seen {
	unsigned messages, states, damaged;
	struct blob_addr last;
};

static int on_record(void *ctx, const struct blob_record *r)
{
	struct seen *s = ctx;

	if (r->kind == BLOB_MESSAGE)
		s->messages++;
	else
		s->states++;
	s->last = r->addr;
	return 0;
}

static void on_damage(void *ctx, uint32_t segment, uint64_t offset, const char *what)
{
	((struct seen *)ctx)->damaged++;
}

static struct seen scan(struct blob_log *log)
{
	struct seen s = { 0 };
	uint32_t ids[64];
	size_t n = blob_segments(log, ids, 64);

	for (size_t i = 0; i < n; i++)
		assert_int_equal(blob_scan(log, ids[i], on_record, on_damage, &s), 0);
	return s;
}

static void flip(const char *path, off_t at)
{
	uint8_t c;
	int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_int_equal(pread(fd, &c, 1, at), 1);
	c ^= 0x10;
	assert_int_equal(syscall(SYS_pwrite64, fd, &c, 1, at), 1);
	close(fd);
}

/* Whatever bit flips, one record at most is lost, and no wrong byte is given. */
static void bit_flips(void **state)
{
	struct blob_log *log = open_log(1 << 20, NULL);
	struct blob_addr a[4];

	for (int i = 0; i < 4; i++)
		a[i] = put(log, 300, true);
	assert_int_equal(blob_sync(log), 0);
	struct blob_end end = blob_end_of(log);
	for (off_t at = SEGMENT_HEADER; at < (off_t)end.offset; at++) {
		unsigned bad = 0;
		flip("log/00000001.seg", at);
		struct seen s = scan(log);
		assert_int_equal(s.damaged, 1);
		assert_int_equal(s.messages, 3);
		for (int i = 0; i < 4; i++) {
			struct buf out = BUF_INIT(1000);
			struct blob_record r;
			int err = blob_read_record(log, &a[i], BLOB_WANT_META | BLOB_WANT_HEADER | BLOB_WANT_BODY, &r, &out);
			assert_true(err == 0 || err == ERR_CORRUPT);
			bad += err != 0;
			if (!err)
				assert_memory_equal(out.p + 13, message(300, true).p, 300);
			buf_fini(&out);
		}
		assert_int_equal(bad, 1);
		flip("log/00000001.seg", at);
	}
	assert_int_equal(scan(log).damaged, 0);
	blob_close(&log);
}

/* A sector that the disk does not give takes one record, or the two that it stands in. */
static void unreadable_sector(void **state)
{
	struct blob_log *log = open_log(1 << 24, NULL);
	struct blob_addr a[60];

	for (size_t i = 0; i < ARRAY_SIZE(a); i++)
		a[i] = put(log, 20000, true);
	assert_int_equal(blob_sync(log), 0);
	for (off_t at = 0; at < 1100000; at += 33333) {
		gone_from = at - at % 4096;
		gone_to = gone_from + 4096;
		struct seen s = scan(log);
		unsigned bad = 0;
		for (size_t i = 0; i < ARRAY_SIZE(a); i++) {
			struct buf out = BUF_INIT(30000);
			int err = blob_read(log, &a[i], true, true, &out);
			assert_true(err == 0 || err == ERR_CORRUPT);
			bad += err != 0;
			buf_fini(&out);
		}
		assert_true(bad == 1 || bad == 2);
		assert_true(s.damaged >= 1 && s.damaged <= 3);
		assert_int_equal(s.messages + bad, ARRAY_SIZE(a));
	}
	gone_to = 0;
	assert_int_equal(scan(log).messages, ARRAY_SIZE(a));
	blob_close(&log);
}

/* Opened without a database: what cannot be read now is not cut off as a torn end. */
static void unreadable_end(void **state)
{
	struct blob_log *log = open_log(1 << 24, NULL);
	struct blob_addr first = put(log, 20000, true), last = put(log, 20000, true);

	assert_int_equal(blob_sync(log), 0);
	blob_close(&log);
	gone_from = (off_t)last.offset + 8192;
	gone_to = gone_from + 4096;
	log = open_log(1 << 24, NULL);
	must_read(log, first, 20000, true);
	struct blob_addr next = put(log, 300, true);
	assert_int_equal(blob_sync(log), 0);
	gone_to = 0;
	must_read(log, last, 20000, true);
	must_read(log, next, 300, true);
	blob_close(&log);
}

/* The bytes of a record inside a mail are not taken for a record. */
static void record_in_a_mail(void **state)
{
	struct blob_log *log = open_log(1 << 20, NULL);
	struct record_head h = { .kind = BLOB_STATE, .length = STATE_HEADER, .sequence = record_sequence(1, 5000) };
	uint8_t body[4000], sha[32];
	struct blob_addr a;

	for (size_t i = 0; i + MESSAGE_HEADER <= sizeof(body); i += STATE_HEADER)
		record_encode(&h, body + i);
	assert_int_equal(blob_put_message(log, SLICE("m"), SLICE(""), slice_of(body, sizeof(body)), 4000, &a, sha), 0);
	put(log, 100, false);
	assert_int_equal(blob_sync(log), 0);
	flip("log/00000001.seg", SEGMENT_HEADER + 20);
	struct seen s = scan(log);
	assert_int_equal(s.messages, 1);
	assert_int_equal(s.states, 0);
	blob_close(&log);
}

/* Every cut of the tail: what is whole stays, what is torn goes, and writing goes on. */
static void torn_tails(void **state)
{
	struct blob_log *log = open_log(1 << 20, NULL);
	struct blob_addr first = put(log, 100, true), second = put(log, 50, true);

	assert_int_equal(blob_sync(log), 0);
	uint64_t end = blob_end_of(log).offset;
	blob_close(&log);
	for (uint64_t cut = end - 1; cut >= second.offset; cut--) {
		assert_int_equal(truncate("log/00000001.seg", (off_t)cut), 0);
		log = open_log(1 << 20, NULL);
		struct seen s = scan(log);
		assert_int_equal(s.messages, 1);
		assert_int_equal(s.damaged, 0);
		assert_int_equal(blob_end_of(log).offset, second.offset);
		must_read(log, first, 100, true);
		struct blob_addr again = put(log, 50, true);
		assert_int_equal(again.offset, second.offset);
		assert_int_equal(blob_sync(log), 0);
		blob_close(&log);
		assert_int_equal(truncate("log/00000001.seg", (off_t)end), 0);
	}
	for (off_t cut = 0; cut <= SEGMENT_HEADER; cut++) {
		assert_int_equal(truncate("log/00000001.seg", cut), 0);
		log = open_log(1 << 20, NULL);
		must_read(log, put(log, 60, true), 60, true);
		blob_close(&log);
	}
}

static void committed_end_rules(void **state)
{
	struct blob_log *log = open_log(4000, NULL);
	struct blob_addr keep = put(log, 1000, true);

	assert_int_equal(blob_sync(log), 0);
	struct blob_end end = blob_end_of(log);
	for (int i = 0; i < 8; i++)
		put(log, 1000, true);
	assert_int_equal(blob_sync(log), 0);
	struct blob_end later = blob_end_of(log);
	assert_true(later.segment > end.segment);
	blob_close(&log);

	log = open_log(4000, &end);		/* the batch that was not committed is gone */
	assert_int_equal(scan(log).messages, 1);
	must_read(log, keep, 1000, true);
	blob_close(&log);

	log = open_log(4000, &later);		/* a log that lost its end: what is left is read, addresses are not reused */
	must_read(log, keep, 1000, true);
	assert_true(put(log, 10, true).segment > later.segment);
	assert_int_equal(blob_sync(log), 0);
	blob_close(&log);

	int fd = open("log/000000aa.seg", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, (off_t)BLOB_CUT_MAX + 1), 0);
	close(fd);
	assert_int_equal(blob_open("log", 4000, &end, &log), ERR_CONFLICT);	/* an old database: nothing is cut */
	assert_int_equal(access("log/000000aa.seg", F_OK), 0);
}

static void drop_and_revert(void **state)
{
	struct blob_log *log = open_log(4000, NULL);

	put(log, 1000, true);
	assert_int_equal(blob_sync(log), 0);
	struct blob_end one = blob_end_of(log);
	for (int i = 0; i < 9; i++)
		put(log, 1000, true);
	blob_drop(log);
	assert_int_equal(blob_end_of(log).segment, one.segment);
	assert_int_equal(blob_end_of(log).offset, one.offset);
	for (int i = 0; i < 9; i++)
		put(log, 1000, true);
	assert_int_equal(blob_sync(log), 0);
	blob_revert(log, &one);
	assert_int_equal(blob_end_of(log).offset, one.offset);
	struct blob_addr a = put(log, 700, true);
	assert_int_equal(blob_sync(log), 0);
	assert_int_equal(scan(log).messages, 2);
	must_read(log, a, 700, true);
	blob_close(&log);
}

/* A disk that takes N more bytes, for every N: ERR_FULL leaves the log as it was; with room it goes on. */
static void disk_full(void **state)
{
	struct blob_log *log = open_log(3000, NULL);
	struct blob_addr keep = put(log, 2000, true);

	assert_int_equal(blob_sync(log), 0);
	uint64_t end = blob_end_of(log).offset;
	for (int64_t room = 0; room < 2300; room += 37) {
		uint8_t sha[32];
		struct blob_addr a;
		int err = 0;
		room_left = room;
		for (int i = 0; i < 2 && !err; i++)
			err = blob_put_message(log, SLICE("m"), SLICE(""), message(1200, true), 40, &a, sha);
		if (err)
			blob_drop(log);
		else
			err = blob_sync(log);
		assert_int_equal(err, ERR_FULL);
		assert_false(blob_fatal(log));
		assert_int_equal(blob_end_of(log).offset, end);
		assert_int_equal(scan(log).messages, 1);
	}
	room_left = -1;
	struct blob_addr a = put(log, 1200, true);
	assert_int_equal(blob_sync(log), 0);
	must_read(log, a, 1200, true);
	must_read(log, keep, 2000, true);
	blob_close(&log);
}

/* The large message that does not fit leaves the small ones of its batch alone. */
static void large_does_not_fit(void **state)
{
	struct blob_log *log = open_log(1 << 20, NULL);
	struct blob_addr small = put(log, 100, true), a;
	uint8_t sha[32];

	room_left = 6 << 20;
	assert_int_equal(blob_put_message(log, SLICE(""), SLICE(""), message(30 << 20, true), 40, &a, sha), ERR_FULL);
	room_left = 1 << 20;
	assert_int_equal(blob_sync(log), 0);
	must_read(log, small, 100, true);
	assert_int_equal(scan(log).messages, 1);
	blob_close(&log);
}

static void failed_sync_is_fatal(void **state)
{
	struct blob_log *log = open_log(1 << 20, NULL);
	struct blob_addr a;

	put(log, 100, true);
	sync_fails = true;
	assert_int_equal(blob_sync(log), ERR_INTERNAL);
	sync_fails = false;
	assert_true(blob_fatal(log));
	assert_int_equal(blob_sync(log), ERR_INTERNAL);
	assert_int_equal(blob_put_state(log, SLICE("x"), &a), ERR_INTERNAL);
	blob_close(&log);
}

static void copies_and_removes(void **state)
{
	struct blob_log *log = open_log(1000, NULL);
	struct blob_addr a = put(log, 900, true), b = put(log, 900, true), to;

	assert_int_equal(blob_sync(log), 0);
	assert_int_equal(blob_copy(log, &a, &to), 0);
	assert_int_equal(blob_sync(log), 0);
	assert_true(to.segment > a.segment);
	assert_int_equal(blob_segment_remove(log, to.segment), ERR_CONFLICT);
	assert_int_equal(blob_segment_remove(log, a.segment), 0);
	assert_int_equal(blob_segment_remove(log, a.segment), ERR_NOT_FOUND);
	must_read(log, to, 900, true);
	must_read(log, b, 900, true);
	struct buf out = BUF_INIT(2000);
	assert_int_equal(blob_read(log, &a, true, true, &out), ERR_CORRUPT);
	assert_int_equal(scan(log).messages, 2);
	flip("log/00000002.seg", SEGMENT_HEADER + 500);
	assert_int_equal(blob_copy(log, &b, &to), ERR_CORRUPT);	/* damage does not travel */
	buf_fini(&out);
	blob_close(&log);
}

static void scan_in_pieces(void **state)
{
	struct blob_log *log = open_log(1 << 20, NULL);
	struct seen s = { 0 };
	struct blob_addr a;
	uint64_t offset = 0;
	int err, rounds = 0;

	for (int i = 0; i < 50; i++) {
		put(log, 500, true);
		assert_int_equal(blob_put_state(log, SLICE("state"), &a), 0);
	}
	while ((err = blob_scan_part(log, 1, &offset, 3000, on_record, on_damage, &s)) == 0)
		rounds++;
	assert_int_equal(err, 1);
	assert_true(rounds > 5);
	assert_int_equal(s.messages, 50);
	assert_int_equal(s.states, 50);
	blob_close(&log);
}

/* Small additions may wait for their sync where the caller's database holds them. */
static void written_now_synced_later(void **state)
{
	struct blob_log *log = open_log(1 << 20, NULL);
	struct blob_end at, end;
	struct slice bytes;
	struct blob_addr a, b;

	assert_true(blob_pending(log, 0, &at, &bytes));
	assert_int_equal(bytes.n, 0);
	a = put(log, 2000, true);
	assert_false(blob_pending(log, a.length - 1, &at, &bytes));
	assert_true(blob_pending(log, a.length, &at, &bytes));
	assert_int_equal(at.segment, a.segment);
	assert_int_equal(at.offset, a.offset);
	assert_int_equal(bytes.n, a.length);
	struct buf kept = BUF_INIT(1 << 20);
	buf_slice(&kept, bytes);
	sync_fails = true;
	assert_int_equal(blob_write(log), 0);
	sync_fails = false;
	assert_int_equal(blob_unsynced(log), a.length);
	/* What was written stays when a later batch is dropped. */
	put(log, 3000, true);
	blob_drop(log);
	must_read(log, a, 2000, true);
	end = blob_end_of(log);
	assert_int_equal(end.offset, a.offset + a.length);
	/* Written early: not a thing for the database any more. */
	b = put(log, GATHER_MAX + 100, true);
	assert_int_equal(b.segment, a.segment);
	assert_false(blob_pending(log, SIZE_MAX, &at, &bytes));
	assert_int_equal(blob_sync(log), 0);
	assert_int_equal(blob_unsynced(log), 0);
	/* A new segment: its name is not on the disk yet. */
	b = put(log, 100, true);
	assert_int_not_equal(b.segment, a.segment);
	assert_false(blob_pending(log, SIZE_MAX, &at, &bytes));
	assert_int_equal(blob_sync(log), 0);
	put(log, 100, true);
	assert_true(blob_pending(log, SIZE_MAX, &at, &bytes));
	blob_close(&log);

	/* The disk did not get it: it is put back. */
	assert_int_equal(truncate("log/00000001.seg", (off_t)a.offset + 7), 0);
	at = (struct blob_end){ a.segment, a.offset };
	assert_int_equal(blob_put_back("log", &at, buf_view(&kept)), 1);
	assert_int_equal(blob_put_back("log", &at, buf_view(&kept)), 0);
	log = open_log(1 << 20, &end);
	must_read(log, a, 2000, true);
	blob_close(&log);
	at.segment = 9;
	assert_int_equal(blob_put_back("log", &at, buf_view(&kept)), ERR_NOT_FOUND);
	at.offset = 31;
	assert_int_equal(blob_put_back("log", &at, buf_view(&kept)), ERR_CORRUPT);
	buf_fini(&kept);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(round_trip), T(limits), T(bit_flips), T(unreadable_sector), T(unreadable_end), T(record_in_a_mail), T(torn_tails), T(committed_end_rules),
		T(drop_and_revert), T(disk_full), T(large_does_not_fit), T(failed_sync_is_fatal),
		T(copies_and_removes), T(scan_in_pieces), T(written_now_synced_later),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
