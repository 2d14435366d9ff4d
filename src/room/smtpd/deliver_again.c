/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mailbox went away between RCPT and the end of the data: removed, converted, promoted. Directory is asked where mail
 * for the recipients that led to it goes now; what comes out new is delivered, what has its copy already is not
 * touched. AGAIN_MAX rounds.
 *
 * A recipient that is refused now was accepted before, and SMTP has one reply for all of them. While nothing is
 * committed the reply is a refusal: the word itself where it goes for all recipients, else 451, so that the client comes
 * again and hears at RCPT which one it is. Where others have their copy already, queue takes the rest over and tells
 * whom it must.
 */
#include "room/smtpd/delivery_priv.h"

#include "base/err.h"
#include "base/event.h"
#include "base/text.h"

struct again_call {
	struct delivery *dl;
	struct rcpt *rcpt;
};

static const struct smtp_status one_is_gone = { 451, "4.2.1", N_("A recipient's mailbox went away just now, try again") };

static void log_again(const struct delivery *dl, const struct rcpt *r)
{
	ev(EV_INFO, "smtp.recipient.again", KS("id", dl->from.id), KSL("address", r->address), KI("round", dl->rounds),
	   KI("code", r->refused ? r->refused->code : 250));
}

/* The recipients whose mailbox is gone are to be asked about; how many. */
static size_t mark(struct delivery *dl)
{
	size_t n = 0;
	list_each(t, dl->e.targets, struct target, node) {
		if (t->state != TARGET_GONE)
			continue;
		t->state = TARGET_LOST;
		list_each(v, &t->vias, struct via, node) {
			n += !v->rcpt->again;
			v->rcpt->again = true;
		}
	}
	return n;
}

/* After each round: what is refused decides whether it goes on. */
static void weigh(struct delivery *dl)
{
	size_t refused = 0;
	const struct smtp_status *st = NULL;
	list_each(r, dl->e.rcpts, struct rcpt, node) {
		refused += r->refused != NULL;
		st = r->refused ? r->refused : st;
	}
	if (refused && !dl->kept)
		delivery_refuse(dl, refused == dl->e.n_rcpts ? st : &one_is_gone);
}

static void on_route(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct again_call *c = ctx;
	struct delivery *dl = c->dl;
	c->rcpt->again = false;
	if (err < 0)
		c->rcpt->refused = &delivery_later;
	else
		envelope_route_again(&dl->e, c->rcpt, (const Postern__RouteReply *)reply);
	log_again(dl, c->rcpt);
	if (--dl->waiting)
		return;
	weigh(dl);
	delivery_next(dl);
}

static void ask(struct delivery *dl, struct rcpt *r)
{
	struct again_call *c = ARENA_NEW(dl->e.arena, struct again_call);
	Postern__RouteRequest req = POSTERN__ROUTE_REQUEST__INIT;
	*c = (struct again_call){ dl, r };
	req.address = bytes_of(r->address);
	req.authenticated = dl->from.account_id != 0;
	req.account_id = dl->from.account_id;
	req.sender = bytes_of(dl->e.sender);
	req.null_sender = !dl->e.sender.n;
	delivery_call(dl, ROLE_DIRECTORY, PEER_ANY, POSTERN__DIRECTORY_OP__DIRECTORY_ROUTE, &req.base, -1, on_route, c);
}

bool deliver_again(struct delivery *dl)
{
	if (!mark(dl))
		return false;
	bool more = dl->rounds++ < AGAIN_MAX;
	dl->waiting++;
	list_each(r, dl->e.rcpts, struct rcpt, node) {
		if (r->again && more) {
			ask(dl, r);
		} else if (r->again) {
			r->again = false;
			r->refused = &delivery_later;
		}
	}
	if (--dl->waiting == 0) {
		weigh(dl);
		delivery_next(dl);
	}
	return true;
}
