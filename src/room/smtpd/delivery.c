/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message on its way in, behind the end of its data:
 *
 *      JUDGE --verdict--> (SENDERS, who logged in) --> (LISTS, that ask who writes) --> RULES --> FITS (several shards) --> STORE (all at once) --> QUEUE --> told 250
 *                                                        ^                                  |
 *                                                        |        +--a mailbox is gone------+
 *                                                        +-- AGAIN (its route), at most AGAIN_MAX times
 *
 * Invariants: 250 only when every target has committed; a store refuses a message for all its recipients or
 * for none; each request carries an operation id of its own, so that room_call may send it again to a room
 * that crashed in between (one copy, one 250). The stores come first: they are the ones that refuse (quota). What one
 * shard refuses where another has its copy already goes to the queue: the client's next try would be a second copy.
 * A connection that goes away does not stop what was begun: half of it may be committed already.
 */
#include "room/smtpd/delivery_priv.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "base/rng.h"
#include "base/text.h"
#include "ipc/filter.pb-c.h"

enum { OPERATION_ID = 16, JUDGE_RCPTS = 100 };

const struct smtp_status delivery_later = { 451, "4.3.0", N_("Not possible now, try again later") };

unsigned delivery_time_left(const struct delivery *dl)
{
	int64_t left = dl->deadline - clock_mono_ms();
	return left > 1 ? (unsigned)left : 1;
}

void delivery_refuse(struct delivery *dl, const struct smtp_status *st)
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

size_t delivery_frame_room(const struct delivery *dl)
{
	size_t rest = dl->digest.n + FRAME_REST;
	return rest < IPC_FRAME_MAX ? IPC_FRAME_MAX - rest : 0;
}

ProtobufCBinaryData delivery_operation_id(struct arena *a)
{
	uint8_t *id = arena_alloc(a, OPERATION_ID);
	rng_bytes(id, OPERATION_ID);
	return (ProtobufCBinaryData){ OPERATION_ID, id };
}

void delivery_call(struct delivery *dl, enum role role, unsigned index, uint16_t op, const ProtobufCMessage *req,
		   int fd, ipc_reply_fn *fn, void *ctx)
{
	dl->waiting++;
	IGNORE(room_call(dl->d->room, role, index, op, req, &fd, fd >= 0, delivery_time_left(dl), fn, ctx) == NULL,
	       "always made");
}

/* ---- the steps ---- */

void delivery_next(struct delivery *dl)
{
	if (dl->result.code) {
		finish(dl);
		return;
	}
	if (deliver_lists(dl) || deliver_rules(dl) || deliver_fits(dl) || deliver_store(dl) || deliver_again(dl) || deliver_queue(dl))
		return;
	finish(dl);
}

/* ---- judge ---- */

static void on_judged(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct delivery *dl = ctx;
	const Postern__JudgeReply *r = (const Postern__JudgeReply *)reply;
	dl->waiting--;
	if (err < 0) {
		ev(EV_WARN, "smtp.judge.failed", KS("id", dl->from.id), KS("reason", err_name(err)), KS("text", text));
		delivery_refuse(dl, &delivery_later);
	} else if (r->verdict == POSTERN__VERDICT__VERDICT_REFUSE || r->verdict == POSTERN__VERDICT__VERDICT_LATER) {
		bool hard = r->verdict == POSTERN__VERDICT__VERDICT_REFUSE;
		unsigned code = r->code / 100 == (hard ? 5 : 4) ? r->code : hard ? 554 : 451;
		delivery_refuse(dl, &(struct smtp_status){ code, r->enhanced, r->text });
	}
	if (dl->result.code) {
		finish(dl);
		return;
	}
	dl->digest = arena_dup(dl->e.arena, slice_of(r->digest.data, r->digest.len));
	dl->junk = r->verdict == POSTERN__VERDICT__VERDICT_JUNK;
	deliver_check_loop(dl);
	if (dl->from.account_id && !dl->result.code)
		deliver_senders(dl);
	else
		delivery_next(dl);
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
	delivery_call(dl, ROLE_FILTER, PEER_ANY, POSTERN__FILTER_OP__FILTER_JUDGE, &req.base, dl->body.fd, on_judged,
		      dl);
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
		arena_str(dl->e.arena, slice_str(from->id)), arena_dup(dl->e.arena, from->hello), from->account_id,
		from->version, from->language };
	dl->began = clock_mono_ms();
	dl->deadline = dl->began + DELIVERY_MS;
	dl->done = done;
	dl->ctx = ctx;
	list_init(&dl->letters);
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
