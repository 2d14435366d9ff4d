/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DIRECTORY_MOVE_NEXT and DIRECTORY_MOVE_PROGRESS. A mover's slot asks and is held until there is work; a slot that
 * asks again takes the place of what it asked before. Passwords leave their seal only on the way to the mover.
 */
#include "room/directory/directory_priv.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "lib/sql/sql.h"

enum { WAITERS_MAX = 1024, SLOT_MAX = 0xffff };

struct waiter {
	struct list node;
	struct ipc_call *call;
	uint64_t holder;
};

static uint64_t holder_of(unsigned mover, uint32_t slot)
{
	return ((uint64_t)mover + 1) << 16 | (slot & SLOT_MAX);
}

struct slice task_label(struct arena *a, uint64_t plan, uint64_t account)
{
	return slice_str(arena_printf(a, "task %llu %llu", (unsigned long long)plan,
				      (unsigned long long)account));
}

struct slice plan_label(struct arena *a, uint64_t domain)
{
	return slice_str(arena_printf(a, "plan %llu", (unsigned long long)domain));
}

static int unseal(struct directory *d, struct arena *a, const struct plan *p, const struct task *t,
		  struct slice *ret)
{
	if (p->master_user.n)
		return seal_get(d->seal, a, plan_label(a, p->domain), p->sealed, ret);
	return seal_get(d->seal, a, task_label(a, t->plan, t->account), t->sealed, ret);
}

static void fill_task(struct arena *a, Postern__MoveTask *m, const struct plan *p,
		      const struct task *t)
{
	m->task_id = t->id;
	m->account_id = t->account;
	m->address = data_of(t->address);
	m->shard = t->shard;
	m->host = arena_str(a, p->host);
	m->port = p->port;
	m->tls = (Postern__SourceTls)p->tls;
	m->verify = p->verify;
	m->pop3 = p->pop3;
	m->user = data_of(t->user);
	m->master_user = data_of(p->master_user);
	m->source_id = t->source;
	m->proof = t->proof;
	m->since_ms = t->started_ms;
	m->messages_new = t->counts.messages_new;
	m->bytes_new = t->counts.bytes_new;
}

/* Its password cannot be read (another key, damage): that is for people to see. */
static void give_up(struct directory *d, const struct task *t, uint64_t holder)
{
	struct counts none = { 0 };
	ev(EV_ERROR, "directory.task.unreadable", KI("task", t->id));
	IGNORE(task_finish(d->e, t->id, holder, false, SLICE("the stored password cannot be read"),
			   &none, (struct slice){ 0 }, clock_wall_ms()),
	       "its lease runs out, then it is tried again");
}

/* The password lives only as long as it takes to send it. */
static bool send_task(struct directory *d, struct ipc_call *call, const struct plan *p,
		      const struct task *t)
{
	Postern__MoveTask m = POSTERN__MOVE_TASK__INIT;
	struct arena *secrets = arena_new();
	struct slice password = { 0 };
	bool ok = unseal(d, secrets, p, t, &password) == 0;
	if (ok) {
		fill_task(call->arena, &m, p, t);
		m.password = data_of(password);
		ipc_reply(call, &m.base, -1);
	}
	if (password.n)
		explicit_bzero((void *)(uintptr_t)password.p, password.n);
	arena_free(&secrets);
	return ok;
}

/* Hands one task to who waits; false where there is none. */
static bool hand_out(struct directory *d, struct ipc_call *call, uint64_t holder)
{
	struct arena *a = call->arena;
	struct task t;
	struct plan p;
	int r = task_take(d->e, a, holder, clock_wall_ms(), &t);
	if (r == 0)
		r = plan_by_id(d->e, a, t.plan, &p);
	directory_check_disk(d);
	if (r < 0)
		return false;
	if (send_task(d, call, &p, &t))
		return true;
	give_up(d, &t, holder);
	return false;
}

static void on_due(uv_timer_t *t)
{
	move_wake(t->data);
}

static void wait_for_due(struct directory *d)
{
	int64_t due = 0;
	enum { LEAST_MS = 100, MOST_MS = 60 * 1000 };
	uv_timer_stop(&d->due);
	if (list_empty(&d->movers) || task_next_due(d->e, &due) < 0)
		return;
	int64_t in = due - clock_wall_ms();
	in = in < LEAST_MS ? LEAST_MS : in > MOST_MS ? MOST_MS : in;
	bug_if(uv_timer_start(&d->due, on_due, (uint64_t)in, 0) < 0);
}

void move_wake(struct directory *d)
{
	list_each(w, &d->movers, struct waiter, node)
	{
		if (!hand_out(d, w->call, w->holder))
			break;
		list_remove(&w->node);
		free(w);
	}
	wait_for_due(d);
}

/* Drops what the same slot asked before: its caller has given that call up. */
static void forget_earlier(struct directory *d, uint64_t holder)
{
	list_each(w, &d->movers, struct waiter, node)
	{
		if (w->holder != holder)
			continue;
		list_remove(&w->node);
		ipc_fail(w->call, ERR_CONFLICT, NULL);
		free(w);
	}
}

void serve_move_next(struct ipc_call *call, void *ctx)
{
	struct room *room = ctx;
	struct directory *d = room->state;
	const Postern__MoveNextRequest *req = (const Postern__MoveNextRequest *)call->req;
	uint64_t holder = holder_of(call->peer_index, req->slot);
	if (req->slot > SLOT_MAX) {
		ipc_fail(call, ERR_INVALID, NULL);
		return;
	}
	forget_earlier(d, holder);
	if (hand_out(d, call, holder))
		return;
	struct waiter *w = calloc(1, sizeof(*w));
	bug_if(!w);
	w->call = call;
	w->holder = holder;
	list_append(&d->movers, &w->node);
	wait_for_due(d);
}

void move_caller_gone(struct directory *d, struct ipc_chan *chan, unsigned mover)
{
	list_each(w, &d->movers, struct waiter, node)
	{
		if (w->call->chan != chan)
			continue;
		list_remove(&w->node);
		ipc_fail(w->call, ERR_CLOSED, NULL);
		free(w);
	}
	IGNORE(task_release(d->e, (uint64_t)mover + 1), "else their leases run out");
	directory_check_disk(d);
	move_wake(d);
}

static struct counts counts_of(const Postern__MoveProgress *m)
{
	return (struct counts){
		.folders_total = m->folders_total,
		.folders_done = m->folders_done,
		.messages_total = m->messages_total,
		.messages_done = m->messages_done,
		.messages_new = m->messages_new,
		.messages_failed = m->messages_failed,
		.bytes_new = m->bytes_new,
	};
}

/* Numbers of a peer go into signed columns. */
static bool counts_sane(const struct counts *c)
{
	return c->folders_total <= INT64_MAX && c->folders_done <= INT64_MAX &&
	       c->messages_total <= INT64_MAX && c->messages_done <= INT64_MAX &&
	       c->messages_new <= INT64_MAX && c->messages_failed <= INT64_MAX &&
	       c->bytes_new <= INT64_MAX;
}

/* Progress names no slot: whichever slot of that mover holds the task. */
static int note(struct directory *d, struct ipc_call *call, const Postern__MoveProgress *m)
{
	struct counts counts = counts_of(m);
	struct task t;
	int64_t now = clock_wall_ms();
	int r = task_by_id(d->e, call->arena, m->task_id, &t);
	if (r < 0)
		return r == ERR_NOT_FOUND ? ERR_CONFLICT : r;
	if (t.holder >> 16 != (uint64_t)call->peer_index + 1)
		return ERR_CONFLICT;
	if (!counts_sane(&counts))
		return ERR_INVALID;
	if (!strcmp(m->state, "running"))
		return task_progress(d->e, t.id, t.holder, &counts, now);
	bool done = !strcmp(m->state, "done");
	if (!done && strcmp(m->state, "failed"))
		return ERR_INVALID;
	r = task_finish(d->e, t.id, t.holder, done, slice_str(m->error), &counts,
			bytes_of(&m->report), now);
	ev(done ? EV_INFO : EV_WARN, done ? "directory.task.done" : "directory.task.failed",
	   KSL("address", t.address), KI("new", counts.messages_new), KS("error", m->error));
	return r;
}

void serve_move_progress(struct ipc_call *call, void *ctx)
{
	struct room *room = ctx;
	struct directory *d = room->state;
	Postern__Nothing reply = POSTERN__NOTHING__INIT;
	int r = note(d, call, (const Postern__MoveProgress *)call->req);
	directory_check_disk(d);
	if (r < 0)
		ipc_fail(call, r, NULL);
	else
		ipc_reply(call, &reply.base, -1);
	proof_wake(d);
	move_wake(d);
}

/* A plan that nobody went on with for so long keeps no passwords. */
void move_expire(struct directory *d, int64_t now_ms)
{
	int64_t id = 0;
	while (plan_idle(d->e, now_ms - PLAN_IDLE_MS, &id) == 0) {
		int r = engine_begin(d->e);
		if (r == 0)
			r = plan_end(d->e, (uint64_t)id, now_ms);
		if (r < 0) {
			engine_rollback(d->e);
			return;
		}
		if (engine_commit(d->e) < 0)
			return;
		ev(EV_INFO, "directory.plan.expired", KI("plan", id));
	}
}
