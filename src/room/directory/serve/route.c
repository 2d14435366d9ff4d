/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DIRECTORY_ROUTE and DIRECTORY_SENDER. Where the engine cannot decide without the customer's own server, mover asks
 * it (RCPT, QUIT) and the engine decides with the answer. A server that does not answer is left alone for a while,
 * so that an outage does not make every client wait for it (M36).
 */
#include "room/directory/directory_priv.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "ipc/mover.pb-c.h"
#include "room/directory/login/second.h"
#include "room/directory/work/area.h"
#include "room/directory/route/route.h"

enum { SILENT_MAX = 4096 };

struct silent {
	int64_t until_ms;
};

struct asking {
	struct directory *d;
	struct ipc_call *call;
	struct route_ask ask;
	struct route route;
	char server[300];
};

static bool is_silent(struct directory *d, struct slice server)
{
	struct silent *s = map_get(d->silent, server);
	if (!s)
		return false;
	if (clock_mono_ms() < s->until_ms)
		return true;
	free(map_remove(d->silent, server));
	return false;
}

static void note_silent(struct directory *d, struct slice server)
{
	struct silent *s = map_get(d->silent, server);
	if (!s && map_count(d->silent) >= SILENT_MAX)
		return;
	if (!s) {
		s = calloc(1, sizeof(*s));
		bug_if(!s);
		map_put(d->silent, server, s);
	}
	s->until_ms = clock_mono_ms() + PROBE_PAUSE_MS;
}

static void fill_target(Postern__RouteTarget *m, const struct route_target *t, struct arena *a)
{
	static const Postern__RouteKind kinds[] = {
		[ROUTE_TO_MAILBOX] = POSTERN__ROUTE_KIND__ROUTE_MAILBOX,
		[ROUTE_TO_SERVER] = POSTERN__ROUTE_KIND__ROUTE_FORWARD,
		[ROUTE_TO_MX] = POSTERN__ROUTE_KIND__ROUTE_REMOTE,
		[ROUTE_TO_NOTHING] = POSTERN__ROUTE_KIND__ROUTE_DISCARD,
	};
	postern__route_target__init(m);
	m->kind = kinds[t->kind];
	m->account_id = t->account;
	m->shard = t->shard;
	m->address = data_of(t->address);
	m->host = arena_str(a, t->host);
	m->port = t->port;
	m->tls = (Postern__RelayTls)t->tls;
	m->quota_bytes = t->quota;
	m->rules = t->rules;
	m->alone = t->alone;
	m->mailbox = data_of(t->mailbox);
	m->mailboxes_max = t->mailboxes_max;
	m->sender = data_of(t->sender);
	m->delivered_to = data_of(t->delivered_to);
	m->multidrop = data_of(t->multidrop);
	m->over_quota_refuse = t->refuse;
	m->near_full = t->near_full;
}

static void answer(struct directory *d, struct ipc_call *call, const struct route *route)
{
	Postern__RouteReply reply = POSTERN__ROUTE_REPLY__INIT;
	struct arena *a = call->arena;
	reply.targets = ARENA_ARRAY(a, Postern__RouteTarget *, route->n_targets + 1);
	for (size_t i = 0; i < route->n_targets; i++) {
		reply.targets[i] = ARENA_NEW(a, Postern__RouteTarget);
		fill_target(reply.targets[i], &route->targets[i], a);
		if (route->targets[i].mailbox.n)
			area_touch(d, route->targets[i].account);
	}
	reply.n_targets = route->n_targets;
	reply.authors = route->authors;
	reply.code = route->code;
	if (route->enhanced)
		reply.enhanced = (char *)(uintptr_t)route->enhanced;
	if (route->text)
		reply.text = (char *)(uintptr_t)route->text;
	reply.version = engine_version(d->e);
	d->routes++;
	d->refused += !route->n_targets;
	ipc_reply(call, &reply.base, -1);
}

static void decide(struct asking *x, enum known known)
{
	x->ask.probed = true;
	x->ask.answer = known;
	route_resolve(x->d->e, x->call->arena, &x->ask, &x->route);
	answer(x->d, x->call, &x->route);
	free(x);
}

static enum known known_of(const Postern__ProbeReply *reply)
{
	switch (reply->answer) {
	case POSTERN__PROBE_ANSWER__PROBE_YES:
		return KNOWN_YES;
	case POSTERN__PROBE_ANSWER__PROBE_NO:
		return KNOWN_NO;
	default:
		return KNOWN_UNSURE;
	}
}

static void on_probed(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct asking *x = ctx;
	const Postern__ProbeReply *reply = (const Postern__ProbeReply *)msg;
	enum known known = err < 0 ? KNOWN_UNSURE : known_of(reply);
	x->d->probes--;
	if (fd >= 0)
		close(fd);
	if (known == KNOWN_UNSURE && (err < 0 || reply->code == 0))
		note_silent(x->d, slice_str(x->server));
	ev(EV_DEBUG, "directory.recipient.asked", KSL("address", x->route.probe_address),
	   KI("answer", known));
	if (known != KNOWN_UNSURE &&
	    recipient_note(x->d->e, x->route.probe_domain, x->route.probe_local, known == KNOWN_YES,
			   x->ask.now_ms) < 0)
		directory_check_disk(x->d);
	decide(x, known);
}

static void probe(struct directory *d, struct ipc_call *call, const struct route_ask *ask,
		  const struct route *route)
{
	struct asking *x = calloc(1, sizeof(*x));
	bug_if(!x);
	*x = (struct asking){ .d = d, .call = call, .ask = *ask, .route = *route };
	IGNORE(snprintf(x->server, sizeof(x->server), SLICE_FMT ":%u", SLICE_ARG(route->probe_host),
			route->probe_port) < 0,
	       "cut at worst");
	if (d->probes >= PROBES_MAX || is_silent(d, slice_str(x->server))) {
		decide(x, KNOWN_UNSURE);
		return;
	}
	Postern__ProbeRequest req = POSTERN__PROBE_REQUEST__INIT;
	req.host = arena_str(call->arena, route->probe_host);
	req.port = route->probe_port;
	req.tls = route->probe_tls;
	req.address = data_of(route->probe_address);
	d->probes++;
	room_call(d->room, ROLE_MOVER, PEER_ANY, POSTERN__MOVER_OP__MOVER_PROBE, &req.base, NULL, 0,
		  PROBE_MS, on_probed, x);
}

void serve_route(struct ipc_call *call, void *ctx)
{
	struct room *room = ctx;
	struct directory *d = room->state;
	const Postern__RouteRequest *req = (const Postern__RouteRequest *)call->req;
	struct route_ask ask = {
		.address = bytes_of(&req->address),
		.authenticated = req->authenticated,
		.retry = req->retry,
		.sender = bytes_of(&req->sender),
		.null_sender = req->null_sender,
		.by = bytes_of(&req->by),
		.local_only = req->local_only,
		.host_name = slice_str(conf_str(room->conf, "host.name")),
		.now_ms = clock_wall_ms(),
	};
	struct slice *authors = ARENA_ARRAY(call->arena, struct slice, req->n_authors + 1);
	for (size_t i = 0; i < req->n_authors; i++)
		authors[i] = bytes_of(&req->authors[i]);
	ask.authors = authors;
	ask.n_authors = req->n_authors;
	struct route route;
	route_resolve(d->e, call->arena, &ask, &route);
	if (route.probe)
		probe(d, call, &ask, &route);
	else
		answer(d, call, &route);
}

/* 1 it may, 0 not, or an error. */
static int may_send(struct directory *d, struct arena *a, uint64_t account, struct slice address)
{
	bool allowed = false;
	int r = sender_allowed(d->e, a, account, address, &allowed);
	return r == ERR_NOT_FOUND ? 0 : r < 0 ? r : allowed;
}

/* A connection that logged in before: is that password still one that opens submission? */
static int check_login(struct directory *d, struct arena *a, const Postern__SenderRequest *req, bool *ret_over)
{
	struct account x;
	bool holds = false;
	int r = account_by_id(d->e, a, req->account_id, &x);
	if (r == 0)
		r = second_holds(d->e, a, &x, req->credential_version, "submission", &holds);
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	*ret_over = !holds;
	return 0;
}

void serve_sender(struct ipc_call *call, void *ctx)
{
	struct room *room = ctx;
	struct directory *d = room->state;
	const Postern__SenderRequest *req = (const Postern__SenderRequest *)call->req;
	Postern__SenderReply reply = POSTERN__SENDER_REPLY__INIT;
	bool over = false;
	int r = check_login(d, call->arena, req, &over);
	reply.over = over;
	if (r == 0 && !over)
		r = may_send(d, call->arena, req->account_id, bytes_of(&req->address));
	reply.refused = req->address;
	for (size_t i = 0; r == 1 && i < req->n_addresses; i++) {
		r = req->addresses[i].len ? may_send(d, call->arena, req->account_id, bytes_of(&req->addresses[i])) : 0;
		reply.refused = req->addresses[i];
	}
	if (r < 0) {
		ipc_fail(call, ERR_UNAVAILABLE, NULL);
		return;
	}
	reply.allowed = r == 1;
	if (reply.allowed)
		reply.refused = (ProtobufCBinaryData){ 0 };
	ipc_reply(call, &reply.base, -1);
}
