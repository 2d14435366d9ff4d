/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Group commit. Whatever wants to change the database during a turn of the loop joins a list; when the turn has
 * polled, all of it runs in one transaction, the log is synced or lies in the transaction (lib/blob/tail.h), that is
 * committed once, and only then is anybody told. Each change has a savepoint: one that is refused leaves the others
 * alone. A failed sync or commit is never retried: the room ends, and finds at its next start what was durable (D01).
 */
#include "room/queue/queue.h"

#include "base/err.h"
#include "base/event.h"

void queue_fatal(struct queue *q, const char *what)
{
	ev(EV_ERROR, "queue.disk.fatal", KS("what", what));
	room_exit(q->room, 1);
}

static void apply_all(struct queue *q, struct list *now)
{
	list_each(w, now, struct work, node) {
		w->err = sql_savepoint(q->db);
		if (w->err < 0)
			continue;
		w->err = w->apply(q, w);
		if (w->err < 0)
			sql_undo(q->db);
		else
			w->err = sql_release(q->db);
	}
}

/* What cannot be written is forgotten, in the log as in the database. */
static int commit(struct queue *q, const struct blob_end *before)
{
	struct blob_end end = blob_end_of(q->log);
	bool wrote = end.segment != before->segment || end.offset != before->offset;
	int err = 0;
	if (wrote)
		err = sql_run(q->db, "UPDATE log_end SET segment = ?, offset = ?", "ii",
			      (int64_t)end.segment, (int64_t)end.offset);
	if (err >= 0)
		err = tail_promise(&q->tail, q->db, q->log, q->settle);
	if (err < 0) {
		sql_rollback(q->db);
		blob_drop(q->log);
		return err;
	}
	err = sql_commit(q->db);
	if (err < 0) {
		if (wrote && !sql_fatal(q->db))
			blob_revert(q->log, before);
		return err;
	}
	tail_committed(&q->tail);
	q->settle = false;
	return 0;
}

static void take(struct queue *q, struct list *now)
{
	list_init(now);
	for (size_t n = 0; n < QUEUE_BATCH_MAX && !list_empty(&q->works); n++) {
		struct list *node = q->works.next;
		list_remove(node);
		list_append(now, node);
		q->n_works--;
	}
}

static void flush(struct queue *q)
{
	struct list now;
	take(q, &now);
	struct blob_end before = blob_end_of(q->log);
	int err = sql_begin(q->db);
	if (err == 0) {
		apply_all(q, &now);
		err = commit(q, &before);
	}
	if (sql_fatal(q->db) || blob_fatal(q->log))
		queue_fatal(q, "sync");
	/* Nobody looks for what is due before all jobs of the batch let go of their rows: a dest whose only row was
	 * still held would be forgotten. */
	q->scheduling = true;
	while (!list_empty(&now)) {
		struct work *w = list_first(&now, struct work, node);
		list_remove(&w->node);
		w->done(q, w, err < 0 ? err : w->err);
	}
	q->scheduling = false;
	dests_run(q);
	queue_maybe_exit(q);
}

static void on_check(uv_check_t *check)
{
	struct queue *q = check->data;
	if (!list_empty(&q->works))
		flush(q);
	if (list_empty(&q->works)) {
		uv_check_stop(&q->check);
		uv_idle_stop(&q->idle);
	}
}

/* While something waits the poll must not sleep. */
static void on_idle(uv_idle_t *idle)
{
}

void batch_init(struct queue *q)
{
	list_init(&q->works);
	bug_if(uv_check_init(q->room->loop, &q->check) || uv_idle_init(q->room->loop, &q->idle));
	q->check.data = q;
}

void batch_add(struct queue *q, struct work *w)
{
	list_append(&q->works, &w->node);
	q->n_works++;
	bug_if(uv_check_start(&q->check, on_check) || uv_idle_start(&q->idle, on_idle));
}
