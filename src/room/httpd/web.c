/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections from outside (web.h). Threats: slow clients (a deadline for the head and for the body as a whole, not for
 * each byte), many connections (limits.per_address, https.max_connections), a request in clear (answered by a redirect to
 * the configured name and by nothing else).
 */
#include "room/httpd/web.h"

#include "base/err.h"
#include "base/event.h"
#include "lib/io/listener.h"
#include "lib/io/stream.h"
#include "lib/tls/tls.h"
#include "proto/api/web.h"

#include <errno.h>
#include <sys/socket.h>

struct web {
	struct httpd *h;
	struct listener *listeners[WEB_LISTENERS_MAX];
	size_t n_listeners;
	struct conn_limiter *limiter;
	struct tls_ctx *tls;
	struct buf name;
	struct web_conn *by_fd[WEB_FDS_MAX];
	uint64_t open, count, refused, redirects;
};

/* inner is NULL for a connection in clear. */
struct web_conn {
	struct web *w;
	struct stream *outer, *inner;
	struct sockaddr_storage peer;
	int fd;   /* the daemon's end of the pair; -1 before */
	int tail; /* our end once more: for what is left in it when the stream is over; -1 before */
	bool limited;
};

static void conn_free(struct web_conn *c)
{
	struct web *w = c->w;
	if (c->limited)
		conn_limiter_leave(w->limiter, &c->peer);
	if (c->fd >= 0 && w->by_fd[c->fd] == c)
		w->by_fd[c->fd] = NULL;
	stream_free(&c->outer);
	stream_free(&c->inner);
	if (c->tail >= 0)
		close(c->tail);
	w->open--;
	free(c);
}

/* --- bytes to and fro ------------------------------------------------------------------------------- */

static size_t pump(struct stream *from, struct stream *to, struct slice in)
{
	stream_write(to, in);
	stream_flush(to);
	if (stream_congested(to))
		stream_pause(from, true);
	return in.n;
}

static size_t on_outer_input(void *ctx, struct slice in)
{
	struct web_conn *c = ctx;
	return c->inner ? pump(c->outer, c->inner, in) : in.n;
}

static size_t on_inner_input(void *ctx, struct slice in)
{
	struct web_conn *c = ctx;
	return pump(c->inner, c->outer, in);
}

static void on_outer_drained(void *ctx)
{
	struct web_conn *c = ctx;
	if (c->inner)
		stream_pause(c->inner, false);
}

static void on_inner_drained(void *ctx)
{
	struct web_conn *c = ctx;
	stream_pause(c->outer, false);
}

static void on_outer_end(void *ctx, int err)
{
	struct web_conn *c = ctx;
	ev(EV_DEBUG, "httpd.connection.closed", KS("peer", stream_peer(c->outer)), KS("reason", err_name(err)));
	conn_free(c);
}

/* A daemon that answers early closes with input unread, which resets the pair; its words are still there to be read. */
static void read_tail(struct web_conn *c)
{
	uint8_t bytes[16384];
	for (int resets = 0; resets < 2;) {
		ssize_t n = read(c->tail, bytes, sizeof(bytes));
		if (n > 0)
			stream_write(c->outer, slice_of(bytes, (size_t)n));
		else if (n < 0 && (errno == ECONNRESET || errno == EINTR))
			resets++;
		else
			return;
	}
}

/* The daemon is done with it: what it said still goes out. */
static void on_inner_end(void *ctx, int err)
{
	struct web_conn *c = ctx;
	read_tail(c);
	stream_free(&c->inner);
	if (c->fd >= 0 && c->w->by_fd[c->fd] == c)
		c->w->by_fd[c->fd] = NULL;
	c->fd = -1;
	stream_deadline(c->outer, WEB_CLEAR_MS);
	stream_close(c->outer);
}

static const struct stream_ops inner_ops = { on_inner_input, on_inner_drained, NULL, NULL, on_inner_end };

/* The handshake is done: the daemon gets its end of a pair. */
static void on_tls(void *ctx)
{
	struct web_conn *c = ctx;
	struct web *w = c->w;
	int pair[2];
	if (!w->h->daemon || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
		stream_close(c->outer);
		return;
	}
	c->tail = dup(pair[0]);
	c->inner = stream_new(w->h->room->loop, pair[0], &inner_ops, c);
	if (c->tail < 0 || pair[1] >= WEB_FDS_MAX || MHD_add_connection(w->h->daemon, pair[1], (struct sockaddr *)&c->peer,
							 sizeof(c->peer)) != MHD_YES) {
		if (c->tail < 0 || pair[1] >= WEB_FDS_MAX)
			close(pair[1]); /* else the daemon closed it itself */
		stream_close(c->outer);
		return;
	}
	c->fd = pair[1];
	w->by_fd[c->fd] = c;
	stream_deadline(c->outer, WEB_HEAD_MS);
	httpd_kick(w->h);
}

static const struct stream_ops outer_ops = { on_outer_input, on_outer_drained, on_tls, NULL, on_outer_end };

/* --- in clear --------------------------------------------------------------------------------------- */

static size_t on_clear_input(void *ctx, struct slice in)
{
	struct web_conn *c = ctx;
	struct buf out = BUF_INIT(WEB_REDIRECT_OUT_MAX);
	int r = web_redirect(in, web_name(c->w), web_old_names(c->w), &out);
	if (r == 1) {
		c->w->redirects++;
		stream_write(c->outer, buf_view(&out));
	}
	buf_fini(&out);
	if (r == 0)
		return 0;
	stream_close(c->outer);
	return in.n;
}

static const struct stream_ops clear_ops = { on_clear_input, NULL, NULL, NULL, on_outer_end };

/* --- accepting -------------------------------------------------------------------------------------- */

static struct web_conn *conn_new(struct web *w, int fd, const struct sockaddr_storage *peer, const struct stream_ops *ops)
{
	struct web_conn *c = calloc(1, sizeof(*c));
	bug_if(!c);
	c->w = w;
	c->fd = c->tail = -1;
	c->peer = *peer;
	c->outer = stream_new(w->h->room->loop, fd, ops, c);
	w->open++;
	w->count++;
	c->limited = conn_limiter_enter(w->limiter, peer);
	if (c->limited && w->open <= conf_u64(w->h->room->conf, "https.max_connections"))
		return c;
	w->refused++;
	ev(EV_INFO, "httpd.connection.refused", KS("peer", stream_peer(c->outer)));
	conn_free(c);
	return NULL;
}

static void on_https(void *ctx, int fd, const struct sockaddr_storage *peer)
{
	struct web *w = ctx;
	struct web_conn *c = conn_new(w, fd, peer, &outer_ops);
	if (!c)
		return;
	stream_deadline(c->outer, WEB_TLS_MS);
	if (!w->tls || stream_tls_server(c->outer, w->tls) < 0)
		stream_close(c->outer);
}

static void on_http(void *ctx, int fd, const struct sockaddr_storage *peer)
{
	struct web_conn *c = conn_new(ctx, fd, peer, &clear_ops);
	if (c)
		stream_deadline(c->outer, WEB_CLEAR_MS);
}

/* --- the room's -------------------------------------------------------------------------------------- */

static void take_name(struct web *w)
{
	struct slice name;
	struct conf *conf = w->h->room->conf;
	buf_clear(&w->name);
	if (web_authority(slice_str(conf_str(conf, "web.url")), &name) < 0)
		name = slice_str(conf_str(conf, "host.name"));
	buf_slice(&w->name, name);
}

struct web *web_new(struct httpd *h)
{
	struct web *w = calloc(1, sizeof(*w));
	bug_if(!w);
	w->h = h;
	buf_init(&w->name, 1024);
	take_name(w);
	w->limiter = conn_limiter_new((unsigned)conf_u64(h->room->conf, "limits.per_address"),
				      conf_str(h->room->conf, "limits.exempt_networks"));
	return w;
}

void web_listener(struct web *w, const char *name, int fd)
{
	if (w->n_listeners == WEB_LISTENERS_MAX) {
		ev(EV_ERROR, "httpd.listener.refused", KS("name", name));
		close(fd);
		return;
	}
	w->listeners[w->n_listeners++] =
		listener_new(w->h->room->loop, fd, strcmp(name, "https") ? on_http : on_https, w);
}

void web_certificate(struct web *w, struct slice pem)
{
	struct tls_ctx *fresh;
	int r = tls_server_new(pem, &fresh);
	if (r < 0) {
		ev(EV_ERROR, "httpd.certificate.refused", KI("error", r));
		return;
	}
	tls_unref(&w->tls); /* connections hold their own reference */
	w->tls = fresh;
}

void web_reload(struct web *w)
{
	take_name(w);
	conn_limiter_set(w->limiter, (unsigned)conf_u64(w->h->room->conf, "limits.per_address"),
			 conf_str(w->h->room->conf, "limits.exempt_networks"));
}

void web_stop(struct web *w)
{
	while (w->n_listeners)
		listener_free(&w->listeners[--w->n_listeners]);
}

void web_stats(const struct web *w, struct stats *stats)
{
	stats_add(stats, "connections.open", (int64_t)w->open);
	stats_add(stats, "connections", (int64_t)w->count);
	stats_add(stats, "connections.refused", (int64_t)w->refused);
	stats_add(stats, "redirects", (int64_t)w->redirects);
}

struct web_conn *web_conn_of(struct web *w, int fd)
{
	return fd >= 0 && fd < WEB_FDS_MAX ? w->by_fd[fd] : NULL;
}

const char *web_conn_peer(const struct web_conn *c)
{
	return stream_peer(c->outer);
}

void web_phase(struct web *w, int fd, enum web_phase phase)
{
	static const unsigned ms[] = { [WEB_HEAD] = WEB_HEAD_MS, [WEB_BODY] = WEB_BODY_MS, [WEB_ANSWER] = 0 };
	struct web_conn *c = web_conn_of(w, fd);
	if (c && c->outer)
		stream_deadline(c->outer, ms[phase]);
}

struct slice web_name(const struct web *w)
{
	return buf_view(&w->name);
}

struct slice web_old_names(const struct web *w)
{
	return slice_str(conf_str(w->h->room->conf, "web.old_names"));
}
