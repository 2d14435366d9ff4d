/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mail that waited for a customer's old server, or a notification, goes into a mailbox of ours: filter makes
 * the digest of the bytes with their Return-Path, the shard takes them. Exactly once (D18): that this row goes to
 * this mailbox was committed before, and the operation id is made of row, account and number of the attempt, so
 * that the same delivery after a crash of either side is the same operation.
 */
#include "room/queue/queue.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "ipc/directory.pb-c.h"
#include "ipc/filter.pb-c.h"
#include "ipc/store.pb-c.h"
#include "lib/delivery/reject.h"
#include "proto/mail/multidrop.h"

enum { CALL_MS = 60000 };

struct delivery {
	struct job *job;
	size_t at;
	struct slice digest;
};

static void operation_id(const struct job *j, const struct rcpt *r, uint8_t ret[16])
{
	static const uint8_t keys[2][16] = { "queue delivery 1", "queue delivery 2" };
	uint64_t parts[] = { j->message, r->id, r->account, r->attempts };
	for (size_t k = 0; k < 2; k++) {
		uint64_t h = siphash24(keys[k], slice_of(parts, sizeof(parts)));
		memcpy(ret + 8 * k, &h, 8);
	}
	/* Readable, and no hash at all: row ids are never used twice. */
	memcpy(ret, &r->id, 8);
}

static struct outcome outcome_of(int err, bool refuse)
{
	switch (err) {
	case 0:
		return (struct outcome){
			.what = OUT_DELIVERED, .enhanced = SLICE("2.1.5"), .dsn_passed_on = false};
	case ERR_QUOTA:	/* its domain may have thought better of it, or the address leads elsewhere, by the next time */
		return (struct outcome){.what = refuse ? OUT_FAILED : OUT_LATER,
					.enhanced = refuse ? SLICE("5.2.2") : SLICE("4.2.2"),
					.ask_again = true,
					.text = SLICE("The mailbox is full")};
	case ERR_NOT_FOUND:
		return (struct outcome){.what = OUT_LATER,
					.enhanced = SLICE("4.2.1"),
					.ask_again = true,
					.gone = true,
					.text = SLICE("The mailbox is gone")};
	default:
		return (struct outcome){ .what = OUT_LATER, .enhanced = SLICE("4.3.0"),
			.text = SLICE("The mailbox could not take the message") };
	}
}

static void finish(struct job *j)
{
	if (--j->waiting)
		return;
	if (j->deferred)
		job_pause(j, "store", ERR_UNAVAILABLE);
	else
		result_add(j);
}

/* All copies or none: what held one up held up all. */
static int worst(const Postern__DeliverReply *reply)
{
	for (size_t i = 0; i < reply->n_results; i++)
		if (reply->results[i]->err < 0)
			return reply->results[i]->err;
	return 0;
}

/* Where the shard did not answer nobody knows what became of the operation: the same one is asked again later. */
static void on_delivered(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct delivery *d = ctx;
	struct job *j = d->job;
	const Postern__DeliverReply *reply = (const Postern__DeliverReply *)msg;
	if (fd >= 0)
		close(fd);
	if (err == 0 && reply->n_results)
		j->outcomes[d->at] = outcome_of(worst(reply), j->rcpts[d->at].refuse);
	else
		j->deferred = true;
	finish(j);
}

/* All copies that a mailbox gets are one operation. */
static void fill_copies(const struct job *j, const struct rcpt *r, const struct rules_plan *plan,
			Postern__DeliverRequest *req)
{
	size_t n = plan->n_places;
	struct slice kept = j->env.junk ? SLICE("Junk") : slice_of(NULL, 0);	/* as smtpd does */
	Postern__DeliverRecipient *to = ARENA_ARRAY(j->arena, Postern__DeliverRecipient, n);
	req->recipients = ARENA_ARRAY(j->arena, Postern__DeliverRecipient *, n);
	for (size_t i = 0; i < n; i++) {
		const struct rules_place *p = &plan->places[i];
		postern__deliver_recipient__init(&to[i]);
		to[i].account_id = r->account;
		to[i].address = pb_of_slice(r->address);
		to[i].quota_bytes = r->quota;
		to[i].mailbox = pb_of_slice(p->mailbox.n ? p->mailbox : r->mailbox.n ? r->mailbox : kept);
		to[i].create = p->create || r->mailbox.n;
		to[i].flags = p->flags;
		to[i].n_flags = p->n_flags;
		req->recipients[req->n_recipients++] = &to[i];
	}
}

/* The copy of one recipient, named in front (behind Return-Path). */
static int own_copy(struct job *j, const struct rcpt *r, Postern__DeliverRequest *req, int *ret_fd)
{
	struct slice digest, return_path;
	struct buf front = BUF_INIT(2 * MULTIDROP_LINES_MAX + QUEUE_RETURN_PATH_MAX);
	int err = job_plain(j, ret_fd, &return_path);
	if (err == 0) {
		buf_slice(&front, return_path);
		err = multidrop_lines(&front, r->multidrop);
	}
	if (err == 0)
		err = multidrop_digest(j->arena, slice_of_pb(req->digest), r->multidrop, &digest);
	if (err == 0) {
		req->prefix = pb_of_slice(arena_dup(j->arena, buf_view(&front)));
		req->digest = pb_of_slice(digest);
	}
	buf_fini(&front);
	return err;
}

static void deliver_one(struct delivery *d)
{
	struct job *j = d->job;
	const struct rcpt *r = &j->rcpts[d->at];
	Postern__DeliverRequest req = POSTERN__DELIVER_REQUEST__INIT;
	uint8_t id[16];
	operation_id(j, r, id);
	fill_copies(j, r, j->plans[d->at], &req);
	req.operation_id = pb_of_slice(slice_of(id, sizeof(id)));
	req.digest = pb_of_slice(d->digest);
	req.internal_date_ms = j->env.created_ms;
	int fd = j->fd;
	if (r->multidrop.n && own_copy(j, r, &req, &fd) < 0) {
		j->outcomes[d->at] = outcome_of(ERR_INTERNAL, false);
		return;
	}
	j->waiting++;
	room_call(j->q->room, ROLE_STORE, j->dest->shard, POSTERN__STORE_OP__STORE_DELIVER,
		  &req.base, &fd, 1, CALL_MS, on_delivered, d);
}

/*
 * A reject comes too late to be said in a session: who logged in gets a report, from anybody else the mailbox keeps the
 * message (a report would go to whoever was made up).
 */
static const struct rules_plan *weigh(struct delivery *d, const struct rules_plan *plan)
{
	struct job *j = d->job;
	static struct rules_place inbox;
	static const struct rules_plan keep = { .places = &inbox, .n_places = 1 };
	if (!plan->reject.n)
		return plan;
	const char *unreported = reject_unreported(j->env.account != 0, j->env.sender, false, plan);
	if (unreported) {
		ev(EV_INFO, "queue.reject.kept", KI("id", j->env.id), KI("account", j->rcpts[d->at].account),
		   KS("reason", unreported));
		return &keep;
	}
	j->outcomes[d->at] = (struct outcome){
		.what = OUT_FAILED,
		.enhanced = SLICE("5.7.1"),
		.mdn = plan->mdn,
		.text = reject_reason(j->arena, plan->reject)};
	return NULL;
}

static void on_plan(void *ctx, const struct rules_plan *plan)
{
	struct delivery *d = ctx;
	struct job *j = d->job;
	if (plan->err < 0) {
		j->deferred = true;
		finish(j);
		return;
	}
	j->plans[d->at] = weigh(d, plan);
	if (j->plans[d->at] && j->plans[d->at]->n_places)
		deliver_one(d);
	else if (j->plans[d->at])	/* discarded, or passed on without a copy */
		j->outcomes[d->at] = outcome_of(0, false);
	finish(j);
}

static void run_rules(struct job *j, size_t i, struct slice digest)
{
	const struct rcpt *r = &j->rcpts[i];
	struct delivery *d = ARENA_NEW(j->arena, struct delivery);
	*d = (struct delivery){ j, i, digest };
	j->waiting++;
	rules_run(&(struct rules_ask){ .room = j->q->room, .arena = j->arena, .account = r->account,
				       .sender = j->env.sender, .authenticated = j->env.account != 0,
				       .recipient = r->original.n ? r->original : r->address, .digest = digest,
				       .fd = j->fd, .junk = j->env.junk, .now_ms = clock_wall_ms(), .ms = CALL_MS },
		  on_plan, d);
}

/* The verdict was given when the message came in; here only the digest counts. */
static void on_judged(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct job *j = ctx;
	if (fd >= 0)
		close(fd);
	j->outcomes = ARENA_ARRAY(j->arena, struct outcome, j->n);
	if (err < 0) {	/* perhaps this message is too much for it: the others go on, this one later */
		for (size_t i = 0; i < j->n; i++)
			j->outcomes[i] = (struct outcome){
				.what = OUT_LATER,
				.enhanced = SLICE("4.3.0"),
				.text = SLICE("The message could not be looked at")};
		result_add(j);
		return;
	}
	j->plans = ARENA_ARRAY(j->arena, const struct rules_plan *, j->n);
	struct slice digest = arena_dup(j->arena, slice_of_pb(((const Postern__JudgeReply *)msg)->digest));
	j->waiting = 1;
	for (size_t i = 0; i < j->n; i++)
		run_rules(j, i, digest);
	finish(j);
}

void deliver_start(struct job *j)
{
	Postern__JudgeRequest req = POSTERN__JUDGE_REQUEST__INIT;
	req.origin = "dsn";
	req.sender = pb_of_slice(j->env.sender);
	room_call(j->q->room, ROLE_FILTER, PEER_ANY, POSTERN__FILTER_OP__FILTER_JUDGE, &req.base,
		  &j->fd, 1, CALL_MS, on_judged, j);
}
