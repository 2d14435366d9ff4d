/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens by the clock alone: mail that nobody could be asked about for its whole lifetime goes back, senders
 * who asked for it are told of delays, old operation ids are forgotten, the log is synced, segments are emptied (space.h).
 */
#include "room/queue/queue.h"
#include "room/queue/space.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "base/text.h"
#include "lib/room/timers.h"

enum {
	SWEEP_ROWS = 200,	/* a turn; the next one comes at once when there were so many */
	OPERATIONS_MS = 24 * 3600 * 1000,
	SWEEP_LONGEST_MS = 60000,
};

struct sweep {
	struct work work;
	struct arena *arena;
	bool more;
	struct space space;
};

/* A row with its last error, for a notification. */
struct late {
	uint64_t message;
	struct rcpt rcpt;
	struct outcome last;
};

static int read_late(struct sweep *w, struct sql_stmt *s, struct queue *q, struct late *to, size_t *ret_n)
{
	size_t n = 0;
	int err = 0;
	while (n < SWEEP_ROWS && (err = sql_step(s)) == 1) {
		struct late *l = &to[n];
		uint64_t id = (uint64_t)sql_int(s, 1);
		if (map_get(q->flying, map_key_u64(&id)))
			continue;
		*l = (struct late){.message = (uint64_t)sql_int(s, 0),
				   .rcpt = {.id = id,
					    .address = arena_dup(w->arena, sql_blob(s, 2)),
					    .original = arena_dup(w->arena, sql_blob(s, 3)),
					    .orcpt = arena_dup(w->arena, sql_blob(s, 4)),
					    .notify = (unsigned)sql_int(s, 5),
					    .domain = arena_dup(w->arena, sql_blob(s, 6)),
					    .route = QUEUE_ROUTE_ASK},
				   .last = {.what = OUT_LATER,
					    .code = (unsigned)sql_int(s, 7),
					    .enhanced = arena_dup(w->arena, sql_blob(s, 8)),
					    .text = arena_dup(w->arena, sql_blob(s, 9)),
					    .server = arena_dup(w->arena, sql_blob(s, 10))}};
		if (!l->last.enhanced.n)
			l->last.enhanced = SLICE("4.4.7");
		n++;
	}
	sql_done(s);
	w->more |= n == SWEEP_ROWS;
	*ret_n = n;
	return err < 0 ? err : 0;
}

#define LATE_COLUMNS                                                                               \
	"message, id, address, original, orcpt, notify, domain, code, enhanced, text, server"

static int expire(struct queue *q, struct sweep *w, int64_t now)
{
	struct late *late = ARENA_ARRAY(w->arena, struct late, SWEEP_ROWS);
	struct sql_stmt *s =
		sql_prepare(q->db, "SELECT " LATE_COLUMNS " FROM recipient WHERE created_ms < ?"
				   " ORDER BY created_ms LIMIT 1000");
	sql_bind_int(s, 1, now - (int64_t)conf_u64(q->room->conf, "queue.lifetime"));
	size_t n;
	int err = read_late(w, s, q, late, &n);
	for (size_t i = 0; i < n && err >= 0; i++) {
		struct envelope env;
		err = envelope_load(q, w->arena, late[i].message, &env);
		if (err == 0)	/* later() would be asked of a message that is too old: failed() it is */
			err = result_apply(q, &env, &late[i].rcpt, 1, &late[i].last, false,
					   w->arena);
	}
	return err;
}

static int tell_delays(struct queue *q, struct sweep *w, int64_t now)
{
	uint64_t after = conf_u64(q->room->conf, "queue.warn_after");
	if (!after)
		return 0;
	struct late *late = ARENA_ARRAY(w->arena, struct late, SWEEP_ROWS);
	struct sql_stmt *s = sql_prepare(
		q->db, "SELECT " LATE_COLUMNS " FROM recipient WHERE delay_told = 0"
		       " AND (notify & 8) <> 0 AND created_ms < ? ORDER BY created_ms LIMIT 1000");
	sql_bind_int(s, 1, now - (int64_t)after);
	size_t n;
	int err = read_late(w, s, q, late, &n);
	for (size_t i = 0; i < n && err >= 0; i++) {
		const struct late *l = &late[i];
		struct dsn_rcpt r = {.address = l->rcpt.original.n ? l->rcpt.original
								   : l->rcpt.address,
				     .orcpt = l->rcpt.orcpt,
				     .enhanced = l->last.enhanced,
				     .code = l->last.code,
				     .text = l->last.text,
				     .server = l->last.server};
		struct envelope env;
		err = envelope_load(q, w->arena, l->message, &env);
		if (err == 0)
			err = bounce(q, &env, DSN_DELAYED, &r, 1, w->arena);
		if (err >= 0)
			err = sql_run(q->db, "UPDATE recipient SET delay_told = 1 WHERE id = ?",
				      "i", (int64_t)l->rcpt.id);
	}
	return err;
}

static int apply(struct queue *q, struct work *work)
{
	struct sweep *w = container_of(work, struct sweep, work);
	int64_t now = clock_wall_ms();
	int err = expire(q, w, now);
	if (err >= 0)
		err = tell_delays(q, w, now);
	if (err >= 0)
		err = sql_run(q->db,
			      "DELETE FROM operation WHERE id IN"
			      " (SELECT id FROM operation WHERE made_ms < ? LIMIT 2000)",
			      "i", now - OPERATIONS_MS);
	if (err >= 0)
		err = sql_run(q->db, "DELETE FROM once WHERE key IN (SELECT key FROM once WHERE until_ms < ? LIMIT 2000)",
			      "i", now);
	if (err >= 0)
		err = space_find(q->db, q->log, w->more, w->arena, &w->space);
	w->more |= w->space.more;
	return err < 0 ? err : 0;
}

static void arm(struct queue *q, bool soon);

/* Readers of a removed segment: none, a job reads its message in the turn in which it begins. */
static void done(struct queue *q, struct work *work, int err)
{
	struct sweep *w = container_of(work, struct sweep, work);
	if (err >= 0)
		space_free(q->log, &w->space);
	if (err < 0)
		ev(EV_WARN, "queue.sweep.failed", KS("error", err_name(err)));
	IGNORE(sql_checkpoint(q->db), "tried again with the next sweep");
	if (clock_mono_ms() - q->loaded_ms > SWEEP_LONGEST_MS)
		IGNORE(dests_load(q), "told, and loaded again with the next sweep");	/* a wake that was lost is not lost for good */
	q->sweeping = false;
	arm(q, err >= 0 && w->more);
	arena_free(&w->arena);
	free(w);
}

static void sweep(void *ctx, int64_t now_ms)
{
	struct queue *q = ctx;
	if (q->sweeping || q->stopping)
		return;
	struct sweep *w = calloc(1, sizeof(*w));
	bug_if(!w);
	q->sweeping = true;
	q->settle |= q->tail.rows > 0;
	w->arena = arena_new();
	w->work.apply = apply;
	w->work.done = done;
	batch_add(q, &w->work);
}

static void wake(void *ctx, int64_t now_ms)
{
	struct queue *q = ctx;
	if (!q->stopping)
		dests_wake(q, now_ms);
}

static const struct timer_job jobs[] = {
	{ "queue.sweep", N_("sends back what waited too long, tells of delays, gives space back"), 0, sweep },
	{ "queue.wake", N_("begins attempts whose time has come"), 0, wake },
};

static void on_sweep(uv_timer_t *t)
{
	struct queue *q = t->data;
	timers_tick(q->timers, clock_wall_ms());
}

void sweep_handle(struct ipc_call *call, void *ctx)
{
	struct queue *q = ((struct room *)ctx)->state;
	Postern__TimerReply *reply = NULL;
	int err = timers_answer(q->timers, (const Postern__TimerRequest *)call->req, clock_wall_ms(), call->arena,
				&reply);
	if (err < 0)
		ipc_fail(call, err, NULL);
	else
		ipc_reply(call, &reply->base, -1);
}

static void arm(struct queue *q, bool soon)
{
	int64_t pause = (int64_t)conf_u64(q->room->conf, "queue.lifetime") / 10;
	int64_t warn = (int64_t)conf_u64(q->room->conf, "queue.warn_after") / 10;
	if (warn && warn < pause)
		pause = warn;
	pause = pause < 500 ? 500 : pause > SWEEP_LONGEST_MS ? SWEEP_LONGEST_MS : pause;
	if (!q->stopping)
		bug_if(uv_timer_start(&q->sweep, on_sweep, soon ? 1 : (uint64_t)pause, 0));
}

void sweep_start(struct queue *q)
{
	q->sweep.data = q;
	q->timers = timers_new(jobs, ARRAY_SIZE(jobs), NULL, q);
	bug_if(uv_timer_init(q->room->loop, &q->sweep));
	arm(q, false);
}
