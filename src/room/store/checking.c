/* SPDX-License-Identifier: Apache-2.0 */
/* store.check: slice by slice, with as much time between two of them as one takes, so that mail goes on. */
#include "room/store/room.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "base/text.h"

enum {
	SLICE_MS = 10,
	FAULT_TEXTS = 50,
};
#define CHECK_BYTES ((uint64_t)4 << 30)	/* of a larger shard only heads are read while it serves; `postern check` reads all */

static void on_fault(void *ctx, const char *text)
{
	struct checking *x = ctx;

	ev(EV_ERROR, "store.check.fault", KS("text", text));
	if (x->r->n_texts < FAULT_TEXTS)
		x->r->texts[x->r->n_texts++] = arena_str(x->call->arena, slice_str(text));
}

static void finish(struct checking *x, int err, const struct check_result *c)
{
	struct ipc_call *call = TAKE(x->call);

	checker_free(&x->checker);
	if (err) {
		ipc_fail(call, err, NULL);
		return;
	}
	x->r->accounts = c->accounts;
	x->r->mailboxes = c->mailboxes;
	x->r->messages = c->messages;
	x->r->blobs = c->blobs;
	x->r->bytes = c->bytes;
	x->r->faults = c->faults;
	ev(EV_INFO, "store.check.done", KI("messages", c->messages), KI("blobs", c->blobs), KI("faults", c->faults));
	ipc_reply(call, &x->r->base, -1);
}

static void on_slice(uv_timer_t *timer)
{
	struct store *st = timer->data;
	struct checking *x = &st->checking;
	struct check_result c;
	int64_t began = clock_mono_ms();
	int done = 0;

	if (st->dead || !x->checker)
		return;
	x->slices++;
	while (!done && clock_mono_ms() - began < SLICE_MS)
		done = checker_step(x->checker, &c);
	if (done)
		finish(x, done < 0 ? done : 0, &c);
	else
		uv_timer_start(timer, on_slice, (uint64_t)(clock_mono_ms() - began) + 1, 0);
}

void checking_start(struct store *st, struct ipc_call *call)
{
	struct checking *x = &st->checking;
	struct shard_space space;

	if (x->call) {
		ipc_fail(call, ERR_CONFLICT, "a check is under way");
		return;
	}
	shard_space(st->engine, &space);
	x->call = call;
	x->r = ARENA_NEW(call->arena, Postern__StoreCheckReply);
	postern__store_check_reply__init(x->r);
	x->r->texts = ARENA_ARRAY(call->arena, char *, FAULT_TEXTS);
	x->checker = checker_new(st->engine, space.live_bytes < CHECK_BYTES, on_fault, x);
	ev(EV_INFO, "store.check.begun");
	int err = shard_check_database(st->engine, false);
	if (err == ERR_CORRUPT) {
		on_fault(x, N_("the database is damaged"));
		finish(x, 0, &(struct check_result){ .faults = 1 });
	} else if (err) {
		finish(x, err, NULL);
	} else {
		uv_timer_start(&x->timer, on_slice, 1, 0);
	}
}

unsigned checking_percent(const struct store *st)
{
	return st->checking.checker ? checker_percent(st->checking.checker) : 100;
}

void checking_init(struct store *st)
{
	uv_timer_init(st->loop, &st->checking.timer);
	st->checking.timer.data = st;
}

void checking_fini(struct store *st)
{
	checker_free(&st->checking.checker);
	uv_close((uv_handle_t *)&st->checking.timer, NULL);
}
