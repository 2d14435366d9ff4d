/* SPDX-License-Identifier: Apache-2.0 */
/* `postern check`: a stopped shard, its index against its segments, and the index made anew from them. */
#include "lib/room/tools.h"
#include "room/store/engine.h"

#include "base/err.h"
#include "base/text.h"

#include <errno.h>
#include <sys/stat.h>

#define SECOND_DB "store.check.db"

enum { DUMP_MAX = 1 << 30 };

struct faults {
	void (*tell)(void *ctx, const char *text);
	void *ctx;
	uint64_t n;
};

static void count(void *ctx, const char *text)
{
	struct faults *f = ctx;

	f->n++;
	f->tell(f->ctx, text);
}

static void remove_second(void)
{
	IGNORE(unlink(SECOND_DB), "may not be there");
	IGNORE(unlink(SECOND_DB "-wal"), "as above");
}

static int dump_of(const char *path, const struct shard_options *options, struct buf *out)
{
	struct shard *e = NULL;
	int err = shard_open_at(path, options, &e);

	if (!err)
		err = shard_dump(e, out);
	shard_close(&e);
	return err;
}

/* The first line in which they differ, for whoever has to find out why. */
static void tell_difference(struct faults *f, const struct buf *live, const struct buf *again)
{
	char text[400];
	size_t line = 0, i = 0;

	for (; i < live->n && i < again->n && live->p[i] == again->p[i]; i++)
		if (live->p[i] == '\n')
			line = i + 1;
	const uint8_t *a = live->n > line ? live->p + line : (const uint8_t *)"";
	const uint8_t *b = again->n > line ? again->p + line : (const uint8_t *)"";
	size_t a_n = live->n - line < 150 ? live->n - line : 150, b_n = again->n - line < 150 ? again->n - line : 150;
	snprintf(text, sizeof(text), "%s: index \"%.*s\", segments \"%.*s\"",
		 N_("the segments tell another state than the index"), (int)a_n, (const char *)a, (int)b_n, (const char *)b);
	count(f, text);
}

/* The log ends where the index says, so that a damaged last record stays as it is. */
static int compare(const struct shard_options *options, const struct blob_end *end, struct faults *f)
{
	struct buf live = BUF_INIT(DUMP_MAX), again = BUF_INIT(DUMP_MAX);

	remove_second();
	int err = shard_rebuild(SECOND_DB, "segments", options->segment_bytes, end, count, f);
	if (!err)
		err = dump_of("store.db", options, &live);
	if (!err)
		err = dump_of(SECOND_DB, options, &again);
	if (!err && !slice_eq(buf_view(&live), buf_view(&again)))
		tell_difference(f, &live, &again);
	remove_second();
	buf_fini(&live);
	buf_fini(&again);
	return err;
}

/* Puts the old index aside and makes a new one; it belongs to whom the folder belongs to. */
static int make_anew(const struct shard_options *options, struct faults *f)
{
	struct stat st;

	/* An index that cannot be opened has nothing to give: the segments alone decide. */
	IGNORE(shard_put_back("store.db", "segments"), "said in the log");
	if (rename("store.db", "store.db.old") < 0 && errno != ENOENT)
		return -errno;
	if (rename("store.db-wal", "store.db.old-wal") < 0 && errno != ENOENT)
		return -errno;
	int err = shard_rebuild("store.db", "segments", options->segment_bytes, NULL, count, f);
	if (!err && stat(".", &st) == 0 && geteuid() == 0 && chown("store.db", st.st_uid, st.st_gid) < 0)
		err = -errno;
	return err;
}

int store_check_offline(const char *data, uint64_t segment_bytes, bool rebuild,
			void (*on_fault)(void *ctx, const char *text), void *ctx, struct store_report *ret)
{
	struct shard_options options = { .segment_bytes = segment_bytes };
	struct faults f = { on_fault, ctx, 0 };
	struct check_result r;
	struct shard *e = NULL;
	int err = chdir(data) < 0 ? -errno : 0;

	if (!err && rebuild)
		err = make_anew(&options, &f);
	if (!err)
		err = shard_open(&options, &e);
	if (!err)
		err = shard_check(e, true, count, &f, &r);
	struct blob_end end = e ? shard_log_end(e) : (struct blob_end){ 0 };
	shard_close(&e);
	if (!err)
		err = compare(&options, &end, &f);
	if (err)
		return err;
	*ret = (struct store_report){ r.accounts, r.mailboxes, r.messages, r.blobs, r.bytes, f.n, rebuild };
	return 0;
}
