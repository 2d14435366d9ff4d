/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The room: slots that fetch tasks from directory and report how far they are. A progress report that directory
 * refuses (the task was stopped, or given to another slot) ends the task without a word.
 */
#include "room/mover/mover_priv.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "lib/tls/tls.h"

enum { NEXT_MS = 600000, PAUSE_MS = 1000, FINAL_MS = 60000 };

struct slot {
	struct mover *mover;
	unsigned index;
	struct move_task *task;
	struct peer_call *call;		/* MOVE_NEXT, or the final report */
	struct peer_call *progress;
	uv_timer_t timer;
	uint64_t told;			/* sum of the figures of the last report */
	int64_t told_ms;
};

static void ask_next(struct slot *slot);
static void on_tick(uv_timer_t *timer);

static void tick_in(struct slot *slot, uint64_t ms)
{
	bug_if(uv_timer_start(&slot->timer, on_tick, ms, 0) < 0);
}

static struct peer_call *ask_directory(struct slot *slot, uint16_t op, const ProtobufCMessage *req, unsigned ms,
				       ipc_reply_fn *fn)
{
	return room_call(slot->mover->room, ROLE_DIRECTORY, 0, op, req, NULL, 0, ms, fn, slot);
}

static void end_task(struct slot *slot)
{
	room_call_cancel(&slot->call);
	room_call_cancel(&slot->progress);
	move_task_free(&slot->task);
	tick_in(slot, 0);
}

static void fill_progress(const struct move_task *t, Postern__MoveProgress *p)
{
	postern__move_progress__init(p);
	p->task_id = t->ask.task_id;
	p->state = "running";
	p->folders_total = t->n_folders;
	p->folders_done = t->folders_done;
	p->messages_total = t->messages_total;
	p->messages_done = t->messages_done;
	p->messages_new = t->messages_new > t->new_before ? t->messages_new : t->new_before;
	p->bytes_new = t->bytes_new > t->bytes_before ? t->bytes_new : t->bytes_before;
	p->messages_failed = t->messages_failed;
}

static void on_told(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct slot *slot = ctx;

	slot->progress = NULL;
	if (err == ERR_CONFLICT || err == ERR_NOT_FOUND || err == ERR_DENIED) {
		ev(EV_INFO, "mover.task.stopped", KI("task", slot->task->ask.task_id));
		end_task(slot);
	}
}

static void tell_progress(struct slot *slot, int64_t now)
{
	const struct move_task *t = slot->task;
	uint64_t sum = t->n_folders + t->folders_done + t->messages_total + t->messages_done + t->messages_new +
		       t->messages_failed + t->bytes_new;
	Postern__MoveProgress p;

	if (slot->progress || (sum == slot->told && now - slot->told_ms < ALIVE_MS))
		return;
	slot->told = sum;
	slot->told_ms = now;
	fill_progress(t, &p);
	slot->progress = ask_directory(slot, POSTERN__DIRECTORY_OP__DIRECTORY_MOVE_PROGRESS, &p.base, FINAL_MS, on_told);
}

static void on_final(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct slot *slot = ctx;

	slot->call = NULL;
	if (err == ERR_UNAVAILABLE || err == ERR_TIMEOUT) {	/* directory is away: the report waits for it */
		tick_in(slot, PAUSE_MS);
		return;
	}
	end_task(slot);
}

static void tell_final(struct slot *slot)
{
	struct move_task *t = slot->task;
	struct buf report = BUF_INIT(REPORT_MAX + 1024);
	Postern__MoveProgress p;

	room_call_cancel(&slot->progress);
	fill_progress(t, &p);
	p.state = t->error[0] ? "failed" : "done";
	p.error = t->error;
	report_write(t, &report);
	p.report.data = report.p;
	p.report.len = report.n;
	ev(t->error[0] ? EV_WARN : EV_INFO, t->error[0] ? "mover.task.failed" : "mover.task.done",
	   KI("task", t->ask.task_id), KSL("address", slice_of(t->ask.address.data, t->ask.address.len)),
	   KI("messages", t->messages_done), KI("new", p.messages_new), KI("failed", t->messages_failed),
	   KS("error", t->error));
	slot->call = ask_directory(slot, POSTERN__DIRECTORY_OP__DIRECTORY_MOVE_PROGRESS, &p.base, FINAL_MS, on_final);
	buf_fini(&report);
}

static void on_tick(uv_timer_t *timer)
{
	struct slot *slot = timer->data;
	int64_t now = clock_mono_ms();

	if (slot->mover->room->stopping)
		return;
	if (!slot->task) {
		ask_next(slot);
		return;
	}
	move_task_tick(slot->task, now);
	if (!slot->task->over) {
		tell_progress(slot, now);
		tick_in(slot, TICK_MS);
	} else if (!slot->call) {
		tell_final(slot);
	}
}

static void on_next(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct slot *slot = ctx;
	const Postern__MoveTask *ask = (const Postern__MoveTask *)reply;

	slot->call = NULL;
	if (err < 0 || ask->task_id == 0) {
		tick_in(slot, err == ERR_TIMEOUT ? 0 : PAUSE_MS);
		return;
	}
	slot->told = UINT64_MAX;
	slot->task = move_task_new(slot->mover, ask);
	move_task_begin(slot->task);
	tick_in(slot, TICK_MS);
}

static void ask_next(struct slot *slot)
{
	Postern__MoveNextRequest req = POSTERN__MOVE_NEXT_REQUEST__INIT;

	if (slot->call)
		return;
	req.slot = slot->index;
	slot->call = ask_directory(slot, POSTERN__DIRECTORY_OP__DIRECTORY_MOVE_NEXT, &req.base, NEXT_MS, on_next);
}

/* A task that has just ended need not wait for its tick. */
void move_task_finish(struct move_task *t)
{
	t->over = true;
	for (size_t i = 0; i < t->mover->n_slots; i++)
		if (t->mover->slots[i]->task == t)
			tick_in(t->mover->slots[i], 0);
}

static void add_slot(struct mover *m)
{
	struct slot *slot = calloc(1, sizeof(*slot));

	bug_if(!slot);
	slot->mover = m;
	slot->index = (unsigned)m->n_slots;
	slot->timer.data = slot;
	bug_if(uv_timer_init(m->room->loop, &slot->timer) < 0);
	m->slots[m->n_slots++] = slot;
	tick_in(slot, 0);
}

static int init(struct room *room)
{
	struct mover *m = calloc(1, sizeof(*m));
	uint64_t slots = conf_u64(room->conf, "mover.connections");
	int r;

	bug_if(!m);
	m->room = room;
	room->state = m;
	if ((r = resolver_new(room->loop, conf_str(room->conf, "dns.servers"), &m->resolver)) < 0)
		return r;
	if ((r = tls_client_new(TLS_VERIFY_NONE, slice_of(NULL, 0), &m->tls_any)) < 0)
		return r;
	if ((r = tls_client_new(TLS_VERIFY_NAME, slice_of(NULL, 0), &m->tls_name)) < 0)
		return r;
	while (m->n_slots < slots && m->n_slots < SLOTS_MAX)
		add_slot(m);
	return 0;
}

static void on_stop(struct room *room)
{
	struct mover *m = room->state;

	room->stopping = true;
	for (size_t i = 0; i < m->n_slots; i++) {
		room_call_cancel(&m->slots[i]->call);
		room_call_cancel(&m->slots[i]->progress);
		move_task_free(&m->slots[i]->task);
	}
	room_exit(room, 0);
}

static void on_stats(struct room *room, struct stats *stats)
{
	struct mover *m = room->state;
	int64_t running = 0;

	for (size_t i = 0; i < m->n_slots; i++)
		running += m->slots[i]->task != NULL;
	stats_add(stats, "tasks", running);
	stats_add(stats, "messages", (int64_t)m->copied_messages);
	stats_add(stats, "bytes", (int64_t)m->copied_bytes);
}

static const struct sandbox_policy sandbox = { .allow = SANDBOX_CONNECT, .nofile = 4096 };

static ipc_handler_fn *const handlers[] = {
	[POSTERN__MOVER_OP__MOVER_PROBE] = mover_probe,
	[POSTERN__MOVER_OP__MOVER_CHECK] = mover_check,
};

const struct room_ops mover_ops = {
	.sandbox = &sandbox,
	.serves = &mover_contract,
	.handlers = handlers,
	.init = init,
	.on_stop = on_stop,
	.on_stats = on_stats,
};
