/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection: a stream under TLS from the first octet, the session engine over it (proto/pop3/server.h), and the
 * maildrop behind it once auth said yes. It dies in on_end only, or when the shard takes the session away.
 */
#include "room/pop3d/pop3d_priv.h"

#include "base/err.h"
#include "base/event.h"
#include "base/text.h"
#include "ipc/auth.pb-c.h"

struct conn {
	struct list node;
	struct pop3d *d;
	struct stream *stream;
	struct pop3_server *server;
	struct maildrop *maildrop;
	uv_timer_t timer;
	struct sockaddr_storage peer;
	bool counted;		/* by front */
	struct peer_call *question;
	uint64_t account_id;
};

static ProtobufCBinaryData bytes_of(struct slice s)
{
	return (ProtobufCBinaryData){ s.n, (uint8_t *)s.p };
}

/* ---- the engine's output and time ---- */

static void op_write(void *ctx, struct slice bytes)
{
	stream_write(((struct conn *)ctx)->stream, bytes);
}

static bool op_congested(void *ctx)
{
	return stream_congested(((struct conn *)ctx)->stream);
}

static void op_wait(void *ctx, bool on)
{
	stream_pause(((struct conn *)ctx)->stream, on);
}

static void on_timer(uv_timer_t *timer)
{
	struct conn *c = timer->data;
	if (stream_is_tls(c->stream))
		pop3_server_timeout(c->server);
	else
		stream_close(c->stream);	/* the handshake took too long */
}

static void op_timer(void *ctx, unsigned ms)
{
	struct conn *c = ctx;
	if (ms)
		uv_timer_start(&c->timer, on_timer, ms, 0);
	else
		uv_timer_stop(&c->timer);
}

static void op_close(void *ctx)
{
	stream_close(((struct conn *)ctx)->stream);
}

/* ---- login and maildrop ---- */

static void on_opened(void *ctx, int err, uint32_t uidvalidity, struct pop3_message *messages, size_t n)
{
	struct conn *c = ctx;
	ev(EV_INFO, err < 0 ? "pop3.maildrop.refused" : "pop3.maildrop.opened", KI("account", c->account_id),
	   KI("messages", n), KS("peer", stream_peer(c->stream)), KS("reason", err_name(err)));
	if (err == 0) {
		c->d->count.logins++;
		pop3_server_opened(c->server, uidvalidity, messages, n);
		return;
	}
	maildrop_free(&c->maildrop);
	pop3_server_refused(c->server, err == ERR_CONFLICT ? POP3_IN_USE : POP3_NOT_NOW);
}

static void on_fetched(void *ctx, int err, struct slice message)
{
	struct conn *c = ctx;
	c->d->count.messages += err == 0;
	pop3_server_fetched(c->server, err, message);
}

static void on_expunged(void *ctx, int err)
{
	struct conn *c = ctx;
	pop3_server_expunged(c->server, err);
}

static void on_gone(void *ctx)
{
	struct conn *c = ctx;
	pop3_server_goodbye(c->server, N_("[SYS/TEMP] The session was ended"));
	stream_close(c->stream);
}

static const struct maildrop_ops maildrop_ops = { on_opened, on_fetched, on_expunged, on_gone };

static void on_login(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct conn *c = ctx;
	c->question = NULL;
	if (err == 0 && fd >= 0) {
		const Postern__LoginReply *r = (const Postern__LoginReply *)reply;
		c->account_id = r->account_id;
		pop3_server_language(c->server, r->language);
		c->maildrop = maildrop_new(c->d, fd, r->shard, &maildrop_ops, c);
		return;
	}
	if (fd >= 0)
		close(fd);
	c->d->count.failed_logins += err == ERR_DENIED;
	ev(EV_INFO, "pop3.login.failed", KS("peer", stream_peer(c->stream)), KS("reason", err_name(err)));
	if (err == ERR_CONFLICT)
		pop3_server_told(c->server, text);
	else
		pop3_server_refused(c->server, err == ERR_DENIED ? POP3_WRONG_LOGIN : POP3_NOT_NOW);
}

static void op_login(void *ctx, const struct sasl *s)
{
	struct conn *c = ctx;
	Postern__LoginRequest req = POSTERN__LOGIN_REQUEST__INIT;
	req.login = bytes_of(sasl_login(s));
	req.password = bytes_of(sasl_password(s));
	req.authzid = bytes_of(sasl_authzid(s));
	req.protocol = (char *)"pop3";
	req.remote = bytes_of(slice_str(stream_peer(c->stream)));
	c->question = room_call(c->d->room, ROLE_AUTH, PEER_ANY, POSTERN__AUTH_OP__AUTH_LOGIN, &req.base, NULL, 0,
				POP3_ASK_MS, on_login, c);
}

static void op_fetch(void *ctx, uint32_t uid, bool body)
{
	maildrop_fetch(((struct conn *)ctx)->maildrop, uid, body);
}

static void op_release(void *ctx)
{
	struct conn *c = ctx;
	if (c->maildrop)
		maildrop_release(c->maildrop);
}

static void op_expunge(void *ctx, const uint32_t *uids, size_t n)
{
	struct conn *c = ctx;
	c->d->count.expunged += (int64_t)n;
	maildrop_expunge(c->maildrop, uids, n);
}

static const struct pop3_server_ops server_ops = {
	op_write, op_congested, op_wait, op_timer, op_close, op_login, op_fetch, op_release, op_expunge,
};

/* ---- the stream ---- */

static size_t on_input(void *ctx, struct slice in)
{
	struct conn *c = ctx;
	size_t used = pop3_server_input(c->server, in);
	if (stream_congested(c->stream))
		stream_pause(c->stream, true);
	return used;
}

static void on_drained(void *ctx)
{
	struct conn *c = ctx;
	if (!pop3_server_busy(c->server))
		stream_pause(c->stream, false);
	pop3_server_continue(c->server);
}

static void on_tls(void *ctx)
{
	pop3_server_start(((struct conn *)ctx)->server);
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void on_end(void *ctx, int err)
{
	struct conn *c = ctx;
	struct pop3d *d = c->d;
	ev(EV_DEBUG, "pop3.connection.closed", KS("peer", stream_peer(c->stream)), KS("reason", err_name(err)));
	room_call_cancel(&c->question);
	pop3_server_free(&c->server);
	maildrop_free(&c->maildrop);
	stream_free(&c->stream);
	if (c->counted)
		front_leave(&d->front, &c->peer);
	list_remove(&c->node);
	uv_close((uv_handle_t *)&c->timer, on_timer_closed);
	pop3d_maybe_exit(d);
}

static const struct stream_ops stream_ops = { on_input, on_drained, on_tls, NULL, on_end };

static void begin(struct conn *c)
{
	struct pop3d *d = c->d;
	const char *why = front_enter(&d->front, &c->peer, "pop3.max_connections", true);
	c->counted = !why;
	if (!why && stream_tls_server(c->stream, d->front.tls) == 0) {
		uint64_t idle_ms = conf_u64(d->room->conf, "pop3.timeout");
		op_timer(c, idle_ms < POP3_TLS_MS ? (unsigned)idle_ms : POP3_TLS_MS);
		return;
	}
	ev(EV_INFO, "pop3.connection.refused", KS("peer", stream_peer(c->stream)), KS("reason", why ? why : "tls"));
	stream_close(c->stream);
}

void pop3_conn_accept(struct pop3d *d, int fd, const struct sockaddr_storage *peer)
{
	struct conn *c = calloc(1, sizeof(*c));
	bug_if(!c);
	c->d = d;
	c->peer = *peer;
	bug_if(uv_timer_init(d->room->loop, &c->timer) < 0);
	c->timer.data = c;
	c->stream = stream_new(d->room->loop, fd, &stream_ops, c);
	stream_set_in_max(c->stream, 2 * SASL_LINE_MAX);
	c->server = pop3_server_new((unsigned)conf_u64(d->room->conf, "pop3.timeout"), &server_ops, c);
	list_append(&d->conns, &c->node);
	begin(c);
}

void pop3_conn_stop_all(struct pop3d *d)
{
	list_each(c, &d->conns, struct conn, node) {
		if (stream_is_tls(c->stream))
			pop3_server_goodbye(c->server, "[SYS/TEMP] The service is going down");
		stream_close(c->stream);
	}
}
