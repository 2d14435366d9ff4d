/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DIRECTORY_QUOTA: what a shard says of storage. Leases and crossings are one transaction with what follows from them; a
 * shard that asks for more than is free waits until the others have given back what they have to spare.
 */
#include "room/directory/directory_priv.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "room/directory/noun/limits.h"
#include "room/directory/notice/notice.h"

struct asking {
	struct directory *d;
	struct ipc_call *call;
	struct lease *leases;		/* in the call's arena */
	unsigned tries;
};

static const Postern__QuotaRequest *request(const struct asking *x)
{
	return (const Postern__QuotaRequest *)x->call->req;
}

static unsigned shards_of(const struct directory *d)
{
	return d->room->shards ? d->room->shards : 1;
}

struct crossed {
	uint64_t customer, domain, account, used, size;
	unsigned level;
	bool pool;		/* these are the figures of all its mailboxes together */
};

static int tell(struct asking *x, const struct crossed *c, struct slice to, struct slice name)
{
	static const enum notice_kind kinds[2][2] = { { NOTICE_QUOTA_80, NOTICE_QUOTA_95 }, { NOTICE_POOL_80, NOTICE_POOL_95 } };
	double percent = c->size ? (double)c->used * 100.0 / (double)c->size : 0;
	return notice_add(x->d->e, x->call->arena, &(struct notice){
		.kind = kinds[c->pool][c->level == 2], .customer = c->customer, .domain = c->domain,
		.account = c->account, .to = to, .to_name = name, .now_ms = clock_wall_ms(),
		.vars = { { .name = "used", .number = (int64_t)c->used }, { .name = "quota", .number = (int64_t)c->size },
			  { .name = "percent", .number = (int64_t)percent } },
	});
}

/* Its user; an area has none. */
static int tell_user(struct asking *x, const struct crossed *c)
{
	struct account a;
	int r = account_by_id(x->d->e, x->call->arena, c->account, &a);
	if (r < 0)
		return r == ERR_NOT_FOUND ? 0 : r;
	return a.domain ? tell(x, c, a.address, a.person) : 0;
}

/* A shared pool: whose mail crossed the line, and the customer's contact. */
static int tell_customer(struct asking *x, const struct crossed *c)
{
	struct customer customer;
	struct limits l;
	struct crossed of_user = *c, of_customer = *c;
	int r = customer_by_id(x->d->e, x->call->arena, c->customer, &customer);
	if (r == 0 && limits_of(x->d->e, c->account, &l) == 0) {
		of_user.domain = l.domain;
		r = tell_user(x, &of_user);
	}
	of_customer.account = 0;
	return r == 0 && customer.contact.n ? tell(x, &of_customer, customer.contact, SLICE("")) : r;
}

/* The account may be gone: then nobody is told. */
static int take_crossing(struct asking *x, const Postern__QuotaCrossing *c)
{
	struct limits l;
	unsigned before;
	bool is_new;
	int r = crossing_new(x->d->e, x->call->peer_index, c->id, &is_new);
	if (r < 0 || !is_new)
		return r;
	r = limits_of(x->d->e, c->account_id, &l);
	if (r < 0)
		return r == ERR_NOT_FOUND ? 0 : r;
	r = limits_set_level(x->d->e, c->account_id, c->level, &before);
	if (r < 0 || c->level <= before)
		return r;
	ev(EV_INFO, "directory.quota.crossed", KI("account", c->account_id), KI("percent", c->level == 2 ? 95 : 80));
	return tell_user(x, &(struct crossed){ l.customer, l.domain, c->account_id, c->used, c->quota, c->level, false });
}

static int take_pool(struct asking *x, const Postern__PoolUse *u, struct lease *ret)
{
	uint64_t used, size;
	unsigned before, level;
	struct lease_use use = { u->pool_id, x->call->peer_index, u->used, u->want, u->recall };
	int r = lease_ask(x->d->e, &use, shards_of(x->d), ret);
	if (r == 0 && ret->size)
		r = lease_level(x->d->e, u->pool_id, &used, &size, &before, &level);
	if (r < 0 || !ret->size || level <= before)
		return r;
	ev(EV_INFO, "directory.pool.crossed", KI("customer", u->pool_id), KI("percent", level == 2 ? 95 : 80));
	return tell_customer(x, &(struct crossed){ u->pool_id, 0, u->last_account, used, size, level, true });
}

static int take_all(struct asking *x)
{
	const Postern__QuotaRequest *req = request(x);
	int r = engine_begin(x->d->e);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < req->n_crossings; i++)
		r = take_crossing(x, req->crossings[i]);
	for (size_t i = 0; r == 0 && i < req->n_pools; i++)
		r = take_pool(x, req->pools[i], &x->leases[i]);
	if (r == 0)
		return engine_commit(x->d->e);
	engine_rollback(x->d->e);
	return r;
}

static void answer(struct asking *x, int err)
{
	const Postern__QuotaRequest *req = request(x);
	Postern__QuotaReply r = POSTERN__QUOTA_REPLY__INIT;
	struct arena *a = x->call->arena;
	directory_check_disk(x->d);
	if (err < 0) {
		ipc_fail(x->call, err, NULL);
		return;
	}
	r.leases = ARENA_ARRAY(a, Postern__PoolLease *, req->n_pools + 1);
	for (size_t i = 0; i < req->n_pools; i++) {
		Postern__PoolLease *l = r.leases[r.n_leases++] = ARENA_NEW(a, Postern__PoolLease);
		postern__pool_lease__init(l);
		l->pool_id = req->pools[i]->pool_id;
		l->lease = x->leases[i].bytes;
		l->size = x->leases[i].size;
		l->elsewhere = x->leases[i].elsewhere;
		l->recall = x->leases[i].recall;
	}
	ipc_reply(x->call, &r.base, -1);
}

static void take_or_recall(struct asking *x);

/* What others had to spare is back, as far as they answered. */
static void on_back(void *ctx, int err)
{
	struct asking *x = ctx;
	if (err == ERR_CONFLICT && ++x->tries < RECALLS_MAX)
		take_or_recall(x);
	else
		answer(x, take_all(x));
}

static void take_or_recall(struct asking *x)
{
	const Postern__QuotaRequest *req = request(x);
	int r = take_all(x);
	for (size_t i = 0; r == 0 && i < req->n_pools && shards_of(x->d) > 1; i++) {
		if (!x->leases[i].is_short)
			continue;
		limits_recall(x->d, req->pools[i]->pool_id, x->call->peer_index, on_back, x);
		return;
	}
	answer(x, r);
}

void serve_quota(struct ipc_call *call, void *ctx)
{
	struct room *room = ctx;
	struct directory *d = room->state;
	struct asking *x = ARENA_NEW(call->arena, struct asking);
	*x = (struct asking){ d, call, NULL };
	x->leases = ARENA_ARRAY(call->arena, struct lease, request(x)->n_pools + 1);
	take_or_recall(x);
}
