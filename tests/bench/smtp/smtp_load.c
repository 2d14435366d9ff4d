/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hands messages to an SMTP server over several connections at once, as an MTA does that knows PIPELINING:
 * MAIL, RCPT and DATA in one write, then the message, then the wait for its reply. Prints one line of JSON.
 *
 *   smtp_load PORT CONNECTIONS MESSAGES SIZE PER_CONNECTION RCPT...
 *
 * Each message is of SIZE octets, half words and half base64, and goes to one recipient, taken in turn. A connection
 * is closed and opened anew behind PER_CONNECTION messages (0: never).
 */
#include "base/buf.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { CONNECTIONS_MAX = 1024, BODIES = 16 };

enum step { GREETING, HELLO, ENVELOPE, MESSAGE, QUIT };

struct conn {
	int fd;
	enum step step;
	unsigned replies;	/* of the group that are still to come */
	unsigned sent;		/* messages over this connection */
	struct buf in, out;
	size_t written;
	int64_t began;
	bool bad;		/* some reply was not what it should be */
};

static unsigned port, n_conns, per_conn, n_rcpts;
static uint64_t total, size, begun, done, refused, complaints;
static char **rcpts;
static struct buf bodies[BODIES];
static int64_t *latency;
static int poll_fd;
static uint64_t seed = 88172645463325252u;

static uint64_t next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void make_body(struct buf *b)
{
	static const char *const words[] = { "the", "house", "letter", "garden", "invoice", "please", "find", "attached", "we",
		"would", "like", "to", "meeting", "Monday", "regards", "and", "with", "customer", "project", "answer" };
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	buf_init(b, size + 4096);
	buf_str(b, "From: Sender <sender@elsewhere.test>\r\nTo: you@example.test\r\nSubject: A message to measure with\r\n"
		   "Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n");
	while (b->n < size) {
		size_t start = b->n;
		while (b->n - start < 68) {
			if (start < size / 2)
				buf_printf(b, "%s ", words[next() % ARRAY_SIZE(words)]);
			else
				buf_byte(b, (uint8_t)digits[next() % 64]);
		}
		buf_str(b, "\r\n");
	}
	buf_str(b, ".\r\n");
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void watch(struct conn *c, int op)
{
	struct epoll_event e = { .events = EPOLLIN | (c->written < c->out.n ? EPOLLOUT : 0), .data.ptr = c };
	if (epoll_ctl(poll_fd, op, c->fd, &e) < 0)
		die("epoll_ctl");
}

static void open_conn(struct conn *c)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int one = 1;
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("connect");
	if (setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0 || fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0)
		die("socket");
	c->step = GREETING;
	c->replies = 1;
	c->sent = 0;
	buf_clear(&c->in);
	buf_clear(&c->out);
	c->written = 0;
	watch(c, EPOLL_CTL_ADD);
}

static void flush(struct conn *c)
{
	while (c->written < c->out.n) {
		ssize_t n = send(c->fd, c->out.p + c->written, c->out.n - c->written, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			die("send");
		c->written += (size_t)n;
	}
	if (c->written == c->out.n) {
		buf_clear(&c->out);
		c->written = 0;
	}
	watch(c, EPOLL_CTL_MOD);
}

static void say(struct conn *c, enum step step, unsigned replies)
{
	c->step = step;
	c->replies = replies;
	flush(c);
}

static void say_envelope(struct conn *c)
{
	if (begun == total || (per_conn && c->sent == per_conn)) {
		buf_str(&c->out, "QUIT\r\n");
		say(c, QUIT, 1);
		return;
	}
	c->began = clock_mono_ms();
	c->bad = false;
	c->sent++;
	buf_printf(&c->out, "MAIL FROM:<sender@elsewhere.test>\r\nRCPT TO:<%s>\r\nDATA\r\n", rcpts[begun++ % n_rcpts]);
	say(c, ENVELOPE, 3);
}

static void say_message(struct conn *c)
{
	buf_printf(&c->out, "Message-ID: <%llx.%d@elsewhere.test>\r\n", (unsigned long long)next(), c->fd);
	buf_slice(&c->out, buf_view(&bodies[next() % BODIES]));
	say(c, MESSAGE, 1);
}

/* All replies of the step at hand are there. */
static void go_on(struct conn *c)
{
	switch (c->step) {
	case GREETING:
		buf_str(&c->out, "EHLO client.test\r\n");
		say(c, HELLO, 1);
		break;
	case HELLO:
		say_envelope(c);
		break;
	case ENVELOPE:
		if (c->bad) {
			fprintf(stderr, "the envelope was refused\n");
			exit(1);
		}
		say_message(c);
		break;
	case MESSAGE:
		latency[done] = clock_mono_ms() - c->began;
		refused += c->bad;
		done++;
		say_envelope(c);
		break;
	case QUIT:
		close(c->fd);
		c->fd = -1;
		if (begun < total)
			open_conn(c);
	}
}

static void take_line(struct conn *c, struct slice line)
{
	if (line.n < 4 || line.p[3] == '-')
		return;
	if (line.p[0] > '3' && !c->bad && !complaints++)
		fprintf(stderr, "refused: " SLICE_FMT "\n", SLICE_ARG(slice_trim(line)));
	c->bad |= line.p[0] > '3';
	if (--c->replies == 0)
		go_on(c);
}

static void on_input(struct conn *c)
{
	uint8_t block[16384];
	ssize_t n = recv(c->fd, block, sizeof(block), 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		fprintf(stderr, "the server closed the connection: %.*s\n", (int)c->in.n, (const char *)c->in.p);
		exit(1);
	}
	buf_append(&c->in, block, (size_t)n);
	for (ptrdiff_t lf; c->fd >= 0 && (lf = slice_find_byte(buf_view(&c->in), '\n', 0)) >= 0;) {
		struct slice line = slice_sub(buf_view(&c->in), 0, (size_t)lf);
		unsigned sent = c->sent;
		int fd = c->fd;
		take_line(c, line);
		if (c->fd != fd || (c->sent == 0 && sent))	/* a new connection: its buffer is empty */
			return;
		buf_consume(&c->in, (size_t)lf + 1);
	}
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

static uint64_t number(const char *text)
{
	uint64_t n;
	if (slice_u64(slice_str(text), 1u << 30, &n) < 0) {
		fprintf(stderr, "usage: smtp_load PORT CONNECTIONS MESSAGES SIZE PER_CONNECTION RCPT...\n");
		exit(2);
	}
	return n;
}

int main(int argc, char **argv)
{
	static struct conn conns[CONNECTIONS_MAX];
	if (argc < 7)
		number("?");
	port = (unsigned)number(argv[1]);
	n_conns = (unsigned)number(argv[2]);
	total = number(argv[3]);
	size = number(argv[4]);
	per_conn = (unsigned)number(argv[5]);
	rcpts = argv + 6;
	n_rcpts = (unsigned)argc - 6;
	latency = calloc(total + 1, sizeof(*latency));
	poll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (n_conns > CONNECTIONS_MAX || n_conns > total || !total || !latency || poll_fd < 0)
		return 2;
	for (size_t i = 0; i < BODIES; i++)
		make_body(&bodies[i]);
	int64_t start = clock_mono_ms();
	for (unsigned i = 0; i < n_conns; i++) {
		buf_init(&conns[i].in, 65536);
		buf_init(&conns[i].out, size + 65536);
		open_conn(&conns[i]);
	}
	while (done < total) {
		struct epoll_event events[64];
		int n = epoll_wait(poll_fd, events, 64, 60000);
		if (n <= 0)
			die("nothing happens");
		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;
			if (events[i].events & EPOLLOUT)
				flush(c);
			if (c->fd >= 0 && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
				on_input(c);
		}
	}
	double seconds = (double)(clock_mono_ms() - start) / 1000;
	qsort(latency, total, sizeof(*latency), by_value);
	printf("{\"messages\": %llu, \"refused\": %llu, \"seconds\": %.3f, \"rate\": %.1f, \"p50_ms\": %lld, \"p99_ms\": %lld, "
	       "\"max_ms\": %lld}\n", (unsigned long long)done, (unsigned long long)refused, seconds, (double)done / seconds,
	       (long long)latency[total / 2], (long long)latency[total * 99 / 100], (long long)latency[total - 1]);
	return refused ? 1 : 0;
}
