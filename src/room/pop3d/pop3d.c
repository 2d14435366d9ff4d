/* SPDX-License-Identifier: Apache-2.0 */
/* The POP3 room: listener "pop3s", no disk, no channel but to auth; mail comes over the sessions' own channels. */
#include "room/pop3d/pop3d_priv.h"

#include "base/event.h"

enum { STOP_MS = 5000 };

static struct pop3d me;

static int init(struct room *room)
{
	room->state = &me;
	me.room = room;
	list_init(&me.conns);
	me.limiter = conn_limiter_new((unsigned)conf_u64(room->conf, "limits.per_address"),
				      conf_str(room->conf, "limits.exempt_networks"));
	return 0;
}

static void on_conn(void *ctx, int fd, const struct sockaddr_storage *peer)
{
	pop3_conn_accept(ctx, fd, peer);
}

static void on_listener(struct room *room, const char *name, int fd)
{
	me.listener = listener_new(room->loop, fd, on_conn, &me);
}

static void on_tls(struct room *room, struct slice pem)
{
	struct tls_ctx *fresh;
	int r = tls_server_new(pem, &fresh);
	if (r < 0) {
		ev(EV_ERROR, "pop3.certificate.refused", KI("error", r));
		return;
	}
	tls_unref(&me.tls);	/* sessions hold their own reference */
	me.tls = fresh;
}

static void on_reload(struct room *room)
{
	conn_limiter_set(me.limiter, (unsigned)conf_u64(room->conf, "limits.per_address"),
			 conf_str(room->conf, "limits.exempt_networks"));
}

void pop3d_maybe_exit(struct pop3d *d)
{
	if (d->room->stopping && list_empty(&d->conns))
		room_exit(d->room, 0);
}

static void on_stop_timeout(uv_timer_t *timer)
{
	room_exit(me.room, 0);
}

static void on_stop(struct room *room)
{
	static uv_timer_t timer;
	listener_free(&me.listener);
	pop3_conn_stop_all(&me);
	if (uv_timer_init(room->loop, &timer) == 0)
		uv_timer_start(&timer, on_stop_timeout, STOP_MS, 0);
	pop3d_maybe_exit(&me);
}

static void on_stats(struct room *room, struct stats *stats)
{
	stats_add(stats, "connections.open", me.n_conns);
	stats_add(stats, "connections", me.count.connections);
	stats_add(stats, "connections.refused", me.count.refused_connections);
	stats_add(stats, "logins", me.count.logins);
	stats_add(stats, "logins.failed", me.count.failed_logins);
	stats_add(stats, "messages", me.count.messages);
	stats_add(stats, "expunged", me.count.expunged);
}

static const struct sandbox_policy policy = { .allow = SANDBOX_ACCEPT, .nofile = 16384 };

const struct room_ops pop3d_ops = {
	.sandbox = &policy,
	.init = init,
	.on_listener = on_listener,
	.on_tls = on_tls,
	.on_reload = on_reload,
	.on_stop = on_stop,
	.on_stats = on_stats,
};
