/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The administration's HTTP server: libmicrohttpd inside our loop. Its epoll fd is polled by libuv;
 * MHD_run does what is due; a connection whose operation is at another room is suspended meanwhile.
 *
 * Two rooms run this code. admind has the admin socket: whoever may open it is the provider, so the
 * socket's mode (0600, set by the supervisor) is the door. httpd hears the internet (web.h) and is
 * nobody by itself: directory knows which of the two asks, and believes httpd no name, only tokens.
 * Neither decides or keeps anything: they check form, ask the owner of the operation, pass on. Threats: requests of any size and shape (limits in httpd_priv.h and
 * proto/api), slow clients (timeout), secrets (never in events, wiped with their request).
 */
#include "room/httpd/web.h"

#include "base/err.h"
#include "base/event.h"

#include <errno.h>

static void run(struct httpd *h)
{
	MHD_UNSIGNED_LONG_LONG ms;
	if (MHD_run(h->daemon) != MHD_YES) {
		ev(EV_ERROR, "httpd.daemon.failed");
		room_exit(h->room, 1);
		return;
	}
	if (MHD_get_timeout(h->daemon, &ms) == MHD_YES)
		uv_timer_start(&h->timer, h->timer.timer_cb, ms, 0);
	else
		uv_timer_stop(&h->timer);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	run(poll->data);
}

static void on_timer(uv_timer_t *timer)
{
	run(timer->data);
}

void httpd_kick(struct httpd *h)
{
	if (h->daemon)
		uv_timer_start(&h->timer, on_timer, 0, 0);
}

static void *on_target(void *ctx, const char *target, struct MHD_Connection *conn)
{
	return request_new(ctx, conn, target);
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *conn, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *data_size, void **state)
{
	return *state ? request_step(*state, method, data, data_size) : MHD_NO;
}

static void on_completed(void *ctx, struct MHD_Connection *conn, void **state,
			 enum MHD_RequestTerminationCode why)
{
	struct request *r = *state;
	*state = NULL;
	if (r)
		request_over(r, why == MHD_REQUEST_TERMINATED_COMPLETED_OK);
}

/* fd -1: connections are added one by one. */
static int start(struct httpd *h, int fd)
{
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (fd < 0 ? MHD_USE_NO_LISTEN_SOCKET : 0);
	unsigned most = fd < 0 ? HTTPD_WEB_CONNECTIONS_MAX : HTTPD_CONNECTIONS_MAX;
	/* clang-format off */
	h->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, h,
				     fd < 0 ? MHD_OPTION_CONNECTION_LIMIT : MHD_OPTION_LISTEN_SOCKET, fd < 0 ? (int)most : fd,
				     MHD_OPTION_URI_LOG_CALLBACK, on_target, h,
				     MHD_OPTION_NOTIFY_COMPLETED, on_completed, h,
				     MHD_OPTION_CONNECTION_LIMIT, most,
				     MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTPD_TIMEOUT_S,
				     MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTPD_HEADERS_MAX,
				     MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
	/* clang-format on */
	if (!h->daemon) {
		ev(EV_ERROR, "httpd.daemon.failed", KS("error", strerror(errno)));
		return ERR_INTERNAL;
	}
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	bug_if(!info);
	bug_if(uv_poll_init(h->room->loop, &h->poll, info->epoll_fd) < 0);
	h->poll.data = h;
	uv_poll_start(&h->poll, UV_READABLE, on_ready);
	return 0;
}

static void on_listener(struct room *room, const char *name, int fd)
{
	struct httpd *h = room->state;
	if (h->web) {
		web_listener(h->web, name, fd);
		return;
	}
	if (h->daemon) {
		close(fd);
		return;
	}
	if (start(h, fd) < 0) {
		close(fd);
		room_exit(room, 1);
		return;
	}
	run(h);
}

static int init(struct room *room)
{
	struct httpd *h = calloc(1, sizeof(*h));
	bug_if(!h);
	h->room = room;
	list_init(&h->requests);
	uv_timer_init(room->loop, &h->timer);
	uv_timer_init(room->loop, &h->drain);
	h->timer.data = h->drain.data = h;
	h->timer.timer_cb = on_timer;
	room->state = h;
	if (room->role != ROLE_HTTPD)
		return 0;
	h->web = web_new(h);
	return start(h, -1);
}

static void on_tls(struct room *room, struct slice pem)
{
	struct httpd *h = room->state;
	if (h->web)
		web_certificate(h->web, pem);
}

static void on_reload(struct room *room)
{
	struct httpd *h = room->state;
	if (h->web)
		web_reload(h->web);
}

/* Requests that still wait are answered with 503; then nothing is left that the daemon could trip
 * over. */
static void finish(struct httpd *h)
{
	list_each(r, &h->requests, struct request, link) {
		if (r->state == REQUEST_WAIT || r->state == REQUEST_HOST)
			request_fail(r, 503, "the service is stopping", NULL);
	}
	uv_timer_stop(&h->drain);
	if (h->daemon) {
		MHD_run(h->daemon);
		uv_poll_stop(&h->poll);
		uv_timer_stop(&h->timer);
		MHD_stop_daemon(h->daemon);
		h->daemon = NULL;
	}
	room_exit(h->room, 0);
}

static void on_drain(uv_timer_t *timer)
{
	finish(timer->data);
}

void httpd_request_gone(struct httpd *h)
{
	if (h->room->stopping && h->daemon && list_empty(&h->requests))
		uv_timer_start(&h->drain, on_drain, 0, 0); /* not from inside the daemon */
}

static void on_stop(struct room *room)
{
	struct httpd *h = room->state;
	bool idle = list_empty(&h->requests);
	if (h->web)
		web_stop(h->web);
	if (h->daemon && !h->web) {
		MHD_socket fd = MHD_quiesce_daemon(h->daemon);
		if (fd != MHD_INVALID_SOCKET)
			close(fd);
	}
	uv_timer_start(&h->drain, on_drain, idle ? 0 : HTTPD_DRAIN_MS, 0);
}

static void on_stats(struct room *room, struct stats *stats)
{
	struct httpd *h = room->state;
	stats_add(stats, "requests", (int64_t)h->served);
	stats_add(stats, "refused", (int64_t)h->refused);
	stats_add(stats, "logouts", (int64_t)h->logouts);
	if (h->web)
		web_stats(h->web, stats);
}

static const struct sandbox_policy admin_policy = { .allow = SANDBOX_ACCEPT, .nofile = 1024 };
static const struct sandbox_policy web_policy = { .allow = SANDBOX_ACCEPT, .nofile = WEB_FDS_MAX };

/* The admin socket: whoever opens it is the provider. */
const struct room_ops admind_ops = {
	.sandbox = &admin_policy,
	.init = init,
	.on_listener = on_listener,
	.on_stop = on_stop,
	.on_stats = on_stats,
};

/* The web: nobody, until a token says who. */
const struct room_ops httpd_ops = {
	.sandbox = &web_policy,
	.init = init,
	.on_listener = on_listener,
	.on_tls = on_tls,
	.on_reload = on_reload,
	.on_stop = on_stop,
	.on_stats = on_stats,
};
