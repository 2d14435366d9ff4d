/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A customer's pool, its mode and retentions reach the shards. The change is committed with a mark that its mailboxes
 * have to be told; the mark goes when all shards have it in force, so that a crash or a shard that is down only delays it.
 */
#include "room/directory/directory_priv.h"

#include "base/err.h"
#include "ipc/store.pb-c.h"
#include "room/directory/noun/limits.h"

struct recall {
	struct directory *d;
	uint64_t customer;
	unsigned left;
	int err;
	limits_done_fn *done;
	void *ctx;
};

struct recall_one {
	struct recall *r;
	uint32_t shard;
};

static void recall_ended(struct recall *r)
{
	if (--r->left)
		return;
	r->done(r->ctx, r->err);
	free(r);
}

static void on_recalled(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct recall_one *one = ctx;
	struct recall *r = one->r;
	const Postern__PoolState *p = (const Postern__PoolState *)msg;
	if (fd >= 0)
		close(fd);
	if (!err)
		err = engine_begin(r->d->e);
	if (!err) {
		struct lease_use use = { r->customer, one->shard, p->used, p->lease, p->recall };
		err = lease_recalled(r->d->e, &use);
		if (err)
			engine_rollback(r->d->e);
		else
			err = engine_commit(r->d->e);
	}
	if (err && !r->err)
		r->err = err;
	free(one);
	recall_ended(r);
}

void limits_recall(struct directory *d, uint64_t customer, unsigned but, limits_done_fn *done, void *ctx)
{
	Postern__PoolId id = POSTERN__POOL_ID__INIT;
	unsigned shards = d->room->shards ? d->room->shards : 1;
	struct recall *r = calloc(1, sizeof(*r));
	bug_if(!r);
	*r = (struct recall){ d, customer, 1, 0, done, ctx };
	id.pool_id = customer;
	for (uint32_t i = 0; i < shards; i++) {
		if (i == but)
			continue;
		struct recall_one *one = calloc(1, sizeof(*one));
		bug_if(!one);
		*one = (struct recall_one){ r, i };
		r->left++;
		room_call(d->room, ROLE_STORE, i, POSTERN__STORE_OP__STORE_POOL_RECALL, &id.base, NULL, 0, STORE_MS,
			  on_recalled, one);
	}
	recall_ended(r);
}

/* ---- all mailboxes of a customer ---- */

struct applying {
	struct directory *d;
	uint64_t customer, change;
	unsigned tries;
	limits_done_fn *done;
	void *ctx;
};

static void apply_ended(struct applying *x, int err)
{
	if (!err)
		err = limits_pending_done(x->d->e, x->customer, x->change);
	directory_check_disk(x->d);
	x->done(x->ctx, err);
	free(x);
}

static void on_put(void *ctx, int err)
{
	apply_ended(ctx, err);
}

static void on_back(void *ctx, int err)
{
	struct applying *x = ctx;
	struct arena *a = arena_new();
	struct account *rows;
	size_t n = 0;
	if (err == ERR_CONFLICT && ++x->tries < RECALLS_MAX) {
		limits_recall(x->d, x->customer, PEER_ANY, on_back, x);
		return;
	}
	if (!err)
		err = limits_pending_change(x->d->e, x->customer, &x->change);
	if (!err)
		err = limits_accounts(x->d->e, a, x->customer, &rows, &n);
	if (err)
		apply_ended(x, err);
	else
		store_batch(x->d, POSTERN__STORE_OP__STORE_ACCOUNT_PUT, rows, n, NULL, on_put, x);
	arena_free(&a);
}

void limits_apply(struct directory *d, uint64_t customer, limits_done_fn *done, void *ctx)
{
	struct applying *x = calloc(1, sizeof(*x));
	bug_if(!x);
	*x = (struct applying){ .d = d, .customer = customer, .done = done, .ctx = ctx };
	limits_recall(d, customer, PEER_ANY, on_back, x);
}

/* ---- what was missed ---- */

static void on_finished(void *ctx, int err)
{
	struct directory *d = ctx;
	d->applying = false;
	if (!err)
		limits_finish(d);
}

void limits_finish(struct directory *d)
{
	struct arena *a = arena_new();
	uint64_t *customers;
	size_t n = 0;
	if (!d->applying && limits_pending(d->e, a, &customers, &n) == 0 && n) {
		d->applying = true;
		limits_apply(d, customers[0], on_finished, d);
	}
	arena_free(&a);
}
