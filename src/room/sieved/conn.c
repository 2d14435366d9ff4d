/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection: a stream that begins in clear, the session engine over it (proto/managesieve/server.h), and the login's
 * token and channel once auth said yes. It dies in on_end only; a login that is asked for then goes on without it, since what
 * it gets is to be given back.
 */
#include "room/sieved/sieved_priv.h"

#include "base/err.h"
#include "base/event.h"
#include "base/text.h"
#include "ipc/auth.pb-c.h"
#include "ipc/directory.pb-c.h"
#include "lib/room/tether.h"
#include "proto/sieve/sieve.h"

struct conn;
struct logging_in {
	struct sieved *d;
	struct conn *conn;		/* NULL: gone meanwhile */
};

struct conn {
	struct list node;
	struct sieved *d;
	struct stream *stream;
	struct managesieve *server;
	uv_timer_t timer;
	struct sockaddr_storage peer;
	bool counted;		/* by front */
	struct logging_in *logging_in;
	struct sieved_request *request;
	struct sieved_login login;
	struct tether *tether;		/* of the login */
};

static ProtobufCBinaryData data_of(struct slice s)
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
	managesieve_timeout(c->server);
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

static void op_starttls(void *ctx)
{
	struct conn *c = ctx;
	c->d->count.starttls++;
	if (stream_tls_server(c->stream, c->d->front.tls) < 0)
		stream_close(c->stream);
}

/* ---- login ---- */

static void forget(struct conn *c)
{
	if (c->login.token.n)
		explicit_bzero(c->login.token.p, c->login.token.n);
	buf_clear(&c->login.token);
	buf_clear(&c->login.address);
}

static void on_given_back(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct sieved *d = ctx;
	d->count.logouts += err == 0 && ((const Postern__AdminReply *)reply)->status == 200;
	d->pending--;
	if (fd >= 0)
		close(fd);
	sieved_maybe_exit(d);
}

/* Where directory cannot be asked, the token ends by itself. */
static void give_back_token(struct sieved *d, ProtobufCBinaryData token)
{
	Postern__AdminRequest req = POSTERN__ADMIN_REQUEST__INIT;
	req.operation = (char *)"session.remove";
	req.token = token;
	d->pending++;
	room_call(d->room, ROLE_DIRECTORY, 0, POSTERN__DIRECTORY_OP__DIRECTORY_ADMIN, &req.base, NULL, 0, SIEVED_ASK_MS,
		  on_given_back, d);
}

static void give_back(struct conn *c)
{
	tether_free(&c->tether);
	if (c->login.token.n)
		give_back_token(c->d, data_of(buf_view(&c->login.token)));
	forget(c);
}

static void on_revoked(void *ctx)
{
	struct conn *c = ctx;
	managesieve_goodbye(c->server, N_("Your login is not good any more"));
}

static void take_login(struct conn *c, const Postern__LoginReply *r, int fd)
{
	forget(c);
	c->tether = tether_new(c->d->room->loop, fd, on_revoked, c);
	buf_append(&c->login.token, r->token.data, r->token.len);
	buf_append(&c->login.address, r->address.data, r->address.len);
	c->d->count.logins++;
	ev(EV_INFO, "sieve.login.ok", KI("account", r->account_id), KS("peer", stream_peer(c->stream)));
	c->login.language = text_language(slice_str(r->language));
	managesieve_opened(c->server, buf_view(&c->login.address), c->login.language);
}

static void on_login(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct logging_in *l = ctx;
	struct sieved *d = l->d;
	struct conn *c = l->conn;
	const Postern__LoginReply *r = (const Postern__LoginReply *)reply;
	free(l);
	d->pending--;
	if (c)
		c->logging_in = NULL;
	if (c && err == 0 && fd >= 0 && r->token.len && r->address.len) {
		take_login(c, r, fd);
		return;
	}
	if (fd >= 0)
		close(fd);
	if (err == 0 && r->token.len)
		give_back_token(d, r->token);
	sieved_maybe_exit(d);
	if (!c)
		return;
	c->d->count.failed_logins += err == ERR_DENIED;
	ev(EV_INFO, "sieve.login.failed", KS("peer", stream_peer(c->stream)), KS("reason", err_name(err)));
	managesieve_refused(c->server, err == ERR_DENIED, err == ERR_CONFLICT ? text : NULL);
}

static void op_login(void *ctx, const struct sasl *s)
{
	struct conn *c = ctx;
	Postern__LoginRequest req = POSTERN__LOGIN_REQUEST__INIT;
	req.login = data_of(sasl_login(s));
	req.password = data_of(sasl_password(s));
	req.authzid = data_of(sasl_authzid(s));
	req.protocol = (char *)"sieve";
	req.remote = data_of(slice_str(stream_peer(c->stream)));
	c->logging_in = calloc(1, sizeof(*c->logging_in));
	bug_if(!c->logging_in);
	*c->logging_in = (struct logging_in){ c->d, c };
	c->d->pending++;
	room_call(c->d->room, ROLE_AUTH, PEER_ANY, POSTERN__AUTH_OP__AUTH_LOGIN, &req.base, NULL, 0, SIEVED_ASK_MS, on_login,
		  c->logging_in);
}

/* A request that is under way stays: it may be the one that tells us. */
static void op_logout(void *ctx)
{
	give_back(ctx);
}

/* ---- requests ---- */

static void on_over(void *ctx, bool gone)
{
	struct conn *c = ctx;
	sieved_request_free(&c->request);
	if (gone)
		managesieve_goodbye(c->server, N_("Your login is not good any more"));
}

static void op_request(void *ctx, const struct managesieve_request *r)
{
	struct conn *c = ctx;
	c->request = sieved_request_new(c->d, &c->login, c->server, r, on_over, c);
}

static const struct managesieve_ops server_ops = {
	op_write, op_congested, op_wait, op_timer, op_close, op_starttls, op_login, op_request, op_logout,
};

/* ---- the stream ---- */

static size_t on_input(void *ctx, struct slice in)
{
	struct conn *c = ctx;
	size_t used = managesieve_input(c->server, in);
	if (stream_congested(c->stream))
		stream_pause(c->stream, true);
	return used;
}

static void on_drained(void *ctx)
{
	struct conn *c = ctx;
	if (!managesieve_busy(c->server))
		stream_pause(c->stream, false);
}

static void on_tls(void *ctx)
{
	managesieve_tls(((struct conn *)ctx)->server);
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void on_end(void *ctx, int err)
{
	struct conn *c = ctx;
	struct sieved *d = c->d;
	ev(EV_DEBUG, "sieve.connection.closed", KS("peer", stream_peer(c->stream)), KS("reason", err_name(err)));
	if (c->logging_in)
		c->logging_in->conn = NULL;
	sieved_request_free(&c->request);
	managesieve_free(&c->server);
	give_back(c);
	buf_fini(&c->login.token);
	buf_fini(&c->login.address);
	stream_free(&c->stream);
	if (c->counted)
		front_leave(&d->front, &c->peer);
	list_remove(&c->node);
	uv_close((uv_handle_t *)&c->timer, on_timer_closed);
	sieved_maybe_exit(d);
}

static const struct stream_ops stream_ops = { on_input, on_drained, on_tls, NULL, on_end };

void sieved_conn_accept(struct sieved *d, int fd, const struct sockaddr_storage *peer)
{
	struct conn *c = calloc(1, sizeof(*c));
	bug_if(!c);
	c->d = d;
	c->peer = *peer;
	buf_init(&c->login.token, SIEVED_TOKEN_MAX);
	buf_init(&c->login.address, SIEVED_ADDRESS_MAX);
	bug_if(uv_timer_init(d->room->loop, &c->timer) < 0);
	c->timer.data = c;
	c->stream = stream_new(d->room->loop, fd, &stream_ops, c);
	stream_set_in_max(c->stream, MANAGESIEVE_INPUT_MAX);
	const char *why = front_enter(&d->front, &c->peer, "sieve.max_connections", false);
	c->counted = !why;
	struct managesieve_settings settings = {
		.idle_ms = (unsigned)conf_u64(d->room->conf, "sieve.timeout"),
		.extensions = sieve_capabilities(),
		.max_redirects = SIEVE_REDIRECTS_MAX,
		.has_tls = d->front.tls != NULL,
	};
	c->server = managesieve_new(&settings, &server_ops, c);
	list_append(&d->conns, &c->node);
	if (!why) {
		managesieve_start(c->server);
		return;
	}
	ev(EV_INFO, "sieve.connection.refused", KS("peer", stream_peer(c->stream)), KS("reason", why));
	stream_write(c->stream, SLICE("BYE (TRYLATER) \"Too many connections\"\r\n"));
	stream_close(c->stream);
}

void sieved_conn_stop_all(struct sieved *d)
{
	list_each(c, &d->conns, struct conn, node) {
		managesieve_goodbye(c->server, N_("The service is going down"));
		stream_close(c->stream);
	}
}
