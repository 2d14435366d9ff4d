/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client. Bytes go through the reader; a whole command goes to command.c, and nothing more is read until it is
 * over (commands that read lines themselves aside). Everything that ends a connection comes down to the stream's
 * on_end, the only place where its memory goes.
 *
 * Limits: deadline before and after login, connections per address and in all, bad commands, and the reader's.
 * Threats: I01-I06 (reader), I22 (an HTTP request at the port is sent away unanswered and unreflected).
 */
#include "room/imapd/imapd_priv.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"

#include <stdarg.h>

static size_t on_input(void *ctx, struct slice in);
static void on_end(void *ctx, int err);
static void on_tls(void *ctx);
static void on_drained(void *ctx);

static const struct stream_ops ops = {
	.on_input = on_input, .on_drained = on_drained, .on_tls = on_tls, .on_end = on_end,
};

void imapd_accept(struct imapd *imapd, int fd, const struct sockaddr_storage *peer)
{
	const char *why = front_enter(&imapd->front, peer, "imap.max_connections", true);
	if (why) {
		ev(EV_WARN, "imap.connection.refused", KS("reason", why));
		close(fd);
		return;
	}
	struct conn *c = calloc(1, sizeof(*c));
	bug_if(!c);
	c->imapd = imapd;
	c->peer = *peer;
	c->state = CONN_LOGIN;
	c->fresh = true;
	imap_reader_init(&c->reader, &imap_limits_login);
	list_append(&imapd->conns, &c->node);
	c->stream = stream_new(imapd->room->loop, fd, &ops, c);
	conn_deadline(c);
	if (stream_tls_server(c->stream, imapd->front.tls) < 0)
		stream_close(c->stream);
}

static void on_tls(void *ctx)
{
	struct conn *c = ctx;
	conn_printf(c, "* OK [CAPABILITY %s] Postern ready.\r\n", capabilities(c));
}

/* What it holds beside the stream. */
static void conn_forget(struct conn *c)
{
	cmd_free(c);
	append_free(&c->append);
	shard_end(c);
	select_leave(c);
	imap_reader_fini(&c->reader);
}

static void conn_free(struct conn *c)
{
	struct imapd *imapd = c->imapd;
	conn_forget(c);
	list_remove(&c->node);
	front_leave(&imapd->front, &c->peer);
	stream_free(&c->stream);
	free(c);
	imapd_maybe_exit(imapd);
}

static void on_end(void *ctx, int err)
{
	struct conn *c = ctx;

	if (err == ERR_TIMEOUT && c->state != CONN_OVER) {
		/* The stream writes no more: what it could say would not arrive in order anyway. */
		ev(EV_DEBUG, "imap.connection.timeout", KS("remote", stream_peer(c->stream)));
	}
	conn_free(c);
}

void conn_deadline(struct conn *c)
{
	const char *name = c->state == CONN_LOGIN ? "imap.login_timeout" : "imap.timeout";
	stream_deadline(c->stream, (unsigned)conf_u64(c->imapd->room->conf, name));
}

void conn_write(struct conn *c, struct buf *b)
{
	if (!buf_ok(b)) {
		/* An answer of ours passed its own maximum: half of it must not go out. */
		ev(EV_ERROR, "imap.answer.too-big", KI("account", c->account_id), KI("bytes", b->n));
		buf_clear(b);
		conn_bye(c, "Internal error");
		return;
	}
	stream_write(c->stream, buf_view(b));
	buf_clear(b);
}

void conn_condstore(struct conn *c)
{
	if (c->condstore)
		return;
	c->condstore = true;
	if (c->view)
		conn_printf(c, "* OK [HIGHESTMODSEQ %llu] Highest.\r\n", (unsigned long long)c->view->highestmodseq);
}

void conn_printf(struct conn *c, const char *fmt, ...)
{
	char line[2048];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	bug_if(n < 0 || (size_t)n >= sizeof(line));
	stream_write(c->stream, slice_of(line, (size_t)n));
}

void conn_bye(struct conn *c, const char *text)
{
	if (c->state == CONN_OVER)
		return;
	if (text)
		conn_printf(c, "* BYE %s\r\n", text);
	c->state = CONN_OVER;
	stream_close(c->stream);
	stream_pause(c->stream, false);
}

void conn_bad_command(struct conn *c)
{
	unsigned limit = c->state == CONN_LOGIN ? BAD_BEFORE_LOGIN : BAD_AFTER_LOGIN;

	if (++c->bad >= limit)
		conn_bye(c, "Too many bad commands");
}

static void on_drained(void *ctx)
{
	struct conn *c = ctx;
	void (*fn)(struct cmd *) = c->cmd ? c->cmd->on_drained : NULL;

	if (!fn || c->state == CONN_OVER)
		return;
	c->cmd->on_drained = NULL;
	conn_deadline(c);
	fn(c->cmd);
}

/* ---- input ---- */

static bool is_http(struct slice text)
{
	static const char *const verbs[] = { "GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "CONNECT",
					     "TRACE", "PATCH" };
	ptrdiff_t sp = slice_find_byte(text, ' ', 0);

	for (size_t i = 0; sp > 0 && i < ARRAY_SIZE(verbs); i++) {
		if (slice_eq(slice_sub(text, 0, (size_t)sp), slice_str(verbs[i])))
			return true;
	}
	return false;
}

static void on_command(struct conn *c)
{
	if (c->cmd && c->cmd->on_line) {
		void (*fn)(struct cmd *, struct slice) = c->cmd->on_line;
		fn(c->cmd, buf_view(&c->reader.text));
		return;
	}
	if (c->state == CONN_LOGIN && is_http(buf_view(&c->reader.text))) {
		ev(EV_INFO, "imap.connection.http", KS("remote", stream_peer(c->stream)));
		conn_bye(c, "This is an IMAP server");
		return;
	}
	c->fresh = false;
	command_run(c);
}

static void on_event(struct conn *c, enum imap_read what)
{
	switch (what) {
	case IMAP_READ_COMMAND:
		conn_deadline(c);
		on_command(c);
		break;
	case IMAP_READ_LITERAL:
		append_literal(c);
		break;
	case IMAP_READ_DATA:
		conn_deadline(c);
		append_data(c, c->reader.data);
		break;
	case IMAP_READ_REFUSED:
		append_free(&c->append);
		command_refused(c);
		break;
	case IMAP_READ_CLOSE:
		ev(EV_INFO, "imap.connection.refused", KS("remote", stream_peer(c->stream)),
		   KS("reason", c->reader.reason));
		conn_bye(c, c->reader.reason);
		break;
	case IMAP_READ_MORE:
		break;
	}
}

static size_t on_input(void *ctx, struct slice in)
{
	struct conn *c = ctx;
	size_t taken = 0;

	while (c->state != CONN_OVER) {
		size_t used;
		/* A command at work: the rest waits, here or in the kernel. */
		if (c->cmd && !c->cmd->on_line) {
			stream_pause(c->stream, true);
			return taken;
		}
		enum imap_read what = imap_reader_step(&c->reader, slice_sub(in, taken, in.n), &used);
		taken += used;
		if (what == IMAP_READ_MORE)
			return taken;
		on_event(c, what);
	}
	return in.n;
}

void conn_resume(struct conn *c)
{
	imap_reader_next(&c->reader);
	if (c->state == CONN_OVER)
		return;
	const struct imap_limits *l = c->state == CONN_LOGIN ? &imap_limits_login : &imap_limits_user;
	if (c->reader.limits != l)
		imap_reader_init(&c->reader, l);
	conn_deadline(c);
	stream_pause(c->stream, false);
}
