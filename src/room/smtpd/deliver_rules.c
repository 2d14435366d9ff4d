/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of the mailboxes that get the message, before any of them has it (lib/delivery/rules.h).
 *
 * A reject or ereject (RFC 5429) is a refusal in the session where the mailbox is the only recipient; a mailbox with an
 * ereject takes care to be that (envelope.c). Where it is one of several the others must not lose their mail: a sender who
 * logged in is told by a report of queue; from anybody else the mailbox keeps the message, since a report would go to
 * whoever was made up (S36).
 */
#include "room/smtpd/delivery_priv.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "lib/delivery/reject.h"

struct rules_call {
	struct delivery *dl;
	struct target *target;
};

static bool is_only(const struct delivery *dl)
{
	return dl->e.n_rcpts == 1 && dl->e.n_targets == 1;
}

static void keep(struct delivery *dl, struct target *t)
{
	struct rules_place *p = ARENA_NEW(dl->e.arena, struct rules_place);
	t->places = p;
	t->n_places = 1;
}

static void reject(struct delivery *dl, struct target *t, const struct rules_plan *plan)
{
	struct rcpt *r = list_first(&t->vias, struct via, node)->rcpt;
	const char *unreported = reject_unreported(dl->from.account_id != 0, dl->e.sender, r->n_targets != 1, plan);
	ev(EV_INFO, "smtp.message.rejected", KS("id", dl->from.id), KI("account", t->account_id));
	if (is_only(dl)) {
		delivery_refuse(dl, &(struct smtp_status){ 550, "5.7.1", reject_reply(dl->e.arena, plan->reject) });
	} else if (!unreported) {
		r->rejected = reject_reason(dl->e.arena, plan->reject);
		r->mdn = plan->mdn;
		r->stored = false;
	} else {
		ev(EV_INFO, "smtp.reject.kept", KS("id", dl->from.id), KI("account", t->account_id),
		   KS("reason", unreported));
		keep(dl, t);
	}
}

static void carry_out(struct delivery *dl, struct target *t, const struct rules_plan *plan)
{
	t->places = plan->places;
	t->n_places = plan->n_places;
	for (size_t i = 0; i < plan->n_letters; i++) {
		struct letter *l = ARENA_NEW(dl->e.arena, struct letter);
		l->l = &plan->letters[i];
		l->target = t;
		list_append(&dl->letters, &l->node);
	}
}

static void on_plan(void *ctx, const struct rules_plan *plan)
{
	struct rules_call *c = ctx;
	struct delivery *dl = c->dl;
	if (plan->err < 0)
		delivery_refuse(dl, &delivery_later);
	else if (plan->reject.n)
		reject(dl, c->target, plan);
	else
		carry_out(dl, c->target, plan);
	if (!c->target->n_places)	/* discarded, or passed on without a copy */
		c->target->state = TARGET_KEPT;
	if (--dl->waiting == 0)
		delivery_next(dl);
}

static void run(struct delivery *dl, struct target *t)
{
	struct rules_call *c = ARENA_NEW(dl->e.arena, struct rules_call);
	*c = (struct rules_call){ dl, t };
	t->ruled = true;
	dl->waiting++;
	rules_run(&(struct rules_ask){ .room = dl->d->room, .arena = dl->e.arena, .account = t->account_id,
				       .sender = dl->e.sender,
				       .authenticated = dl->from.account_id != 0, .recipient = target_rcpt(t)->address, .digest = dl->digest,
				       .fd = dl->body.fd, .junk = dl->junk, .now_ms = clock_wall_ms(),
				       .ms = delivery_time_left(dl) },
		  on_plan, c);
}

bool deliver_rules(struct delivery *dl)
{
	bool any = false;
	dl->waiting++;
	list_each(t, dl->e.targets, struct target, node) {
		if (t->way != TO_STORE || t->state != TARGET_NEW || !t->rules || t->ruled)
			continue;
		run(dl, t);
		any = true;
	}
	dl->waiting--;
	return any;
}
