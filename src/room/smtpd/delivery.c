/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message on its way in, behind the end of its data:
 *
 *      JUDGE --verdict--> STORE (all shards at once) --all kept--> QUEUE --kept--> told 250
 *
 * Invariants: 250 only when every target has committed; a store refuses a message for all its recipients or
 * for none; each request carries an operation id of its own, so that room_call may send it again to a room
 * that crashed in between (one copy, one 250). The stores come first: they are the ones that refuse (quota).
 * A connection that goes away does not stop what was begun: half of it may be committed already.
 */
#include "room/smtpd/smtpd_priv.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "base/rng.h"
#include "ipc/filter.pb-c.h"
#include "ipc/queue.pb-c.h"
#include "ipc/store.pb-c.h"

enum { OPERATION_ID = 16, JUDGE_RCPTS = 100, FRAME_REST = 4096 };

struct delivery {
	struct list node;
	struct smtpd *d;
	struct envelope e;
	struct body body;
	struct delivery_from from;
	int64_t began, deadline;
	struct slice digest;		/* in the envelope's arena */
	bool junk;
	unsigned waiting;		/* calls that are not answered */
	struct smtp_status result;	/* code 0: nothing against it so far */
	char text[TEXT_MAX], enhanced[12];
	void (*done)(void *ctx, const struct smtp_status *reply);
	void *ctx;
};

static const struct smtp_status later = { 451, "4.3.0", "Not possible now, try again later" };

static unsigned time_left(const struct delivery *dl)
{
	int64_t left = dl->deadline - clock_mono_ms();
	return left > 1 ? (unsigned)left : 1;
}

static void refuse(struct delivery *dl, const struct smtp_status *st)
{
	if (dl->result.code)
		return;
	dl->result = *st;
	snprintf(dl->text, sizeof(dl->text), "%s", st->text);
	snprintf(dl->enhanced, sizeof(dl->enhanced), "%s", st->enhanced ? st->enhanced : "");
	dl->result.text = dl->text;
	dl->result.enhanced = dl->enhanced;
}

static void log_end(const struct delivery *dl)
{
	bool kept = dl->result.code < 400;
	ev(kept ? EV_INFO : EV_WARN, kept ? "smtp.message.kept" : "smtp.message.refused", KS("id", dl->from.id),
	   KSL("sender", dl->e.sender), KI("recipients", dl->e.n_rcpts), KI("targets", dl->e.n_targets),
	   KI("octets", dl->body.size), KI("code", dl->result.code), KS("text", dl->result.text),
	   KS("peer", dl->from.peer), KI("ms", clock_mono_ms() - dl->began));
}

static void finish(struct delivery *dl)
{
	struct smtpd *d = dl->d;
	if (!dl->result.code) {
		snprintf(dl->text, sizeof(dl->text), "Kept as %s", dl->from.id);
		dl->result = (struct smtp_status){ 250, "2.0.0", dl->text };
		d->count.messages++;
		d->count.octets += (int64_t)dl->body.size;
	} else if (dl->result.code >= 500) {
		d->count.refused_messages++;
	} else {
		d->count.deferred_messages++;
	}
	log_end(dl);
	list_remove(&dl->node);
	if (dl->done)
		dl->done(dl->ctx, &dl->result);
	body_fini(&dl->body);
	envelope_clear(&dl->e);
	free(dl);
	smtpd_maybe_exit(d);
}

/* Octets of a frame that recipients may take beside the digest and the rest. */
static size_t frame_room(const struct delivery *dl)
{
	size_t rest = dl->digest.n + FRAME_REST;
	return rest < IPC_FRAME_MAX ? IPC_FRAME_MAX - rest : 0;
}

static ProtobufCBinaryData bytes_of(struct slice s)
{
	return (ProtobufCBinaryData){ s.n, (uint8_t *)s.p };
}

static ProtobufCBinaryData operation_id(struct arena *a)
{
	uint8_t *id = arena_alloc(a, OPERATION_ID);
	rng_bytes(id, OPERATION_ID);
	return (ProtobufCBinaryData){ OPERATION_ID, id };
}

static void call(struct delivery *dl, enum role role, unsigned index, uint16_t op, const ProtobufCMessage *req, int fd,
		 ipc_reply_fn *fn)
{
	dl->waiting++;
	IGNORE(room_call(dl->d->room, role, index, op, req, &fd, 1, time_left(dl), fn, dl) == NULL, "always made");
}

/* ---- queue ---- */

static void on_enqueued(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct delivery *dl = ctx;
	static const struct smtp_status full = { 452, "4.3.1", "No room for the message now" };
	if (err < 0) {
		ev(EV_WARN, "smtp.queue.failed", KS("id", dl->from.id), KS("reason", err_name(err)), KS("text", text));
		refuse(dl, err == ERR_FULL ? &full : &later);
	}
	if (--dl->waiting == 0)
		finish(dl);
}

static void fill_queue_rcpt(Postern__QueueRecipient *r, const struct target *t)
{
	postern__queue_recipient__init(r);
	r->address = bytes_of(t->address);
	r->route = t->route;
	r->host = (char *)t->host;
	r->port = t->port;
	r->tls = t->tls;
	r->notify = t->notify;
	r->orcpt = bytes_of(t->orcpt);
	r->original = bytes_of(t->original);
}

static void send_queue(struct delivery *dl, Postern__QueueRecipient **rcpts, size_t n)
{
	Postern__EnqueueRequest req = POSTERN__ENQUEUE_REQUEST__INIT;
	req.operation_id = operation_id(dl->e.arena);
	req.sender = bytes_of(dl->e.sender);
	req.recipients = rcpts;
	req.n_recipients = n;
	if (!dl->e.to_store)	/* else its offsets count the Return-Path */
		req.digest = bytes_of(dl->digest);
	req.envid = bytes_of(dl->e.envid);
	req.ret_headers = dl->e.ret_headers;
	req.smtputf8 = dl->e.smtputf8;
	req.body_8bit = dl->e.body_8bit;
	req.account_id = dl->from.account_id;
	call(dl, ROLE_QUEUE, PEER_ANY, POSTERN__QUEUE_OP__QUEUE_ENQUEUE, &req.base,
	     dl->body.queue_fd >= 0 ? dl->body.queue_fd : dl->body.fd, on_enqueued);
}

static size_t queue_cost(const struct target *t)
{
	return t->address.n + strlen(t->host) + t->orcpt.n + t->original.n + 64;
}

/* As many recipients a request as a frame has room for beside the digest. */
static void enqueue(struct delivery *dl)
{
	Postern__QueueRecipient *rcpts = ARENA_ARRAY(dl->e.arena, Postern__QueueRecipient, dl->e.n_targets);
	Postern__QueueRecipient **list = ARENA_ARRAY(dl->e.arena, Postern__QueueRecipient *, dl->e.n_targets);
	size_t n = 0, cost = 0;
	dl->waiting++;	/* until all are sent */
	list_each(t, dl->e.targets, struct target, node) {
		if (t->way != TO_QUEUE)
			continue;
		if (n && cost + queue_cost(t) > frame_room(dl)) {
			send_queue(dl, list, n);
			n = cost = 0;
		}
		fill_queue_rcpt(&rcpts[n], t);
		list[n] = &rcpts[n];
		n++;
		cost += queue_cost(t);
	}
	if (n)
		send_queue(dl, list, n);
	if (--dl->waiting == 0)
		finish(dl);
}

/* ---- store ---- */

static void stored(struct delivery *dl)
{
	if (--dl->waiting)
		return;
	if (dl->result.code || !dl->e.to_queue)
		finish(dl);
	else
		enqueue(dl);
}

static const struct smtp_status *store_refusal(int err)
{
	static const struct smtp_status full = { 452, "4.3.1", "No room for the message now" },
		quota = { 452, "4.2.2", "The mailbox of a recipient is full" };
	return err == ERR_FULL ? &full : err == ERR_QUOTA ? &quota : &later;
}

static void on_stored(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct delivery *dl = ctx;
	const Postern__DeliverReply *r = (const Postern__DeliverReply *)reply;
	for (size_t i = 0; err == 0 && i < r->n_results; i++)
		if (r->results[i]->err < 0)
			err = r->results[i]->err;
	if (err < 0) {
		ev(EV_WARN, "smtp.store.failed", KS("id", dl->from.id), KS("reason", err_name(err)), KS("text", text));
		refuse(dl, store_refusal(err));
	}
	stored(dl);
}

static void send_store(struct delivery *dl, uint32_t shard, Postern__DeliverRecipient **rcpts, size_t n)
{
	Postern__DeliverRequest req = POSTERN__DELIVER_REQUEST__INIT;
	req.operation_id = operation_id(dl->e.arena);
	req.recipients = rcpts;
	req.n_recipients = n;
	req.digest = bytes_of(dl->digest);
	req.internal_date_ms = clock_wall_ms();
	call(dl, ROLE_STORE, shard, POSTERN__STORE_OP__STORE_DELIVER, &req.base, dl->body.fd, on_stored);
}

static void fill_store_rcpt(const struct delivery *dl, Postern__DeliverRecipient *r, const struct target *t)
{
	postern__deliver_recipient__init(r);
	r->account_id = t->account_id;
	r->address = bytes_of(t->address);
	r->quota_bytes = t->quota_bytes;
	r->create = t->mailbox.n;
	r->mailboxes_max = t->mailboxes_max;
	r->mailbox = bytes_of(t->mailbox.n ? t->mailbox : dl->junk ? SLICE("Junk") : SLICE(""));
}

static void store_shard(struct delivery *dl, uint32_t shard, Postern__DeliverRecipient *rcpts,
			Postern__DeliverRecipient **list)
{
	size_t n = 0, cost = 0;
	list_each(t, dl->e.targets, struct target, node) {
		if (t->way != TO_STORE || t->shard != shard)
			continue;
		if (n && cost + t->address.n + t->mailbox.n + 64 > frame_room(dl)) {
			send_store(dl, shard, list, n);
			n = cost = 0;
		}
		fill_store_rcpt(dl, &rcpts[n], t);
		list[n] = &rcpts[n];
		n++;
		cost += t->address.n + t->mailbox.n + 64;
	}
	if (n)
		send_store(dl, shard, list, n);
}

static void store(struct delivery *dl)
{
	Postern__DeliverRecipient *rcpts = ARENA_ARRAY(dl->e.arena, Postern__DeliverRecipient, dl->e.n_targets + 1);
	Postern__DeliverRecipient **list = ARENA_ARRAY(dl->e.arena, Postern__DeliverRecipient *, dl->e.n_targets + 1);
	dl->waiting++;
	for (uint32_t shard = 0; shard < dl->d->room->shards && dl->e.to_store; shard++)
		store_shard(dl, shard, rcpts, list);
	stored(dl);
}

/* ---- judge ---- */

static void on_judged(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct delivery *dl = ctx;
	const Postern__JudgeReply *r = (const Postern__JudgeReply *)reply;
	dl->waiting--;
	if (err < 0) {
		ev(EV_WARN, "smtp.judge.failed", KS("id", dl->from.id), KS("reason", err_name(err)), KS("text", text));
		refuse(dl, &later);
	} else if (r->verdict == POSTERN__VERDICT__VERDICT_REFUSE || r->verdict == POSTERN__VERDICT__VERDICT_LATER) {
		bool hard = r->verdict == POSTERN__VERDICT__VERDICT_REFUSE;
		unsigned code = r->code / 100 == (hard ? 5 : 4) ? r->code : hard ? 554 : 451;
		refuse(dl, &(struct smtp_status){ code, r->enhanced, r->text });
	}
	if (dl->result.code) {
		finish(dl);
		return;
	}
	dl->digest = arena_dup(dl->e.arena, slice_of(r->digest.data, r->digest.len));
	dl->junk = r->verdict == POSTERN__VERDICT__VERDICT_JUNK;
	store(dl);
}

static void judge(struct delivery *dl)
{
	Postern__JudgeRequest req = POSTERN__JUDGE_REQUEST__INIT;
	ProtobufCBinaryData rcpts[JUDGE_RCPTS];
	req.origin = (char *)dl->from.origin;
	req.helo = bytes_of(dl->from.hello);
	req.remote = bytes_of(slice_str(dl->from.peer));
	req.sender = bytes_of(dl->e.sender);
	req.recipients = rcpts;
	list_each(t, dl->e.targets, struct target, node)
		if (req.n_recipients < JUDGE_RCPTS)
			rcpts[req.n_recipients++] = bytes_of(t->address);
	call(dl, ROLE_FILTER, PEER_ANY, POSTERN__FILTER_OP__FILTER_JUDGE, &req.base, dl->body.fd, on_judged);
}

struct delivery *delivery_start(struct smtpd *d, struct envelope *e, struct body *b, const struct delivery_from *from,
				void (*done)(void *ctx, const struct smtp_status *reply), void *ctx)
{
	struct delivery *dl = calloc(1, sizeof(*dl));
	bug_if(!dl);
	dl->d = d;
	dl->e = *e;
	*e = (struct envelope){ 0 };
	dl->body = *b;
	body_init(b, d);
	dl->from = (struct delivery_from){ from->origin, arena_str(dl->e.arena, slice_str(from->peer)),
		arena_str(dl->e.arena, slice_str(from->id)), arena_dup(dl->e.arena, from->hello), from->account_id };
	dl->began = clock_mono_ms();
	dl->deadline = dl->began + DELIVERY_MS;
	dl->done = done;
	dl->ctx = ctx;
	list_append(&d->deliveries, &dl->node);
	judge(dl);
	return dl;
}

void delivery_detach(struct delivery **dl)
{
	if (!*dl)
		return;
	(*dl)->done = NULL;
	*dl = NULL;
}
