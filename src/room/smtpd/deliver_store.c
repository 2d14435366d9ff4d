/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Into the shards, all of them at once. A shard takes a message for all recipients of a request or for none; where
 * one of them has no mailbox any more, directory is asked about that one again (deliver_again.c) and the request
 * is made anew for the others.
 */
#include "room/smtpd/delivery_priv.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "base/text.h"
#include "ipc/store.pb-c.h"
#include "proto/mail/multidrop.h"

struct store_call {
	struct delivery *dl;
	struct target **targets;
	size_t n;
};

static const struct smtp_status *refusal(int err)
{
	static const struct smtp_status full = { 452, "4.3.1", N_("No room for the message now") };
	return err == ERR_FULL ? &full : &delivery_later;
}

/* Decided when all shards have spoken. */
static void hold(struct store_call *c, const struct smtp_status *st, int err, const char *text)
{
	struct delivery *dl = c->dl;
	ev(EV_WARN, "smtp.store.failed", KS("id", dl->from.id), KS("reason", err_name(err)), KS("text", text));
	if (!dl->held.code)
		dl->held = *st;
	for (size_t i = 0; i < c->n; i++) {
		if (c->targets[i]->state != TARGET_NEW)
			continue;
		c->targets[i]->state = TARGET_HELD;
		list_each(v, &c->targets[i]->vias, struct via, node)
			v->rcpt->stored = false;
	}
}

/* Where one of the full mailboxes only says "later", so does the answer: the others may get it then. Without a reply it is
 * an area of candidates that would have been filled by this message alone (docs/formats/store.md): later. */
static const struct smtp_status *over_quota(const struct store_call *c, const Postern__DeliverReply *r)
{
	bool never = r != NULL;
	for (size_t i = 0; r && i < c->n && i < r->n_results; i++)
		if (r->results[i]->err == ERR_QUOTA)
			never &= c->targets[i]->over_quota_refuse;
	return envelope_over_quota(never);
}

static void kept(struct store_call *c)
{
	c->dl->kept = true;
	for (size_t i = 0; i < c->n; i++)
		c->targets[i]->state = TARGET_KEPT;
}

/* 0 where all have it, ERR_NOT_FOUND where only gone mailboxes were in the way. */
static int read_results(struct store_call *c, const Postern__DeliverReply *r)
{
	int err = r->n_results == c->n ? 0 : ERR_INTERNAL;
	for (size_t i = 0; i < c->n && r->n_results == c->n; i++) {
		int e = r->results[i]->err;
		if (e == ERR_NOT_FOUND)
			c->targets[i]->state = TARGET_GONE;
		if (e < 0 && (!err || err == ERR_NOT_FOUND))
			err = e;
	}
	return err;
}

static void on_stored(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct store_call *c = ctx;
	struct delivery *dl = c->dl;
	if (err == 0)
		err = read_results(c, (const Postern__DeliverReply *)reply);
	if (err == 0)
		kept(c);
	else if (err == ERR_QUOTA)
		hold(c, over_quota(c, (const Postern__DeliverReply *)reply), err, text);
	else if (err != ERR_NOT_FOUND)
		hold(c, refusal(err), err, text);
	if (--dl->waiting)
		return;
	if (dl->held.code && !dl->kept)
		delivery_refuse(dl, &dl->held);
	delivery_next(dl);
}

/* One copy: the target, and which of its places (rules), or NULL. */
struct copy {
	struct target *t;
	const struct rules_place *place;
};

static void fill(const struct delivery *dl, Postern__DeliverRecipient *r, const struct copy *c)
{
	const struct target *t = c->t;
	const struct rules_place *p = c->place;
	postern__deliver_recipient__init(r);
	r->account_id = t->account_id;
	r->address = bytes_of(t->address);
	r->quota_bytes = t->quota_bytes;
	r->create = p ? p->create : t->mailbox.n;
	r->mailboxes_max = t->mailboxes_max;
	r->mailbox = bytes_of(t->mailbox.n ? t->mailbox : dl->junk ? SLICE("Junk") : SLICE(""));
	if (p && p->mailbox.n)
		r->mailbox = bytes_of(p->mailbox);
	if (p) {
		r->flags = p->flags;
		r->n_flags = p->n_flags;
	}
}

/* A recipient's own copy: the bytes are shared, what names it is in front of them (behind Return-Path). */
static int own_copy(struct delivery *dl, const struct target *t, Postern__DeliverRequest *req, int *ret_fd)
{
	struct arena *a = dl->e.arena;
	struct buf front = BUF_INIT(TRACE_MAX);
	struct slice digest;
	if (dl->body.return_path_n)
		trace_return_path(&front, dl->e.sender);
	int err = multidrop_lines(&front, t->multidrop);
	if (err == 0)
		err = multidrop_digest(a, dl->digest, t->multidrop, &digest);
	if (err == 0)
		err = body_for_queue(&dl->body, ret_fd);
	if (err == 0) {
		req->prefix = bytes_of(arena_dup(a, buf_view(&front)));
		req->digest = bytes_of(digest);
	}
	buf_fini(&front);
	return err;
}

static void hand_in(struct delivery *dl, uint32_t shard, const struct copy *copies, size_t n)
{
	struct arena *a = dl->e.arena;
	int fd = dl->body.fd;
	struct store_call *c = ARENA_NEW(a, struct store_call);
	Postern__DeliverRequest req = POSTERN__DELIVER_REQUEST__INIT;
	Postern__DeliverRecipient *rcpts = ARENA_ARRAY(a, Postern__DeliverRecipient, n);
	req.recipients = ARENA_ARRAY(a, Postern__DeliverRecipient *, n);
	*c = (struct store_call){ dl, ARENA_ARRAY(a, struct target *, n), n };
	for (size_t i = 0; i < n; i++) {
		c->targets[i] = copies[i].t;
		fill(dl, &rcpts[i], &copies[i]);
		req.recipients[i] = &rcpts[i];
	}
	req.n_recipients = n;
	req.operation_id = delivery_operation_id(a);
	req.digest = bytes_of(dl->digest);
	req.internal_date_ms = clock_wall_ms();
	int err = copies->t->multidrop.n ? own_copy(dl, copies->t, &req, &fd) : 0;
	if (err < 0)
		hold(c, &delivery_later, err, "multidrop");
	else
		delivery_call(dl, ROLE_STORE, shard, POSTERN__STORE_OP__STORE_DELIVER, &req.base, fd, on_stored, c);
}

static bool is_new(const struct target *t)
{
	return t->way == TO_STORE && t->state == TARGET_NEW;
}

static size_t copies_of(const struct target *t)
{
	return t->ruled ? t->n_places : 1;
}

static size_t cost_of(const struct target *t)
{
	size_t cost = 0;
	for (size_t i = 0; i < copies_of(t); i++) {
		cost += t->address.n + t->mailbox.n + 64;
		for (size_t k = 0; t->ruled && k < t->places[i].n_flags; k++)
			cost += t->places[i].flags[k].len + 4;
		cost += t->ruled ? t->places[i].mailbox.n : 0;
	}
	return cost;
}

/* As many recipients a request as a frame has room for beside the digest; all copies of one mailbox in one. What is
 * a recipient's own (multidrop) is a request of its own. */
static void send_shard(struct delivery *dl, uint32_t shard, struct copy *list)
{
	size_t n = 0, cost = 0;
	bool alone = false;
	list_each(t, dl->e.targets, struct target, node) {
		if (!is_new(t) || t->shard != shard)
			continue;
		if (n && (alone || t->multidrop.n || cost + cost_of(t) > delivery_frame_room(dl))) {
			hand_in(dl, shard, list, n);
			n = cost = 0;
		}
		for (size_t i = 0; i < copies_of(t); i++)
			list[n++] = (struct copy){ t, t->ruled ? &t->places[i] : NULL };
		cost += cost_of(t);
		alone = t->multidrop.n;
	}
	if (n)
		hand_in(dl, shard, list, n);
}

bool deliver_store(struct delivery *dl)
{
	size_t n = 0;
	list_each(t, dl->e.targets, struct target, node)
		n += is_new(t) ? copies_of(t) : 0;
	if (!n)
		return false;
	struct copy *list = ARENA_ARRAY(dl->e.arena, struct copy, n);
	dl->waiting++;		/* until all are sent */
	for (uint32_t shard = 0; shard < dl->d->room->shards; shard++)
		send_shard(dl, shard, list);
	if (--dl->waiting == 0) {	/* no such shard: a directory that is ahead of us */
		delivery_refuse(dl, &delivery_later);
		delivery_next(dl);
	}
	return true;
}
