/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Space of dead records: a slice of an old segment at a time, each slice a batch. Message records that the index still
 * names at this place are copied to the end of the log; of each object that a state record names, the state of now is
 * written again. When a segment is through and nothing in it is alive, it goes.
 *
 * Why nothing comes back to life: a message's last record is its tombstone, which is written again as long as an older
 * segment (that might hold it alive) is there. A tombstone that is dropped might have held the highest UID or MODSEQ, so
 * its mailbox is written too. A segment with damage stays: what cannot be read cannot be written again. It is read whole
 * later, and is like any other where every checksum is right: a disk may refuse once and never again.
 */
#include "room/store/engine_priv.h"

#include "base/err.h"
#include "base/event.h"

enum { SLICE_BYTES = 1 << 20, STATE_SLACK = 64 << 20, OBJECT_BYTES = 96 };

struct compaction {
	struct shard *e;
	bool oldest, damaged;
	uint64_t last_mailbox;	/* written in this slice already */
};

static int emit_mailbox(struct compaction *c, uint64_t id, bool *ret_alive)
{
	struct mailbox m;
	int err = shard_mailbox_by_id(c->e, id, &m);

	*ret_alive = !err;
	if (err)
		return err == ERR_NOT_FOUND ? 0 : err;
	if (c->last_mailbox == id)
		return 0;
	c->last_mailbox = id;
	return shard_mailbox_journal(c->e, &m);
}

static int again_account(struct compaction *c, const struct object *o)
{
	struct object gone = { .kind = OBJECT_ACCOUNT, .account = o->account };
	struct account a;
	int err = shard_account(c->e, o->account, &a);

	if (!err)
		return shard_account_journal(c->e, &a);
	return err != ERR_NOT_FOUND ? err : c->oldest ? 0 : shard_journal_object(c->e, &gone);
}

static int again_mailbox(struct compaction *c, const struct object *o)
{
	struct object gone = { .kind = OBJECT_MAILBOX, .mailbox = o->mailbox };
	bool alive;
	int err = emit_mailbox(c, o->mailbox, &alive);

	return err || alive || c->oldest ? err : shard_journal_object(c->e, &gone);
}

static int again_expunged(struct compaction *c, uint64_t mailbox, uint32_t first, uint32_t last, uint64_t modseq)
{
	bool alive;
	int err = emit_mailbox(c, mailbox, &alive);

	return err || !alive || c->oldest ? err : shard_journal_expunged(c->e, mailbox, first, last, modseq);
}

static int again_message(struct compaction *c, const struct object *o)
{
	struct object now = { .kind = OBJECT_MESSAGE, .alive = true, .mailbox = o->mailbox };
	struct sql_stmt *s = sql_prepare(c->e->db, "SELECT " MESSAGE_COLUMNS " FROM message WHERE mailbox = ?1 AND uid = ?2");

	sql_bind_int(s, 1, (int64_t)o->mailbox);
	sql_bind_int(s, 2, (int64_t)o->msg.uid);
	int err = sql_step(s);
	if (err == 1)
		shard_message_row(s, &now.msg);
	sql_done(s);
	if (err == 1)
		return shard_journal_object(c->e, &now);
	return err < 0 ? err : again_expunged(c, o->mailbox, o->msg.uid, o->msg.uid, o->msg.modseq);
}

static int again_subscription(struct compaction *c, const struct object *o)
{
	struct object now = { .kind = OBJECT_SUBSCRIPTION, .account = o->account, .name = o->name };
	int64_t n;
	int err = sql_get(c->e->db, &n, "SELECT count(*) FROM subscription WHERE account = ?1 AND name = ?2", "ib",
			  (int64_t)o->account, o->name);

	now.alive = n > 0;
	return err || (!now.alive && c->oldest) ? err : shard_journal_object(c->e, &now);
}

static int again_source(struct compaction *c, const struct object *o)
{
	int64_t n;
	int err = sql_get(c->e->db, &n, "SELECT count(*) FROM account WHERE id = ?1", "i", (int64_t)o->account);

	return err || !n ? err : shard_journal_object(c->e, o);
}

static int again(struct compaction *c, const struct object *o)
{
	switch (o->kind) {
	case OBJECT_ACCOUNT:
	case OBJECT_LIMITED_ACCOUNT:
		return again_account(c, o);
	case OBJECT_MAILBOX:
		return again_mailbox(c, o);
	case OBJECT_MESSAGE:
		return again_message(c, o);
	case OBJECT_EXPUNGED:
		return again_expunged(c, o->mailbox, o->first, o->last, o->modseq);
	case OBJECT_SUBSCRIPTION:
		return again_subscription(c, o);
	case OBJECT_SOURCE:
		return again_source(c, o);
	}
	return 0;
}

static int on_state(struct compaction *c, struct slice meta)
{
	static struct object o;	/* large: the keyword table */
	int more;

	while ((more = object_decode(&meta, &o)) == 1) {
		int err = again(c, &o);
		if (err)
			return err;
	}
	if (more < 0)
		c->damaged = true;
	return 0;
}

static int on_message(struct compaction *c, const struct blob_record *r)
{
	struct shard *e = c->e;
	struct blob_meta meta;
	struct blob_addr to;
	int64_t n = 0;

	if (blob_meta_decode(r->meta, &meta) < 0) {
		c->damaged = true;
		return 0;
	}
	int err = sql_get(e->db, &n, "SELECT count(*) FROM blob WHERE id = ?1 AND segment = ?2 AND offset = ?3", "iii",
			  (int64_t)meta.blob, (int64_t)r->addr.segment, (int64_t)r->addr.offset);
	if (err || !n)
		return err;
	err = blob_copy(e->log, &r->addr, &to);
	if (err == ERR_CORRUPT) {
		c->damaged = true;
		return 0;
	}
	if (err)
		return err;
	shard_note_live(e, r->addr.segment, -(int64_t)r->addr.length);
	shard_note_live(e, to.segment, to.length);
	n = sql_run(e->db, "UPDATE blob SET segment = ?2, offset = ?3, length = ?4 WHERE id = ?1", "iiii",
		    (int64_t)meta.blob, (int64_t)to.segment, (int64_t)to.offset, (int64_t)to.length);
	return n < 0 ? (int)n : 0;
}

static int on_record(void *ctx, const struct blob_record *r)
{
	struct compaction *c = ctx;

	return r->kind == BLOB_MESSAGE ? on_message(c, r) : on_state(c, r->meta);
}

static void on_damage(void *ctx, uint32_t segment, uint64_t offset, const char *what)
{
	struct compaction *c = ctx;

	c->damaged = true;
	ev(EV_ERROR, "store.segment.damaged", KI("segment", segment), KI("offset", offset), KS("what", what));
}

static void stays(struct shard *e, uint32_t segment)
{
	struct segment_use *u = segment_use(e, segment);

	u->damaged = true;
	u->look_ms = e->now + COMPACT_LOOK_MS;
}

static int mark_damaged(struct shard *e, uint32_t segment)
{
	int n = sql_run(e->db,
			"INSERT INTO segment (id, state_bytes, damaged) VALUES (?1, 0, 1)"
			" ON CONFLICT (id) DO UPDATE SET damaged = 1",
			"i", (int64_t)segment);

	stays(e, segment);
	return n < 0 ? n : 0;
}

static int finish(struct shard *e, uint32_t segment)
{
	struct segment_use *u = segment_use(e, segment);

	/* Alive though nothing in it was found to be: something there cannot be read. */
	if (u->damaged || u->live > 0) {
		stays(e, segment);
		return 0;
	}
	int err = blob_segment_remove(e->log, segment);
	if (err)
		return err;
	size_t at = (size_t)(u - e->uses);
	memmove(u, u + 1, (e->n_uses - at - 1) * sizeof(*u));
	e->n_uses--;
	return 0;
}

/* Whole again. What is dead in it goes with the next steps, which begin at its start. */
static int unmark(struct shard *e, uint32_t segment)
{
	int err = shard_begin(e, e->now);

	if (err)
		return err;
	int n = sql_run(e->db, "UPDATE segment SET damaged = 0 WHERE id = ?1", "i", (int64_t)segment);
	if (n < 0) {
		shard_rollback(e);
		return n;
	}
	err = shard_commit(e);
	if (err)
		return err;
	segment_use(e, segment)->damaged = false;
	ev(EV_INFO, "store.segment.whole", KI("segment", segment));
	return 0;
}

/* A slice of a segment that had damage. */
static int verify_step(struct shard *e, uint32_t segment, uint64_t *offset, int64_t now_ms)
{
	struct compaction c = { .e = e };
	int done = blob_verify_part(e->log, segment, offset, SLICE_BYTES, on_damage, &c);

	e->now = now_ms;
	if (done == 0 && !c.damaged)
		return 0;
	e->verified = 0;
	if (c.damaged)
		stays(e, segment);
	if (c.damaged || done < 0)
		return c.damaged ? 1 : done;
	*offset = 0;
	return unmark(e, segment);
}

int shard_compact_step(struct shard *e, uint32_t segment, uint64_t *offset, int64_t now_ms)
{
	if (*offset == 0)
		e->verified = segment_use(e, segment)->damaged ? segment : 0;
	if (e->verified == segment)
		return verify_step(e, segment, offset, now_ms);

	uint32_t first = 0;
	uint64_t at = *offset;
	struct compaction c = { .e = e };

	blob_segments(e->log, &first, 1);
	c.oldest = first == segment;
	int err = shard_begin(e, now_ms);
	if (err)
		return err;
	err = shard_op_begin(e, NULL);
	int done = err ? err : blob_scan_part(e->log, segment, &at, SLICE_BYTES, on_record, on_damage, &c);
	err = done < 0 ? done : 0;
	if (!err && c.damaged)
		err = mark_damaged(e, segment);
	if (!err && done && !c.damaged) {
		int n = sql_run(e->db, "DELETE FROM segment WHERE id = ?1 AND damaged = 0", "i", (int64_t)segment);
		err = n < 0 ? n : 0;
	}
	if (e->in_op)
		err = shard_op_end(e, err);
	if (err) {
		shard_rollback(e);
		return err;
	}
	err = shard_commit(e);
	if (err)
		return err;
	*offset = at;
	if (done == 1)
		err = finish(e, segment);
	return err ? err : done;
}

static bool worth(const struct shard *e, const struct segment_use *u, uint64_t size, bool all)
{
	int64_t bytes = (int64_t)size - 32;

	if (u->damaged && e->now < u->look_ms)
		return false;
	if (all)
		return u->live < bytes;
	return (bytes - u->live - u->state) * 2 > bytes;
}

/* Flag changes leave states behind that nothing tells dead from alive: far more than there are objects is dead. */
static bool too_many_states(struct shard *e)
{
	int64_t state = 0, messages = 0;

	for (size_t i = 0; i < e->n_uses; i++)
		state += e->uses[i].state;
	if (state < STATE_SLACK || sql_get(e->db, &messages, "SELECT sum(messages) FROM mailbox", ""))
		return false;
	return state > STATE_SLACK + 4 * messages * OBJECT_BYTES;
}

void shard_compact_look(struct shard *e)
{
	for (size_t i = 0; i < e->n_uses; i++)
		e->uses[i].look_ms = 0;
}

uint32_t shard_compact_pick(struct shard *e, bool all, uint32_t below)
{
	size_t n = blob_segments(e->log, NULL, 0);
	uint32_t *ids = calloc(n, sizeof(*ids)), pick = 0;

	bug_if(!ids);
	blob_segments(e->log, ids, n);
	for (size_t i = 0; !pick && i + 1 < n && (!below || ids[i] < below); i++)
		if (worth(e, segment_use(e, ids[i]), blob_segment_size(e->log, ids[i]), all))
			pick = ids[i];
	if (!pick && !all && n > 1 && !segment_use(e, ids[0])->damaged && too_many_states(e))
		pick = ids[0];
	free(ids);
	return pick;
}

void shard_space(const struct shard *e, struct shard_space *ret)
{
	size_t n = blob_segments(e->log, NULL, 0);
	uint32_t *ids = calloc(n, sizeof(*ids));

	bug_if(!ids);
	blob_segments(e->log, ids, n);
	*ret = (struct shard_space){ .segments = n, .active = ids[n - 1] };
	for (size_t i = 0; i < n; i++)
		ret->bytes += blob_segment_size(e->log, ids[i]);
	for (size_t i = 0; i < e->n_uses; i++)
		ret->live_bytes += e->uses[i].live > 0 ? (uint64_t)e->uses[i].live : 0;
	free(ids);
}
