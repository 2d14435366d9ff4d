/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One stream: socket <-> (TLS) <-> owner. Invariants:
 *  - the owner is only ever called from a libuv callback of this stream (enter/leave guard
 *    the object while it is), never from inside a stream_ function;
 *  - `in` holds only what the owner left, `out` only what the kernel did not take;
 *  - TLS reads and writes through a BIO of ours that is bound to the scratch input and to `out`,
 *    so an idle TLS session has no buffers;
 *  - whatever ends the stream is remembered in `end` and told once, from the loop.
 */
#include "lib/io/stream.h"

#include "base/clock.h"
#include "base/err.h"
#include "lib/io/listener.h"
#include "lib/tls/tls_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
	SCRATCH = 65536,
	READS_A_TURN = 4,
	DRAINS_A_TURN = 8,
	WRITE_DEADLINE_MS = 60000,
	LINGER_MS = 2000,
	LINGER_BYTES = 1 << 20,
	LINGER_MAX = 256,
	TLS_RECORD = 16384,
};

enum tls_phase { TLS_OFF, TLS_HANDSHAKE, TLS_UP };

struct stream {
	uv_poll_t poll;
	uv_timer_t timer;
	uv_loop_t *loop;
	const struct stream_ops *ops;
	void *ctx;
	int fd, events, handles;
	unsigned depth;		/* callbacks of ours that are running */
	bool freed;		/* the owner let go while one ran */
	bool parked;		/* input came while paused: interest in it is gone until then */
	bool connecting, paused, eof, closing, told, congested, again;
	bool held;		/* output waits for what follows it */
	int end;		/* 1: none yet; else what on_end is to be told */
	size_t in_max;		/* unconsumed input that is too much; `in` itself has room for one more read */
	struct buf in, out;
	struct tls_ctx *tls;
	SSL *ssl;
	enum tls_phase phase;
	bool tls_is_client, tls_fresh;
	struct slice feed;	/* ciphertext that the BIO may read just now */
	struct buf plain;	/* output of the owner that waits for the handshake, or for SSL_write to go on */
	int64_t idle_at, write_at;	/* monotonic; 0: no deadline */
	size_t lingered;	/* bytes dropped since our end closed */
	char peer[46];
};

static uint8_t scratch[SCRATCH], plain_scratch[TLS_RECORD];

static void on_poll(uv_poll_t *poll, int status, int events);
static void run(struct stream *s);

/* ---- the BIO: reads s->feed, writes s->out ---- */

static int bio_read(BIO *bio, char *to, int n)
{
	struct stream *s = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	if (s->feed.n == 0) {
		if (s->eof)
			return 0;
		BIO_set_retry_read(bio);
		return -1;
	}
	size_t take = (size_t)n < s->feed.n ? (size_t)n : s->feed.n;
	memcpy(to, s->feed.p, take);
	s->feed = slice_sub(s->feed, take, s->feed.n);
	return (int)take;
}

static int bio_write(BIO *bio, const char *from, int n)
{
	struct stream *s = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	buf_append(&s->out, from, (size_t)n);
	return n; /* past the maximum `over` sticks and ends the stream */
}

static long bio_ctrl(BIO *bio UNUSED, int cmd, long num UNUSED, void *ptr UNUSED)
{
	return cmd == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method(void)
{
	static BIO_METHOD *method;
	if (!method) {
		method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
		bug_if(!method);
		BIO_meth_set_read(method, bio_read);
		BIO_meth_set_write(method, bio_write);
		BIO_meth_set_ctrl(method, bio_ctrl);
	}
	return method;
}

/* ---- life ---- */

static struct stream *stream_make(uv_loop_t *loop, int fd, const struct stream_ops *ops, void *ctx)
{
	struct stream *s = calloc(1, sizeof(*s));
	bug_if(!s);
	s->loop = loop;
	s->fd = fd;
	s->ops = ops;
	s->ctx = ctx;
	s->end = 1;
	s->handles = 2;
	s->in_max = STREAM_IN_MAX;
	buf_init(&s->in, STREAM_IN_MAX + SCRATCH);
	buf_init(&s->out, STREAM_OUT_MAX);
	buf_init(&s->plain, STREAM_OUT_MAX);
	bug_if(uv_poll_init(loop, &s->poll, fd) < 0 || uv_timer_init(loop, &s->timer) < 0);
	return s;
}

static void remember_peer(struct stream *s)
{
	struct sockaddr_storage addr;
	if (stream_peer_addr(s, &addr))
		addr_text(&addr, s->peer);
}

/* What the kernel has a part of (write_at) goes on. */
static bool holds_back(const struct stream *s)
{
	return s->held && !s->write_at && !s->closing && s->end == 1 && s->out.n <= STREAM_OUT_HIGH;
}

static void poll_update(struct stream *s)
{
	int events = 0;
	if (s->freed || s->handles < 2)
		return;
	if (s->connecting)
		events = UV_WRITABLE;
	else if (!s->told) {
		/* While it is paused only its output is of interest; input waits in the kernel. Interest is taken
		 * back when input does come: most pauses are over before, and each change costs system calls. */
		bool lazily = s->paused && !s->parked && (s->events & UV_READABLE);
		if ((!s->paused || lazily) && !s->eof && s->end == 1)
			events |= UV_READABLE;
		/* What the turn to come sends anyway is not waited for. */
		if (s->out.n && !s->again && !holds_back(s))
			events |= UV_WRITABLE;
	}
	if (events == s->events)
		return;
	s->events = events;
	if (events)
		bug_if(uv_poll_start(&s->poll, events, on_poll) < 0);
	else
		uv_poll_stop(&s->poll);
}

struct stream *stream_new(uv_loop_t *loop, int fd, const struct stream_ops *ops, void *ctx)
{
	int one = 1;
	IGNORE(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0, "an accepted socket takes it");
	IGNORE(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), "a unix socket has no such thing");
	struct stream *s = stream_make(loop, fd, ops, ctx);
	remember_peer(s);
	poll_update(s);
	return s;
}

static void on_handle_closed(uv_handle_t *h)
{
	struct stream *s = h->data;
	if (--s->handles)
		return;
	close(s->fd);
	SSL_free(s->ssl);
	tls_unref(&s->tls);
	buf_fini(&s->in);
	buf_fini(&s->out);
	buf_fini(&s->plain);
	free(s);
}

static void finish_destroy(struct stream *s)
{
	/* The peer learns of it now, not when libuv comes round. */
	shutdown(s->fd, SHUT_RDWR);
	s->poll.data = s;
	s->timer.data = s;
	uv_close((uv_handle_t *)&s->poll, on_handle_closed);
	uv_close((uv_handle_t *)&s->timer, on_handle_closed);
}

/*
 * Lingering: close() with unread input makes the kernel send RST, and what we said last (421, BYE) may be lost
 * with it. So after an orderly end of ours the sending side is shut and what still comes is read and dropped for a
 * moment. Bounded in time, bytes and number, so that nobody can keep fds of ours that way.
 */
static unsigned lingering;

static void linger_over(struct stream *s)
{
	lingering--;
	finish_destroy(s);
}

static void on_linger_readable(uv_poll_t *poll, int status, int events UNUSED)
{
	struct stream *s = container_of(poll, struct stream, poll);
	ssize_t n = status < 0 ? 0 : recv(s->fd, scratch, sizeof(scratch), 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || s->lingered + (size_t)n > LINGER_BYTES)
		linger_over(s);
	else
		s->lingered += (size_t)n;
}

static void on_linger_timer(uv_timer_t *timer)
{
	linger_over(container_of(timer, struct stream, timer));
}

static void destroy(struct stream *s)
{
	if (s->end != 0 || !s->closing || s->eof || lingering >= LINGER_MAX || shutdown(s->fd, SHUT_WR) < 0) {
		finish_destroy(s);
		return;
	}
	lingering++;
	bug_if(uv_poll_start(&s->poll, UV_READABLE, on_linger_readable) < 0);
	uv_timer_start(&s->timer, on_linger_timer, LINGER_MS, 0);
}

void stream_free(struct stream **sp)
{
	if (!*sp)
		return;
	struct stream *s = TAKE(*sp);
	s->freed = true;
	if (!s->depth)
		destroy(s);
}

static void enter(struct stream *s)
{
	s->depth++;
}

/* false: the stream is gone. */
static bool leave(struct stream *s)
{
	if (--s->depth)
		return !s->freed;
	if (!s->freed)
		return true;
	destroy(s);
	return false;
}

void stream_set_ops(struct stream *s, const struct stream_ops *ops, void *ctx)
{
	s->ops = ops;
	s->ctx = ctx;
}

void stream_set_in_max(struct stream *s, size_t max)
{
	s->in_max = max;
	s->in.max = max + SCRATCH;
}

/* ---- timer: deadlines, and "soon" (0 ms) for what must be told from the loop ---- */

static void on_timer(uv_timer_t *timer)
{
	struct stream *s = container_of(timer, struct stream, timer);
	enter(s);
	run(s);
	leave(s);
}

static void timer_update(struct stream *s)
{
	int64_t now = clock_mono_ms(), at = 0;
	if (s->freed)
		return;
	if (s->again || (s->end != 1 && !s->told)) {
		uv_timer_start(&s->timer, on_timer, 0, 0);
		return;
	}
	if (s->idle_at)
		at = s->idle_at;
	if (s->write_at && (!at || s->write_at < at))
		at = s->write_at;
	if (at && !s->told)
		uv_timer_start(&s->timer, on_timer, at > now ? (uint64_t)(at - now) : 0, 0);
	else
		uv_timer_stop(&s->timer);
}

void stream_deadline(struct stream *s, unsigned ms)
{
	s->idle_at = ms ? clock_mono_ms() + ms : 0;
	timer_update(s);
}

static void set_end(struct stream *s, int err)
{
	if (s->end == 1)
		s->end = err;
}

/* ---- output ---- */

static void flush_out(struct stream *s)
{
	if (s->connecting || s->told || holds_back(s))
		return;
	size_t sent = 0;
	while (sent < s->out.n) {
		ssize_t n = send(s->fd, s->out.p + sent, s->out.n - sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			if (errno != EAGAIN)
				set_end(s, errno == EPIPE || errno == ECONNRESET ? ERR_CLOSED : -errno);
			break;
		}
		sent += (size_t)n;
	}
	buf_consume(&s->out, sent);
	if (!s->out.n && s->out.cap) {
		buf_fini(&s->out);
		s->write_at = 0;
	} else if (sent || (s->out.n && !s->write_at)) {
		s->write_at = s->out.n ? clock_mono_ms() + WRITE_DEADLINE_MS : 0;
	}
}

static void check_over(struct stream *s)
{
	if (!buf_ok(&s->out) || !buf_ok(&s->plain))
		set_end(s, ERR_TOO_BIG);
}

static void tls_encrypt(struct stream *s, struct slice bytes)
{
	while (bytes.n) {
		size_t n = bytes.n < TLS_RECORD ? bytes.n : TLS_RECORD;
		int wrote = SSL_write(s->ssl, bytes.p, (int)n);
		if (wrote <= 0) {
			ERR_clear_error();
			set_end(s, ERR_CLOSED);
			return;
		}
		bytes = slice_sub(bytes, (size_t)wrote, bytes.n);
	}
}

void stream_write(struct stream *s, struct slice bytes)
{
	if (s->told || s->end != 1 || s->closing || !bytes.n)
		return;
	if (s->phase == TLS_OFF)
		buf_slice(&s->out, bytes);
	else if (s->phase == TLS_UP)
		tls_encrypt(s, bytes);
	else
		buf_slice(&s->plain, bytes);
	check_over(s);
	if (s->out.n > STREAM_OUT_HIGH)
		s->congested = true;
	/* Inside a callback the end of run() sends; else the next turn does, gathered. */
	if (!s->depth && !s->again) {
		s->again = true;
		timer_update(s);
	}
}

void stream_hold(struct stream *s, bool on)
{
	if (s->held == on)
		return;
	s->held = on;
	if (!on && s->out.n && !s->depth) {
		s->again = true;
		timer_update(s);
	}
}

void stream_flush(struct stream *s)
{
	flush_out(s);
	poll_update(s);
	if (!s->depth)
		timer_update(s);
}

bool stream_congested(const struct stream *s)
{
	return s->out.n + s->plain.n > STREAM_OUT_HIGH;
}

void stream_close(struct stream *s)
{
	if (s->closing)
		return;
	s->closing = true;
	buf_clear(&s->in);
	if (!s->depth) {
		s->again = true;
		timer_update(s);
	}
}

/* ---- TLS ---- */

static void tls_begin(struct stream *s)
{
	s->ssl = SSL_new(tls_ssl_ctx(s->tls));
	bug_if(!s->ssl);
	BIO *bio = BIO_new(bio_method());
	bug_if(!bio);
	BIO_set_data(bio, s);
	BIO_set_init(bio, 1);
	SSL_set_bio(s->ssl, bio, bio);
	if (s->tls_is_client)
		SSL_set_connect_state(s->ssl);
	else
		SSL_set_accept_state(s->ssl);
	s->phase = TLS_HANDSHAKE;
}

static int start_tls(struct stream *s, struct tls_ctx *ctx, bool client)
{
	if (s->phase != TLS_OFF)
		return ERR_CONFLICT;
	s->tls = tls_ref(ctx);
	s->tls_is_client = client;
	s->tls_fresh = true;
	buf_fini(&s->in); /* what was sent in clear ahead of the handshake is not believed */
	tls_begin(s);
	s->again = true;
	if (!s->depth)
		timer_update(s);
	return ERR_OK;
}

int stream_tls_server(struct stream *s, struct tls_ctx *ctx)
{
	return start_tls(s, ctx, false);
}

int stream_tls_client(struct stream *s, struct tls_ctx *ctx, const char *name)
{
	int err = start_tls(s, ctx, true);
	if (err < 0)
		return err;
	struct in6_addr any;
	bool literal = inet_pton(AF_INET, name, &any) == 1 || inet_pton(AF_INET6, name, &any) == 1;
	if (!literal && SSL_set_tlsext_host_name(s->ssl, name) != 1)
		return ERR_INVALID;
	if (!tls_verifies(ctx))
		return ERR_OK;
	X509_VERIFY_PARAM *param = SSL_get0_param(s->ssl);
	int ok = literal ? X509_VERIFY_PARAM_set1_ip_asc(param, name) : X509_VERIFY_PARAM_set1_host(param, name, 0);
	return ok == 1 ? ERR_OK : ERR_INVALID;
}

bool stream_is_tls(const struct stream *s)
{
	return s->phase == TLS_UP;
}

const char *stream_tls_version(const struct stream *s)
{
	return s->phase == TLS_UP ? SSL_get_version(s->ssl) : "";
}

const char *stream_tls_cipher(const struct stream *s)
{
	return s->phase == TLS_UP ? SSL_get_cipher_name(s->ssl) : "";
}

static void tls_shake(struct stream *s)
{
	int ok = SSL_do_handshake(s->ssl);
	if (ok == 1) {
		s->phase = TLS_UP;
		struct buf waiting = s->plain;
		buf_init(&s->plain, STREAM_OUT_MAX);
		tls_encrypt(s, buf_view(&waiting));
		buf_fini(&waiting);
		if (s->ops->on_tls)
			s->ops->on_tls(s->ctx);
		return;
	}
	int why = SSL_get_error(s->ssl, ok);
	ERR_clear_error();
	if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
		set_end(s, s->eof ? ERR_CLOSED : ERR_SYNTAX);
}

/* ---- input ---- */

/* Offers bytes to the owner; returns how many it took in all. */
static size_t offer(struct stream *s, struct slice bytes)
{
	size_t taken = 0;
	while (taken < bytes.n && !s->freed && !s->paused && !s->closing && s->end == 1) {
		enum tls_phase phase = s->phase;
		size_t n = s->ops->on_input(s->ctx, slice_sub(bytes, taken, bytes.n));
		bug_if(n > bytes.n - taken);
		taken += n;
		if (s->freed)
			break;
		if (s->phase != phase) /* TLS was started: the rest came in clear and is dropped */
			return bytes.n;
		if (n == 0)
			break;
	}
	return s->closing || s->freed ? bytes.n : taken;
}

/* What the owner left earlier, with what came since. */
static void offer_kept(struct stream *s)
{
	if (!s->in.n || s->paused)
		return;
	struct buf kept = s->in;
	buf_init(&s->in, kept.max);
	size_t taken = offer(s, buf_view(&kept));
	if (s->freed || s->closing || (s->tls_fresh && s->phase != TLS_OFF)) {
		buf_fini(&kept);
		return;
	}
	buf_consume(&kept, taken);
	if (!kept.n)
		buf_fini(&kept);
	if (kept.n > s->in_max && !s->paused)
		set_end(s, ERR_TOO_BIG);
	s->in = kept;
}

static void take_plain(struct stream *s, struct slice bytes)
{
	if (s->in.n == 0) {
		size_t taken = offer(s, bytes);
		if (s->freed || s->closing)
			return;
		bytes = slice_sub(bytes, taken, bytes.n);
		if (!bytes.n)
			return;
		buf_slice(&s->in, bytes);
		if (!s->paused && s->in.n > s->in_max)
			set_end(s, ERR_TOO_BIG);
		return;
	}
	/* With a beginning that was left it may be whole now: only what the owner leaves then is too much or not. */
	buf_slice(&s->in, bytes);
	if (!buf_ok(&s->in))
		set_end(s, ERR_TOO_BIG);
	else
		offer_kept(s);
}

static void tls_input(struct stream *s, struct slice cipher)
{
	s->feed = cipher;
	if (s->phase == TLS_HANDSHAKE)
		tls_shake(s);
	while (s->phase == TLS_UP && s->end == 1 && !s->freed) {
		s->tls_fresh = false;
		int n = SSL_read(s->ssl, plain_scratch, sizeof(plain_scratch));
		if (n > 0) {
			take_plain(s, slice_of(plain_scratch, (size_t)n));
			continue;
		}
		int why = SSL_get_error(s->ssl, n);
		ERR_clear_error();
		if (why == SSL_ERROR_ZERO_RETURN)
			s->eof = true;
		else if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
			set_end(s, s->eof ? 0 : ERR_SYNTAX);
		break;
	}
	s->feed = slice_of(NULL, 0);
}

static void read_socket(struct stream *s)
{
	for (int i = 0; i < READS_A_TURN && !s->eof && s->end == 1 && !s->freed && !s->paused; i++) {
		ssize_t n = recv(s->fd, scratch, sizeof(scratch), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			if (errno != EAGAIN)
				set_end(s, errno == ECONNRESET ? ERR_CLOSED : -errno);
			return;
		}
		if (n == 0)
			s->eof = true;
		if (s->phase != TLS_OFF)
			tls_input(s, slice_of(scratch, (size_t)n));
		else if (n)
			take_plain(s, slice_of(scratch, (size_t)n));
		if (n < (ssize_t)sizeof(scratch))
			return;
	}
}

void stream_pause(struct stream *s, bool on)
{
	if (s->paused == on)
		return;
	s->paused = on;
	s->parked = false;
	s->again |= !on;
	poll_update(s);
	if (!on && !s->depth)
		timer_update(s);
}

/* ---- the turn ---- */

static void check_deadlines(struct stream *s)
{
	int64_t now = clock_mono_ms();
	if ((s->idle_at && now >= s->idle_at) || (s->write_at && now >= s->write_at))
		set_end(s, ERR_TIMEOUT);
}

static void finish(struct stream *s)
{
	if (s->end == 1 && s->closing && !s->out.n && !s->plain.n)
		set_end(s, 0);
	/* The peer closed and the owner has seen all that it sent, or waits for more than there is. */
	if (s->end == 1 && s->eof && !s->paused && !s->closing)
		set_end(s, s->phase == TLS_HANDSHAKE ? ERR_CLOSED : 0);
	if (s->end == 1 || s->told)
		return;
	s->told = true;
	if (s->phase == TLS_UP && s->end == 0) {
		SSL_shutdown(s->ssl);
		ERR_clear_error();
		s->told = false;
		flush_out(s);
		s->told = true;
	}
	s->ops->on_end(s->ctx, s->end);
}

/* Everything that can be done now, in order; called only with depth > 0, from the loop. */
static void run(struct stream *s)
{
	s->again = false;
	if (s->told)
		return;
	if (s->phase == TLS_HANDSHAKE && !s->connecting)
		tls_shake(s); /* a client speaks first; harmless otherwise */
	if (!s->freed)
		offer_kept(s);
	if (s->freed)
		return;
	flush_out(s);
	check_over(s);
	check_deadlines(s);
	/* What the owner writes now the kernel may take at once: no event would tell of that, so it is asked again. */
	for (unsigned turn = 0; s->congested && s->out.n < STREAM_OUT_LOW && s->end == 1; turn++) {
		s->congested = false;
		if (s->ops->on_drained)
			s->ops->on_drained(s->ctx);
		if (s->freed)
			return;
		flush_out(s);
		if (turn == DRAINS_A_TURN) {
			s->again = true;
			break;
		}
	}
	finish(s);
	if (s->freed)
		return;
	poll_update(s);
	timer_update(s);
}

static void connected(struct stream *s, int status)
{
	int err = 0;
	socklen_t n = sizeof(err);
	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &n) < 0)
		err = errno;
	if (!err && status < 0)
		err = -status;
	s->connecting = false;
	s->events = 0;
	if (err) {
		set_end(s, -err);
		return;
	}
	remember_peer(s);
	if (s->ops->on_connected)
		s->ops->on_connected(s->ctx);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct stream *s = container_of(poll, struct stream, poll);
	enter(s);
	if (status < 0)
		s->events = 0;	/* libuv has stopped watching; what is read now may not be the end yet */
	s->parked |= s->paused && (status < 0 || events & UV_READABLE);
	if (s->connecting)
		connected(s, status);
	else if (!s->told && (status < 0 || (events & UV_READABLE))) {
		offer_kept(s);	/* what waited for the end of a pause comes first, and makes room */
		if (!s->freed)
			read_socket(s);
	}
	if (!s->freed)
		run(s);
	leave(s);
}

struct stream *stream_connect(uv_loop_t *loop, const struct sockaddr *addr, const struct stream_ops *ops, void *ctx)
{
	int one = 1, fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err = fd < 0 ? -errno : 0;
	if (fd < 0) {
		/* A pair whose other end is closed: the owner learns of the error from the loop, as always. */
		int pair[2];
		bug_if(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0);
		close(pair[1]);
		fd = pair[0];
	}
	struct stream *s = stream_make(loop, fd, ops, ctx);
	if (!err) {
		socklen_t n = addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) :
			      addr->sa_family == AF_INET  ? sizeof(struct sockaddr_in) :
							    sizeof(struct sockaddr_un);
		IGNORE(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), "not fatal");
		if (connect(fd, addr, n) < 0 && errno != EINPROGRESS)
			err = -errno;
	}
	if (err) {
		set_end(s, err);
		timer_update(s);
	} else {
		s->connecting = true;
		poll_update(s);
	}
	return s;
}

const char *stream_peer(const struct stream *s)
{
	return s->peer;
}

bool stream_peer_addr(const struct stream *s, struct sockaddr_storage *ret)
{
	socklen_t n = sizeof(*ret);
	memset(ret, 0, sizeof(*ret));
	return getpeername(s->fd, (struct sockaddr *)ret, &n) == 0;
}
