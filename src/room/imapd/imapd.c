/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The IMAP room: listens with TLS from the first byte, has no disk, and reaches an account only over the channel
 * that a login brought. RFC 3501 with the extensions that cmd_capability.c names.
 */
#include "room/imapd/imapd_priv.h"

#include "base/clock.h"
#include "base/err.h"
#include "proto/mail/charset.h"

enum {
	TICK_MS = 10000,
	IDLE_TELL_MS = 120000,	/* a word to a client in IDLE, so that dead peers and forgetful routers show */
	STOP_MS = 2000,
};

static void on_conn(void *ctx, int fd, const struct sockaddr_storage *peer)
{
	imapd_accept(ctx, fd, peer);
}

static void on_tick(uv_timer_t *timer)
{
	struct imapd *imapd = timer->data;
	int64_t now = clock_mono_ms();

	list_each(c, &imapd->conns, struct conn, node) {
		if (!c->cmd || !c->cmd->on_change || now - c->told_ms < IDLE_TELL_MS || c->state == CONN_OVER)
			continue;
		c->told_ms = now;
		conn_printf(c, "* OK Still here\r\n");
	}
}

static void on_slice(uv_idle_t *idle)
{
	struct imapd *imapd = idle->data;
	struct conn *c = list_first(&imapd->slicing, struct conn, slicing);

	if (!c) {
		uv_idle_stop(idle);
		return;
	}
	/* Out of the list first: the command may be over then, and the next one in it. */
	list_remove(&c->slicing);
	if (c->slice(c->cmd))
		list_append(&imapd->slicing, &c->slicing);
}

void cmd_slices(struct cmd *cmd, bool (*slice)(struct cmd *cmd))
{
	struct conn *c = cmd->conn;

	c->slice = slice;
	list_append(&c->imapd->slicing, &c->slicing);
	bug_if(uv_idle_start(&c->imapd->slices, on_slice) < 0);
}

static int init(struct room *room)
{
	struct imapd *imapd = calloc(1, sizeof(*imapd));

	bug_if(!imapd);
	imapd->room = room;
	list_init(&imapd->conns);
	list_init(&imapd->slicing);
	bug_if(uv_idle_init(room->loop, &imapd->slices) < 0);
	imapd->slices.data = imapd;
	front_init(&imapd->front, room);
	charset_preload();
	bug_if(uv_timer_init(room->loop, &imapd->tick) < 0);
	imapd->tick.data = imapd;
	bug_if(uv_timer_start(&imapd->tick, on_tick, TICK_MS, TICK_MS) < 0);
	uv_unref((uv_handle_t *)&imapd->tick);
	room->state = imapd;
	return 0;
}

static void on_reload(struct room *room)
{
	struct imapd *imapd = room->state;

	front_reload(&imapd->front);
}

static void on_listener(struct room *room, const char *name, int fd)
{
	struct imapd *imapd = room->state;

	front_listen(&imapd->front, fd, on_conn, imapd);
}

static void on_certificate(struct room *room, struct slice pem)
{
	struct imapd *imapd = room->state;
	front_certificate(&imapd->front, pem);
}

void imapd_maybe_exit(struct imapd *imapd)
{
	if (imapd->room->stopping && list_empty(&imapd->conns))
		room_exit(imapd->room, 0);
}

static void on_stop(struct room *room)
{
	struct imapd *imapd = room->state;

	front_stop(&imapd->front, STOP_MS);
	list_each(c, &imapd->conns, struct conn, node)
		conn_bye(c, "Server is shutting down");
	imapd_maybe_exit(imapd);
}

static void on_stats(struct room *room, struct stats *stats)
{
	const struct imapd *imapd = room->state;

	front_stats(&imapd->front, stats);
	stats_add(stats, "sessions", (int64_t)imapd->n_sessions);
	stats_add(stats, "idle", (int64_t)imapd->n_idle);
	stats_add(stats, "logins", (int64_t)imapd->n_logins);
	stats_add(stats, "commands", (int64_t)imapd->n_commands);
}

static const struct sandbox_policy policy = { .allow = SANDBOX_ACCEPT, .nofile = 65536 };

const struct room_ops imapd_ops = {
	.sandbox = &policy,
	.init = init,
	.on_listener = on_listener,
	.on_tls = on_certificate,
	.on_reload = on_reload,
	.on_stop = on_stop,
	.on_stats = on_stats,
};
