/* SPDX-License-Identifier: Apache-2.0 */
/* The wrapper's promises, with a disk that fills up and a sync that fails (both played by interposition). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "lib/sql/sql.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static bool sync_fails, writes_fail, reads_break;
static int full_errno;
static int writes_until_eio = -1;	/* that succeed before; -1: all do */
static bool eio_given;
static unsigned writes;

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

ssize_t pread64(int fd, void *p, size_t n, off_t at)
{
	errno = EIO;
	return reads_break ? -1 : syscall(SYS_pread64, fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off_t at)
{
	errno = EIO;
	writes++;
	if (!writes_until_eio) {
		eio_given = true;
		IGNORE(syscall(SYS_pwrite64, fd, p, n / 2, at), "a part of it gets there");
		errno = EIO;
		return -1;
	}
	writes_until_eio -= writes_until_eio > 0;
	errno = full_errno;
	return writes_fail ? -1 : syscall(SYS_pwrite64, fd, p, n, at);
}

static const char *const schema[] = {
	"CREATE TABLE t (id INTEGER PRIMARY KEY, name BLOB UNIQUE, n INTEGER)",
	"CREATE TABLE child (t INTEGER REFERENCES t(id)); CREATE INDEX child_t ON child(t)",
};

static char dir[64];

static int set_up(void **state)
{
	static const char name[] = "/tmp/test_sql.XXXXXX";

	sync_fails = writes_fail = reads_break = false;
	writes_until_eio = -1;
	full_errno = ENOSPC;
	memcpy(dir, name, sizeof(name));
	assert_non_null(mkdtemp(dir));
	return chdir(dir);
}

static int tear_down(void **state)
{
	static const char *const names[] = { "a.db", "a.db-wal", "a.db-shm", "a.db-journal" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unlink(names[i]);
	IGNORE(chdir("/"), "a test's folder");
	return rmdir(dir);
}

static struct sql *open_db(void)
{
	struct sql *db = NULL;

	assert_int_equal(sql_open("a.db", schema, 2, &db), 0);
	return db;
}

static int64_t count(struct sql *db)
{
	int64_t n = -1;

	assert_int_equal(sql_get(db, &n, "SELECT count(*) FROM t", ""), 0);
	return n;
}

static int put(struct sql *db, int64_t id, const char *name)
{
	return sql_run(db, "INSERT INTO t VALUES (?1, ?2, 7)", "ib", id, slice_str(name));
}

static void opens_and_migrates(void **state)
{
	struct sql *db = NULL;
	struct stat st;
	int64_t v;

	assert_int_equal(sql_open("a.db", schema, 1, &db), 0);
	assert_int_equal(put(db, 1, "one"), 1);
	sql_close(&db);
	assert_null(db);
	db = open_db();
	assert_int_equal(sql_get(db, &v, "PRAGMA user_version", ""), 0);
	assert_int_equal(v, 2);
	assert_int_equal(count(db), 1);
	assert_int_equal(stat("a.db-shm", &st), -1);	/* nothing is mapped */
	sql_close(&db);
	assert_int_equal(sql_open("a.db", schema, 1, &db), ERR_INVALID);
	assert_null(db);
}

static void errors_by_kind(void **state)
{
	struct sql *db = open_db();
	int64_t v = 5;

	assert_int_equal(put(db, 1, "one"), 1);
	assert_int_equal(put(db, 1, "two"), ERR_EXISTS);
	assert_int_equal(put(db, 2, "one"), ERR_EXISTS);
	assert_int_equal(sql_run(db, "INSERT INTO child VALUES (?1)", "i", (int64_t)9), ERR_CONFLICT);
	assert_int_equal(sql_get(db, &v, "SELECT n FROM t WHERE id = ?1", "i", (int64_t)9), ERR_NOT_FOUND);
	assert_int_equal(v, 5);
	assert_int_equal(sql_run(db, "DELETE FROM t", ""), 1);
	assert_int_equal(sql_check(db), 0);
	sql_close(&db);
}

static void values_round(void **state)
{
	struct sql *db = open_db();
	uint8_t raw[] = { 0, 1, 0, 255 };

	assert_int_equal(sql_run(db, "INSERT INTO t VALUES (?1, ?2, ?3)", "ibn", INT64_MIN, slice_of(raw, 4)), 1);
	assert_int_equal(sql_run(db, "INSERT INTO t VALUES (?1, ?2, ?3)", "iti", INT64_MAX, SLICE(""), (int64_t)-3), 1);
	struct sql_stmt *s = sql_prepare(db, "SELECT id, name, n FROM t ORDER BY id");
	assert_int_equal(sql_step(s), 1);
	assert_true(sql_int(s, 0) == INT64_MIN);
	assert_true(slice_eq(sql_blob(s, 1), slice_of(raw, 4)));
	assert_true(sql_is_null(s, 2));
	assert_int_equal(sql_step(s), 1);
	assert_true(sql_int(s, 0) == INT64_MAX);
	assert_int_equal(sql_blob(s, 1).n, 0);
	assert_int_equal(sql_int(s, 2), -3);
	assert_int_equal(sql_step(s), 0);
	sql_done(s);
	sql_close(&db);
}

static void savepoints(void **state)
{
	struct sql *db = open_db();

	assert_int_equal(sql_begin(db), 0);
	assert_int_equal(sql_savepoint(db), 0);
	assert_int_equal(put(db, 1, "one"), 1);
	assert_int_equal(sql_release(db), 0);
	assert_int_equal(sql_savepoint(db), 0);
	assert_int_equal(put(db, 2, "two"), 1);
	assert_int_equal(put(db, 3, "two"), ERR_EXISTS);
	sql_undo(db);
	assert_int_equal(sql_commit(db), 0);
	assert_int_equal(count(db), 1);
	assert_int_equal(sql_begin(db), 0);
	assert_int_equal(put(db, 4, "four"), 1);
	sql_rollback(db);
	assert_int_equal(count(db), 1);
	sql_close(&db);
}

static void one_connection(void **state)
{
	struct sql *db = open_db();
	pid_t pid = fork();

	/* A second process is refused, not let in (the busy timeout is longer than its patience here). */
	if (pid == 0) {
		struct sql *second = NULL;
		close(2);
		_exit(sql_open("a.db", schema, 2, &second) == ERR_UNAVAILABLE ? 0 : 1);
	}
	int status = -1;
	assert_int_equal(syscall(SYS_wait4, pid, &status, 0, NULL), pid);
	assert_int_equal(status, 0);
	sql_close(&db);
}

static void full_by(int e)
{
	struct sql *db = open_db();

	full_errno = e;
	assert_int_equal(sql_run(db, "DELETE FROM t", ""), 0);
	assert_int_equal(put(db, 1, "one"), 1);
	assert_int_equal(sql_begin(db), 0);
	assert_int_equal(put(db, 2, "two"), 1);
	writes_fail = true;
	assert_int_equal(sql_commit(db), ERR_FULL);
	assert_int_equal(count(db), 1);			/* reads go on */
	assert_false(sql_fatal(db));
	writes_fail = false;
	assert_int_equal(put(db, 3, "three"), 1);
	sql_close(&db);
	db = open_db();
	assert_int_equal(count(db), 2);
	assert_int_equal(sql_run(db, "DELETE FROM t", ""), 2);
	sql_close(&db);
}

static void disk_full(void **state)
{
	full_by(ENOSPC);
	full_by(EDQUOT);
	full_by(EFBIG);
}

/* When SQLite ends the transaction under us, what follows in it must not be committed one by one. */
static void broken_transaction(void **state)
{
	struct sql *db = open_db();

	assert_int_equal(sql_run(db, "PRAGMA cache_size=1", ""), 0);
	assert_int_equal(sql_begin(db), 0);
	writes_fail = true;
	int err = 1;
	static uint8_t big[4000];
	for (int64_t i = 1; i < 500 && err == 1; i++) {
		memcpy(big, &i, sizeof(i));
		err = sql_run(db, "INSERT INTO t VALUES (?1, ?2, 7)", "ib", i, slice_of(big, sizeof(big)));
	}
	assert_int_equal(err, ERR_FULL);
	writes_fail = false;
	assert_int_equal(put(db, 1000, "later"), ERR_FULL);
	assert_int_equal(sql_savepoint(db), ERR_FULL);
	sql_undo(db);
	assert_int_equal(sql_commit(db), ERR_FULL);
	assert_int_equal(count(db), 0);
	assert_int_equal(put(db, 1000, "later"), 1);
	sql_close(&db);
}

static void failed_sync_is_fatal(void **state)
{
	struct sql *db = open_db();

	assert_int_equal(put(db, 1, "one"), 1);
	sync_fails = true;
	assert_int_equal(sql_begin(db), 0);
	assert_int_equal(put(db, 2, "two"), 1);
	assert_int_equal(sql_commit(db), ERR_INTERNAL);
	assert_true(sql_fatal(db));
	sync_fails = false;
	assert_int_equal(sql_begin(db), ERR_INTERNAL);	/* never retried */
	assert_int_equal(put(db, 3, "three"), ERR_INTERNAL);
	sql_close(&db);
}

static int put_numbered(struct sql *db, int64_t from, int64_t to)
{
	static uint8_t big[4000];
	int err = 1;

	for (int64_t i = from; i < to && err == 1; i++) {
		memcpy(big, &i, sizeof(i));
		err = sql_run(db, "INSERT INTO t VALUES (?1, ?2, 7)", "ib", i, slice_of(big, sizeof(big)));
	}
	return err;
}

static void insert_many(struct sql *db, int64_t from, int64_t to)
{
	assert_int_equal(put_numbered(db, from, to), 1);
}

/* Wherever in the commit it strikes; the next start has all of the transaction or nothing of it. */
static void failed_write_is_fatal(void **state)
{
	for (int before = 0; before < 8; before++) {
		struct sql *db = open_db();
		int64_t had = count(db);
		assert_int_equal(sql_begin(db), 0);
		insert_many(db, before * 100, before * 100 + 100);	/* several writes */
		eio_given = false;
		writes_until_eio = before;
		int err = sql_commit(db);
		bool struck = eio_given;
		writes_until_eio = -1;
		assert_true(struck || before > 2);
		assert_int_equal(err, struck ? ERR_INTERNAL : 0);
		assert_int_equal(sql_fatal(db), struck);
		assert_int_equal(sql_begin(db), struck ? ERR_INTERNAL : 0);
		sql_rollback(db);
		sql_close(&db);
		db = open_db();
		assert_int_equal(count(db), struck ? had : had + 100);
		assert_int_equal(sql_check(db), 0);
		sql_close(&db);
	}
}

static void failed_write_in_checkpoint_is_fatal(void **state)
{
	struct sql *db = open_db();

	assert_int_equal(sql_begin(db), 0);
	insert_many(db, 1, 2000);
	assert_int_equal(sql_commit(db), 0);
	writes_until_eio = 100;
	assert_int_equal(sql_checkpoint(db), ERR_INTERNAL);
	assert_true(sql_fatal(db));
	writes_until_eio = -1;
	sql_close(&db);
	db = open_db();
	assert_int_equal(count(db), 1999);
	sql_close(&db);
}

static struct sql *open_cold(void)
{
	struct sql *db = open_db();

	insert_many(db, 1, 200);
	sql_close(&db);
	return open_db();	/* with nothing of it in memory */
}

static void failed_read(void **state)
{
	struct sql *db = open_cold();
	int64_t n;

	reads_break = true;
	assert_int_equal(sql_get(db, &n, "SELECT count(*) FROM t WHERE n = 7", ""), ERR_CORRUPT);
	reads_break = false;
	assert_false(sql_fatal(db));
	assert_int_equal(count(db), 199);
	assert_int_equal(put(db, 1000, "later"), 1);
	sql_close(&db);
}

/* What was read of the disk decides what is written: nothing of it is committed. */
static void failed_read_in_transaction(void **state)
{
	struct sql *db = open_cold();
	int64_t n;

	assert_int_equal(sql_begin(db), 0);
	assert_int_equal(put(db, 1000, "one"), 1);
	reads_break = true;
	assert_true(sql_get(db, &n, "SELECT count(*) FROM t WHERE n = 7", "") < 0);
	reads_break = false;
	assert_true(sql_commit(db) < 0);
	assert_true(sql_fatal(db));
	sql_close(&db);
	db = open_db();
	assert_int_equal(count(db), 199);
	sql_close(&db);
}

static void failed_sync_in_checkpoint_is_fatal(void **state)
{
	struct sql *db = open_db();

	assert_int_equal(sql_begin(db), 0);
	insert_many(db, 1, 2000);
	assert_int_equal(sql_commit(db), 0);
	sync_fails = true;
	assert_int_equal(sql_checkpoint(db), ERR_INTERNAL);
	assert_true(sql_fatal(db));
	sync_fails = false;
	sql_close(&db);
}

static void checkpoint_shrinks(void **state)
{
	struct sql *db = open_db();
	static uint8_t big[4000];
	struct stat before, after;

	for (int round = 0; round < 3; round++) {
		assert_int_equal(sql_begin(db), 0);
		for (int64_t i = 1; i < 1500; i++) {
			memcpy(big, &i, sizeof(i));
			IGNORE(sql_run(db, "INSERT OR REPLACE INTO t VALUES (?1, ?2, 7)", "ib", i,
				       slice_of(big, sizeof(big))), "counted below");
		}
		assert_int_equal(sql_commit(db), 0);
		assert_int_equal(sql_checkpoint(db), 0);
		assert_int_equal(stat("a.db-wal", round ? &after : &before), 0);
	}
	assert_true(after.st_size < before.st_size * 2);	/* it starts over and does not grow on */
	sql_close(&db);
}

/* The file is longer than its frames; zeros are no frame, so the same comes back. */
static void wal_ahead(void **state)
{
	struct stat st;
	pid_t pid = fork();

	if (pid == 0) {
		struct sql *db = open_db();
		sql_wal_ahead(db, 1 << 20);
		for (int64_t i = 1; i < 20; i++)
			if (sql_begin(db) || put(db, i, (char[]){ (char)('a' + i), 0 }) != 1 || sql_commit(db))
				_exit(1);
		if (sql_begin(db) || put(db, 99, "never committed") != 1)
			_exit(2);
		_exit(0);	/* without closing, so that the next one reads the WAL */
	}
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(stat("a.db-wal", &st), 0);
	assert_true(st.st_size >= 1 << 20 && st.st_size < 3 << 20);
	struct sql *db = open_db();
	assert_int_equal(count(db), 19);
	/* A disk without room for zeros takes what counts as long as it can. */
	writes_fail = true;
	sql_wal_ahead(db, 4 << 20);
	writes_fail = false;
	assert_int_equal(put(db, 20, "twenty"), 1);
	assert_int_equal(count(db), 20);
	sql_close(&db);
}

static void commit_is_one_write(void **state)
{
	struct sql *db = open_db();
	static uint8_t big[16000];

	assert_int_equal(sql_begin(db), 0);
	assert_int_equal(put(db, 1, "one"), 1);
	writes = 0;
	assert_int_equal(sql_run(db, "INSERT INTO t VALUES (2, ?1, 7)", "b", slice_of(big, sizeof(big))), 1);
	assert_int_equal(writes, 0);
	assert_int_equal(sql_commit(db), 0);
	assert_int_equal(writes, 1);
	assert_int_equal(count(db), 2);
	sql_close(&db);
}

static void assert_numbered(struct sql *db, int64_t from, int64_t to)
{
	struct sql_stmt *s = sql_prepare(db, "SELECT id, name FROM t ORDER BY id");
	int64_t n;

	for (int64_t i = from; i < to; i++) {
		assert_int_equal(sql_step(s), 1);
		assert_int_equal(sql_int(s, 0), i);
		assert_int_equal(sql_blob(s, 1).n, 4000);
		memcpy(&n, sql_blob(s, 1).p, sizeof(n));
		assert_int_equal(n, i);
	}
	assert_int_equal(sql_step(s), 0);
	sql_done(s);
}

/* More than the cache holds: what went to the WAL early is read from there again, before the commit and after. */
static void large_transaction(void **state)
{
	struct sql *db = open_db();

	assert_int_equal(sql_run(db, "PRAGMA cache_size=10", ""), 0);
	assert_int_equal(sql_begin(db), 0);
	assert_int_equal(put_numbered(db, 1, 300), 1);
	assert_numbered(db, 1, 300);
	assert_int_equal(sql_run(db, "UPDATE t SET n = 8", ""), 299);
	assert_numbered(db, 1, 300);
	assert_int_equal(sql_commit(db), 0);
	assert_numbered(db, 1, 300);
	sql_close(&db);
	db = open_db();
	assert_numbered(db, 1, 300);
	sql_close(&db);
}

/* The disk fills up in the middle of one: all of it is undone, and what comes later is whole. */
static void large_transaction_on_a_full_disk(void **state)
{
	struct sql *db = open_db();

	assert_int_equal(sql_run(db, "PRAGMA cache_size=10", ""), 0);
	assert_int_equal(put_numbered(db, 1, 10), 1);
	assert_int_equal(sql_begin(db), 0);
	assert_int_equal(put_numbered(db, 10, 200), 1);
	writes_fail = true;
	assert_int_equal(put_numbered(db, 200, 400), ERR_FULL);
	assert_int_equal(sql_commit(db), ERR_FULL);
	assert_numbered(db, 1, 10);
	writes_fail = false;
	assert_int_equal(sql_begin(db), 0);
	assert_int_equal(put_numbered(db, 10, 100), 1);
	assert_int_equal(sql_commit(db), 0);
	assert_numbered(db, 1, 100);
	sql_close(&db);
	db = open_db();
	assert_numbered(db, 1, 100);
	assert_int_equal(sql_check(db), 0);
	sql_close(&db);
}

static void cache(void **state)
{
	struct sql *db = open_db();
	int64_t kib = 0;

	assert_int_equal(sql_get(db, &kib, "PRAGMA cache_size", ""), 0);
	assert_int_equal(kib, -SQL_CACHE_KIB);
	assert_int_equal(sql_cache(db, 4321), 0);
	assert_int_equal(sql_get(db, &kib, "PRAGMA cache_size", ""), 0);
	assert_int_equal(kib, -4321);
	sql_close(&db);
}

/* What hangs on it (standing.h) must never miss a change. */
static void changes(void **state)
{
	struct sql *db = open_db();
	int64_t before = sql_changes(db);

	assert_false(sql_in_transaction(db));
	assert_int_equal(put(db, 1, "one"), 1);
	assert_true(sql_changes(db) > before);
	before = sql_changes(db);
	assert_int_equal(count(db), 1);
	assert_int_equal(sql_changes(db), before);	/* reading is none */
	assert_int_equal(sql_begin(db), 0);
	assert_true(sql_in_transaction(db));
	assert_int_equal(put(db, 2, "two"), 1);
	assert_true(sql_changes(db) > before);
	before = sql_changes(db);
	sql_rollback(db);
	assert_false(sql_in_transaction(db));
	assert_true(sql_changes(db) >= before);
	before = sql_changes(db);
	assert_int_equal(sql_run(db, "DELETE FROM t", ""), 1);	/* SQLite empties a table without looking at its rows */
	assert_true(sql_changes(db) > before);
	sql_close(&db);
}

static void corrupt_file(void **state)
{
	struct sql *db = open_db();
	assert_int_equal(put(db, 1, "one"), 1);
	sql_close(&db);
	FILE *f = fopen("a.db", "r+");
	assert_non_null(f);
	for (int i = 0; i < 100; i++)
		fputc('x', f);
	fclose(f);
	assert_int_equal(sql_open("a.db", schema, 2, &db), ERR_CORRUPT);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(opens_and_migrates), T(errors_by_kind), T(values_round), T(savepoints), T(one_connection),
		T(disk_full), T(broken_transaction), T(failed_sync_is_fatal),
		T(failed_write_is_fatal), T(failed_write_in_checkpoint_is_fatal), T(failed_read), T(failed_read_in_transaction),
		T(failed_sync_in_checkpoint_is_fatal), T(checkpoint_shrinks), T(wal_ahead), T(commit_is_one_write),
		T(large_transaction), T(large_transaction_on_a_full_disk), T(cache), T(changes),
		T(corrupt_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
