/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many small requests to the shards, a window of them under way, so that a shard commits them in groups and no
 * queue grows past its cap. And what a crash left of accounts: MADE ones are told to the store, REMOVING ones
 * are taken from it; both as often as it needs, since the store takes either twice without harm.
 */
#include "room/directory/directory_priv.h"

#include "base/err.h"
#include "base/event.h"
#include "ipc/store.pb-c.h"
#include "room/directory/noun/limits.h"

enum { WINDOW = 200 };

struct store_batch {
	struct directory *d;
	uint16_t op;
	struct arena *a;
	struct account *accounts;
	size_t n, next;
	unsigned flying;
	int err;
	store_each_fn *each;
	store_done_fn *done;
	void *ctx;
};

struct flight {
	struct store_batch *b;
	size_t i;
};

static void go_on(struct store_batch *b);

static void on_reply(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct flight *f = ctx;
	struct store_batch *b = f->b;
	if (fd >= 0)
		close(fd);
	if (b->each)
		b->each(b->ctx, f->i, err, reply);
	if (err < 0 && !b->err)
		b->err = err;
	b->flying--;
	free(f);
	go_on(b);
}

/* A batch may wait behind its window for a while: a shard is told what holds by then, for whoever changed it meanwhile has told
 * the shard already. False where there is nothing to tell any more. */
static bool renew(struct store_batch *b, struct arena *a, struct account *x)
{
	struct account now;
	int r = b->op == POSTERN__STORE_OP__STORE_ACCOUNT_PUT ? account_by_id(b->d->e, a, x->id, &now) : 1;
	if (r == 0)
		*x = now;
	return r != ERR_NOT_FOUND && (r != 0 || now.state != ACCOUNT_REMOVING);
}

static void send_one(struct store_batch *b, size_t i, const struct account *x)
{
	Postern__AccountPut put = POSTERN__ACCOUNT_PUT__INIT;
	Postern__AccountId id = POSTERN__ACCOUNT_ID__INIT;
	struct limits limits;
	struct flight *f = calloc(1, sizeof(*f));
	bug_if(!f);
	f->b = b;
	f->i = i;
	put.account_id = id.account_id = x->id;
	put.quota_bytes = x->quota;
	if (limits_of(b->d->e, x->id, &limits) == 0) {
		put.pool_id = limits.pool;
		put.retention_days = limits.retention;
	}
	put.address = data_of(x->address);
	b->flying++;
	room_call(b->d->room, ROLE_STORE, x->shard, b->op,
		  b->op == POSTERN__STORE_OP__STORE_ACCOUNT_PUT ? &put.base : &id.base, NULL, 0,
		  STORE_MS, on_reply, f);
}

static void fill_window(struct store_batch *b)
{
	/* Behind the first error nothing new is begun, but what flies is waited for. */
	while (b->next < b->n && b->flying < WINDOW && !b->err) {
		struct arena *a = arena_new();
		struct account x = b->accounts[b->next];
		if (renew(b, a, &x))
			send_one(b, b->next, &x);
		b->next++;
		arena_free(&a);
	}
}

static void go_on(struct store_batch *b)
{
	fill_window(b);
	if (b->flying)
		return;
	store_done_fn *done = b->done;
	void *ctx = b->ctx;
	int err = b->err;
	arena_free(&b->a);
	free(b);
	done(ctx, err);
}

/* Batches with nothing to tell end from the loop, too: nothing is called back from inside store_batch. */
static void on_empty(uv_handle_t *h)
{
	struct store_batch *b = h->data;
	free(h);
	go_on(b);
}

static void end_later(struct store_batch *b)
{
	uv_timer_t *t = calloc(1, sizeof(*t));
	bug_if(!t || uv_timer_init(b->d->room->loop, t) < 0);
	t->data = b;
	uv_close((uv_handle_t *)t, on_empty);
}

void store_batch(struct directory *d, uint16_t op, const struct account *accounts, size_t n,
		 store_each_fn *each, store_done_fn *done, void *ctx)
{
	struct store_batch *b = calloc(1, sizeof(*b));
	bug_if(!b);
	*b = (struct store_batch){
		.d = d, .op = op, .n = n, .each = each, .done = done, .ctx = ctx, .a = arena_new()
	};
	b->accounts = ARENA_ARRAY(b->a, struct account, n + 1);
	for (size_t i = 0; i < n; i++) {
		b->accounts[i].id = accounts[i].id;
		b->accounts[i].shard = accounts[i].shard;
		b->accounts[i].quota = accounts[i].quota;
		b->accounts[i].address = arena_dup(b->a, accounts[i].address);
	}
	fill_window(b);
	if (!b->flying)
		end_later(b);
}

/* --- what a crash left ------------------------------------------------------------------------------ */

struct finishing {
	struct directory *d;
	struct arena *a;
	struct account *made, *removing;
	size_t n_made, n_removing;
	int64_t since;
};

static void finishing_end(struct finishing *f)
{
	struct directory *d = f->d;
	bool again = d->finish_again;
	d->finishing = d->finish_again = false;
	directory_check_disk(d);
	arena_free(&f->a);
	free(f);
	if (again)
		finish_accounts(d);
}

static void on_removed_each(void *ctx, size_t i, int err, const ProtobufCMessage *reply)
{
	struct finishing *f = ctx;
	if (err == 0 || err == ERR_NOT_FOUND)
		IGNORE(account_forget(f->d->e, f->removing[i].id), "tried again at the next tick");
}

static void on_removed(void *ctx, int err)
{
	finishing_end(ctx);
}

static void on_made_each(void *ctx, size_t i, int err, const ProtobufCMessage *reply)
{
	struct finishing *f = ctx;
	if (err < 0)
		return;
	if (account_complete(f->d->e, f->made[i].id) == 0)
		ev(EV_INFO, "directory.account.completed", KSL("address", f->made[i].address));
}

static void on_made(void *ctx, int err)
{
	struct finishing *f = ctx;
	store_batch(f->d, POSTERN__STORE_OP__STORE_ACCOUNT_REMOVE, f->removing, f->n_removing,
		    on_removed_each, on_removed, f);
}

/* Accounts that an operation is just making are in the same state, and being told twice is no harm: the
 * operation's own answer still waits for its own confirmation. */
void finish_accounts(struct directory *d)
{
	if (d->finishing) {
		d->finish_again = true;	/* they were read before */
		return;
	}
	struct finishing *f = calloc(1, sizeof(*f));
	bug_if(!f);
	f->d = d;
	f->a = arena_new();
	d->finishing = true;
	if (account_in_state(d->e, f->a, ACCOUNT_MADE, &f->made, &f->n_made) < 0 ||
	    account_in_state(d->e, f->a, ACCOUNT_REMOVING, &f->removing, &f->n_removing) < 0 ||
	    (!f->n_made && !f->n_removing)) {
		finishing_end(f);
		return;
	}
	store_batch(d, POSTERN__STORE_OP__STORE_ACCOUNT_PUT, f->made, f->n_made, on_made_each,
		    on_made, f);
}
