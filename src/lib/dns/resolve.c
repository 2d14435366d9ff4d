/* SPDX-License-Identifier: Apache-2.0 */
/*
 * c-ares in the loop: it opens its sockets itself, we poll them. Answers reach the caller from a timer of
 * zero, never from inside resolve_mx or resolve_addr, so that a caller may free what it likes. A canceled
 * question stays ours until c-ares lets it go. The file of hosts is not read: in the sandbox there is none.
 * RFC 1035, RFC 5321 5.1, RFC 7505. A hostile answer is bounded by RESOLVE_MAX.
 */
#include "lib/dns/resolve.h"

#include "base/err.h"
#include "base/list.h"
#include "base/rng.h"

#include <ares.h>
#include <arpa/nameser.h>

enum { TRY_MS = 2500, TRIES = 3 };

struct resolver;

struct timer {
	uv_timer_t handle;
	struct resolver *r;
};

struct resolver {
	uv_loop_t *loop;
	ares_channel channel;
	struct timer *tick;	/* c-ares' own timeouts */
	struct timer *deliver;
	struct list polls, done;
	bool dying;
};

struct poll {
	uv_poll_t handle;
	struct resolver *r;
	struct list node;
	ares_socket_t fd;
};

struct resolve {
	struct resolver *r;
	struct list node;	/* in r->done */
	resolve_mx_fn *mx_fn;
	resolve_addr_fn *addr_fn;
	void *ctx;
	bool asked;		/* c-ares will call back */
	bool canceled;
	uint16_t port;
	int err;
	size_t n;
	union {
		struct resolve_mx mx[RESOLVE_MAX];
		struct sockaddr_storage addrs[RESOLVE_MAX];
	};
};

static void poll_closed(uv_handle_t *h)
{
	free(container_of(h, struct poll, handle));
}

static void timer_closed(uv_handle_t *h)
{
	free(container_of((uv_timer_t *)h, struct timer, handle));
}

static void on_tick(uv_timer_t *t);

static void rearm(struct resolver *r)
{
	struct timeval tv, *wait = ares_timeout(r->channel, NULL, &tv);
	if (wait && !r->dying)
		bug_if(uv_timer_start(
			&r->tick->handle, on_tick,
			(uint64_t)wait->tv_sec * 1000 + (uint64_t)wait->tv_usec / 1000 + 1, 0));
	else
		uv_timer_stop(&r->tick->handle);
}

static void on_tick(uv_timer_t *t)
{
	struct resolver *r = container_of(t, struct timer, handle)->r;
	ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	rearm(r);
}

static void on_poll(uv_poll_t *h, int status, int events)
{
	struct poll *p = container_of(h, struct poll, handle);
	struct resolver *r = p->r;
	bool in = status < 0 || events & UV_READABLE, out = status < 0 || events & UV_WRITABLE;
	ares_process_fd(r->channel, in ? p->fd : ARES_SOCKET_BAD, out ? p->fd : ARES_SOCKET_BAD);
	rearm(r);
}

static struct poll *poll_of(struct resolver *r, ares_socket_t fd)
{
	list_each(p, &r->polls, struct poll, node)
		if (p->fd == fd)
			return p;
	struct poll *p = calloc(1, sizeof(*p));
	bug_if(!p);
	p->r = r;
	p->fd = fd;
	if (uv_poll_init(r->loop, &p->handle, fd) < 0) {
		free(p);
		return NULL;
	}
	list_append(&r->polls, &p->node);
	return p;
}

static void on_socket(void *ctx, ares_socket_t fd, int readable, int writable)
{
	struct poll *p = poll_of(ctx, fd);
	if (!p)
		return;	/* the question runs into its timeout */
	int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
	if (events && uv_poll_start(&p->handle, events, on_poll) == 0)
		return;
	list_remove(&p->node);
	uv_close((uv_handle_t *)&p->handle, poll_closed);
}

static void call_back(struct resolve *q)
{
	if (q->canceled)
		return;
	if (q->mx_fn)
		q->mx_fn(q->ctx, q->err, q->mx, q->err < 0 ? 0 : q->n);
	else
		q->addr_fn(q->ctx, q->err, q->addrs, q->err < 0 ? 0 : q->n);
}

static void on_deliver(uv_timer_t *t)
{
	struct resolver *r = container_of(t, struct timer, handle)->r;
	struct list now;
	list_init(&now);
	while (!list_empty(&r->done)) {
		struct list *n = r->done.next;
		list_remove(n);
		list_append(&now, n);
	}
	while (!list_empty(&now)) {
		struct resolve *q = list_first(&now, struct resolve, node);
		list_remove(&q->node);
		call_back(q);
		free(q);
	}
}

static void finish(struct resolve *q, int err)
{
	q->err = err;
	q->asked = false;
	list_append(&q->r->done, &q->node);
	if (!q->r->dying)
		bug_if(uv_timer_start(&q->r->deliver->handle, on_deliver, 0, 0));
}

static int error_of(int status)
{
	switch (status) {
	case ARES_SUCCESS:
		return 0;
	case ARES_ENOTFOUND:
	case ARES_ENODATA:
	case ARES_EBADNAME:
	case ARES_EFORMERR:
	case ARES_ENONAME:
		return ERR_NOT_FOUND;
	default:
		return ERR_UNAVAILABLE;
	}
}

static struct timer *timer_new(struct resolver *r)
{
	struct timer *t = calloc(1, sizeof(*t));
	bug_if(!t || uv_timer_init(r->loop, &t->handle));
	t->r = r;
	return t;
}

static int set_servers(struct resolver *r, const char *servers)
{
	char csv[1024];
	size_t n = 0;
	for (const char *p = servers; *p; p++) {
		bool gap = *p == ' ' || *p == ',' || *p == '\t';
		if (n + 1 >= sizeof(csv))
			return ERR_TOO_BIG;
		if (!gap)
			csv[n++] = *p;
		else if (n && csv[n - 1] != ',')
			csv[n++] = ',';
	}
	while (n && csv[n - 1] == ',')
		n--;
	csv[n] = 0;
	if (!n)
		return 0;
	return ares_set_servers_ports_csv(r->channel, csv) == ARES_SUCCESS ? 0 : ERR_SYNTAX;
}

int resolver_new(uv_loop_t *loop, const char *servers, struct resolver **ret)
{
	static bool library_ready;
	if (!library_ready && ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
		return ERR_INTERNAL;
	library_ready = true;
	struct resolver *r = calloc(1, sizeof(*r));
	bug_if(!r);
	r->loop = loop;
	list_init(&r->polls);
	list_init(&r->done);
	struct ares_options options = {.flags = ARES_FLAG_NOSEARCH,
				       .timeout = TRY_MS,
				       .tries = TRIES,
				       .lookups = "b",
				       .sock_state_cb = on_socket,
				       .sock_state_cb_data = r};
	if (ares_init_options(&r->channel, &options,
			      ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
				      ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB) != ARES_SUCCESS) {
		free(r);
		return ERR_INTERNAL;
	}
	int err = set_servers(r, servers);
	if (err < 0) {
		ares_destroy(r->channel);
		free(r);
		return err;
	}
	r->tick = timer_new(r);
	r->deliver = timer_new(r);
	*ret = r;
	return 0;
}

void resolver_free(struct resolver **rp)
{
	struct resolver *r = *rp;
	if (!r)
		return;
	r->dying = true;
	ares_destroy(r->channel);	/* each open question comes to finish() */
	while (!list_empty(&r->done)) {
		struct resolve *q = list_first(&r->done, struct resolve, node);
		list_remove(&q->node);
		free(q);
	}
	list_each(p, &r->polls, struct poll, node) {
		list_remove(&p->node);
		uv_close((uv_handle_t *)&p->handle, poll_closed);
	}
	uv_close((uv_handle_t *)&r->tick->handle, timer_closed);
	uv_close((uv_handle_t *)&r->deliver->handle, timer_closed);
	free(r);
	*rp = NULL;
}

static struct resolve *question(struct resolver *r, void *ctx)
{
	struct resolve *q = calloc(1, sizeof(*q));
	bug_if(!q);
	q->r = r;
	q->ctx = ctx;
	q->asked = true;
	return q;
}

void resolve_cancel(struct resolve **q)
{
	if (*q)
		(*q)->canceled = true;	/* freed where it is delivered */
	*q = NULL;
}

/* By preference, equal ones in random order (RFC 5321 5.1). */
static void sort_mx(struct resolve_mx *mx, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t k = rng_u64() % i;
		struct resolve_mx t = mx[i - 1];
		mx[i - 1] = mx[k];
		mx[k] = t;
	}
	for (size_t i = 1; i < n; i++) {
		struct resolve_mx t = mx[i];
		size_t at = i;
		for (; at && mx[at - 1].preference > t.preference; at--)
			mx[at] = mx[at - 1];
		mx[at] = t;
	}
}

static void keep_mx(struct resolve *q, const struct ares_mx_reply *list)
{
	for (const struct ares_mx_reply *m = list; m && q->n < RESOLVE_MAX; m = m->next) {
		struct resolve_mx *to = &q->mx[q->n];
		if (strlen(m->host) >= sizeof(to->host))
			continue;
		to->preference = m->priority;
		memcpy(to->host, m->host, strlen(m->host) + 1);
		q->n++;
	}
	sort_mx(q->mx, q->n);
}

static void on_mx(void *arg, int status, int timeouts, unsigned char *answer, int length)
{
	struct resolve *q = arg;
	struct ares_mx_reply *list = NULL;
	if (status == ARES_SUCCESS)
		status = ares_parse_mx_reply(answer, length, &list);
	if (status == ARES_SUCCESS)
		keep_mx(q, list);
	if (list)
		ares_free_data(list);
	if (status == ARES_SUCCESS && !q->n)
		status = ARES_ENODATA;
	finish(q, error_of(status));
}

struct resolve *resolve_mx(struct resolver *r, const char *domain, resolve_mx_fn *fn, void *ctx)
{
	struct resolve *q = question(r, ctx);
	q->mx_fn = fn;
	ares_query(r->channel, domain, ns_c_in, ns_t_mx, on_mx, q);
	rearm(r);
	return q;
}

static void keep_addr(struct resolve *q, const struct sockaddr *sa)
{
	if (q->n == RESOLVE_MAX)
		return;
	struct sockaddr_storage *to = &q->addrs[q->n++];
	if (sa->sa_family == AF_INET) {
		memcpy(to, sa, sizeof(struct sockaddr_in));
		((struct sockaddr_in *)to)->sin_port = htons(q->port);
	} else {
		memcpy(to, sa, sizeof(struct sockaddr_in6));
		((struct sockaddr_in6 *)to)->sin6_port = htons(q->port);
	}
}

/* IPv4 first: a mail server without working IPv6 is common, one without IPv4 is not. */
static void on_addr(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct resolve *q = arg;
	for (size_t f = 0; f < 2 && info; f++)
		for (struct ares_addrinfo_node *n = info->nodes; n; n = n->ai_next)
			if (n->ai_family == families[f])
				keep_addr(q, n->ai_addr);
	if (info)
		ares_freeaddrinfo(info);
	if (status == ARES_SUCCESS && !q->n)
		status = ARES_ENODATA;
	finish(q, error_of(status));
}

static bool literal(struct resolve *q, const char *host)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	bool local = slice_eq_ci(slice_str(host), SLICE("localhost"));	/* RFC 6761 6.3 */
	bool is_v4 = uv_ip4_addr(local ? "127.0.0.1" : host, q->port, &v4) == 0;
	bool is_v6 = uv_ip6_addr(local ? "::1" : host, q->port, &v6) == 0;
	if (is_v4)
		keep_addr(q, (struct sockaddr *)&v4);
	if (is_v6)
		keep_addr(q, (struct sockaddr *)&v6);
	return q->n;
}

struct resolve *resolve_addr(struct resolver *r, const char *host, uint16_t port,
			     resolve_addr_fn *fn, void *ctx)
{
	struct resolve *q = question(r, ctx);
	q->addr_fn = fn;
	q->port = port;
	if (literal(q, host)) {
		finish(q, 0);
		return q;
	}
	struct ares_addrinfo_hints hints = { .ai_flags = ARES_AI_NOSORT, .ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM };
	ares_getaddrinfo(r->channel, host, NULL, &hints, on_addr, q);
	rearm(r);
	return q;
}
