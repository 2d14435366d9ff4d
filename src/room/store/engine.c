/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches: one SQL transaction with a savepoint an operation. Before it commits, what it added to the segments is synced,
 * or lies in the transaction itself (tail.c). The committed end of the log is a row of the same transaction, so index and
 * segments agree after any crash: what lies behind the end is cut off at the next open.
 *
 * What an operation does besides SQL (journal objects, notices, live bytes of segments) is gathered in lists and cut
 * back to where it began when it fails. One owner: each opening takes the next epoch, each commit checks it.
 */
#include "room/store/engine_priv.h"

#include "base/err.h"
#include "base/event.h"

#include <errno.h>
#include <fcntl.h>

#define GROW(array, n, cap)                                                                        \
	do {                                                                                       \
		if ((n) == (cap)) {                                                                \
			(cap) = (cap) ? (cap) * 2 : 64;                                            \
			(array) = realloc((array), (cap) * sizeof(*(array)));                      \
			bug_if(!(array));                                                          \
		}                                                                                  \
	} while (0)

bool shard_fatal(const struct shard *e)
{
	return sql_fatal(e->db) || blob_fatal(e->log);
}

/* ---- what an operation gathers ---- */

void shard_note_change(struct shard *e, enum change_kind kind, const struct mailbox *mb, const struct msg *m)
{
	GROW(e->changes, e->n_changes, e->cap_changes);
	struct change *c = &e->changes[e->n_changes++];
	*c = (struct change){ kind, mb->account, mb->id, e->origin, { 0 } };
	if (m)
		c->msg = *m;
}

const struct change *shard_changes(const struct shard *e, size_t *ret_n)
{
	*ret_n = e->n_changes;
	return e->changes;
}

void shard_note_live(struct shard *e, uint32_t segment, int64_t bytes)
{
	GROW(e->deltas, e->n_deltas, e->cap_deltas);
	e->deltas[e->n_deltas++] = (struct live_delta){ segment, bytes };
}

struct segment_use *segment_use(struct shard *e, uint32_t id)
{
	size_t at = e->n_uses;

	while (at && e->uses[at - 1].id > id)
		at--;
	if (at && e->uses[at - 1].id == id)
		return &e->uses[at - 1];
	GROW(e->uses, e->n_uses, e->cap_uses);
	memmove(&e->uses[at + 1], &e->uses[at], (e->n_uses - at) * sizeof(*e->uses));
	e->n_uses++;
	e->uses[at] = (struct segment_use){ .id = id };
	return &e->uses[at];
}

static int journal_flush(struct shard *e)
{
	struct blob_addr addr;

	if (!e->journal.n)
		return 0;
	int err = blob_put_state(e->log, buf_view(&e->journal), &addr);
	buf_clear(&e->journal);
	if (err)
		return err;
	e->state_bytes += addr.length;
	int n = sql_run(e->db,
			"INSERT INTO segment (id, state_bytes) VALUES (?1, ?2)"
			" ON CONFLICT (id) DO UPDATE SET state_bytes = state_bytes + ?2",
			"ii", (int64_t)addr.segment, (int64_t)addr.length);
	return n < 0 ? n : 0;
}

int shard_journal_object(struct shard *e, const struct object *o)
{
	object_encode(&e->journal, o);
	return e->journal.n >= JOURNAL_FLUSH ? journal_flush(e) : 0;
}

/* ---- batches ---- */

int shard_begin(struct shard *e, int64_t now_ms)
{
	bug_if(e->in_batch);
	e->now = now_ms;
	e->n_changes = e->n_deltas = 0;
	e->state_bytes = 0;
	e->settle = false;
	int err = sql_begin(e->db);
	e->in_batch = err == 0;
	return err;
}

int shard_op_begin(struct shard *e, void *origin)
{
	bug_if(!e->in_batch || e->in_op);
	int err = sql_savepoint(e->db);
	if (err)
		return err;
	e->in_op = true;
	e->short_pool = 0;
	e->origin = origin;
	e->op_changes = e->n_changes;
	e->op_deltas = e->n_deltas;
	buf_clear(&e->journal);
	return 0;
}

int shard_op_end(struct shard *e, int err)
{
	bug_if(!e->in_op);
	e->in_op = false;
	if (!err)
		err = journal_flush(e);
	if (!err)
		err = sql_release(e->db);
	if (!err)
		return 0;
	buf_clear(&e->journal);
	e->n_changes = e->op_changes;
	e->n_deltas = e->op_deltas;
	sql_undo(e->db);
	return err;
}

void shard_rollback(struct shard *e)
{
	if (!e->in_batch)
		return;
	if (e->in_op)
		IGNORE(shard_op_end(e, ERR_CONFLICT), "all is undone");
	sql_rollback(e->db);
	blob_drop(e->log);
	e->in_batch = false;
	e->n_changes = e->n_deltas = 0;
	int64_t v;
	if (!sql_get(e->db, &v, "SELECT next_blob FROM shard", ""))
		e->next_blob = v;
	if (!sql_get(e->db, &v, "SELECT next_mailbox FROM shard", ""))
		e->next_mailbox = v;
}

static int save_end(struct shard *e, const struct blob_end *end)
{
	int n = sql_run(e->db,
			"UPDATE shard SET end_segment = ?1, end_offset = ?2, next_blob = ?3, next_mailbox = ?4"
			" WHERE epoch = ?5",
			"iiiii", (int64_t)end->segment, (int64_t)end->offset, e->next_blob, e->next_mailbox, e->epoch);

	if (n == 1)
		return 0;
	return n < 0 ? n : ERR_CONFLICT;
}

int shard_commit(struct shard *e)
{
	bug_if(!e->in_batch || e->in_op);
	struct blob_end end = blob_end_of(e->log);
	int err = save_end(e, &end);

	if (!err)
		err = shard_tail_promise(e);
	if (err) {
		shard_rollback(e);
		return err;
	}
	err = sql_commit(e->db);
	if (err) {
		if (!shard_fatal(e))
			blob_revert(e->log, &e->committed);
		shard_rollback(e);
		return err;
	}
	e->in_batch = e->quiet = false;
	e->committed = end;
	tail_committed(&e->tail);
	for (size_t i = 0; i < e->n_deltas; i++)
		segment_use(e, e->deltas[i].segment)->live += e->deltas[i].bytes;
	if (e->state_bytes)
		segment_use(e, end.segment)->state += (int64_t)e->state_bytes;
	return 0;
}

struct blob_end shard_log_end(const struct shard *e)
{
	return e->committed;
}

void shard_idle(struct shard *e)
{
	if (e->in_batch || shard_fatal(e))
		return;
	if (e->quiet && blob_unsynced(e->log))
		IGNORE(shard_tail_settle(e), "tried again; a failed sync is fatal");
	e->quiet = true;
	if (!shard_fatal(e))
		IGNORE(sql_checkpoint(e->db), "sql_fatal tells what matters");
}

/* ---- the reserve ---- */

static bool reserve_make(struct shard *e)
{
	int fd = open(RESERVE_PATH, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool ok = fd >= 0 && posix_fallocate(fd, 0, (off_t)e->options.reserve_bytes) == 0;

	if (fd >= 0)
		IGNORE(close(fd), "holds no data");
	if (!ok)
		IGNORE(unlink(RESERVE_PATH), "tried again later");
	return ok;
}

void shard_release_reserve(struct shard *e)
{
	if (e->reserve_held && unlink(RESERVE_PATH) == 0)
		ev(EV_WARN, "store.disk.full", KI("released", e->options.reserve_bytes));
	e->reserve_held = false;
	e->short_of_room = true;
}

bool shard_has_room(struct shard *e, int64_t now_ms)
{
	if (!e->short_of_room)
		return true;
	if (now_ms - e->room_asked < 500 && now_ms >= e->room_asked)
		return false;
	e->room_asked = now_ms;
	if (e->options.reserve_bytes && !e->reserve_held)
		e->reserve_held = reserve_make(e);
	e->short_of_room = e->options.reserve_bytes && !e->reserve_held;
	if (!e->short_of_room)
		ev(EV_INFO, "store.disk.room");
	return !e->short_of_room;
}

/* ---- opening ---- */

static int load_uses(struct shard *e)
{
	struct sql_stmt *s = sql_prepare(e->db, "SELECT segment, sum(length) FROM blob GROUP BY segment");
	int err;

	while ((err = sql_step(s)) == 1)
		segment_use(e, (uint32_t)sql_int(s, 0))->live = sql_int(s, 1);
	sql_done(s);
	if (err)
		return err;
	s = sql_prepare(e->db, "SELECT id, state_bytes, damaged FROM segment");
	while ((err = sql_step(s)) == 1) {
		struct segment_use *u = segment_use(e, (uint32_t)sql_int(s, 0));
		u->state = sql_int(s, 1);
		u->damaged = sql_int(s, 2);
	}
	sql_done(s);
	return err;
}

static int take_epoch(struct shard *e)
{
	int err = sql_begin(e->db);

	if (!err && sql_run(e->db, "UPDATE shard SET epoch = epoch + 1", "") != 1)
		err = ERR_CORRUPT;
	if (!err)
		err = sql_get(e->db, &e->epoch, "SELECT epoch FROM shard", "");
	if (!err)
		err = sql_get(e->db, &e->next_blob, "SELECT next_blob FROM shard", "");
	if (!err)
		err = sql_get(e->db, &e->next_mailbox, "SELECT next_mailbox FROM shard", "");
	if (err) {
		sql_rollback(e->db);
		return err;
	}
	return sql_commit(e->db);
}

static int open_log(struct shard *e)
{
	int64_t segment = 0, offset = 0;
	int err = sql_get(e->db, &segment, "SELECT end_segment FROM shard", "");

	if (!err)
		err = sql_get(e->db, &offset, "SELECT end_offset FROM shard", "");
	if (err)
		return err;
	struct blob_end end = { (uint32_t)segment, (uint64_t)offset };
	err = shard_tail_put_back(e);
	if (!err)
		err = blob_open(SEGMENTS_PATH, e->options.segment_bytes, &end, &e->log);
	if (err)
		return err;
	e->committed = blob_end_of(e->log);
	/* Records without an index: never write a new one over the mail that only they know. */
	if (!end.segment && (e->committed.segment > 1 || e->committed.offset > 32)) {
		ev(EV_ERROR, "store.index.missing", KS("help", "postern check DIR --rebuild makes it from the segments"));
		return ERR_CONFLICT;
	}
	return 0;
}

/* A first batch without changes: the end that was found is committed. */
static int commit_end(struct shard *e)
{
	int err = shard_begin(e, 0);

	e->settle = true;
	return err ? err : shard_commit(e);
}

int shard_open(const struct shard_options *options, struct shard **ret)
{
	return shard_open_at(DB_PATH, options, ret);
}

int shard_open_at(const char *db, const struct shard_options *options, struct shard **ret)
{
	struct shard *e = calloc(1, sizeof(*e));

	bug_if(!e);
	e->options = *options;
	e->limits_moved = true;
	buf_init(&e->journal, BLOB_META_MAX);
	buf_init(&e->scratch, 4u << 20);
	int err = sql_open(db, store_schema, store_schema_n, &e->db);
	if (!err)
		err = take_epoch(e);
	if (!err)
		err = open_log(e);
	if (!err)
		err = commit_end(e);
	if (!err)
		err = load_uses(e);
	if (err) {
		shard_close(&e);
		return err;
	}
	if (e->options.reserve_bytes)
		e->reserve_held = reserve_make(e);
	sql_wal_ahead(e->db, WAL_AHEAD);
	*ret = e;
	return 0;
}

void shard_close(struct shard **e)
{
	struct shard *x = *e;

	if (!x)
		return;
	if (x->in_batch)
		shard_rollback(x);
	if (x->log && !shard_fatal(x) && blob_unsynced(x->log))
		IGNORE(shard_tail_settle(x), "what it holds is put back at the next start");
	blob_close(&x->log);
	sql_close(&x->db);
	buf_fini(&x->journal);
	buf_fini(&x->scratch);
	free(x->changes);
	free(x->deltas);
	free(x->uses);
	free(x);
	*e = NULL;
}
