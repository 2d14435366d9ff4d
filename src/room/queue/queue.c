/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The room that keeps outbound mail: mail for customers' own servers, for elsewhere, and notifications. It owns
 * queue.db and the log beside it, and hears nobody but rooms. See queue.h for its parts.
 */
#include "room/queue/queue.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "room/queue/schema.h"

enum { STOP_MS = 7000 };

static ipc_handler_fn *const handlers[] = {
	[POSTERN__QUEUE_OP__QUEUE_ENQUEUE] = enqueue_handle,
	[POSTERN__QUEUE_OP__QUEUE_ADMIN] = admin_handle,
	[POSTERN__QUEUE_OP__QUEUE_KICK] = NULL,
	[POSTERN__QUEUE_OP__QUEUE_TIMER] = sweep_handle,
};

static const struct sandbox_policy sandbox = { .allow = SANDBOX_DISK, .nofile = 8192 };

static int open_log(struct queue *q)
{
	int64_t segment, offset;
	int err = sql_get(q->db, &segment, "SELECT segment FROM log_end", "");
	if (err == 0)
		err = sql_get(q->db, &offset, "SELECT offset FROM log_end", "");
	if (err < 0)
		return err;
	struct blob_end end = { (uint32_t)segment, (uint64_t)offset };
	uint32_t missing = 0;
	q->tail.bytes_max = QUEUE_TAIL_BYTES;
	q->settle = true;
	err = tail_put_back(q->db, "log", &q->tail.rows, &missing);
	if (missing)
		ev(EV_WARN, "queue.tail.restored", KI("batches", q->tail.rows), KI("missing", missing));
	return err < 0 ? err : blob_open("log", QUEUE_SEGMENT_BYTES, &end, &q->log);
}

/* A kick may have been missed while the room was down: who waits for a customer's server is asked about again. */
static int ask_again(struct queue *q)
{
	return sql_run(
		q->db,
		"UPDATE recipient SET destination = CAST('route ' || CAST(domain AS TEXT) AS BLOB)"
		" WHERE route = 1 AND destination <> 'parked'",
		"");
}

static int init(struct room *room)
{
	struct queue *q = calloc(1, sizeof(*q));
	bug_if(!q);
	q->room = room;
	room->state = q;
	q->dests = map_new();
	q->flying = map_new();
	q->kicked = map_new();
	list_init(&q->ready);
	list_init(&q->sleeping);
	list_init(&q->unwritten);
	q->started_ms = clock_wall_ms();
	batch_init(q);
	bug_if(uv_timer_init(room->loop, &q->wake) || uv_timer_init(room->loop, &q->stop) ||
	       uv_timer_init(room->loop, &q->again));
	q->wake.data = q->stop.data = q->again.data = q;
	int err = sql_open("queue.db", queue_migrations, queue_n_migrations, &q->db);
	if (err == 0)
		err = open_log(q);
	if (err == 0)
		err = ask_again(q);
	if (err < 0)
		return err;
	err = dests_load(q);
	if (err < 0)
		return err;
	sweep_start(q);
	return 0;
}

static void on_notice(struct ipc_chan *chan, uint16_t op, const ProtobufCMessage *msg, int fd,
		      void *ctx)
{
	struct queue *q = ((struct room *)ctx)->state;
	if (op == POSTERN__QUEUE_OP__QUEUE_KICK)
		kick_domain(q, slice_of_pb(((const Postern__KickNotice *)msg)->domain));
	if (fd >= 0)
		close(fd);
}

static void on_stop_timer(uv_timer_t *t)
{
	struct queue *q = t->data;
	if (q->active)
		ev(EV_WARN, "queue.stop.late", KI("jobs", q->active));
	room_exit(q->room, 0);
}

/* The last answers must leave before the room does. */
void queue_maybe_exit(struct queue *q)
{
	enum { FLUSH_MS = 50 };
	if (q->stopping && !q->active && list_empty(&q->works))
		bug_if(uv_timer_start(&q->stop, on_stop_timer, FLUSH_MS, 0));
}

/* No new attempt begins; those that run are waited for, so that what they delivered is known. */
static void on_stop(struct room *room)
{
	struct queue *q = room->state;
	q->stopping = true;
	uv_timer_stop(&q->wake);
	uv_timer_stop(&q->sweep);
	bug_if(uv_timer_start(&q->stop, on_stop_timer, STOP_MS, 0));
	queue_maybe_exit(q);
}

static int64_t count_of(struct queue *q, const char *sql)
{
	int64_t n = 0;
	IGNORE(sql_get(q->db, &n, sql, ""), "a count for people");
	return n;
}

static void on_stats(struct room *room, struct stats *stats)
{
	struct queue *q = room->state;
	stats_add(stats, "queued", count_of(q, "SELECT count(*) FROM message"));
	stats_add(stats, "recipients", count_of(q, "SELECT count(*) FROM recipient"));
	stats_add(stats, "active", q->active);
	stats_add(stats, "destinations", (int64_t)map_count(q->dests));
	stats_add(stats, "enqueued", (int64_t)q->enqueued);
	stats_add(stats, "delivered", (int64_t)q->delivered);
	stats_add(stats, "hosted", (int64_t)q->hosted);
	stats_add(stats, "failed", (int64_t)q->failed);
	stats_add(stats, "notifications", (int64_t)q->bounced);
	stats_add(stats, "notifications.withheld", (int64_t)q->withheld);
}

const struct room_ops queue_ops = {
	.sandbox = &sandbox,
	.serves = &queue_contract,
	.handlers = handlers,
	.on_notice = on_notice,
	.init = init,
	.on_stop = on_stop,
	.on_stats = on_stats,
};
