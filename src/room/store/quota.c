/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the shard says to directory about storage, and hears back. Before mail is refused for want of a lease directory is
 * asked for a larger one; the work waits for the answer and is done once more. Use and crossings are told when they moved.
 *
 * A lease may only shrink here before it shrinks there. So recalls are numbered: a question names the last one that was
 * obeyed, an answer the last one that directory knew to be. An answer given before directory had heard of a recall that
 * came meanwhile is void, since it may name a lease that is another shard's by now: it is asked for again.
 */
#include "room/store/room.h"

#include "base/err.h"
#include "base/event.h"

#include "ipc/directory.pb-c.h"

enum { ASK_MS = 10000, REPORT_MAX = 200 };

struct ask {
	struct list node, works;
	struct store *store;
	uint64_t pool, want;
	uint64_t recall;		/* the last that came while it was under way; 0: none */
};

struct report {
	struct store *store;
	uint64_t last_crossing;
	struct pool pools[REPORT_MAX];
	size_t n_pools;
};

static void send_ask(struct ask *a);

static int no_answer(struct work *w)
{
	return ERR_UNAVAILABLE;
}

static int put_leases(struct store *st, void *ctx)
{
	const Postern__QuotaReply *r = ctx;
	int err = 0;

	for (size_t i = 0; !err && i < r->n_leases; i++)
		err = shard_pool_put(st->engine, r->leases[i]->pool_id, r->leases[i]->lease, r->leases[i]->size,
				     r->leases[i]->elsewhere);
	return err;
}

/* ---- a lease that is too small ---- */

static void on_lease(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct ask *a = ctx;
	struct store *st = a->store;

	if (fd >= 0)
		close(fd);
	if (st->dead)
		return;
	const Postern__QuotaReply *r = (const Postern__QuotaReply *)msg;
	if (!err && r->n_leases == 1 && r->leases[0]->recall < a->recall) {
		a->recall = 0;
		send_ask(a);
		return;
	}
	if (!err)
		err = store_alone(st, put_leases, (void *)(uintptr_t)msg);
	if (err)
		ev(EV_WARN, "store.lease.failed", KI("pool", a->pool), KS("error", err_name(err)));
	list_remove(&a->node);
	/* Without an answer they are put off, not refused. */
	list_each(w, &a->works, struct work, node) {
		if (err)
			w->run = no_answer;
		if (w->session)
			w->session->parked--;
	}
	store_work_again(st, &a->works);
	free(a);
}

static void send_ask(struct ask *a)
{
	Postern__QuotaRequest req = POSTERN__QUOTA_REQUEST__INIT;
	Postern__PoolUse use = POSTERN__POOL_USE__INIT, *list = &use;
	struct pool p;

	use.pool_id = a->pool;
	use.want = a->want;
	use.recall = a->store->recalls;
	if (shard_pool(a->store->engine, a->pool, &p) == 0) {
		use.used = p.used;
		use.last_account = p.last_account;
	}
	req.pools = &list;
	req.n_pools = 1;
	room_call(a->store->room, ROLE_DIRECTORY, 0, POSTERN__DIRECTORY_OP__DIRECTORY_QUOTA, &req.base, NULL, 0, ASK_MS,
		  on_lease, a);
}

static struct ask *ask_of(struct store *st, uint64_t pool)
{
	list_each(a, &st->asks, struct ask, node) {
		if (a->pool == pool)
			return a;
	}
	return NULL;
}

bool quota_short(const struct work *w)
{
	return w->short_pool && (w->held || w->short_want > w->asked) && w->store->room;
}

bool quota_park(struct store *st, struct work *w)
{
	if (!quota_short(w))
		return false;
	struct ask *a = ask_of(st, w->short_pool);
	bool fresh = !a;
	if (fresh) {
		a = calloc(1, sizeof(*a));
		bug_if(!a);
		*a = (struct ask){ .store = st, .pool = w->short_pool, .want = w->short_want };
		list_init(&a->works);
		list_append(&st->asks, &a->node);
	}
	if (!w->held)
		w->asked = a->want;
	w->held = false;
	w->short_pool = 0;
	if (w->session)
		w->session->parked++;
	list_remove(&w->node);
	list_append(&a->works, &w->node);
	if (fresh)
		send_ask(a);
	return true;
}

int quota_fits(struct work *w)
{
	const Postern__FitsRequest *req = (const Postern__FitsRequest *)w->call->req;
	Postern__StoreNothing *r = ARENA_NEW(w->call->arena, Postern__StoreNothing);
	int err = shard_fits(w->store->engine, req->account_id, req->bytes);

	IGNORE(shard_pool_short(w->store->engine, &w->short_pool, &w->short_want), "0: none");
	if (err)
		return err;
	postern__store_nothing__init(r);
	w->reply = &r->base;
	return 0;
}

int quota_recall(struct work *w)
{
	const Postern__PoolId *req = (const Postern__PoolId *)w->call->req;
	Postern__PoolState *r = ARENA_NEW(w->call->arena, Postern__PoolState);
	struct ask *a = ask_of(w->store, req->pool_id);
	struct pool p;
	int err = shard_pool_recall(w->store->engine, req->pool_id, &p);

	if (err)
		return err;
	w->store->report_void |= w->store->reporting;
	postern__pool_state__init(r);
	r->pool_id = p.id;
	r->lease = p.lease;
	r->used = p.used;
	r->recall = ++w->store->recalls;
	if (a)
		a->recall = r->recall;
	w->reply = &r->base;
	return 0;
}

/* ---- what directory is told ---- */

/* Forgets what is known there now. */
static int forget_reported(struct store *st, void *ctx)
{
	const struct report *t = ctx;
	int err = shard_crossings_done(st->engine, t->last_crossing);

	for (size_t i = 0; !err && i < t->n_pools; i++)
		err = shard_pool_reported(st->engine, t->pools[i].id, t->pools[i].used);
	return err;
}

static int keep_report(struct report *t, const Postern__QuotaReply *reply)
{
	struct store *st = t->store;
	int err = st->report_void ? 0 : store_alone(st, put_leases, (void *)(uintptr_t)reply);

	return err ? err : store_alone(st, forget_reported, t);
}

static void on_reported(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct report *t = ctx;
	struct store *st = t->store;

	if (fd >= 0)
		close(fd);
	if (!err && !st->dead)
		err = keep_report(t, (const Postern__QuotaReply *)msg);
	st->reporting = st->report_void = false;
	st->report_failed |= err < 0;
	free(t);
}

static void send_report(struct report *t, const struct crossing *crossings, size_t n)
{
	struct arena *a = arena_new();
	Postern__QuotaRequest req = POSTERN__QUOTA_REQUEST__INIT;

	req.pools = ARENA_ARRAY(a, Postern__PoolUse *, t->n_pools + 1);
	for (size_t i = 0; i < t->n_pools; i++) {
		Postern__PoolUse *u = req.pools[req.n_pools++] = ARENA_NEW(a, Postern__PoolUse);
		postern__pool_use__init(u);
		u->pool_id = t->pools[i].id;
		u->used = t->pools[i].used;
		u->recall = t->store->recalls;
		u->last_account = t->pools[i].last_account;
	}
	req.crossings = ARENA_ARRAY(a, Postern__QuotaCrossing *, n + 1);
	for (size_t i = 0; i < n; i++) {
		Postern__QuotaCrossing *c = req.crossings[req.n_crossings++] = ARENA_NEW(a, Postern__QuotaCrossing);
		postern__quota_crossing__init(c);
		c->id = t->last_crossing = crossings[i].id;
		c->account_id = crossings[i].account;
		c->level = crossings[i].level;
		c->used = crossings[i].used;
		c->quota = crossings[i].quota;
	}
	t->store->reporting = true;
	room_call(t->store->room, ROLE_DIRECTORY, 0, POSTERN__DIRECTORY_OP__DIRECTORY_QUOTA, &req.base, NULL, 0, ASK_MS,
		  on_reported, t);
	arena_free(&a);
}

void quota_report(struct store *st)
{
	struct crossing crossings[REPORT_MAX];
	size_t n = 0;

	if (st->reporting || !st->room || shard_fatal(st->engine))
		return;
	if (!shard_limits_moved(st->engine) && !st->report_failed)
		return;
	struct report *t = calloc(1, sizeof(*t));
	bug_if(!t);
	t->store = st;
	st->report_failed = false;
	int err = shard_crossings(st->engine, crossings, REPORT_MAX, &n);
	if (!err)
		err = shard_pools_to_report(st->engine, t->pools, REPORT_MAX, &t->n_pools);
	/* A full page: there may be more. */
	st->report_failed = err || n == REPORT_MAX || t->n_pools == REPORT_MAX;
	if (err || (!n && !t->n_pools)) {
		free(t);
		return;
	}
	send_report(t, crossings, n);
}
