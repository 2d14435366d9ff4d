/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a shard does when it has time: checkpoints and compaction slice by slice; and what it does by the clock
 * (the table of jobs at the end).
 */
#include "room/store/room.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "base/text.h"

enum { LOOK_MS = 60 * 1000, PRUNE_MS = 60 * 1000, SLICE_MS = 30, RETENTION_MS = 3600 * 1000 };

static void reply_compact(struct store *st, int err)
{
	struct compactor *c = &st->compactor;
	Postern__StoreCompactReply r = POSTERN__STORE_COMPACT_REPLY__INIT;
	struct shard_space now;
	struct ipc_call *call = TAKE(c->call);

	c->segment = c->below = 0;
	if (!call)
		return;
	if (err) {
		ipc_fail(call, err, NULL);
		return;
	}
	shard_space(st->engine, &now);
	r.segments_before = c->before.segments;
	r.segments_after = now.segments;
	r.bytes_before = c->before.bytes;
	r.bytes_after = now.bytes;
	ipc_reply(call, &r.base, -1);
}

/* Slices until the time of this turn is over. */
static void compact_on(struct store *st)
{
	struct compactor *c = &st->compactor;
	int64_t until = clock_mono_ms() + SLICE_MS;

	while (c->segment && clock_mono_ms() < until) {
		int done = shard_compact_step(st->engine, c->segment, &c->offset, store_now());
		if (shard_fatal(st->engine))
			return;
		if (done < 0) {
			ev(EV_WARN, "store.compact.stopped", KI("segment", c->segment), KS("error", err_name(done)));
			reply_compact(st, done);
			return;
		}
		if (!done)
			continue;
		ev(EV_INFO, "store.compact.segment", KI("segment", c->segment));
		c->offset = 0;
		c->segment = c->call ? shard_compact_pick(st->engine, true, c->below) : 0;
		if (!c->segment)
			reply_compact(st, 0);
	}
}

void maintain_compact(struct store *st, struct ipc_call *call)
{
	struct compactor *c = &st->compactor;

	if (c->call) {
		ipc_fail(call, ERR_CONFLICT, "compaction is under way");
		return;
	}
	shard_space(st->engine, &c->before);
	shard_compact_look(st->engine);
	c->call = call;
	c->below = c->before.active;
	if (!c->segment) {
		c->offset = 0;
		c->segment = shard_compact_pick(st->engine, true, c->below);
	}
	if (!c->segment)
		reply_compact(st, 0);
}

static void prune(void *ctx, int64_t now_ms)
{
	struct store *st = ctx;
	int err = shard_fatal(st->engine) ? ERR_INTERNAL : shard_begin(st->engine, now_ms);

	if (err)
		return;
	err = shard_prune(st->engine);
	if (err)
		shard_rollback(st->engine);
	else
		IGNORE(shard_commit(st->engine), "what matters is shard_fatal");
}

static void look_for_space(void *ctx, int64_t now_ms)
{
	struct store *st = ctx;
	struct compactor *c = &st->compactor;

	if (c->segment || shard_fatal(st->engine))
		return;
	c->offset = 0;
	c->segment = shard_compact_pick(st->engine, false, 0);
}

/* ---- mail that has been kept long enough ---- */

static int retire_some(struct store *st, void *ctx)
{
	return shard_retention_step(st->engine, &st->retention, ctx);
}

static void retire_on(struct store *st)
{
	int64_t until = clock_mono_ms() + SLICE_MS;
	int done = 0;

	while (!done && clock_mono_ms() < until) {
		size_t n = 0;
		done = store_alone(st, retire_some, &n);
		if (done >= 0)
			boxes_apply(st);
		st->retired += done >= 0 ? n : 0;
		if (shard_fatal(st->engine))
			return;
	}
	if (!done)
		return;
	st->retaining = false;
	if (done < 0)
		ev(EV_WARN, "store.retention.stopped", KS("error", err_name(done)));
	else if (st->retired)
		ev(EV_INFO, "store.retention.done", KI("messages", st->retired));
}

static void retire(void *ctx, int64_t now_ms)
{
	struct store *st = ctx;

	if (st->retaining)
		return;
	st->retaining = true;
	st->retired = 0;
	st->retention = (struct retention_cursor){ 0 };
	retire_on(st);
}

static const struct timer_job jobs[] = {
	{ "store.retention", N_("deletes mail that is older than its mailbox keeps it"), RETENTION_MS, retire },
	{ "store.forget", N_("forgets operation ids that are too old to come again"), PRUNE_MS, prune },
	{ "store.space", N_("begins to compact a segment that is mostly deleted mail"), LOOK_MS, look_for_space },
};

void maintain_init(struct store *st)
{
	st->timers = timers_new(jobs, ARRAY_SIZE(jobs), NULL, st);
}

void maintain_tick(struct store *st)
{
	struct compactor *c = &st->compactor;

	recent_save(st, false);
	quota_report(st);
	if (list_empty(&st->work))
		shard_idle(st->engine);
	if (!shard_fatal(st->engine))
		timers_tick(st->timers, store_now());
	if (st->retaining && !shard_fatal(st->engine))
		retire_on(st);
	if (c->segment && !shard_fatal(st->engine))
		compact_on(st);
}
