/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Letters of mailboxes' rules: messages that are passed on (without our Return-Path, with Delivered-To in front) and
 * vacation replies. They become queued mail in the transaction that removes the recipient whose mailbox sends them.
 */
#include "room/queue/queue.h"

#include "base/clock.h"
#include "base/err.h"
#include "lib/ipc/memfd.h"

static int text_of(const struct job *j, const struct rules_letter *l, struct buf *out)
{
	struct slice whole;
	if (!l->delivered_to.n) {
		buf_slice(out, l->text);
		return buf_ok(out) ? 0 : ERR_TOO_BIG;
	}
	int err = memfd_map(j->fd, QUEUE_MESSAGE_MAX, &whole);
	if (err < 0)
		return err;
	ptrdiff_t line = slice_find(whole, SLICE("\r\n"), 0);	/* job.c put a Return-Path there */
	buf_printf(out, "Delivered-To: " SLICE_FMT "\r\n", SLICE_ARG(l->delivered_to));
	buf_slice(out, slice_sub(whole, line < 0 ? 0 : (size_t)line + 2, whole.n));
	memfd_unmap(&whole);
	return buf_ok(out) ? 0 : ERR_TOO_BIG;
}

static int insert(struct job *j, const struct rcpt *r, const struct rules_letter *l)
{
	struct buf text = BUF_INIT(QUEUE_MESSAGE_MAX);
	bool passed_on = l->delivered_to.n;
	struct new_rcpt to = {.address = slice_of_pb(l->to.address),
			      .original = passed_on ? r->original : slice_of(NULL, 0),
			      .orcpt = passed_on ? r->orcpt : slice_of(NULL, 0),
			      .notify = passed_on ? r->notify : l->to.notify,
			      .route = l->to.route,
			      .host = slice_str(l->to.host),
			      .port = l->to.port,
			      .tls = l->to.tls};
	int64_t now = clock_wall_ms();
	uint64_t id;
	bool drop = false;
	int err = text_of(j, l, &text);
	struct new_message m = {.once_key = l->once_key,
				.once_ms = (int64_t)l->once_seconds * 1000,
				.sender = l->sender,
				.message = buf_view(&text),
				.smtputf8 = j->env.smtputf8,
				.account = passed_on ? j->env.account : 0,
				.rcpts = &to,
				.n_rcpts = 1};
	if (err == 0)
		err = message_once(j->q, &m, now, &drop);
	if (err == 0 && !drop)
		err = message_insert(j->q, &m, now, &id);
	buf_fini(&text);
	return err;
}

int letters_insert(struct job *j)
{
	int err = 0;
	for (size_t i = 0; i < j->n && err == 0; i++) {
		const struct rules_plan *plan = j->plans ? j->plans[i] : NULL;
		if (!plan || j->outcomes[i].what != OUT_DELIVERED)
			continue;
		for (size_t k = 0; k < plan->n_letters && err == 0; k++)
			err = insert(j, &j->rcpts[i], &plan->letters[k]);
	}
	return err;
}
