/* SPDX-License-Identifier: Apache-2.0 */
/* An owner of a session for the unit test and the fuzzer: answers at once or later, keeps what it is given. */
#ifndef PROTO_SMTP_FAKE_OWNER_H
#define PROTO_SMTP_FAKE_OWNER_H

#include "base/err.h"
#include "proto/smtp/server.h"

enum fake_question { FAKE_NONE, FAKE_SENDER, FAKE_ROUTE, FAKE_LOGIN, FAKE_COMMIT };

struct fake {
	struct smtp_server *s;
	struct smtp_server_config cfg;
	struct buf out, body;
	bool later;			/* questions wait for fake_answer */
	bool waits, closed, tls_wanted, refuse_body, body_fails;
	enum fake_question question;
	unsigned timer_ms;
	unsigned accepted;		/* recipients of the transaction under way */
	unsigned messages;		/* that were committed */
	bool transaction;		/* a sender was taken */
	uint64_t last_size;
	const struct smtp_status *refusal;	/* what the open question will be answered with */
};

static const struct smtp_status fake_ok = { 250, "2.0.0", "Kept" }, fake_no_user = { 550, "5.1.1", "No such user" },
	fake_no_sender = { 550, "5.7.1", "Not yours" }, fake_no_login = { 535, "5.7.8", "No" },
	fake_junk = { 554, "5.7.1", "Junk" }, fake_full = { 452, "4.3.1", "Full" };

static void fake_answer(struct fake *f)
{
	enum fake_question q = f->question;
	f->question = FAKE_NONE;
	switch (q) {
	case FAKE_NONE:
		break;
	case FAKE_SENDER:
		f->transaction = !f->refusal;
		smtp_server_sender(f->s, f->refusal);
		break;
	case FAKE_ROUTE:
		f->accepted += !f->refusal;
		smtp_server_routed(f->s, f->refusal);
		break;
	case FAKE_LOGIN:
		smtp_server_login(f->s, f->refusal);
		break;
	case FAKE_COMMIT:
		f->messages += !f->refusal;
		smtp_server_committed(f->s, f->refusal ? f->refusal : &fake_ok);
		break;
	}
}

static void fake_ask(struct fake *f, enum fake_question q, const struct smtp_status *refusal)
{
	bug_if(f->question || f->closed);
	f->question = q;
	f->refusal = refusal;
	if (!f->later)
		fake_answer(f);
}

static void fake_write(void *ctx, struct slice bytes)
{
	struct fake *f = ctx;
	bug_if(f->closed);
	buf_slice(&f->out, bytes);
}

static void fake_wait(void *ctx, bool on)
{
	struct fake *f = ctx;
	bug_if(f->waits == on);
	f->waits = on;
}

static void fake_timer(void *ctx, unsigned ms)
{
	((struct fake *)ctx)->timer_ms = ms;
}

static void fake_start_tls(void *ctx)
{
	((struct fake *)ctx)->tls_wanted = true;
}

static void fake_close(void *ctx)
{
	struct fake *f = ctx;
	bug_if(f->closed);
	f->closed = true;
}

static void fake_check_sender(void *ctx, const struct smtp_mail *m)
{
	fake_ask(ctx, FAKE_SENDER, slice_starts(m->path.address, SLICE("evil")) ? &fake_no_sender : NULL);
}

static void fake_route(void *ctx, const struct smtp_rcpt *r)
{
	struct fake *f = ctx;
	bug_if(!f->transaction);
	fake_ask(f, FAKE_ROUTE, slice_starts(r->path.address, SLICE("no")) ? &fake_no_user : NULL);
}

static void fake_login(void *ctx, const struct sasl *s)
{
	fake_ask(ctx, FAKE_LOGIN, slice_eq(sasl_password(s), SLICE("right")) ? NULL : &fake_no_login);
}

static const struct smtp_status *fake_body_begin(void *ctx)
{
	struct fake *f = ctx;
	bug_if(!f->transaction || !f->accepted);
	buf_clear(&f->body);
	return f->refuse_body ? &fake_full : NULL;
}

static int fake_body(void *ctx, struct slice bytes)
{
	struct fake *f = ctx;
	bug_if(!f->transaction || !f->accepted || !bytes.n);
	buf_slice(&f->body, bytes);
	return f->body_fails ? ERR_FULL : 0;
}

static void fake_commit(void *ctx)
{
	struct fake *f = ctx;
	bug_if(!f->transaction || !f->accepted);	/* S09: DATA without a living MAIL and RCPT */
	f->last_size = f->body.n;
	fake_ask(f, FAKE_COMMIT, slice_find(buf_view(&f->body), SLICE("junk"), 0) >= 0 ? &fake_junk : NULL);
}

static void fake_reset(void *ctx)
{
	struct fake *f = ctx;
	f->transaction = false;
	f->accepted = 0;
}

static void fake_refused(void *ctx, enum smtp_verb verb, const struct smtp_status *st)
{
	bug_if(!st->text || st->code < 400);
}

static const struct smtp_server_ops fake_ops = {
	fake_write, fake_wait, fake_timer, fake_start_tls, fake_close, fake_check_sender, fake_route,
	fake_login, fake_body_begin, fake_body, fake_commit, fake_reset, fake_refused,
};

static void fake_start(struct fake *f, bool submission)
{
	*f = (struct fake){ .cfg = { .host = "mx.example", .submission = submission, .max_size = 1000,
			.max_recipients = 5, .max_errors = 10, .idle_ms = 300000, .data_ms = 60000,
			.data_window_min = 10, .data_total_ms = 600000 },
		.out = BUF_INIT(1 << 22), .body = BUF_INIT(4096) };
	f->s = smtp_server_new(&f->cfg, &fake_ops, f, true);
}

static void fake_fini(struct fake *f)
{
	smtp_server_free(&f->s);
	buf_fini(&f->out);
	buf_fini(&f->body);
}

#endif
