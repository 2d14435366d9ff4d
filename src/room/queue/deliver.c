/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mail that waited for a customer's old server, or a notification, goes into a mailbox of ours: filter makes
 * the digest of the bytes with their Return-Path, the shard takes them. Exactly once (D18): that this row goes to
 * this mailbox was committed before, and the operation id is made of row, account and number of the attempt, so
 * that the same delivery after a crash of either side is the same operation.
 */
#include "room/queue/queue.h"

#include "base/err.h"
#include "base/event.h"
#include "ipc/directory.pb-c.h"
#include "ipc/filter.pb-c.h"
#include "ipc/store.pb-c.h"

enum { CALL_MS = 60000 };

struct delivery {
	struct job *job;
	size_t at;
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

static struct outcome outcome_of(int err)
{
	switch (err) {
	case 0:
		return (struct outcome){
			.what = OUT_DELIVERED, .enhanced = SLICE("2.1.5"), .dsn_passed_on = false};
	case ERR_QUOTA:
		return (struct outcome){.what = OUT_LATER,
					.enhanced = SLICE("4.2.2"),
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

/* Where the shard did not answer nobody knows what became of the operation: the same one is asked again later. */
static void on_delivered(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct delivery *d = ctx;
	struct job *j = d->job;
	const Postern__DeliverReply *reply = (const Postern__DeliverReply *)msg;
	if (fd >= 0)
		close(fd);
	if (err == 0 && reply->n_results == 1)
		j->outcomes[d->at] = outcome_of(reply->results[0]->err);
	else
		j->deferred = true;
	finish(j);
}

static void deliver_one(struct job *j, size_t i, ProtobufCBinaryData digest)
{
	const struct rcpt *r = &j->rcpts[i];
	struct delivery *d = ARENA_NEW(j->arena, struct delivery);
	Postern__DeliverRequest req = POSTERN__DELIVER_REQUEST__INIT;
	Postern__DeliverRecipient to = POSTERN__DELIVER_RECIPIENT__INIT, *list = &to;
	uint8_t id[16];
	d->job = j;
	d->at = i;
	operation_id(j, r, id);
	to.account_id = r->account;
	to.address = pb_of_slice(r->address);
	to.quota_bytes = r->quota;
	to.mailbox = pb_of_slice(r->mailbox);
	to.create = r->mailbox.n;
	req.operation_id = pb_of_slice(slice_of(id, sizeof(id)));
	req.recipients = &list;
	req.n_recipients = 1;
	req.digest = digest;
	req.internal_date_ms = j->env.created_ms;
	j->waiting++;
	room_call(j->q->room, ROLE_STORE, j->dest->shard, POSTERN__STORE_OP__STORE_DELIVER,
		  &req.base, &j->fd, 1, CALL_MS, on_delivered, d);
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
	j->waiting = 1;
	for (size_t i = 0; i < j->n; i++)
		deliver_one(j, i, ((const Postern__JudgeReply *)msg)->digest);
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
