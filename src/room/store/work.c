/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Group commit. Handlers put work into the list; after the loop has read all sockets once, everything that waits is done
 * in one transaction, synced once, and answered. While the disk syncs, the next batch gathers in the sockets.
 *
 * A full disk: the batch is undone. What takes space is refused, the rest (expunge, flags) is tried again with the reserve
 * given free. A failed sync: nothing is answered, the room ends, and the supervisor starts it from the committed state.
 */
#include "room/store/room.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"

int64_t store_now(void)
{
	return clock_wall_ms();
}

static void on_idle(uv_idle_t *idle)
{
	/* Only there so that the loop polls without waiting. */
}

static void answer(struct work *w)
{
	struct session *s = w->session;

	list_remove(&w->node);
	if (w->err < 0)
		ipc_fail(w->call, w->err, NULL);
	else
		ipc_reply(w->call, w->reply, w->fd);
	if (s) {
		s->pending -= w->changes;
		store_session_unref(s);
	}
	free(w);
}

static void run_read(struct work *w)
{
	w->err = w->session && !w->session->chan ? ERR_CLOSED : w->run(w);
	if (!quota_park(w->store, w))
		answer(w);
}

static void enlist(struct work *w, bool first)
{
	struct store *st = w->store;

	if (list_empty(&st->work))
		uv_idle_start(&st->idle, on_idle);
	if (first)
		list_prepend(&st->work, &w->node);
	else
		list_append(&st->work, &w->node);
	st->n_work++;
}

void store_work_again(struct store *st, struct list *works)
{
	while (!list_empty(works)) {
		struct work *w = list_entry(works->prev, struct work, node);
		list_remove(&w->node);
		w->err = 0;
		enlist(w, true);
	}
}

void store_work_add(struct store *st, struct session *s, struct ipc_call *call, int (*run)(struct work *w), bool changes,
	      bool takes_space)
{
	struct work *w = calloc(1, sizeof(*w));

	bug_if(!w);
	*w = (struct work){ .store = st, .session = s, .call = call, .run = run, .changes = changes,
			    .takes_space = takes_space, .fd = -1 };
	if (s)
		s->refs++;
	if (!changes && (!s || !s->pending)) {
		run_read(w);
		return;
	}
	if (s)
		s->pending += changes;
	enlist(w, false);
}

static void fail_all(struct list *batch, int err)
{
	list_each(w, batch, struct work, node) {
		if (w->changes && !w->err)
			w->err = err;
	}
}

/* A session's changes are done in their order: behind one that is short the others wait with it. */
static bool held_back(struct work *w)
{
	struct session *s = w->session;

	w->held = s && s->short_pool;
	if (w->held)
		w->short_pool = s->short_pool;
	return w->held;
}

static int run_change(struct store *st, struct work *w)
{
	int err = shard_op_begin(st->engine, w->session);

	if (err)
		return err;
	w->err = w->run(w);
	IGNORE(shard_pool_short(st->engine, &w->short_pool, &w->short_want), "0: none");
	w->err = shard_op_end(st->engine, w->err);
	if (w->session && quota_short(w))
		w->session->short_pool = w->short_pool;
	return 0;
}

static int run_changes(struct store *st, struct list *batch)
{
	bool room = shard_has_room(st->engine, clock_mono_ms());

	list_each(w, batch, struct work, node) {
		if (w->session && !w->session->parked)
			w->session->short_pool = 0;
	}
	list_each(w, batch, struct work, node) {
		if (!w->changes || w->err || held_back(w))
			continue;
		if (w->takes_space && !room) {
			w->err = ERR_FULL;
			continue;
		}
		int err = run_change(st, w);
		if (err)
			return err;
		if (shard_fatal(st->engine))
			return ERR_INTERNAL;
	}
	return 0;
}

int store_alone(struct store *st, int (*change)(struct store *st, void *ctx), void *ctx)
{
	int done, err = shard_begin(st->engine, store_now());

	if (err)
		return err;
	done = err = shard_op_begin(st->engine, NULL);
	if (!err) {
		done = change(st, ctx);
		err = shard_op_end(st->engine, done < 0 ? done : 0);
	}
	if (err) {
		shard_rollback(st->engine);
		return err;
	}
	err = shard_commit(st->engine);
	return err ? err : done;
}

static int try_batch(struct store *st, struct list *batch)
{
	int err = shard_begin(st->engine, store_now());

	if (err)
		return err;
	recent_flush(st);
	err = run_changes(st, batch);
	if (err) {
		shard_rollback(st->engine);
		return err;
	}
	return shard_commit(st->engine);
}

/* The disk is full: what needs space is refused, what gives some back is tried with the reserve. */
static int try_without_room(struct store *st, struct list *batch)
{
	shard_release_reserve(st->engine);
	list_each(w, batch, struct work, node) {
		if (w->changes)
			w->err = w->takes_space ? ERR_FULL : 0;
	}
	return try_batch(st, batch);
}

static void fatal(struct store *st)
{
	ev(EV_ERROR, "store.disk.failed", KS("what", "the disk refused to write; the room ends and starts from what is safe"));
	st->dead = true;
	uv_idle_stop(&st->idle);
	if (st->room)
		room_exit(st->room, 1);
}

static void take_batch(struct store *st, struct list *batch)
{
	uint64_t bytes = 0;
	size_t n = 0;

	list_init(batch);
	list_each(w, &st->work, struct work, node) {
		if (n && (n == BATCH_OPS || bytes + w->bytes > BATCH_BYTES))
			break;
		n++;
		bytes += w->bytes;
		list_remove(&w->node);
		list_append(batch, &w->node);
	}
	st->n_work -= n;
	st->ops += n;
	st->batches++;
}

static void on_check(uv_check_t *check)
{
	struct store *st = check->data;
	struct list batch;

	if (st->dead || list_empty(&st->work))
		return;
	take_batch(st, &batch);
	int err = try_batch(st, &batch);
	if (err == ERR_FULL && !shard_fatal(st->engine))
		err = try_without_room(st, &batch);
	if (shard_fatal(st->engine)) {
		fatal(st);
		return;
	}
	if (err)
		fail_all(&batch, err);
	else
		recent_written(st);
	if (!err)
		boxes_apply(st);
	list_each(w, &batch, struct work, node) {
		if (!w->changes)
			run_read(w);
		else if (err || !quota_park(st, w))
			answer(w);
	}
	if (list_empty(&st->work))
		uv_idle_stop(&st->idle);
}

static void on_timer(uv_timer_t *timer)
{
	struct store *st = timer->data;

	if (st->dead)
		return;
	maintain_tick(st);
	if (shard_fatal(st->engine))
		fatal(st);
}

void store_work_init(struct store *st)
{
	list_init(&st->work);
	uv_check_init(st->loop, &st->check);
	uv_idle_init(st->loop, &st->idle);
	uv_timer_init(st->loop, &st->timer);
	st->check.data = st->timer.data = st;
	uv_check_start(&st->check, on_check);
	uv_timer_start(&st->timer, on_timer, 250, 250);
	checking_init(st);
}

void store_work_fini(struct store *st)
{
	uv_close((uv_handle_t *)&st->check, NULL);
	uv_close((uv_handle_t *)&st->idle, NULL);
	uv_close((uv_handle_t *)&st->timer, NULL);
	checking_fini(st);
}
