/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/room/front.h"

#include "base/err.h"
#include "base/event.h"

static unsigned per_address(const struct room *room)
{
	return (unsigned)conf_u64(room->conf, "limits.per_address");
}

void front_init(struct front *f, struct room *room)
{
	*f = (struct front){ .room = room };
	f->limiter = conn_limiter_new(per_address(room), conf_str(room->conf, "limits.exempt_networks"));
	bug_if(uv_timer_init(room->loop, &f->stop) < 0);
	f->stop.data = f;
}

void front_listen(struct front *f, int fd, void (*on_conn)(void *ctx, int fd, const struct sockaddr_storage *peer),
		  void *ctx)
{
	if (f->n_listeners == FRONT_LISTENERS_MAX) {
		close(fd);
		return;
	}
	f->listeners[f->n_listeners++] = listener_new(f->room->loop, fd, on_conn, ctx);
}

void front_certificate(struct front *f, struct slice pem)
{
	struct tls_ctx *fresh;
	int r = tls_server_new(pem, &fresh);
	if (r < 0) {
		ev(EV_ERROR, "room.certificate.refused", KS("reason", err_name(r)));
		return;
	}
	tls_unref(&f->tls);
	f->tls = fresh;
}

void front_reload(struct front *f)
{
	conn_limiter_set(f->limiter, per_address(f->room), conf_str(f->room->conf, "limits.exempt_networks"));
}

const char *front_enter(struct front *f, const struct sockaddr_storage *peer, const char *max_option, bool tls)
{
	const char *why = NULL;
	f->accepted++;
	if (tls && !f->tls)
		why = "certificate";
	else if (f->n_open >= conf_u64(f->room->conf, max_option))
		why = "room";
	else if (!conn_limiter_enter(f->limiter, peer))
		why = "address";
	if (why)
		f->refused++;
	else
		f->n_open++;
	return why;
}

void front_leave(struct front *f, const struct sockaddr_storage *peer)
{
	bug_if(!f->n_open);
	f->n_open--;
	conn_limiter_leave(f->limiter, peer);
}

static void on_stop_timer(uv_timer_t *timer)
{
	struct front *f = timer->data;
	room_exit(f->room, 0);
}

void front_stop(struct front *f, unsigned ms)
{
	bug_if(ms >= ROOM_STOP_MS);
	for (size_t i = 0; i < f->n_listeners; i++)
		listener_free(&f->listeners[i]);
	f->n_listeners = 0;
	bug_if(uv_timer_start(&f->stop, on_stop_timer, ms, 0) < 0);
}

void front_stats(const struct front *f, struct stats *stats)
{
	stats_add(stats, "connections.open", (int64_t)f->n_open);
	stats_add(stats, "connections", f->accepted);
	stats_add(stats, "connections.refused", f->refused);
}
