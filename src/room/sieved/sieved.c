/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ManageSieve room: listener "sieve", no disk, channels to auth and directory. What a user may do with scripts is
 * directory's decision, by the token that came with the login; without one this room may do nothing there.
 */
#include "room/sieved/sieved_priv.h"

enum { STOP_MS = 5000 };

static struct sieved me;

static int init(struct room *room)
{
	room->state = &me;
	me.room = room;
	list_init(&me.conns);
	front_init(&me.front, room);
	return 0;
}

static void on_conn(void *ctx, int fd, const struct sockaddr_storage *peer)
{
	sieved_conn_accept(ctx, fd, peer);
}

static void on_listener(struct room *room, const char *name, int fd)
{
	front_listen(&me.front, fd, on_conn, &me);
}

static void on_tls(struct room *room, struct slice pem)
{
	front_certificate(&me.front, pem);
}

static void on_reload(struct room *room)
{
	front_reload(&me.front);
}

void sieved_maybe_exit(struct sieved *d)
{
	if (d->room->stopping && list_empty(&d->conns) && !d->pending)
		room_exit(d->room, 0);
}

static void on_stop(struct room *room)
{
	front_stop(&me.front, STOP_MS);
	sieved_conn_stop_all(&me);
	sieved_maybe_exit(&me);
}

static void on_stats(struct room *room, struct stats *stats)
{
	front_stats(&me.front, stats);
	stats_add(stats, "logins", me.count.logins);
	stats_add(stats, "logins.failed", me.count.failed_logins);
	stats_add(stats, "logouts", me.count.logouts);
	stats_add(stats, "starttls", me.count.starttls);
	stats_add(stats, "requests", me.count.requests);
}

static const struct sandbox_policy policy = { .allow = SANDBOX_ACCEPT, .nofile = 16384 };

const struct room_ops sieved_ops = {
	.sandbox = &policy,
	.init = init,
	.on_listener = on_listener,
	.on_tls = on_tls,
	.on_reload = on_reload,
	.on_stop = on_stop,
	.on_stats = on_stats,
};
