/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists that not everybody may write to. Their route was given for the envelope's sender; now that the message is here,
 * directory judges whom it names as author or sender. SMTP has one reply for all recipients, and nothing is committed
 * yet: what one list refuses is refused.
 */
#include "room/smtpd/delivery_priv.h"

#include "base/err.h"
#include "base/event.h"
#include "lib/delivery/senders.h"

struct list_call {
	struct delivery *dl;
	struct rcpt *rcpt;
};

static void on_route(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct list_call *c = ctx;
	struct delivery *dl = c->dl;
	const Postern__RouteReply *r = (const Postern__RouteReply *)reply;
	if (err < 0) {
		delivery_refuse(dl, &delivery_later);
	} else if (!r->n_targets) {
		ev(EV_INFO, "smtp.author.refused", KS("id", dl->from.id), KSL("address", c->rcpt->address), KI("code", r->code));
		delivery_refuse(dl, &(struct smtp_status){ r->code, r->enhanced, r->text });
	}
	if (--dl->waiting == 0)
		delivery_next(dl);
}

bool deliver_lists(struct delivery *dl)
{
	bool any = false;
	Postern__SenderRequest who;
	list_each(r, dl->e.rcpts, struct rcpt, node)
		any |= r->authors;
	if (!any || dl->listed)
		return false;
	dl->listed = true;
	if (senders_question(dl->e.arena, 0, dl->e.sender, dl->digest, &who) < 0) {
		delivery_refuse(dl, &delivery_later);
		delivery_next(dl);
		return true;
	}
	if (!who.n_addresses)
		return false;
	dl->waiting++;
	list_each(r, dl->e.rcpts, struct rcpt, node) {
		Postern__RouteRequest req = POSTERN__ROUTE_REQUEST__INIT;
		struct list_call *c;
		if (!r->authors)
			continue;
		c = ARENA_NEW(dl->e.arena, struct list_call);
		*c = (struct list_call){ dl, r };
		req.address = bytes_of(r->address);
		req.authenticated = dl->from.account_id != 0;
		req.account_id = dl->from.account_id;
		req.sender = bytes_of(dl->e.sender);
		req.null_sender = !dl->e.sender.n;
		req.authors = who.addresses;
		req.n_authors = who.n_addresses;
		delivery_call(dl, ROLE_DIRECTORY, PEER_ANY, POSTERN__DIRECTORY_OP__DIRECTORY_ROUTE, &req.base, -1, on_route, c);
	}
	if (--dl->waiting == 0)
		delivery_next(dl);
	return true;
}
