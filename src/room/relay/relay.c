/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The room that delivers to other servers: it hears only queue, connects out, has no disk. It keeps nothing: what
 * it was doing when it died queue asks for again.
 */
#include "room/relay/relay.h"

#include "base/err.h"
#include "base/event.h"
#include "lib/tls/tls.h"

static ipc_handler_fn *const handlers[] = {
	[POSTERN__RELAY_OP__RELAY_ATTEMPT] = attempt_handle,
};

static const struct sandbox_policy sandbox = { .allow = SANDBOX_CONNECT, .nofile = 4096 };

static int init(struct room *room)
{
	struct relay *relay = calloc(1, sizeof(*relay));
	bug_if(!relay);
	relay->room = room;
	relay->dests = map_new();
	room->state = relay;
	int err = resolver_new(room->loop, conf_str(room->conf, "dns.servers"), &relay->resolver);
	if (err == 0)
		err = tls_client_new(TLS_VERIFY_NONE, (struct slice){ 0 }, &relay->tls_any);
	if (err == 0)
		err = tls_client_new(TLS_VERIFY_NAME, (struct slice){ 0 }, &relay->tls_verified);
	if (err == 0)
		err = uv_timer_init(room->loop, &relay->stop_timer);
	relay->stop_timer.data = relay;
	return err;
}

/* Sessions of one dest; each may be freed by fn, and the dest with the last of them. */
static void each_session(struct dest *d, bool (*wanted)(struct session *))
{
	for (unsigned left = d->n_sessions; left; left--) {
		struct list *node = d->sessions.next;
		struct session *s = session_of(node);
		bool last = d->n_sessions == 1 && list_empty(&d->waiting);
		if (wanted(s)) {
			session_shut(s);
			if (last)
				return;
		} else {
			list_remove(node);
			list_append(&d->sessions, node);
		}
	}
}

static void each_dest(struct relay *relay, bool (*wanted)(struct session *))
{
	size_t n = map_count(relay->dests), at = 0, i = 0;
	struct dest **all = calloc(n ? n : 1, sizeof(struct dest *));
	void *value;
	bug_if(!all);
	while (map_next(relay->dests, &at, NULL, &value))
		all[i++] = value;
	for (i = 0; i < n; i++)
		each_session(all[i], wanted);
	free(all);
}

static void drop_waiting(struct relay *relay, bool orphans)
{
	size_t at = 0;
	void *value;
	while (map_next(relay->dests, &at, NULL, &value)) {
		struct dest *d = value;
		list_each(a, &d->waiting, struct attempt, node) {
			if (orphans && !ipc_peer_gone(a->call))
				continue;
			list_remove(&a->node);
			attempt_drop(&a);
		}
	}
}

/* Queue died: what it asked for is asked again. Only a message that is out already is waited for. */
static bool is_orphan(struct session *s)
{
	struct attempt *a = session_attempt(s);
	return a && ipc_peer_gone(a->call) && !session_in_doubt(s);
}

static void on_caller_gone(struct room *room, struct ipc_chan *chan)
{
	struct relay *relay = room->state;
	drop_waiting(relay, true);
	each_dest(relay, is_orphan);
}

static bool is_idle(struct session *s)
{
	return !session_attempt(s);
}

static bool any(struct session *s)
{
	return true;
}

static void on_stop_timer(uv_timer_t *t)
{
	struct relay *relay = t->data;
	if (relay->attempts)
		each_dest(relay, any);	/* the last of them sets the timer again */
	else
		room_exit(relay->room, 0);
}

/* The last answer must reach queue before the room is gone. */
void relay_maybe_exit(struct relay *relay)
{
	enum { FLUSH_MS = 50 };
	if (relay->stopping && !relay->attempts)
		bug_if(uv_timer_start(&relay->stop_timer, on_stop_timer, FLUSH_MS, 0));
}

static void on_stop(struct room *room)
{
	struct relay *relay = room->state;
	relay->stopping = true;
	drop_waiting(relay, false);
	each_dest(relay, is_idle);
	bug_if(uv_timer_start(&relay->stop_timer, on_stop_timer, RELAY_STOP_MS, 0));
	relay_maybe_exit(relay);
}

static void on_stats(struct room *room, struct stats *stats)
{
	struct relay *relay = room->state;
	stats_add(stats, "attempts", relay->attempts);
	stats_add(stats, "destinations", (int64_t)map_count(relay->dests));
	stats_add(stats, "connections", (int64_t)relay->connections);
	stats_add(stats, "reused", (int64_t)relay->reused);
	stats_add(stats, "delivered", (int64_t)relay->delivered);
	stats_add(stats, "later", (int64_t)relay->later);
	stats_add(stats, "failed", (int64_t)relay->failed);
}

const struct room_ops relay_ops = {
	.sandbox = &sandbox,
	.serves = &relay_contract,
	.handlers = handlers,
	.init = init,
	.on_caller_gone = on_caller_gone,
	.on_stop = on_stop,
	.on_stats = on_stats,
};
