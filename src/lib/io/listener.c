/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/io/listener.h"

#include "base/err.h"
#include "base/event.h"

#include <errno.h>
#include <sys/socket.h>

enum { ACCEPTS_A_TURN = 32, REST_MS = 100 };

struct listener {
	uv_poll_t poll;
	uv_timer_t rest;
	int fd, handles;
	bool resting, closing;
	void (*on_conn)(void *ctx, int fd, const struct sockaddr_storage *peer);
	void *ctx;
};

static void on_readable(uv_poll_t *poll, int status, int events);

static void update(struct listener *l)
{
	if (l->resting)
		uv_poll_stop(&l->poll);
	else
		bug_if(uv_poll_start(&l->poll, UV_READABLE, on_readable) < 0);
}

static void on_rest_over(uv_timer_t *timer)
{
	struct listener *l = container_of(timer, struct listener, rest);
	l->resting = false;
	update(l);
}

static void on_readable(uv_poll_t *poll, int status UNUSED, int events UNUSED)
{
	struct listener *l = container_of(poll, struct listener, poll);
	for (int i = 0; i < ACCEPTS_A_TURN && !l->closing; i++) {
		struct sockaddr_storage peer = { 0 };
		socklen_t n = sizeof(peer);
		int fd = accept4(l->fd, (struct sockaddr *)&peer, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			l->on_conn(l->ctx, fd, &peer);
			continue;
		}
		if (errno == EAGAIN)
			return;
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		/* Out of fds or memory: the listener would stay readable and spin. */
		ev(EV_WARN, "listener.accept.failed", KS("reason", err_text(-errno)));
		l->resting = true;
		update(l);
		uv_timer_start(&l->rest, on_rest_over, REST_MS, 0);
		return;
	}
}

struct listener *listener_new(uv_loop_t *loop, int fd,
			      void (*on_conn)(void *ctx, int fd, const struct sockaddr_storage *peer), void *ctx)
{
	struct listener *l = calloc(1, sizeof(*l));
	bug_if(!l);
	l->fd = fd;
	l->on_conn = on_conn;
	l->ctx = ctx;
	l->handles = 2;
	bug_if(uv_poll_init(loop, &l->poll, fd) < 0 || uv_timer_init(loop, &l->rest) < 0);
	update(l);
	return l;
}

static void on_closed(uv_handle_t *h)
{
	struct listener *l = h->data;
	if (--l->handles)
		return;
	close(l->fd);
	free(l);
}

void listener_free(struct listener **lp)
{
	if (!*lp)
		return;
	struct listener *l = TAKE(*lp);
	l->closing = true;
	l->poll.data = l;
	l->rest.data = l;
	uv_close((uv_handle_t *)&l->poll, on_closed);
	uv_close((uv_handle_t *)&l->rest, on_closed);
}
