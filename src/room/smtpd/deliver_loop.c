/* SPDX-License-Identifier: Apache-2.0 */
/*
 * S37: whoever passes mail on puts his name in front of it (Delivered-To). Where it is there already the message comes
 * round a second time, and is refused before anybody gets a copy.
 */
#include "room/smtpd/delivery_priv.h"

#include "base/codec.h"
#include "proto/mail/digest.h"

static bool passes_on(const struct delivery *dl)
{
	list_each(t, dl->e.targets, struct target, node)
		if (t->delivered_to.n)
			return true;
	return false;
}

static bool named(const Postern__Digest *d, struct slice who)
{
	for (size_t i = 0; i < d->n_delivered_to; i++)
		if (slice_eq_ci(slice_of(d->delivered_to[i].data, d->delivered_to[i].len), who))
			return true;
	return false;
}

void deliver_check_loop(struct delivery *dl)
{
	Postern__Digest *d;
	if (!passes_on(dl) || digest_unpack_in(dl->e.arena, dl->digest, &d) < 0)
		return;
	list_each(t, dl->e.targets, struct target, node) {
		if (!t->delivered_to.n || !named(d, t->delivered_to))
			continue;
		const char *text = "This message was passed on from here before: a loop";
		if (ascii_only(t->delivered_to))
			text = arena_printf(dl->e.arena, "This message was passed on by <" SLICE_FMT "> before: a loop",
					    SLICE_ARG(t->delivered_to));
		delivery_refuse(dl, &(struct smtp_status){ 554, "5.4.6", text });
		return;
	}
}
