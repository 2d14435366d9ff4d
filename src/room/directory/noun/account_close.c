/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An account goes only if it is empty, whatever arrives meanwhile: its shard looks and forgets it in one step. Until
 * the answer is there mail for it is told to come later; whoever asked looks again then, since others may have changed what
 * he has seen. A crash in between: the account is made again at its shard, empty
 * where it was forgotten, and nothing was removed.
 */
#include "room/directory/noun/account_close.h"

#include "base/err.h"
#include "ipc/store.pb-c.h"

struct closing {
	struct directory *d;
	uint64_t id;
	uint32_t shard;
	account_closed_fn *fn;
	void *ctx;
};

static void end(struct closing *c, int err, uint64_t messages)
{
	struct closing copy = *c;
	free(c);
	directory_check_disk(copy.d);
	copy.fn(copy.ctx, err, messages);
}

static void on_counted(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	const Postern__AccountUsage *usage = (const Postern__AccountUsage *)msg;
	if (fd >= 0)
		close(fd);
	end(ctx, ERR_CONFLICT, err < 0 ? 0 : usage->messages);
}

static void back(struct closing *c, enum account_state state)
{
	IGNORE(account_set_state(c->d->e, c->id, state), "the next start sets it");
	if (state == ACCOUNT_MADE)
		finish_accounts(c->d);
}

void account_reopen(struct directory *d, uint64_t id)
{
	struct arena *a = arena_new();
	struct account x;
	if (account_by_id(d->e, a, id, &x) == 0 && x.state == ACCOUNT_CLOSING) {
		IGNORE(account_set_state(d->e, id, ACCOUNT_MADE), "the next start sets it");
		finish_accounts(d);
	}
	arena_free(&a);
}

static void on_removed(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct closing *c = ctx;
	Postern__AccountId req = POSTERN__ACCOUNT_ID__INIT;
	if (fd >= 0)
		close(fd);
	if (err == 0) {
		end(c, 0, 0);
	} else if (err == ERR_CONFLICT) {
		back(c, ACCOUNT_LIVE);
		req.account_id = c->id;
		room_call(c->d->room, ROLE_STORE, c->shard, POSTERN__STORE_OP__STORE_ACCOUNT_USAGE,
			  &req.base, NULL, 0, STORE_MS, on_counted, c);
	} else {
		back(c, ACCOUNT_MADE);
		end(c, ERR_UNAVAILABLE, 0);
	}
}

void account_close_empty(struct directory *d, const struct account *x, account_closed_fn *fn, void *ctx)
{
	Postern__AccountId req = POSTERN__ACCOUNT_ID__INIT;
	struct closing *c = calloc(1, sizeof(*c));
	bug_if(!c);
	*c = (struct closing){ .d = d, .id = x->id, .shard = x->shard, .fn = fn, .ctx = ctx };
	if (x->state != ACCOUNT_LIVE || account_set_state(d->e, x->id, ACCOUNT_CLOSING) < 0) {
		end(c, ERR_UNAVAILABLE, 0);
		return;
	}
	req.account_id = x->id;
	req.only_empty = true;
	room_call(d->room, ROLE_STORE, x->shard, POSTERN__STORE_OP__STORE_ACCOUNT_REMOVE, &req.base,
		  NULL, 0, STORE_MS, on_removed, c);
}

int account_holds_mail(struct problem *why, const char *field, struct slice address, uint64_t messages)
{
	return problem_set(why, ERR_CONFLICT, field,
			   messages == 1 ?
				   SLICE_FMT " holds %llu message, which would be lost: discard_mail says that it may go" :
				   SLICE_FMT " holds %llu messages, which would be lost: discard_mail says that they may go",
			   SLICE_ARG(address), (unsigned long long)messages);
}
