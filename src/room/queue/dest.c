/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When something is due, and how many run. A dest is in memory while rows wait for it; the rows themselves stay
 * in the database but for a small window (L16: memory is the window, not the queue). Dests take turns, one job
 * each, so that a large backlog of one does not hold up the others.
 *
 *   sleeping --wake_ms--> ready --nothing is due--> sleeping, or gone where no row is left
 *
 * A server that takes no session blocks its dest for all mail at once; while it fails one job at a time probes
 * it, and the first that gets through opens it again (M36).
 */
#include "room/queue/queue.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "base/rng.h"
#include "room/queue/backoff.h"

#define NEVER INT64_MAX

static enum dest_kind kind_of(struct slice key)
{
	if (slice_starts(key, SLICE("to ")))
		return DEST_TO;
	if (slice_starts(key, SLICE("mx ")))
		return DEST_MX;
	if (slice_starts(key, SLICE("route ")))
		return DEST_ROUTE;
	return slice_starts(key, SLICE("store ")) ? DEST_STORE : DEST_OTHER;
}

static struct dest *dest_new(struct queue *q, struct slice key)
{
	struct dest *d = calloc(1, sizeof(*d));
	uint8_t *copy = malloc(key.n + 1);
	bug_if(!d || !copy);
	memcpy(copy, key.p, key.n);
	uint64_t shard = 0;
	d->q = q;
	d->key = slice_of(copy, key.n);
	d->kind = kind_of(key);
	if (d->kind == DEST_STORE && slice_u64(slice_sub(key, 6, key.n), UINT32_MAX, &shard) == 0)
		d->shard = (uint32_t)shard;
	list_init(&d->window);
	d->wake_ms = NEVER;
	map_put(q->dests, d->key, d);
	return d;
}

static void dest_free(struct dest *d)
{
	list_remove(&d->node);
	map_remove(d->q->dests, d->key);
	free((void *)d->key.p);
	free(d);
}

static void set_timer(struct queue *q);

void dests_wake(struct queue *q, int64_t now)
{
	list_each(d, &q->sleeping, struct dest, node) {
		if (d->wake_ms > now)
			break;
		list_remove(&d->node);
		list_append(&q->ready, &d->node);
	}
	dests_run(q);
	set_timer(q);
}

static void on_wake(uv_timer_t *t)
{
	dests_wake(t->data, clock_wall_ms());
}

static void set_timer(struct queue *q)
{
	enum { LONGEST_MS = 60000 };	/* the wall clock may jump */
	struct dest *d = list_first(&q->sleeping, struct dest, node);
	if (!d) {
		uv_timer_stop(&q->wake);
		return;
	}
	int64_t wait = d->wake_ms - clock_wall_ms();
	wait = wait < 0 ? 0 : wait > LONGEST_MS ? LONGEST_MS : wait;
	bug_if(uv_timer_start(&q->wake, on_wake, (uint64_t)wait, 0));
}

static void sleep_until(struct dest *d, int64_t at)
{
	struct queue *q = d->q;
	list_remove(&d->node);	/* first: it may be the last sleeper itself */
	struct list *behind = q->sleeping.prev;	/* most go to sleep for longer than those that sleep */
	d->wake_ms = at;
	while (behind != &q->sleeping && list_entry(behind, struct dest, node)->wake_ms > at)
		behind = behind->prev;
	list_prepend(behind, &d->node);
	set_timer(q);
}

void dest_wake(struct queue *q, struct slice key, int64_t at)
{
	struct dest *d = map_get(q->dests, key);
	if (!d)
		d = dest_new(q, key);
	if (d->kind == DEST_OTHER) {
		dest_free(d);
		return;
	}
	if (list_linked(&d->node) && at >= d->wake_ms)
		return;
	if (at > clock_wall_ms()) {
		sleep_until(d, at);
		return;
	}
	list_remove(&d->node);
	d->wake_ms = at;
	list_append(&q->ready, &d->node);
}

static void drop_window(struct dest *d)
{
	while (!list_empty(&d->window)) {
		struct job *j = list_first(&d->window, struct job, node);
		list_remove(&j->node);
		job_free(&j);
	}
}

void dest_pause(struct dest *d, int64_t until)
{
	if (d->blocked_ms < until)
		d->blocked_ms = until;
	drop_window(d);
}

void dest_unreachable(struct dest *d, int64_t now)
{
	struct conf *conf = d->q->room->conf;
	int64_t max = (int64_t)conf_u64(conf, "queue.probe");
	if (d->kind != DEST_TO)
		max *= 30;	/* other people's servers are asked less often than the customer's own */
	if (now < d->blocked_ms)
		return;
	d->failures++;
	dest_pause(d, now + backoff_probe_ms(max, d->failures, rng_u64()));
}

void dest_reached(struct dest *d)
{
	d->failures = 0;
	d->blocked_ms = 0;
}

void dests_drop_windows(struct queue *q)
{
	size_t at = 0;
	void *value;
	while (map_next(q->dests, &at, NULL, &value))
		drop_window(value);
}

void dest_unblock_all(struct queue *q)
{
	size_t at = 0;
	void *value;
	while (map_next(q->dests, &at, NULL, &value)) {
		struct dest *d = value;
		d->blocked_ms = 0;
		list_remove(&d->node);
		list_append(&q->ready, &d->node);
	}
}

static unsigned limit(const struct dest *d)
{
	if (d->kind == DEST_ROUTE)
		return QUEUE_ROUTE_JOBS;
	if (d->kind == DEST_STORE)
		return QUEUE_STORE_JOBS;
	return d->failures ? 1 : (unsigned)conf_u64(d->q->room->conf, "queue.per_host");
}

/* Reads due rows that no job holds into jobs; rows of one message that stand together become one job. What was read before an
 * error may run: whoever finds the window empty next asks again. */
static int fill_window(struct dest *d, int64_t now)
{
	struct queue *q = d->q;
	struct job *last = NULL;
	size_t n = 0;
	int err = 0;
	struct sql_stmt *s =
		sql_prepare(q->db, "SELECT message, " ROW_COLUMNS
				   " FROM recipient WHERE destination = ? AND due_ms <= ?"
				   " ORDER BY due_ms, id LIMIT ?");
	sql_bind_blob(s, 1, d->key);
	sql_bind_int(s, 2, now);
	/* Rows that other dests' jobs hold may stand here after a kick: they must not hide what is behind them. */
	sql_bind_int(s, 3, (int64_t)(map_count(q->flying) + QUEUE_WINDOW));
	while (n < QUEUE_WINDOW && (err = sql_step(s)) == 1) {
		uint64_t message = (uint64_t)sql_int(s, 0), id = (uint64_t)sql_int(s, 1);
		if (map_get(q->flying, map_key_u64(&id)))
			continue;
		if (!last || last->message != message || last->n == QUEUE_JOB_RCPTS) {
			last = job_new(d, message);
			list_append(&d->window, &last->node);
		}
		job_add_row(last, s);
		n++;
	}
	sql_done(s);
	return err < 0 ? err : 0;
}

static int next_due(struct dest *d, int64_t now, int64_t *ret)
{
	int err = sql_get(d->q->db, ret,
			  "SELECT due_ms FROM recipient WHERE destination = ? AND due_ms > ? ORDER "
			  "BY due_ms LIMIT 1",
			  "bi", d->key, now);
	if (err == ERR_NOT_FOUND)
		*ret = NEVER;
	return err == ERR_NOT_FOUND ? 0 : err;
}

/* What waits there is not known, so something may. */
static void unread(struct dest *d, int64_t now, int err)
{
	ev(EV_ERROR, "queue.destination.unread", KSL("destination", d->key), KS("error", err_name(err)));
	dest_pause(d, now + QUEUE_PAUSE_MS);
	sleep_until(d, d->blocked_ms);
}

/* Nothing to begin there now. */
static void rest(struct dest *d, int64_t now)
{
	int64_t at;
	int err = next_due(d, now, &at);
	if (err < 0) {
		unread(d, now, err);
		return;
	}
	list_remove(&d->node);
	d->wake_ms = NEVER;
	if (at != NEVER)
		sleep_until(d, at);
	else if (!d->rows && !d->active)
		dest_free(d);
}

/* One job of d, where there is one that may run. */
static void turn(struct dest *d, int64_t now)
{
	struct queue *q = d->q;
	bool away = (d->kind == DEST_TO || d->kind == DEST_MX) && now < q->relay_away_ms;
	if (away || now < d->blocked_ms) {
		sleep_until(d, away ? q->relay_away_ms : d->blocked_ms);
		return;
	}
	if (d->active >= limit(d)) {	/* comes back when a job is over */
		list_remove(&d->node);
		d->wake_ms = NEVER;
		return;
	}
	int err = list_empty(&d->window) ? fill_window(d, now) : 0;
	struct job *j = list_first(&d->window, struct job, node);
	if (!j) {
		if (err < 0)
			unread(d, now, err);
		else
			rest(d, now);
		return;
	}
	list_remove(&j->node);
	list_remove(&d->node);
	list_append(&q->ready, &d->node);
	d->active++;
	q->active++;
	job_start(j);
}

void dests_run(struct queue *q)
{
	if (q->scheduling || q->stopping)
		return;
	q->scheduling = true;
	int64_t now = clock_wall_ms();
	while (q->active < QUEUE_ACTIVE_MAX && !list_empty(&q->ready))
		turn(list_first(&q->ready, struct dest, node), now);
	q->scheduling = false;
}

void dest_job_over(struct dest *d)
{
	d->active--;
	d->q->active--;
	dest_wake(d->q, d->key, clock_wall_ms());
}

int dests_load(struct queue *q)
{
	int err;
	struct sql_stmt *s = sql_prepare(q->db,
		"SELECT destination, min(due_ms) FROM recipient GROUP BY destination ORDER BY 2");
	while ((err = sql_step(s)) == 1)
		dest_wake(q, sql_blob(s, 0), sql_int(s, 1));
	sql_done(s);
	if (err < 0)
		ev(EV_ERROR, "queue.destinations.unread", KS("error", err_name(err)));
	else
		q->loaded_ms = clock_mono_ms();
	bug_if(uv_timer_start(&q->wake, on_wake, 0, 0));	/* looks at the ready ones, then sets itself */
	return err;
}
