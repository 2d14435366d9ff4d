/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sender enforcement: each address of From, Sender and the Resent fields, and the envelope's once more, since rights may
 * have changed while the data came. What could be read in two ways filter has refused.
 */
#include "room/smtpd/delivery_priv.h"

#include "base/err.h"
#include "base/event.h"
#include "base/text.h"
#include "lib/delivery/senders.h"

const struct smtp_status login_over = { 530, "5.7.0", N_("Your login is not good any more, log in again") };

static void on_sender(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct delivery *dl = ctx;
	const Postern__SenderReply *r = (const Postern__SenderReply *)reply;
	dl->waiting--;
	if (err < 0) {
		delivery_refuse(dl, &delivery_later);
	} else if (r->over) {
		delivery_refuse(dl, &login_over);
	} else if (!r->allowed) {
		struct slice who = slice_of(r->refused.data, r->refused.len);
		ev(EV_INFO, "smtp.sender.refused", KS("id", dl->from.id), KI("account", dl->from.account_id),
		   KSL("address", who));
		delivery_refuse(dl, &(struct smtp_status){ 550, "5.7.1", senders_refusal(dl->e.arena, dl->from.language, who) });
	}
	delivery_next(dl);
}

void deliver_senders(struct delivery *dl)
{
	Postern__SenderRequest req;
	if (senders_question(dl->e.arena, dl->from.account_id, dl->e.sender, dl->digest, &req) < 0) {
		delivery_refuse(dl, &delivery_later);
		delivery_next(dl);
		return;
	}
	req.credential_version = dl->from.version;
	delivery_call(dl, ROLE_DIRECTORY, PEER_ANY, POSTERN__DIRECTORY_OP__DIRECTORY_SENDER, &req.base, -1, on_sender, dl);
}
