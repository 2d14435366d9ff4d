/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to another server: it finds an address that takes it, speaks SMTP (proto/smtp/client), takes
 * attempts of its destination until there are none, idles a few seconds for the next one, and says QUIT.
 *
 *   FINDING -> CONNECTING -> TALKING <-> IDLE -> (gone)
 *      ^-----------/ ^---------/ until a first transaction began: the next address
 *
 * Invariants: a busy session has exactly one attempt; a step of the peer has one deadline however it drips, an
 * attempt has one over all. Plain text behind STARTTLS is dropped by stream and engine alike (S06). Where TLS is
 * opportunistic and the handshake fails, the same address is tried once more in clear; never where it is required.
 */
#include "room/relay/relay.h"

#include "base/err.h"
#include "base/event.h"
#include "lib/io/listener.h"
#include "lib/tls/tls.h"

#include <netinet/in.h>

enum phase { FINDING, CONNECTING, TALKING, IDLE };
enum { CHUNK = 32768 };

struct session {
	struct list node;	/* in dest->sessions */
	struct dest *dest;
	struct attempt *attempt;
	struct plan *plan;
	struct stream *stream;
	struct smtp_client *client;
	enum phase phase;
	enum smtp_client_step step;	/* the one that the deadline was set for */
	bool greeted;			/* a transaction began: no other address any more */
	bool plain;			/* after a failed handshake */
	bool reused;			/* took an attempt before this one */
	unsigned messages;
	struct plan_addr target;
	char host[RELAY_HOST_MAX];
	char server[RELAY_SERVER_MAX];
	char failure_text[SMTP_CLIENT_TEXT_MAX + 1];
	struct smtp_result failure;	/* of the last address */
	bool failed_once;
	uv_timer_t *total;
};

static const struct stream_ops ops;
static void session_free(struct session *s);
static void drive(struct session *s);


struct session *session_of(struct list *node)
{
	return list_entry(node, struct session, node);
}

struct attempt *session_attempt(struct session *s)
{
	return s->attempt;
}

bool session_in_doubt(struct session *s)
{
	return s->client && smtp_client_body_sent(s->client);
}

static struct relay *relay_of(const struct session *s)
{
	return s->dest->relay;
}

static void keep_failure(struct session *s, const struct smtp_result *why)
{
	s->failed_once = true;
	s->failure = *why;
	snprintf(s->failure_text, sizeof(s->failure_text), SLICE_FMT, SLICE_ARG(why->text));
	s->failure.text = slice_str(s->failure_text);
}

static void hang_up(struct session *s)
{
	stream_free(&s->stream);
	smtp_client_free(&s->client);
}

/* No address is left: everybody who waits for this destination learns why. */
static void give_up(struct session *s, const struct smtp_result *why)
{
	struct dest *d = s->dest;
	if (s->attempt)
		attempt_fail(&s->attempt, why, s->server, why->outcome == SMTP_LATER);
	dest_fail_waiting(d, why, why->outcome == SMTP_LATER);
	session_free(s);
	dest_run(d);
}

static void try_next(struct session *s)
{
	hang_up(s);
	s->phase = FINDING;
	plan_next(s->plan);
}

static void connect_to(struct session *s)
{
	char address[46];
	addr_text(&s->target.addr, address);
	snprintf(s->server, sizeof(s->server), "%s[%s]:%u", s->host, address, s->dest->port);
	s->phase = CONNECTING;
	s->stream = stream_connect(relay_of(s)->room->loop, (struct sockaddr *)&s->target.addr,
				   &ops, s);
	stream_deadline(s->stream, (unsigned)conf_u64(relay_of(s)->room->conf, "relay.timeout"));
}

static void on_plan(void *ctx, const struct plan_addr *addr, const struct smtp_result *why)
{
	struct session *s = ctx;
	if (!addr) {
		give_up(s, s->failed_once ? &s->failure : why);
		return;
	}
	s->target = *addr;
	s->plain = false;
	snprintf(s->host, sizeof(s->host), "%s", addr->host);
	connect_to(s);
}

static void end_total(struct session *s)
{
	uv_timer_stop(s->total);
}

static void on_total(uv_timer_t *t)
{
	struct session *s = t->data;
	ev(EV_WARN, "relay.attempt.timeout", KS("server", s->server));
	if (s->greeted) {
		smtp_client_lost(s->client, "The attempt took too long");
		drive(s);
		return;
	}
	struct smtp_result why = relay_result(SMTP_LATER, "4.4.7", "The attempt took too long");
	give_up(s, &why);
}

static void begin(struct session *s, struct attempt *a)
{
	s->attempt = a;
	bug_if(uv_timer_start(s->total, on_total, RELAY_ATTEMPT_MS, 0));
}

void session_start(struct dest *d, struct attempt *a)
{
	struct session *s = calloc(1, sizeof(*s));
	bug_if(!s);
	s->dest = d;
	s->total = calloc(1, sizeof(*s->total));
	bug_if(!s->total || uv_timer_init(d->relay->room->loop, s->total));
	s->total->data = s;
	list_append(&d->sessions, &s->node);
	d->n_sessions++;
	snprintf(s->server, sizeof(s->server), "%s", d->host);
	s->plan = plan_new(d, on_plan, s);
	begin(s, a);
	plan_next(s->plan);
}

static void free_timer(uv_handle_t *h)
{
	free(h);
}

static void session_free(struct session *s)
{
	bug_if(s->attempt);
	list_remove(&s->node);
	s->dest->n_sessions--;
	hang_up(s);
	plan_free(&s->plan);
	uv_close((uv_handle_t *)s->total, free_timer);
	free(s);
}

bool session_take(struct dest *d, struct attempt *a)
{
	list_each(s, &d->sessions, struct session, node) {
		if (s->phase != IDLE || s->messages >= RELAY_SESSION_MESSAGES)
			continue;
		s->reused = true;
		d->relay->reused++;
		s->phase = TALKING;
		begin(s, a);
		drive(s);
		return true;
	}
	return false;
}

void session_shut(struct session *s)
{
	struct dest *d = s->dest;
	if (s->client)
		smtp_client_quit(s->client);
	if (s->client && s->stream) {
		stream_write(s->stream, buf_view(smtp_client_out(s->client)));
		stream_flush(s->stream);
	}
	if (s->attempt)
		attempt_drop(&s->attempt);
	session_free(s);
	dest_run(d);
}

/* Talking */

static void send_out(struct session *s)
{
	struct buf *out = smtp_client_out(s->client);
	if (out->n)
		stream_write(s->stream, buf_view(out));
	buf_clear(out);
}

/* RFC 5321 4.5.3.2: ten minutes for the answer to a message, with relay.timeout as it is by default. */
static unsigned patience(const struct session *s)
{
	uint64_t command = conf_u64(relay_of(s)->room->conf, "relay.timeout");
	return (unsigned)(smtp_client_body_sent(s->client) ? command * 10 : command);
}

static void start_tls(struct session *s)
{
	struct relay *relay = relay_of(s);
	bool verified = s->dest->tls == SMTP_TLS_VERIFIED;
	if (smtp_client_injected(s->client))
		ev(EV_WARN, "relay.starttls.injected", KS("server", s->server));
	send_out(s);
	stream_deadline(s->stream, (unsigned)conf_u64(relay->room->conf, "relay.timeout"));
	if (stream_tls_client(s->stream, verified ? relay->tls_verified : relay->tls_any, s->host) <
	    0)
		smtp_client_lost(s->client, "TLS could not be begun");
}

static void pump(struct session *s)
{
	struct attempt *a = s->attempt;
	stream_deadline(s->stream, 0);	/* the write deadline watches */
	while (smtp_client_step(s->client) == SMTP_CLIENT_BODY && !stream_congested(s->stream)) {
		struct slice chunk = slice_sub(a->message, a->sent, a->sent + CHUNK);
		if (chunk.n)
			smtp_client_body(s->client, chunk);
		else
			smtp_client_body_end(s->client);
		a->sent += chunk.n;
		send_out(s);
	}
	if (smtp_client_step(s->client) == SMTP_CLIENT_WAIT)
		stream_deadline(s->stream, patience(s));
}

static bool greeted_ourselves(struct session *s)
{
	struct slice us = slice_str(conf_str(relay_of(s)->room->conf, "host.name"));
	return slice_eq_ci(smtp_client_greeting(s->client), us);
}

/* The session died under an attempt that it had taken over while idle, before the message was out: not the
 * attempt's fault, and a fresh connection tells. */
static bool died_idle(struct session *s, const struct smtp_result *r, size_t n)
{
	if (!s->reused || s->attempt->again || s->attempt->sent)
		return false;
	for (size_t i = 0; i < n; i++)
		if (r[i].outcome != SMTP_LATER || (r[i].code != 0 && r[i].code != 421))
			return false;
	smtp_client_next(s->client);
	return smtp_client_step(s->client) == SMTP_CLIENT_CLOSED;
}

static void on_result(struct session *s)
{
	size_t n;
	const struct smtp_result *r = smtp_client_results(s->client, &n);
	end_total(s);
	if (died_idle(s, r, n))
		dest_again(s->dest, TAKE(s->attempt));
	else
		attempt_results(&s->attempt, r, s->server);
	smtp_client_next(s->client);
	s->messages++;
}

static void on_idle_end(uv_timer_t *t)
{
	session_shut(t->data);
}

static void idle(struct session *s)
{
	struct dest *d = s->dest;
	bool worn = s->messages >= RELAY_SESSION_MESSAGES;
	struct attempt *a = worn ? NULL : dest_next(d);
	if (a) {
		s->reused = true;
		begin(s, a);
		return;
	}
	s->phase = IDLE;
	stream_deadline(s->stream, 0);
	uint64_t keep =
		worn || d->relay->stopping ? 0 : conf_u64(d->relay->room->conf, "relay.reuse");
	bug_if(uv_timer_start(s->total, on_idle_end, keep, 0));
}

static void send_next(struct session *s)
{
	s->greeted = true;
	if (!s->attempt)
		idle(s);
	if (s->attempt)
		smtp_client_send(s->client, &s->attempt->mail);
}

static void over(struct session *s)
{
	struct dest *d = s->dest;
	if (s->attempt && !s->greeted) {
		keep_failure(s, smtp_client_failure(s->client));
		try_next(s);
		return;
	}
	if (s->attempt) {	/* it was taken when the session was dead already */
		dest_again(d, TAKE(s->attempt));
	}
	session_free(s);
	dest_run(d);
}

/* Does what the engine wants until it wants the peer's bytes; may free s. */
static void drive(struct session *s)
{
	for (;;) {
		enum smtp_client_step step = smtp_client_step(s->client);
		if (step != SMTP_CLIENT_CLOSED && step != SMTP_CLIENT_TLS)
			send_out(s);
		if (step == SMTP_CLIENT_RESULT) {
			on_result(s);
		} else if (step == SMTP_CLIENT_READY && s->phase == TALKING) {
			if (!s->greeted && greeted_ourselves(s))
				smtp_client_lost(
					s->client,
					"Mail loops back: the server has this server's name");
			else
				send_next(s);
		} else if (step == SMTP_CLIENT_BODY) {
			pump(s);
			return;
		} else if (step == SMTP_CLIENT_TLS) {
			start_tls(s);
			return;
		} else if (step == SMTP_CLIENT_CLOSED) {
			over(s);
			return;
		} else {
			if (step == SMTP_CLIENT_WAIT)
				stream_deadline(s->stream, patience(s));
			return;
		}
	}
}

static size_t on_input(void *ctx, struct slice in)
{
	struct session *s = ctx;
	size_t used = 0;
	enum smtp_client_step before = smtp_client_step(s->client),
			      after = smtp_client_feed(s->client, in, &used);
	if (used == 0 && before == after)
		return 0;	/* a begun line: the deadline stays as it was */
	if (s->phase == IDLE && after != SMTP_CLIENT_CLOSED)
		return used;
	drive(s);
	return used;
}

static void on_connected(void *ctx)
{
	struct session *s = ctx;
	enum smtp_client_tls tls = s->plain ? SMTP_TLS_NONE : s->dest->tls;
	relay_of(s)->connections++;
	s->client = smtp_client_new(conf_str(relay_of(s)->room->conf, "host.name"), tls);
	s->phase = TALKING;
	stream_deadline(s->stream, patience(s));
}

static void on_tls(void *ctx)
{
	struct session *s = ctx;
	smtp_client_tls_done(s->client);
	drive(s);
}

static void on_drained(void *ctx)
{
	struct session *s = ctx;
	if (s->client && smtp_client_step(s->client) == SMTP_CLIENT_BODY)
		drive(s);
}

static void connect_failed(struct session *s, int err)
{
	char text[RELAY_SERVER_MAX + 100];
	snprintf(text, sizeof(text), "Connection to %s: %s", s->server,
		 err ? err_text(err) : err_text(ERR_CLOSED));
	struct smtp_result r = relay_result(SMTP_LATER, "4.4.1", text);
	keep_failure(s, &r);
	try_next(s);
}

/* RFC 1047: behind the final dot nobody knows whether the server has the message; it is sent again. */
static const char *loss_text(const struct session *s, int err)
{
	if (smtp_client_step(s->client) == SMTP_CLIENT_TLS)
		return "The TLS handshake failed";
	if (smtp_client_body_sent(s->client))
		return "The server went away before it answered: it may have the message";
	return err == ERR_TIMEOUT ? "The server did not answer in time" : "Connection lost";
}

static void on_end(void *ctx, int err)
{
	struct session *s = ctx;
	struct dest *d = s->dest;
	if (s->phase == IDLE) {
		smtp_client_lost(s->client, "Connection lost");
		session_shut(s);
		return;
	}
	if (s->phase == CONNECTING) {
		connect_failed(s, err);
		return;
	}
	if (smtp_client_step(s->client) == SMTP_CLIENT_TLS && d->tls == SMTP_TLS_OPPORTUNISTIC &&
	    !s->plain) {
		ev(EV_INFO, "relay.tls.failed", KS("server", s->server),
		   KS("error", err_name(err)));
		hang_up(s);
		s->plain = true;
		connect_to(s);
		return;
	}
	smtp_client_lost(s->client, loss_text(s, err));
	drive(s);
}

static const struct stream_ops ops = {
	.on_input = on_input,
	.on_drained = on_drained,
	.on_tls = on_tls,
	.on_connected = on_connected,
	.on_end = on_end,
};
