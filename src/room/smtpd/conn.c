/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection: a stream, the session engine over it (proto/smtp/server.h), and the engine's questions as calls
 * to directory and auth.
 *
 * Invariants: at most one question is open; input is paused while one is, and while output is congested
 * (S23); the connection dies in on_end only, or with the room; a delivery that was begun outlives it.
 */
#include "room/smtpd/smtpd_priv.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "ipc/store.pb-c.h"
#include "base/rng.h"
#include "base/text.h"
#include "ipc/auth.pb-c.h"
#include "lib/delivery/senders.h"
#include "lib/room/tether.h"

enum { ID_SIZE = 17 };

struct conn {
	struct list node;
	struct smtpd *d;
	struct stream *stream;
	struct smtp_server *server;
	uv_timer_t timer;
	struct sockaddr_storage peer;
	bool submission, waits, congested;
	bool odd;			/* the message begins with a blank: behind our lines it would belong to them */
	bool counted;			/* by front */
	struct peer_call *question;
	struct envelope envelope;
	struct body body;
	struct delivery *delivery;
	uint64_t account_id;		/* 0: nobody logged in */
	uint64_t version;		/* of the credential that it was */
	const char *language;		/* of who logged in; NULL: English */
	struct tether *tether;		/* of the login */
	char id[ID_SIZE];		/* of the message under way */
	char tls[64];
};

static ProtobufCBinaryData bytes_of(struct slice s)
{
	return (ProtobufCBinaryData){ s.n, (uint8_t *)s.p };
}

static const struct smtp_status unavailable = { 451, "4.3.0", N_("Not possible now, try again later") };

/* ---- the engine's output and time ---- */

static void update_pause(struct conn *c)
{
	stream_pause(c->stream, c->waits || c->congested);
}

static void op_write(void *ctx, struct slice bytes)
{
	struct conn *c = ctx;
	stream_write(c->stream, bytes);
	if (!c->congested && stream_congested(c->stream)) {
		c->congested = true;
		update_pause(c);
	}
}

static void op_wait(void *ctx, bool on)
{
	struct conn *c = ctx;
	c->waits = on;
	stream_hold(c->stream, on);
	update_pause(c);
}

static void on_timer(uv_timer_t *timer)
{
	struct conn *c = timer->data;
	if (c->submission && !stream_is_tls(c->stream))
		stream_close(c->stream);	/* the handshake took too long */
	else
		smtp_server_timeout(c->server);
}

static void op_timer(void *ctx, unsigned ms)
{
	struct conn *c = ctx;
	if (ms)
		uv_timer_start(&c->timer, on_timer, ms, 0);
	else
		uv_timer_stop(&c->timer);
}

static void op_start_tls(void *ctx)
{
	struct conn *c = ctx;
	c->d->count.starttls++;
	if (stream_tls_server(c->stream, c->d->front.tls) < 0)
		stream_close(c->stream);
}

static void op_close(void *ctx)
{
	struct conn *c = ctx;
	stream_close(c->stream);
}

/* ---- the engine's questions ---- */

static void begin_mail(struct conn *c, const struct smtp_mail *m)
{
	envelope_begin(&c->envelope, m);
	c->envelope.reports = c->account_id && m->path.address.n;
}

static void on_sender(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct conn *c = ctx;
	const struct smtp_mail *m = smtp_server_mail(c->server);
	struct smtp_status not_yours = { 550, "5.7.1", "" };
	c->question = NULL;
	bool allowed = err == 0 && ((const Postern__SenderReply *)reply)->allowed;
	bool over = err == 0 && ((const Postern__SenderReply *)reply)->over;
	if (allowed)
		begin_mail(c, m);
	else
		not_yours.text = senders_refusal(smtp_server_arena(c->server), c->language, m->path.address);
	smtp_server_sender(c->server, allowed ? NULL : over ? &login_over : err == 0 ? &not_yours : &unavailable);
}

static void op_check_sender(void *ctx, const struct smtp_mail *m)
{
	struct conn *c = ctx;
	if (!c->submission || !m->path.address.n) {	/* "<>" is nobody: what MDNs are sent with */
		begin_mail(c, m);
		smtp_server_sender(c->server, NULL);
		return;
	}
	Postern__SenderRequest req = POSTERN__SENDER_REQUEST__INIT;
	req.account_id = c->account_id;
	req.credential_version = c->version;
	req.address = bytes_of(m->path.address);
	c->question = room_call(c->d->room, ROLE_DIRECTORY, PEER_ANY, POSTERN__DIRECTORY_OP__DIRECTORY_SENDER, &req.base,
				NULL, 0, ASK_MS, on_sender, c);
}

struct rcpt_question {		/* in the envelope's arena */
	struct conn *c;
	struct smtp_rcpt rcpt;
	const Postern__RouteReply *route;
	const Postern__RouteTarget *target;	/* whose shard is asked whether there is room */
	struct arena *kept;		/* that route lives in */
};

static void routed(struct conn *c, const struct smtp_status *st)
{
	c->d->count.refused_recipients += st != NULL;
	smtp_server_routed(c->server, st);
}

static void forget_route(void *ctx)
{
	struct rcpt_question *q = ctx;
	arena_free(&q->kept);
}

/* A shard that says nothing about it is asked again at the end of the data. */
static void on_fits(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct rcpt_question *q = ctx;
	struct conn *c = q->c;
	struct smtp_status given;
	c->question = NULL;
	routed(c, err == ERR_QUOTA ? envelope_over_quota(q->target->over_quota_refuse) :
				     envelope_route(&c->envelope, &q->rcpt, q->route, &given));
}

static void on_route(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct rcpt_question *q = ctx;
	struct conn *c = q->c;
	struct smtp_status given;
	Postern__FitsRequest req = POSTERN__FITS_REQUEST__INIT;
	c->question = NULL;
	q->route = (const Postern__RouteReply *)msg;
	q->target = err < 0 ? NULL : envelope_near_full(q->route);
	if (!q->target) {
		routed(c, err < 0 ? &unavailable : envelope_route(&c->envelope, &q->rcpt, q->route, &given));
		return;
	}
	q->kept = ipc_reply_keep();
	arena_on_free(c->envelope.arena, forget_route, q);
	req.account_id = q->target->account_id;
	req.bytes = c->envelope.announced ? c->envelope.announced : 1;
	c->question = room_call(c->d->room, ROLE_STORE, q->target->shard, POSTERN__STORE_OP__STORE_FITS, &req.base, NULL,
				0, ASK_MS, on_fits, q);
}

static void op_route(void *ctx, const struct smtp_rcpt *r)
{
	struct conn *c = ctx;
	struct arena *a = c->envelope.arena;
	struct rcpt_question *q = ARENA_NEW(a, struct rcpt_question);
	*q = (struct rcpt_question){ c, *r };
	q->rcpt.orcpt = arena_dup(a, r->orcpt);
	q->rcpt.path.original = arena_dup(a, r->path.original);
	Postern__RouteRequest req = POSTERN__ROUTE_REQUEST__INIT;
	req.address = bytes_of(r->path.address);
	req.authenticated = c->account_id != 0;
	req.account_id = c->account_id;
	req.sender = bytes_of(c->envelope.sender);
	req.null_sender = !c->envelope.sender.n;
	c->question = room_call(c->d->room, ROLE_DIRECTORY, PEER_ANY, POSTERN__DIRECTORY_OP__DIRECTORY_ROUTE, &req.base,
				NULL, 0, ASK_MS, on_route, q);
}

static void on_revoked(void *ctx)
{
	static const struct smtp_status over = { 421, "4.7.0", N_("Your login is not good any more") };
	struct conn *c = ctx;
	smtp_server_stop(c->server, &over);
}

static void on_login(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	static const struct smtp_status wrong = { 535, "5.7.8", "Login failed" },
		not_now = { 454, "4.7.0", "Login is not possible now" };
	struct conn *c = ctx;
	c->question = NULL;
	if (err == 0 && fd >= 0) {
		c->tether = tether_new(c->d->room->loop, fd, on_revoked, c);
		c->account_id = ((const Postern__LoginReply *)reply)->account_id;
		c->version = ((const Postern__LoginReply *)reply)->version;
		c->language = text_language(slice_str(((const Postern__LoginReply *)reply)->language));
		c->d->count.logins++;
		ev(EV_INFO, "smtp.login.done", KI("account", c->account_id), KS("peer", stream_peer(c->stream)));
		smtp_server_login(c->server, NULL);
		smtp_server_language(c->server, ((const Postern__LoginReply *)reply)->language);
		return;
	}
	if (fd >= 0)
		close(fd);
	c->d->count.failed_logins += err == ERR_DENIED;
	ev(EV_INFO, "smtp.login.failed", KS("peer", stream_peer(c->stream)), KS("reason", err_name(err)));
	/* The password was right, and the text says why it is not enough. */
	struct smtp_status told = { 535, "5.7.8", text };
	smtp_server_login(c->server, err == ERR_DENIED ? &wrong : err == ERR_CONFLICT ? &told : &not_now);
}

static void op_login(void *ctx, const struct sasl *s)
{
	struct conn *c = ctx;
	Postern__LoginRequest req = POSTERN__LOGIN_REQUEST__INIT;
	req.login = bytes_of(sasl_login(s));
	req.password = bytes_of(sasl_password(s));
	req.authzid = bytes_of(sasl_authzid(s));
	req.protocol = (char *)"submission";
	req.remote = bytes_of(slice_str(stream_peer(c->stream)));
	c->question = room_call(c->d->room, ROLE_AUTH, PEER_ANY, POSTERN__AUTH_OP__AUTH_LOGIN, &req.base, NULL, 0, ASK_MS,
				on_login, c);
}

/* ---- the message ---- */

static const struct smtp_status *op_body_begin(void *ctx)
{
	static const struct smtp_status full = { 452, "4.3.1", N_("Too much mail is under way, try again later") };
	struct conn *c = ctx;
	return c->d->body_octets >= c->d->body_max ? &full : NULL;
}

static int body_open(struct conn *c)
{
	if (c->body.fd >= 0)
		return 0;
	snprintf(c->id, sizeof(c->id), "%016llx", (unsigned long long)rng_u64());
	if (stream_is_tls(c->stream))
		snprintf(c->tls, sizeof(c->tls), "%s %s", stream_tls_version(c->stream), stream_tls_cipher(c->stream));
	return body_begin(&c->body, &c->envelope,
			  &(struct trace){ smtp_server_hello(c->server), stream_peer(c->stream), c->d->mx.host, c->id, c->tls,
					   smtp_server_esmtp(c->server), c->account_id != 0, c->envelope.smtputf8,
					   clock_wall_ms() });
}

static int op_body(void *ctx, struct slice bytes)
{
	struct conn *c = ctx;
	if (c->body.fd < 0 && bytes.n)
		c->odd = bytes.p[0] == ' ' || bytes.p[0] == '\t';
	int r = body_open(c);
	return r < 0 ? r : body_add(&c->body, bytes);
}

static void on_delivered(void *ctx, const struct smtp_status *reply)
{
	struct conn *c = ctx;
	c->delivery = NULL;
	smtp_server_committed(c->server, reply);
}

static void op_commit(void *ctx)
{
	static const struct smtp_status full = { 452, "4.3.1", N_("No room for the message now") },
		continued = { 550, "5.6.0", "The message begins with the continuation of a line" };
	struct conn *c = ctx;
	if (c->odd) {
		smtp_server_committed(c->server, &continued);
		return;
	}
	int r = body_open(c);
	if (r == 0)
		r = body_seal(&c->body);
	if (r < 0) {
		ev(EV_WARN, "smtp.body.failed", KS("id", c->id), KS("reason", err_name(r)));
		smtp_server_committed(c->server, &full);
		return;
	}
	struct delivery_from from = { c->submission ? "submission" : "smtp", stream_peer(c->stream), c->id,
				      smtp_server_hello(c->server), c->account_id, c->version, c->language };
	c->delivery = delivery_start(c->d, &c->envelope, &c->body, &from, on_delivered, c);
}

static void op_reset(void *ctx)
{
	struct conn *c = ctx;
	envelope_clear(&c->envelope);
	body_fini(&c->body);
	c->odd = false;
}

static void op_refused(void *ctx, enum smtp_verb verb, const struct smtp_status *st)
{
	struct conn *c = ctx;
	ev(EV_INFO, "smtp.command.refused", KS("verb", smtp_verb_name(verb)), KI("code", st->code), KS("text", st->text),
	   KS("peer", stream_peer(c->stream)));
}

static const struct smtp_server_ops server_ops = {
	op_write, op_wait, op_timer, op_start_tls, op_close, op_check_sender, op_route, op_login, op_body_begin,
	op_body, op_commit, op_reset, op_refused,
};

/* ---- the stream ---- */

static size_t on_input(void *ctx, struct slice in)
{
	struct conn *c = ctx;
	size_t used = smtp_server_input(c->server, in);
	if (c->body.gathered && body_flush(&c->body) < 0)
		body_fail(&c->body);
	return used;
}

static void on_drained(void *ctx)
{
	struct conn *c = ctx;
	c->congested = false;
	update_pause(c);
}

static void on_tls(void *ctx)
{
	struct conn *c = ctx;
	if (c->submission)
		smtp_server_start(c->server);
	else
		smtp_server_tls_started(c->server);
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void conn_free(struct conn *c)
{
	struct smtpd *d = c->d;
	room_call_cancel(&c->question);
	tether_free(&c->tether);
	delivery_detach(&c->delivery);
	envelope_clear(&c->envelope);
	body_fini(&c->body);
	smtp_server_free(&c->server);
	stream_free(&c->stream);
	if (c->counted)
		front_leave(&d->front, &c->peer);
	list_remove(&c->node);
	uv_close((uv_handle_t *)&c->timer, on_timer_closed);
	smtpd_maybe_exit(d);
}

static void on_end(void *ctx, int err)
{
	struct conn *c = ctx;
	ev(EV_DEBUG, "smtp.connection.closed", KS("peer", stream_peer(c->stream)), KS("reason", err_name(err)),
	   KS("state", smtp_server_state(c->server)));
	conn_free(c);
}

static const struct stream_ops stream_ops = { on_input, on_drained, on_tls, NULL, on_end };

static void begin(struct conn *c)
{
	static const struct smtp_status busy = { 421, "4.7.0", "Too many connections" };
	struct smtpd *d = c->d;
	const char *why = front_enter(&d->front, &c->peer, "smtp.max_connections", c->submission);
	c->counted = !why;
	if (why) {
		ev(EV_INFO, "smtp.connection.refused", KS("peer", stream_peer(c->stream)), KS("reason", why));
		if (c->submission)	/* no word can be said before the handshake, and none is worth one */
			stream_close(c->stream);
		else
			smtp_server_refuse(c->server, &busy);
		return;
	}
	if (!c->submission)
		smtp_server_start(c->server);
	else if (stream_tls_server(c->stream, d->front.tls) < 0)
		stream_close(c->stream);
	else
		op_timer(c, d->submission.idle_ms < SMTP_TLS_MS ? d->submission.idle_ms : SMTP_TLS_MS);
}

void conn_accept(struct smtpd *d, bool submission, int fd, const struct sockaddr_storage *peer)
{
	struct conn *c = calloc(1, sizeof(*c));
	bug_if(!c);
	c->d = d;
	c->submission = submission;
	c->peer = *peer;
	body_init(&c->body, d);
	bug_if(uv_timer_init(d->room->loop, &c->timer) < 0);
	c->timer.data = c;
	const struct smtp_server_config *cfg = submission ? &d->submission : &d->mx;
	if (!submission && conn_limiter_exempt(d->front.limiter, peer))
		cfg = &d->trusted;
	c->stream = stream_new(d->room->loop, fd, &stream_ops, c);
	stream_set_in_max(c->stream, SMTP_AUTH_LINE_MAX * 2);
	c->server = smtp_server_new(cfg, &server_ops, c, d->front.tls != NULL);
	list_append(&d->conns, &c->node);
	begin(c);
}

void conn_stop_all(struct smtpd *d)
{
	static const struct smtp_status stopping = { 421, "4.3.2", "The service is going down" };
	list_each(c, &d->conns, struct conn, node) {
		if (c->submission && !stream_is_tls(c->stream))
			stream_close(c->stream);
		else
			smtp_server_stop(c->server, &stopping);
	}
}
