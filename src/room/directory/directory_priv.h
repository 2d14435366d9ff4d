/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The room around the engine: what it holds while it runs, and the pieces that ask other rooms. The engine is
 * called synchronously; between two such calls anything may have changed, so whoever waited looks again.
 */
#ifndef ROOM_DIRECTORY_DIRECTORY_PRIV_H
#define ROOM_DIRECTORY_DIRECTORY_PRIV_H

#include "base/list.h"
#include "base/map.h"
#include "ipc/directory.pb-c.h"
#include "lib/room/room.h"
#include "room/directory/db/engine.h"
#include "room/directory/noun/plan.h"
#include "room/directory/login/seal.h"

enum {
	STORE_MS = 30 * 1000,		/* what a shard may take */
	MOVER_MS = 60 * 1000,		/* a check of a source */
	PROBE_MS = 12 * 1000,		/* a client waits for its RCPT meanwhile */
	PROBES_MAX = 64,		/* at a time; past it the answer is "no answer" */
	PROBE_PAUSE_MS = 15 * 1000,	/* a server that did not answer is not asked again for so long */
	TICK_MS = 60 * 1000,
	RECALLS_MAX = 8,		/* of one pool for one question */
	PLAN_IDLE_MS = 14 * 24 * 3600 * 1000,	/* then its passwords go */
};

struct timers;
struct notices;

struct directory {
	struct room *room;
	struct engine *e;
	struct seal *seal;
	struct guard *guard;
	uv_timer_t tick, due;
	uv_timer_t forgot;	/* op/forgot.h */
	struct timers *timers;	/* timer.c */
	struct notices *notices;	/* notice/send.c */
	unsigned probes;
	struct map *silent;		/* "host:port" -> struct silent */
	struct list movers;		/* struct waiter: MOVE_NEXT that wait for work */
	struct list proofs;		/* struct admin: move.proof that waits for its tasks */
	struct map *areas;		/* account ids of areas that mail was routed to -> struct look */
	uv_timer_t look;		/* then they are looked at */
	struct list transfers;		/* struct run */
	int64_t damaged_until_ms;	/* those with a message that cannot be read rest */
	bool finishing, finish_again, applying;
	int64_t routes, refused, grants;
};

static inline struct slice bytes_of(const ProtobufCBinaryData *b)
{
	return slice_of(b->data, b->len);
}

static inline ProtobufCBinaryData data_of(struct slice s)
{
	return (ProtobufCBinaryData){ s.n, (uint8_t *)(uintptr_t)s.p };
}

/* After any change: the room ends where the disk failed, loudly; the next start reads what is there. */
void directory_check_disk(struct directory *d);

ipc_handler_fn serve_rules, serve_rules_failed;
ipc_handler_fn serve_login_result;
ipc_handler_fn serve_session;
ipc_handler_fn serve_route, serve_sender, serve_credential, serve_grant, serve_rehash, serve_admin, serve_move_next,
	serve_move_progress, serve_quota, serve_host;

/* A link to a page of ours: only configuration says where it leads (web.url), never a request. */
const char *web_link(struct directory *d, struct arena *a, const char *path);

/* What a sealed password is bound to. */
struct slice task_label(struct arena *a, uint64_t plan, uint64_t account);
struct slice plan_label(struct arena *a, uint64_t domain);

/* Waiting movers get what there is; sets the timer for what comes due later. */
void move_wake(struct directory *d);
void move_caller_gone(struct directory *d, struct ipc_chan *chan, unsigned mover);
void move_expire(struct directory *d, int64_t now_ms);
/* A proof task ended. */
void proof_wake(struct directory *d);

/* Accounts that a crash left half made or half removed are completed; harmless at any time. */
void finish_accounts(struct directory *d);

/* Tells the shards what holds for the customer's mailboxes now, and takes back what their leases have to spare; done
 * gets 0 when all of them have it in force. What fails is done at a later tick (limits_finish). */
typedef void limits_done_fn(void *ctx, int err);
void limits_apply(struct directory *d, uint64_t customer, limits_done_fn *done, void *ctx);
void limits_finish(struct directory *d);
/* Takes back what other shards have to spare of a pool. but: this shard is left alone; PEER_ANY: none is. done gets
 * ERR_CONFLICT where one has asked for more meanwhile: try again. */
void limits_recall(struct directory *d, uint64_t customer, unsigned but, limits_done_fn *done, void *ctx);

/* One call to the store for each account, a window at a time. Freed by itself behind done. */
struct store_batch;
typedef void store_each_fn(void *ctx, size_t i, int err, const ProtobufCMessage *reply);
typedef void store_done_fn(void *ctx, int err);	/* the first error, or 0 */
void store_batch(struct directory *d, uint16_t op, const struct account *accounts, size_t n, store_each_fn *each,
		 store_done_fn *done, void *ctx);

#endif
