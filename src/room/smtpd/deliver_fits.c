/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shard takes a message for all of its recipients or for none; several shards do not know of each other. So before
 * any of them has it they are asked whether there is room, and who is refused hears it in the session, with nothing
 * delivered (S36). What fills up between this and the store goes to the queue (deliver_store.c).
 */
#include "room/smtpd/delivery_priv.h"

#include "base/err.h"
#include "base/event.h"
#include "ipc/store.pb-c.h"

enum { FITS_AT_ONCE = 256 };	/* questions of one message; the others follow */

struct fits_call {
	struct delivery *dl;
	const struct target *target;
};

/* A shard that says nothing about it is asked with the message itself. */
static void on_fits(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct fits_call *c = ctx;
	struct delivery *dl = c->dl;
	if (err == ERR_QUOTA) {
		const struct smtp_status *st = envelope_over_quota(c->target->over_quota_refuse);
		if (!dl->held.code || st->code < dl->held.code)	/* "later" before "never": the others may get it then */
			dl->held = *st;
	}
	if (--dl->waiting)
		return;
	if (dl->held.code && !dl->kept) {
		ev(EV_INFO, "smtp.message.over_quota", KS("id", dl->from.id), KI("code", dl->held.code));
		delivery_refuse(dl, &dl->held);
	}
	delivery_next(dl);
}

static bool is_new(const struct target *t)
{
	return t->way == TO_STORE && t->state == TARGET_NEW && !t->fits;
}

/* Copies that go into one shard are one operation, but those for several recipients of a collecting mailbox. */
static bool is_divided(const struct delivery *dl)
{
	const struct target *first = NULL;
	list_each(t, dl->e.targets, struct target, node) {
		if (!is_new(t))
			continue;
		if (first && (t->shard != first->shard || t->multidrop.n || first->multidrop.n))
			return true;
		first = t;
	}
	return false;
}

static void ask(struct delivery *dl, struct target *t)
{
	struct fits_call *c = ARENA_NEW(dl->e.arena, struct fits_call);
	Postern__FitsRequest req = POSTERN__FITS_REQUEST__INIT;
	*c = (struct fits_call){ dl, t };
	t->fits = true;
	req.account_id = t->account_id;
	req.bytes = dl->body.size * (t->ruled ? t->n_places : 1);
	delivery_call(dl, ROLE_STORE, t->shard, POSTERN__STORE_OP__STORE_FITS, &req.base, -1, on_fits, c);
}

bool deliver_fits(struct delivery *dl)
{
	size_t n = 0;
	if (!is_divided(dl))
		return false;
	dl->waiting++;
	list_each(t, dl->e.targets, struct target, node)
		if (is_new(t) && t->shard < dl->d->room->shards && n++ < FITS_AT_ONCE)
			ask(dl, t);
	return --dl->waiting > 0;
}
