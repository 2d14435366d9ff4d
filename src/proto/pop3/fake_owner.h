/* SPDX-License-Identifier: Apache-2.0 */
/* An owner of a POP3 session for the unit test and the fuzzer: a maildrop of three, the second of them gone. */
#ifndef PROTO_POP3_FAKE_OWNER_H
#define PROTO_POP3_FAKE_OWNER_H

#include "base/err.h"
#include "proto/pop3/server.h"
#include "proto/pop3/stuff.h"

struct fake {
	struct pop3_server *s;
	struct buf out, in;
	bool later, waits, closed, tarpit, fetched;
	enum { FAKE_NONE, FAKE_LOGIN, FAKE_FETCH, FAKE_EXPUNGE } question;
	enum { FAKE_RIGHT, FAKE_WRONG, FAKE_BUSY, FAKE_LATER, FAKE_TOLD } login;
	uint32_t uid;
	bool body;
	unsigned expunged;
	size_t chunk, full_at;		/* full_at 0: never congested */
};

static void fake_answer(struct fake *f)
{
	static const char *const text = "a: 5\r\n\r\n.x\r\n";
	struct pop3_message *m;
	int q = f->question;
	f->question = FAKE_NONE;
	switch (q) {
	case FAKE_LOGIN:
		if (f->login == FAKE_TOLD) {
			pop3_server_told(f->s, "Go\r\n+OK elsewhere");
			break;
		}
		if (f->login != FAKE_RIGHT) {
			pop3_server_refused(f->s, f->login == FAKE_WRONG ? POP3_WRONG_LOGIN :
						  f->login == FAKE_BUSY ? POP3_IN_USE : POP3_NOT_NOW);
			break;
		}
		m = calloc(3, sizeof(*m));
		bug_if(!m);
		m[0] = (struct pop3_message){ 5, false, 11 };
		m[1] = (struct pop3_message){ 6, false, 10 };
		m[2] = (struct pop3_message){ 9, false, 11 };
		pop3_server_opened(f->s, 77, m, 3);
		break;
	case FAKE_FETCH:
		if (f->uid == 6) {
			pop3_server_fetched(f->s, ERR_NOT_FOUND, slice_of(NULL, 0));
			break;
		}
		f->fetched = true;
		pop3_server_fetched(f->s, 0, slice_of(text, f->body ? strlen(text) : 8));
		break;
	case FAKE_EXPUNGE:
		pop3_server_expunged(f->s, 0);
		break;
	}
}

static void fake_ask(struct fake *f, int question)
{
	bug_if(f->question || f->closed);
	f->question = question;
	if (!f->later)
		fake_answer(f);
}

static void fake_write(void *ctx, struct slice bytes)
{
	struct fake *f = ctx;
	bug_if(f->closed);
	buf_slice(&f->out, bytes);
}

static bool fake_congested(void *ctx)
{
	struct fake *f = ctx;
	return f->full_at && f->out.n >= f->full_at;
}

static void fake_wait(void *ctx, bool on)
{
	struct fake *f = ctx;
	bug_if(f->waits == on);
	f->waits = on;
}

static void fake_timer(void *ctx, unsigned ms)
{
	((struct fake *)ctx)->tarpit = ms == POP3_TARPIT_MS;
}

static void fake_close(void *ctx)
{
	struct fake *f = ctx;
	bug_if(f->closed);
	f->closed = true;
}

static void fake_login(void *ctx, const struct sasl *s)
{
	struct fake *f = ctx;
	struct slice p = sasl_password(s);
	f->login = slice_eq(p, SLICE("right")) ? FAKE_RIGHT : slice_eq(p, SLICE("busy")) ? FAKE_BUSY :
		   slice_eq(p, SLICE("later")) ? FAKE_LATER : slice_eq(p, SLICE("told")) ? FAKE_TOLD : FAKE_WRONG;
	fake_ask(f, FAKE_LOGIN);
}

static void fake_fetch(void *ctx, uint32_t uid, bool body)
{
	struct fake *f = ctx;
	bug_if(f->fetched);
	f->uid = uid;
	f->body = body;
	fake_ask(f, FAKE_FETCH);
}

static void fake_release(void *ctx)
{
	struct fake *f = ctx;
	bug_if(!f->fetched);
	f->fetched = false;
}

static void fake_expunge(void *ctx, const uint32_t *uids, size_t n)
{
	struct fake *f = ctx;
	bug_if(n == 0 || n > 3);
	f->expunged = (unsigned)n;
	fake_ask(f, FAKE_EXPUNGE);
}

static const struct pop3_server_ops fake_ops = {
	fake_write, fake_congested, fake_wait, fake_timer, fake_close, fake_login, fake_fetch, fake_release, fake_expunge,
};

static void fake_start(struct fake *f, bool later, size_t chunk)
{
	*f = (struct fake){ .out = BUF_INIT(1 << 20), .in = BUF_INIT(1 << 20), .later = later, .chunk = chunk };
	f->s = pop3_server_new(600000, &fake_ops, f);
	pop3_server_start(f->s);
}

/* Everything that can go on without more input goes on. */
static void fake_settle(struct fake *f)
{
	while (!f->closed) {
		size_t used = f->waits ? 0 : pop3_server_input(f->s, buf_view(&f->in));
		buf_consume(&f->in, used);
		if (f->question)
			fake_answer(f);
		else if (f->tarpit)
			pop3_server_timeout(f->s);
		else if (f->full_at && f->out.n >= f->full_at && f->waits) {
			f->full_at = f->out.n + 7;
			pop3_server_continue(f->s);
		} else if (!used)
			break;
	}
}

static void fake_feed(struct fake *f, struct slice in)
{
	for (size_t at = 0; at < in.n && !f->closed; at += f->chunk) {
		buf_slice(&f->in, slice_sub(in, at, at + f->chunk));
		fake_settle(f);
	}
}

static void fake_fini(struct fake *f)
{
	pop3_server_free(&f->s);
	bug_if(f->fetched);
	buf_fini(&f->out);
	buf_fini(&f->in);
}

#endif
