/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Into the queue: what goes elsewhere, recipients whose mailbox went away while others have their copy, and the wish
 * for success reports (RFC 3461 5.2.7): a mailbox here is "delivered", a recipient that became several is "expanded". The
 * reports are made there, in the transaction that takes the message.
 */
#include "room/smtpd/delivery_priv.h"

#include "base/err.h"
#include "base/event.h"
#include "ipc/queue.pb-c.h"

enum { ROUTE_ASK = 99, REPORT_DELIVERED = 1, REPORT_EXPANDED = 2 };

static void on_enqueued(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct delivery *dl = ctx;
	static const struct smtp_status full = { 452, "4.3.1", "No room for the message now" };
	if (err < 0) {
		ev(EV_WARN, "smtp.queue.failed", KS("id", dl->from.id), KS("reason", err_name(err)), KS("text", text));
		delivery_refuse(dl, err == ERR_FULL ? &full : &delivery_later);
	} else {
		dl->kept = true;
	}
	if (--dl->waiting == 0)
		delivery_next(dl);
}

static void fill_target(Postern__QueueRecipient *q, const struct target *t)
{
	const struct rcpt *r = target_rcpt(t);
	postern__queue_recipient__init(q);
	q->address = bytes_of(t->address);
	q->route = t->route;
	q->host = (char *)t->host;
	q->port = t->port;
	q->tls = t->tls;
	q->notify = t->notify;
	q->orcpt = bytes_of(r->orcpt);
	q->original = bytes_of(r->original);
}

static void fill_rcpt(Postern__QueueRecipient *q, const struct rcpt *r, unsigned report)
{
	postern__queue_recipient__init(q);
	q->address = bytes_of(r->address);
	q->route = ROUTE_ASK;
	q->notify = r->notify;
	q->orcpt = bytes_of(r->orcpt);
	q->original = bytes_of(r->original);
	q->report = report;
}

static unsigned report_of(const struct delivery *dl, const struct rcpt *r)
{
	if (!(r->notify & SMTP_NOTIFY_SUCCESS) || !dl->e.sender.n || r->refused)
		return 0;
	if (r->n_targets > 1)
		return REPORT_EXPANDED;
	return r->stored ? REPORT_DELIVERED : 0;
}

static void hand_in(struct delivery *dl, int fd, Postern__QueueRecipient **rcpts, size_t n)
{
	Postern__EnqueueRequest req = POSTERN__ENQUEUE_REQUEST__INIT;
	req.operation_id = delivery_operation_id(dl->e.arena);
	req.sender = bytes_of(dl->e.sender);
	req.recipients = rcpts;
	req.n_recipients = n;
	if (!dl->body.return_path_n)	/* else its offsets count the Return-Path */
		req.digest = bytes_of(dl->digest);
	req.envid = bytes_of(dl->e.envid);
	req.ret_headers = dl->e.ret_headers;
	req.smtputf8 = dl->e.smtputf8;
	req.body_8bit = dl->e.body_8bit;
	req.account_id = dl->from.account_id;
	delivery_call(dl, ROLE_QUEUE, PEER_ANY, POSTERN__QUEUE_OP__QUEUE_ENQUEUE, &req.base, fd, on_enqueued, dl);
}

static size_t cost_of(const Postern__QueueRecipient *q)
{
	return q->address.len + strlen(q->host) + q->orcpt.len + q->original.len + 64;
}

/* As many recipients a request as a frame has room for beside the digest. */
static void send_all(struct delivery *dl, int fd, Postern__QueueRecipient **rcpts, size_t n)
{
	size_t first = 0, cost = 0;
	for (size_t i = 0; i < n; i++) {
		if (i > first && cost + cost_of(rcpts[i]) > delivery_frame_room(dl)) {
			hand_in(dl, fd, rcpts + first, i - first);
			first = i;
			cost = 0;
		}
		cost += cost_of(rcpts[i]);
	}
	hand_in(dl, fd, rcpts + first, n - first);
}

static Postern__QueueRecipient **gather(struct delivery *dl, size_t *ret_n)
{
	size_t n = 0, most = dl->e.n_targets + 2 * dl->e.n_rcpts;
	Postern__QueueRecipient *rows = ARENA_ARRAY(dl->e.arena, Postern__QueueRecipient, most);
	Postern__QueueRecipient **list = ARENA_ARRAY(dl->e.arena, Postern__QueueRecipient *, most);
	list_each(t, dl->e.targets, struct target, node)
		if (t->way == TO_QUEUE)
			fill_target(&rows[n++], t);
	list_each(r, dl->e.rcpts, struct rcpt, node) {
		unsigned report = report_of(dl, r);
		if (r->refused)
			fill_rcpt(&rows[n++], r, 0);
		else if (report)
			fill_rcpt(&rows[n++], r, report);
	}
	for (size_t i = 0; i < n; i++)
		list[i] = &rows[i];
	*ret_n = n;
	return list;
}

bool deliver_queue(struct delivery *dl)
{
	size_t n;
	int fd;
	if (dl->enqueued)
		return false;
	dl->enqueued = true;
	Postern__QueueRecipient **rcpts = gather(dl, &n);
	if (!n)
		return false;
	dl->waiting++;
	if (body_for_queue(&dl->body, &fd) < 0)
		delivery_refuse(dl, &delivery_later);
	else
		send_all(dl, fd, rcpts, n);
	if (--dl->waiting == 0)
		delivery_next(dl);
	return true;
}
