/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store room: a shard's only process. smtpd and queue deliver, directory makes accounts and opens sessions; the
 * sessions themselves are channels of their own (session.c).
 */
#include "room/store/room.h"

#include "base/err.h"
#include "base/event.h"
#include "lib/ipc/memfd.h"

enum {
	RESERVE_BYTES = 8 << 20,
	TAIL_BYTES = 4 << 20,
};

struct store *store_new(uv_loop_t *loop, struct room *room, struct shard *engine)
{
	struct store *st = calloc(1, sizeof(*st));

	bug_if(!st);
	st->loop = loop;
	st->room = room;
	st->engine = engine;
	st->boxes = map_new();
	st->accounts = map_new();
	st->claims = map_new();
	list_init(&st->unused_boxes);
	list_init(&st->asks);
	st->recalls = (uint64_t)store_now() * 1000;
	store_work_init(st);
	maintain_init(st);
	return st;
}

/* Sessions are ended before, the loop runs once behind it. */
void store_free(struct store **store)
{
	struct store *st = *store;

	boxes_free(st);
	map_free(&st->accounts);
	map_free(&st->claims);
	timers_free(&st->timers);
	free(st);
	*store = NULL;
}

static struct store *store_of(void *ctx)
{
	return ((struct room *)ctx)->state;
}

/* ---- deliveries ---- */

/* "\\Seen" and the like are bits, anything else a keyword. */
static void read_flags(struct arena *a, const Postern__DeliverRecipient *r, struct delivery *to)
{
	static const char *const names[] = { "\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft" };
	struct slice *keywords = ARENA_ARRAY(a, struct slice, r->n_flags + 1);
	for (size_t i = 0; i < r->n_flags; i++) {
		struct slice flag = wire_slice(r->flags[i]);
		size_t k = 0;
		while (k < ARRAY_SIZE(names) && !slice_eq_ci(flag, slice_str(names[k])))
			k++;
		if (k < ARRAY_SIZE(names))
			to->flags |= 1u << k;
		else if (flag.n && flag.p[0] != '\\')
			keywords[to->n_keywords++] = flag;
	}
	to->keywords = keywords;
}

static int do_deliver(struct work *w)
{
	const Postern__DeliverRequest *req = (const Postern__DeliverRequest *)w->call->req;
	struct arena *a = w->call->arena;
	struct delivery *to = ARENA_ARRAY(a, struct delivery, req->n_recipients + 1);
	struct incoming m = { .prefix = wire_slice(req->prefix), .digest = wire_slice(req->digest),
			      .operation_id = wire_slice(req->operation_id), .internal_date = req->internal_date_ms };
	Postern__DeliverReply *r = ARENA_NEW(a, Postern__DeliverReply);
	int err = memfd_map(w->call->fds[0], MESSAGE_MAX, &m.message);

	if (err)
		return err;
	for (size_t i = 0; i < req->n_recipients; i++) {
		to[i].account = req->recipients[i]->account_id;
		to[i].mailbox = wire_slice(req->recipients[i]->mailbox);
		to[i].create = req->recipients[i]->create;
		to[i].mailboxes_max = req->recipients[i]->mailboxes_max;
		read_flags(a, req->recipients[i], &to[i]);
	}
	err = shard_deliver(w->store->engine, to, req->n_recipients, &m);
	memfd_unmap(&m.message);
	if (err)
		return err;
	postern__deliver_reply__init(r);
	r->results = ARENA_ARRAY(a, Postern__DeliverResult *, req->n_recipients + 1);
	for (size_t i = 0; i < req->n_recipients; i++) {
		Postern__DeliverResult *one = r->results[r->n_results++] = ARENA_NEW(a, Postern__DeliverResult);
		postern__deliver_result__init(one);
		one->err = to[i].err;
		one->uid = to[i].uid;
		one->uidvalidity = to[i].uidvalidity;
	}
	w->reply = &r->base;
	return 0;
}

/* ---- accounts ---- */

static int reply_nothing(struct work *w)
{
	Postern__StoreNothing *r = ARENA_NEW(w->call->arena, Postern__StoreNothing);

	postern__store_nothing__init(r);
	w->reply = &r->base;
	return 0;
}

static int do_put(struct work *w)
{
	const Postern__AccountPut *req = (const Postern__AccountPut *)w->call->req;
	int err = shard_account_put(w->store->engine, req->account_id, wire_slice(req->address), req->quota_bytes,
				     req->quota_messages);

	if (!err)
		err = shard_account_limits(w->store->engine, req->account_id, req->pool_id, req->retention_days);
	return err ? err : reply_nothing(w);
}

static int reply_usage(struct work *w, uint64_t id, const struct account *a)
{
	Postern__AccountUsage *r = ARENA_NEW(w->call->arena, Postern__AccountUsage);

	postern__account_usage__init(r);
	r->account_id = id;
	r->bytes = a->used_bytes;
	r->messages = a->used_messages;
	r->quota_bytes = a->quota_bytes;
	r->sessions = sessions_count(w->store, id);
	w->reply = &r->base;
	return 0;
}

static int do_usage(struct work *w)
{
	uint64_t id = ((const Postern__AccountId *)w->call->req)->account_id;
	struct account a;
	int err = shard_account(w->store->engine, id, &a);

	return err ? err : reply_usage(w, id, &a);
}

static int do_remove(struct work *w)
{
	const Postern__AccountId *req = (const Postern__AccountId *)w->call->req;
	uint64_t id = req->account_id;
	struct account a = { 0 };
	int err = shard_account(w->store->engine, id, &a);

	if (!err && req->only_empty && a.used_messages)
		return ERR_CONFLICT;
	if (!err || err == ERR_NOT_FOUND)
		err = shard_account_remove(w->store->engine, id);
	if (err)
		return err;
	sessions_end(w->store, id, 0, "the account was removed");
	return reply_usage(w, id, &a);
}

/* ---- sessions ---- */

static int do_grant(struct work *w)
{
	const Postern__StoreGrant *req = (const Postern__StoreGrant *)w->call->req;
	struct account a;
	int err = shard_account(w->store->engine, req->account_id, &a);

	if (!err)
		err = store_session_new(w->store, req, w->call->fds[0]);
	if (err)
		return err;
	w->call->fds[0] = -1;
	return reply_nothing(w);
}

static int do_revoke(struct work *w)
{
	const Postern__AccountId *req = (const Postern__AccountId *)w->call->req;

	sessions_end(w->store, req->account_id, req->version, "access was revoked");
	return reply_nothing(w);
}

/* ---- maintenance ---- */

static void h_check(struct ipc_call *call, void *ctx)
{
	if (!store_of(ctx)->dead)
		checking_start(store_of(ctx), call);
}

static void h_compact(struct ipc_call *call, void *ctx)
{
	if (!store_of(ctx)->dead)
		maintain_compact(store_of(ctx), call);
}

static void h_timer(struct ipc_call *call, void *ctx)
{
	struct store *st = store_of(ctx);
	Postern__TimerReply *reply = NULL;

	if (st->dead)
		return;
	int err = timers_answer(st->timers, (const Postern__TimerRequest *)call->req, store_now(), call->arena, &reply);
	if (err)
		ipc_fail(call, err, NULL);
	else
		ipc_reply(call, &reply->base, -1);
}

static const struct {
	int (*run)(struct work *w);
	bool changes, takes_space;
} operations[POSTERN__STORE_OP__STORE_FITS + 1] = {
	[POSTERN__STORE_OP__STORE_DELIVER] = { do_deliver, true, true },
	[POSTERN__STORE_OP__STORE_ACCOUNT_PUT] = { do_put, true, true },
	[POSTERN__STORE_OP__STORE_ACCOUNT_REMOVE] = { do_remove, true, false },
	[POSTERN__STORE_OP__STORE_ACCOUNT_USAGE] = { do_usage, false, false },
	[POSTERN__STORE_OP__STORE_GRANT] = { do_grant, false, false },
	[POSTERN__STORE_OP__STORE_REVOKE] = { do_revoke, false, false },
	[POSTERN__STORE_OP__STORE_FOLDERS] = { store_folders, false, false },
	[POSTERN__STORE_OP__STORE_CLOSE] = { store_close, true, false },
	[POSTERN__STORE_OP__STORE_READ] = { store_read, false, false },
	[POSTERN__STORE_OP__STORE_PUT] = { store_put, true, true },
	[POSTERN__STORE_OP__STORE_DROP] = { store_drop, true, false },
	[POSTERN__STORE_OP__STORE_PRUNE] = { store_prune, true, false },
	[POSTERN__STORE_OP__STORE_POOL_RECALL] = { quota_recall, true, false },
	[POSTERN__STORE_OP__STORE_FITS] = { quota_fits, false, false },
};

static void h_request(struct ipc_call *call, void *ctx)
{
	struct store *st = store_of(ctx);

	if (!st->dead)
		store_work_add(st, NULL, call, operations[call->op].run, operations[call->op].changes,
			 operations[call->op].takes_space);
}

#define R(op) [POSTERN__STORE_OP__STORE_##op] = h_request
ipc_handler_fn *const store_handlers[ARRAY_SIZE(operations)] = {
	R(DELIVER), R(ACCOUNT_PUT), R(ACCOUNT_REMOVE), R(ACCOUNT_USAGE), R(GRANT), R(REVOKE), R(FOLDERS), R(CLOSE),
	R(READ), R(PUT), R(DROP), R(PRUNE), R(POOL_RECALL), R(FITS), [POSTERN__STORE_OP__STORE_CHECK] = h_check,
	[POSTERN__STORE_OP__STORE_COMPACT] = h_compact, [POSTERN__STORE_OP__STORE_TIMER] = h_timer,
};

/* ---- the room ---- */

static int init(struct room *room)
{
	struct shard_options options = { .segment_bytes = conf_u64(room->conf, "store.segment_size"),
					  .reserve_bytes = RESERVE_BYTES,
					  .tail_bytes = TAIL_BYTES };
	struct shard *engine;
	int err = shard_open(&options, &engine);

	if (err)
		return err;
	/* A file that may not grow any more is a full disk, not a reason to die. */
	signal(SIGXFSZ, SIG_IGN);
	room->state = store_new(room->loop, room, engine);
	return 0;
}

static void on_stop(struct room *room)
{
	struct store *st = room->state;

	sessions_end(st, 0, 0, "the server is shutting down");
	if (list_empty(&st->work)) {
		recent_save(st, true);
		shard_close(&st->engine);
		st->dead = true;
		uv_timer_stop(&st->timer);
	}
	room_exit(room, 0);
}

static void on_stats(struct room *room, struct stats *stats)
{
	struct store *st = room->state;
	struct shard_space space;

	shard_space(st->engine, &space);
	stats_add(stats, "sessions", (int64_t)st->n_sessions);
	stats_add(stats, "batches", (int64_t)st->batches);
	stats_add(stats, "operations", (int64_t)st->ops);
	stats_add(stats, "segments", (int64_t)space.segments);
	stats_add(stats, "segment_bytes", (int64_t)space.bytes);
	stats_add(stats, "live_bytes", (int64_t)space.live_bytes);
	stats_add(stats, "check.percent", checking_percent(st));
	stats_add(stats, "check.slices", (int64_t)st->checking.slices);
}

static const struct sandbox_policy policy = { .allow = SANDBOX_DISK, .nofile = 65536 };

const struct room_ops store_ops = {
	.sandbox = &policy,
	.serves = &store_contract,
	.handlers = store_handlers,
	.init = init,
	.on_stop = on_stop,
	.on_stats = on_stats,
};
