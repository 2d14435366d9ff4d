/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Into the queue: what goes elsewhere, recipients whose mailbox went away and mailboxes whose shard did not take the message
 * (full, just down) while others have their copy, and the wish for success reports (RFC 3461 5.2.7): a mailbox here is
 * "delivered", a recipient that became several is "expanded". The reports are made there, in the transaction that takes the
 * message.
 */
#include "room/smtpd/delivery_priv.h"

#include "base/err.h"
#include "base/event.h"
#include "base/text.h"
#include "ipc/queue.pb-c.h"
#include "lib/ipc/memfd.h"

enum { ROUTE_ASK = 99, REPORT_DELIVERED = 1, REPORT_EXPANDED = 2, REPORT_REJECTED = 3, REPORT_DISPOSED = 4 };

static void on_enqueued(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct delivery *dl = ctx;
	static const struct smtp_status full = { 452, "4.3.1", N_("No room for the message now") };
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

/* The mailbox, behind aliases and lists: the others behind these have their copy. */
static void fill_held(Postern__QueueRecipient *q, const struct target *t)
{
	fill_target(q, t);
	q->address = bytes_of(t->multidrop.n ? t->multidrop : t->address);
	q->route = ROUTE_ASK;
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
	q->text = bytes_of(r->rejected);
}

static unsigned report_of(const struct delivery *dl, const struct rcpt *r)
{
	if (r->rejected.n)
		return r->notify && !(r->notify & SMTP_NOTIFY_FAILURE) ? 0 : r->mdn ? REPORT_DISPOSED : REPORT_REJECTED;
	if (!(r->notify & SMTP_NOTIFY_SUCCESS) || !dl->e.sender.n || r->refused)
		return 0;
	if (r->n_targets > 1)
		return REPORT_EXPANDED;
	return r->stored ? REPORT_DELIVERED : 0;
}

/* What leaves with one sender and one line in front: one message of the queue. */
struct group {
	struct list node;
	struct slice sender, delivered_to;
	Postern__QueueRecipient **rcpts;
	size_t n, most;
};

static void hand_in(struct delivery *dl, const struct group *g, int fd, size_t first, size_t end)
{
	Postern__EnqueueRequest req = POSTERN__ENQUEUE_REQUEST__INIT;
	req.operation_id = delivery_operation_id(dl->e.arena);
	req.sender = bytes_of(g->sender);
	req.recipients = g->rcpts + first;
	req.n_recipients = end - first;
	req.envid = bytes_of(dl->e.envid);
	req.ret_headers = dl->e.ret_headers;
	req.smtputf8 = dl->e.smtputf8;
	req.body_8bit = dl->e.body_8bit;
	req.account_id = dl->from.account_id;
	req.junk = dl->junk;
	delivery_call(dl, ROLE_QUEUE, PEER_ANY, POSTERN__QUEUE_OP__QUEUE_ENQUEUE, &req.base, fd, on_enqueued, dl);
}

static size_t cost_of(const Postern__QueueRecipient *q)
{
	return q->address.len + strlen(q->host) + q->orcpt.len + q->original.len + q->text.len + 64;
}

/* As many recipients a request as a frame has room for. */
static void send_group(struct delivery *dl, const struct group *g, int fd)
{
	size_t first = 0, cost = 0;
	for (size_t i = 0; i < g->n; i++) {
		if (i > first && cost + cost_of(g->rcpts[i]) > IPC_FRAME_MAX - FRAME_REST) {
			hand_in(dl, g, fd, first, i);
			first = i;
			cost = 0;
		}
		cost += cost_of(g->rcpts[i]);
	}
	hand_in(dl, g, fd, first, g->n);
}

static struct group *group_of(struct delivery *dl, struct list *groups, struct slice sender, struct slice delivered_to)
{
	list_each(g, groups, struct group, node)
		if (slice_eq(g->sender, sender) && slice_eq(g->delivered_to, delivered_to))
			return g;
	struct group *fresh = ARENA_NEW(dl->e.arena, struct group);
	fresh->sender = sender;
	fresh->delivered_to = delivered_to;
	list_append(groups, &fresh->node);
	return fresh;
}

static Postern__QueueRecipient *row_of(struct delivery *dl, struct group *g)
{
	struct arena *a = dl->e.arena;
	if (g->n == g->most) {
		size_t most = g->most ? 4 * g->most : 4;
		Postern__QueueRecipient **rcpts = ARENA_ARRAY(a, Postern__QueueRecipient *, most);
		for (size_t i = 0; i < g->n; i++)
			rcpts[i] = g->rcpts[i];
		g->rcpts = rcpts;
		g->most = most;
	}
	return g->rcpts[g->n++] = ARENA_NEW(a, Postern__QueueRecipient);
}

static void gather(struct delivery *dl, struct list *groups)
{
	struct slice none = { 0 };
	list_each(t, dl->e.targets, struct target, node) {
		if (t->way == TO_QUEUE)
			fill_target(row_of(dl, group_of(dl, groups, t->sender.n ? t->sender : dl->e.sender,
							t->delivered_to)), t);
		else if (t->state == TARGET_HELD)
			fill_held(row_of(dl, group_of(dl, groups, dl->e.sender, none)), t);
	}
	list_each(r, dl->e.rcpts, struct rcpt, node) {
		unsigned report = report_of(dl, r);
		if (r->refused || report)
			fill_rcpt(row_of(dl, group_of(dl, groups, dl->e.sender, none)), r, r->refused ? 0 : report);
	}
}

/* A letter of a mailbox's rules. */
static int body_of(struct delivery *dl, const struct group *g, int *ret_fd, bool *ret_own);

static int letter_body(struct delivery *dl, const struct letter *x, int *ret_fd, bool *ret_own)
{
	const struct group like = { .delivered_to = x->l->delivered_to };
	if (x->l->delivered_to.n)
		return body_of(dl, &like, ret_fd, ret_own);
	*ret_own = true;
	return memfd_of("letter", x->l->text, ret_fd);
}

static void on_letter(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct delivery *dl = ctx;	/* a reply that cannot be sent holds no mail up */
	if (err < 0)
		ev(EV_WARN, "smtp.vacation.lost", KS("id", dl->from.id), KS("reason", err_name(err)));
	if (--dl->waiting == 0)
		delivery_next(dl);
}

static void send_letter(struct delivery *dl, const struct letter *x)
{
	Postern__EnqueueRequest req = POSTERN__ENQUEUE_REQUEST__INIT;
	Postern__QueueRecipient to = x->l->to, *list = &to;
	const struct rcpt *rcpt = target_rcpt(x->target);
	bool own, answer = !x->l->delivered_to.n;
	int fd;
	if (letter_body(dl, x, &fd, &own) < 0) {
		delivery_refuse(dl, &delivery_later);
		return;
	}
	if (!answer) {
		to.orcpt = bytes_of(rcpt->orcpt);
		to.original = bytes_of(rcpt->original);
		to.notify = rcpt->notify & ~(unsigned)SMTP_NOTIFY_SUCCESS;
		if (rcpt->notify && !to.notify)
			to.notify = SMTP_NOTIFY_NEVER;
		req.account_id = dl->from.account_id;
		req.envid = bytes_of(dl->e.envid);
		req.ret_headers = dl->e.ret_headers;
	}
	req.operation_id = delivery_operation_id(dl->e.arena);
	req.sender = bytes_of(x->l->sender);
	req.recipients = &list;
	req.n_recipients = 1;
	req.smtputf8 = dl->e.smtputf8;
	req.once_key = bytes_of(x->l->once_key);
	req.once_seconds = x->l->once_seconds;
	delivery_call(dl, ROLE_QUEUE, PEER_ANY, POSTERN__QUEUE_OP__QUEUE_ENQUEUE, &req.base, fd,
		      answer ? on_letter : on_enqueued, dl);
	if (own)
		close(fd);
}

/* The message as it leaves: ours to close where a line stands in front. */
static int body_of(struct delivery *dl, const struct group *g, int *ret_fd, bool *ret_own)
{
	int fd, r = body_for_queue(&dl->body, &fd);
	*ret_own = false;
	if (r < 0 || !g->delivered_to.n) {
		*ret_fd = fd;
		return r;
	}
	struct slice whole;
	struct buf line = BUF_INIT(1024);
	buf_printf(&line, "Delivered-To: " SLICE_FMT "\r\n", SLICE_ARG(g->delivered_to));
	r = memfd_map(fd, UINT64_MAX, &whole);
	if (r == 0) {
		r = memfd_join("redirected", buf_view(&line), whole, ret_fd);
		memfd_unmap(&whole);
		*ret_own = r == 0;
	}
	buf_fini(&line);
	return r;
}

bool deliver_queue(struct delivery *dl)
{
	struct list groups;
	if (dl->enqueued)
		return false;
	dl->enqueued = true;
	list_init(&groups);
	gather(dl, &groups);
	if (list_empty(&groups) && list_empty(&dl->letters))
		return false;
	dl->waiting++;
	list_each(g, &groups, struct group, node) {
		int fd;
		bool own;
		if (body_of(dl, g, &fd, &own) < 0) {
			delivery_refuse(dl, &delivery_later);
			continue;
		}
		send_group(dl, g, fd);
		if (own)
			close(fd);
	}
	list_each(x, &dl->letters, struct letter, node)
		if (x->target->state != TARGET_HELD)	/* its rules run again */
			send_letter(dl, x);
	if (--dl->waiting == 0)
		delivery_next(dl);
	return true;
}
