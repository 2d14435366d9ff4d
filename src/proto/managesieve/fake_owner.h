/* SPDX-License-Identifier: Apache-2.0 */
/* An owner of a session for the unit test and the fuzzer: one script "a", active; the name says how it is answered. */
#ifndef PROTO_MANAGESIEVE_FAKE_OWNER_H
#define PROTO_MANAGESIEVE_FAKE_OWNER_H

#include "base/err.h"
#include "proto/managesieve/server.h"

struct fake {
	const char *language;	/* of who logs in */
	struct managesieve *s;
	struct buf out, in;
	bool later, waits, closed, tarpit, tls_asked, logged_in;
	enum { FAKE_NONE, FAKE_LOGIN, FAKE_REQUEST } question;
	enum { FAKE_RIGHT, FAKE_WRONG, FAKE_LATER, FAKE_TEXT } login;
	enum managesieve_kind kind;
	char name[8];
	size_t text_n;
	size_t chunk;
	unsigned logouts;
};

static void fake_answer_request(struct fake *f)
{
	bool known = strcmp(f->name, "a") == 0;
	if (f->kind == MANAGESIEVE_LIST) {
		managesieve_item(f->s, SLICE("a"), true);
		managesieve_item(f->s, SLICE("b\"\\"), false);
	}
	if (f->kind == MANAGESIEVE_GET && known)
		managesieve_script(f->s, SLICE("keep;\r\n"));
	if (f->kind == MANAGESIEVE_DELETE && known)
		managesieve_answer(f->s, false, MANAGESIEVE_IS_ACTIVE, "It is active");
	else if (f->kind == MANAGESIEVE_LIST || known || f->kind == MANAGESIEVE_PUT || f->kind == MANAGESIEVE_CHECK)
		managesieve_answer(f->s, true, MANAGESIEVE_NO_CODE, "");
	else
		managesieve_answer(f->s, false, MANAGESIEVE_NONEXISTENT, "line 1:\r\nnothing");
}

static void fake_answer(struct fake *f)
{
	int q = f->question;
	f->question = FAKE_NONE;
	if (q == FAKE_REQUEST) {
		fake_answer_request(f);
	} else if (q == FAKE_LOGIN && f->login == FAKE_RIGHT) {
		f->logged_in = true;
		managesieve_opened(f->s, SLICE("joe@example.test"), f->language);
	} else if (q == FAKE_LOGIN) {
		managesieve_refused(f->s, f->login == FAKE_WRONG, f->login == FAKE_TEXT ? "Set a password" : NULL);
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
	return false;
}

static void fake_wait(void *ctx, bool on)
{
	struct fake *f = ctx;
	bug_if(f->waits == on);
	f->waits = on;
}

static void fake_timer(void *ctx, unsigned ms)
{
	((struct fake *)ctx)->tarpit = ms == MANAGESIEVE_TARPIT_MS;
}

static void fake_close(void *ctx)
{
	struct fake *f = ctx;
	bug_if(f->closed);
	f->closed = true;
}

static void fake_starttls(void *ctx)
{
	struct fake *f = ctx;
	bug_if(f->tls_asked);
	f->tls_asked = true;
}

static void fake_login(void *ctx, const struct sasl *s)
{
	struct fake *f = ctx;
	struct slice p = sasl_password(s);
	f->login = slice_eq(p, SLICE("right")) ? FAKE_RIGHT : slice_eq(p, SLICE("later")) ? FAKE_LATER :
		   slice_eq(p, SLICE("text")) ? FAKE_TEXT : FAKE_WRONG;
	fake_ask(f, FAKE_LOGIN);
}

static void fake_request(void *ctx, const struct managesieve_request *r)
{
	struct fake *f = ctx;
	bug_if(!f->logged_in);
	f->kind = r->kind;
	snprintf(f->name, sizeof(f->name), "%.*s", (int)(r->name.n < 7 ? r->name.n : 7),
		 r->name.n ? (const char *)r->name.p : "");
	f->text_n = r->text.n;
	for (size_t i = 0, sum = 0; i < r->text.n; i++)	/* all of it can be read */
		sum += r->text.p[i];
	fake_ask(f, FAKE_REQUEST);
}

static void fake_logout(void *ctx)
{
	struct fake *f = ctx;
	bug_if(!f->logged_in);
	f->logged_in = false;
	f->logouts++;
}

static const struct managesieve_ops fake_ops = {
	fake_write, fake_congested, fake_wait, fake_timer, fake_close, fake_starttls, fake_login, fake_request, fake_logout,
};

static void fake_start(struct fake *f, bool later, size_t chunk)
{
	static const struct managesieve_settings settings = { 1800000, "fileinto", 4, true };
	*f = (struct fake){ .out = BUF_INIT(1 << 22), .in = BUF_INIT(1 << 22), .later = later, .chunk = chunk };
	f->s = managesieve_new(&settings, &fake_ops, f);
	managesieve_start(f->s);
}

/* Everything that can go on without more input goes on. The handshake succeeds at once, and drops what is left of the
 * input as a stream does. */
static void fake_settle(struct fake *f)
{
	while (!f->closed) {
		size_t used = f->waits ? 0 : managesieve_input(f->s, buf_view(&f->in));
		buf_consume(&f->in, used);
		if (f->tls_asked) {
			f->tls_asked = false;
			buf_clear(&f->in);
			managesieve_tls(f->s);
		} else if (f->question) {
			fake_answer(f);
		} else if (f->tarpit) {
			managesieve_timeout(f->s);
		} else if (!used) {
			break;
		}
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
	managesieve_free(&f->s);
	buf_fini(&f->out);
	buf_fini(&f->in);
}

#endif
