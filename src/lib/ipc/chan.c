/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A channel: frames out (queued while the kernel's buffer is full), frames in
 * (checked by frame.c, unpacked into an arena, handed to the owner).
 *
 * Lifetime: the owner holds one reference until ipc_chan_free or on_closed; every
 * unanswered call of the peer holds one, so that a late ipc_reply finds a dead
 * channel and not freed memory; the poll handle holds one until libuv has closed it.
 * Calls of ours that can no longer be answered are told from the loop, never from
 * inside a function that the owner called.
 */
#include "lib/ipc/frame_priv.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "base/list.h"
#include "base/map.h"
#include "ipc/failure.pb-c.h"

#include <errno.h>
#include <sys/socket.h>

enum {
	FRAMES_A_TURN = 64,	/* then other channels have their turn */
	SWEEP_MS = 50,		/* how exactly deadlines are kept */
	SOCKET_BUFFER = 1 << 20, /* asked for; the kernel caps it at net.core.wmem_max, which still fits a frame */
};

struct out_frame {
	struct list node;
	int fds[IPC_FDS_MAX];
	size_t n_fds, n;
	uint8_t bytes[];
};

struct pending {
	struct list node;
	uint64_t id;
	uint16_t op;
	int64_t deadline; /* monotonic ms, 0 none */
	ipc_reply_fn *fn;
	void *ctx;
};

struct ipc_chan {
	uv_poll_t poll;
	uv_timer_t sweep;
	unsigned refs;
	int fd;
	int events;
	bool dead, serves, sweeping;
	bool freed; /* the owner let go: it hears of the end no more */
	bool gone; /* nothing reaches the peer any more; its end is yet to be read */
	enum role peer;
	unsigned peer_index;
	const struct ipc_contract *contract;
	const struct ipc_handlers *handlers;
	void *ctx;
	uint64_t next_id;
	struct list pending;
	struct map *by_id;	/* made with the first call of ours */
	struct list out;
	size_t out_bytes;
	unsigned serving;	/* calls of the peer that wait for our answer */
};

static void chan_unref(struct ipc_chan *c)
{
	if (--c->refs)
		return;
	map_free(&c->by_id);
	free(c);
}

/* ---- out ---- */

static void out_free(struct ipc_chan *c, struct out_frame *f)
{
	list_remove(&f->node);
	c->out_bytes -= f->n;
	for (size_t i = 0; i < f->n_fds; i++)
		close(f->fds[i]);
	free(f);
}

/* 1 sent, 0 the kernel's buffer is full, < 0 the peer is gone. */
static int send_packet(int fd, struct slice head, struct slice payload, const int *fds, size_t n_fds)
{
	struct iovec iov[2] = { { (void *)head.p, head.n }, { (void *)payload.p, payload.n } };
	union {
		char space[CMSG_SPACE(sizeof(int) * IPC_FDS_MAX)];
		struct cmsghdr align;
	} control;
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = payload.n ? 2 : 1 };
	if (n_fds) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		struct cmsghdr *cm = CMSG_FIRSTHDR(&msg);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(cm), fds, sizeof(int) * n_fds);
	}
	for (;;) {
		if (sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return 1;
		if (errno == EINTR)
			continue;
		/* ETOOMANYREFS: too many fds in flight; they drain as peers read. */
		if (errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS)
			return 0;
		return -errno;
	}
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void poll_update(struct ipc_chan *c)
{
	if (c->dead)
		return;
	int events = UV_DISCONNECT;
	if (c->serving < IPC_PENDING_MAX)
		events |= UV_READABLE;
	if (!list_empty(&c->out))
		events |= UV_WRITABLE;
	if (events == c->events)
		return;
	c->events = events;
	bug_if(uv_poll_start(&c->poll, events, on_poll) < 0);
}

static void out_queue(struct ipc_chan *c, struct slice head, struct slice payload, const int *fds, size_t n_fds)
{
	size_t n = head.n + payload.n;
	if (c->out_bytes + n > IPC_OUT_MAX) {
		/* The peer does not read. It learns by the end of the channel, and so do we, from the loop. */
		ev(EV_WARN, "ipc.out.overflow", KS("peer", role_name(c->peer)), KI("bytes", c->out_bytes));
		shutdown(c->fd, SHUT_RDWR);
		return;
	}
	struct out_frame *f = malloc(sizeof(*f) + n);
	bug_if(!f);
	f->n = n;
	f->n_fds = 0;
	memcpy(f->bytes, head.p, head.n);
	if (payload.n)
		memcpy(f->bytes + head.n, payload.p, payload.n);
	for (size_t i = 0; i < n_fds; i++) {
		int copy = dup(fds[i]);
		if (copy < 0) {
			ev(EV_ERROR, "ipc.dup.failed", KS("reason", err_text(-errno)));
			shutdown(c->fd, SHUT_RDWR);
			break;
		}
		f->fds[f->n_fds++] = copy;
	}
	list_append(&c->out, &f->node);
	c->out_bytes += n;
	poll_update(c);
}

static void out_flush(struct ipc_chan *c)
{
	struct out_frame *f;
	while ((f = list_first(&c->out, struct out_frame, node))) {
		int sent = send_packet(c->fd, slice_of(f->bytes, f->n), slice_of(NULL, 0), f->fds, f->n_fds);
		if (sent == 0)
			break;
		out_free(c, f); /* a peer that is gone is noticed by reading */
	}
	poll_update(c);
}

/* false: the peer is gone, and never sees it. */
static bool send_packed(struct ipc_chan *c, struct frame_head head, struct slice payload, const int *fds, size_t n_fds)
{
	if (c->dead)
		return false;
	bug_if(payload.n + sizeof(head) > IPC_FRAME_MAX || n_fds > IPC_FDS_MAX);
	head.magic = FRAME_MAGIC;
	head.n_fds = (uint8_t)n_fds;
	struct slice h = slice_of(&head, sizeof(head));
	int sent = list_empty(&c->out) ? send_packet(c->fd, h, payload, fds, n_fds) : 0;
	if (sent == 0)
		out_queue(c, h, payload, fds, n_fds);
	c->gone |= sent == -EPIPE || sent == -ECONNRESET;
	return !c->gone;
}

static void send_frame(struct ipc_chan *c, struct frame_head head, const ProtobufCMessage *msg, const int *fds,
		       size_t n_fds)
{
	static uint8_t packed[IPC_FRAME_MAX];
	bug_if(protobuf_c_message_get_packed_size(msg) > sizeof(packed));
	send_packed(c, head, slice_of(packed, protobuf_c_message_pack(msg, packed)), fds, n_fds);
}

/* ---- the end ---- */

static void fail_pending(struct ipc_chan *c, int err)
{
	struct pending *p;
	while ((p = list_first(&c->pending, struct pending, node))) {
		list_remove(&p->node);
		p->fn(p->ctx, err, NULL, -1, "");
		free(p);
	}
}

static void on_poll_closed(uv_handle_t *h)
{
	struct ipc_chan *c = container_of(h, struct ipc_chan, poll);
	close(c->fd);
	fail_pending(c, ERR_CLOSED);
	chan_unref(c);
}

static void on_sweep_closed(uv_handle_t *h)
{
	chan_unref(container_of(h, struct ipc_chan, sweep));
}

static void chan_die(struct ipc_chan *c)
{
	c->dead = true;
	struct out_frame *f;
	while ((f = list_first(&c->out, struct out_frame, node)))
		out_free(c, f);
	uv_poll_stop(&c->poll);
	c->refs += 2;
	uv_close((uv_handle_t *)&c->poll, on_poll_closed);
	uv_close((uv_handle_t *)&c->sweep, on_sweep_closed);
	chan_unref(c); /* the owner's */
}

void ipc_chan_free(struct ipc_chan **cp)
{
	if (!*cp)
		return;
	struct ipc_chan *c = TAKE(*cp);
	c->freed = true;
	if (!c->dead)
		chan_die(c);
}

static void chan_closed_by_peer(struct ipc_chan *c, int err)
{
	if (c->dead)
		return;
	void (*told)(struct ipc_chan *, int, void *) = c->handlers->on_closed;
	void *ctx = c->ctx;
	c->refs++;
	chan_die(c);
	fail_pending(c, ERR_CLOSED);
	if (told && !c->freed)
		told(c, err, ctx);
	chan_unref(c);
}

/* ---- in ---- */

static void *arena_allocator_alloc(void *arena, size_t n)
{
	return arena_alloc(arena, n);
}

static void arena_allocator_free(void *arena UNUSED, void *p UNUSED)
{
}

static ProtobufCMessage *unpack(struct arena *arena, const ProtobufCMessageDescriptor *type, struct slice s)
{
	ProtobufCAllocator allocator = { arena_allocator_alloc, arena_allocator_free, arena };
	static const uint8_t nothing;
	return protobuf_c_message_unpack(type, &allocator, s.n, s.n ? s.p : &nothing);
}

static void close_fds(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static void call_free(struct ipc_call *call)
{
	struct ipc_chan *c = call->chan;
	close_fds(call->fds, IPC_FDS_MAX);
	arena_free(&call->arena);
	free(call);
	c->serving--;
	poll_update(c);
	chan_unref(c);
}

static int take_request(struct ipc_chan *c, const struct frame_head *head, struct slice payload, int *fds)
{
	struct arena *arena = arena_new();
	ProtobufCMessage *req = unpack(arena, c->contract->ops[head->op].request, payload);
	if (!req) {
		arena_free(&arena);
		return ERR_SYNTAX;
	}
	struct ipc_call *call = calloc(1, sizeof(*call));
	bug_if(!call);
	*call = (struct ipc_call){ .chan = c, .op = head->op, .peer = c->peer, .peer_index = c->peer_index,
				   .req = req, .arena = arena, .id = head->id };
	for (size_t i = 0; i < IPC_FDS_MAX; i++) {
		call->fds[i] = i < head->n_fds ? fds[i] : -1;
		fds[i] = -1;
	}
	c->refs++;
	c->serving++;
	ipc_handler_fn *fn = c->handlers->by_op ? c->handlers->by_op[head->op] : NULL;
	if (fn)
		fn(call, c->ctx);
	else
		ipc_fail(call, ERR_UNSUPPORTED, NULL);
	poll_update(c);
	return ERR_OK;
}

static int take_notice(struct ipc_chan *c, const struct frame_head *head, struct slice payload, int *fds)
{
	CLEANUP(arena_free) struct arena *arena = arena_new();
	ProtobufCMessage *msg = unpack(arena, c->contract->ops[head->op].request, payload);
	if (!msg)
		return ERR_SYNTAX;
	if (!c->handlers->on_notice)
		return ERR_OK;
	int fd = head->n_fds ? fds[0] : -1;
	fds[0] = -1;
	c->handlers->on_notice(c, head->op, msg, fd, c->ctx);
	return ERR_OK;
}

static struct pending *pending_take(struct ipc_chan *c, uint64_t id)
{
	struct pending *p = c->by_id ? map_remove(c->by_id, map_key_u64(&id)) : NULL;
	if (p)
		list_remove(&p->node);
	return p;
}

/* The memory of the reply whose callback runs now; NULL where the callback has taken it. */
static struct arena *reply_arena;

struct arena *ipc_reply_keep(void)
{
	bug_if(!reply_arena);
	return TAKE(reply_arena);
}

static int take_reply(struct ipc_chan *c, const struct frame_head *head, struct slice payload, int *fds)
{
	if (head->id >= c->next_id)
		return ERR_SYNTAX; /* an answer to nothing we asked */
	CLEANUP(arena_free) struct arena *arena = arena_new();
	const ProtobufCMessageDescriptor *type = head->err ? &postern__failure__descriptor :
							     c->contract->ops[head->op].reply;
	ProtobufCMessage *msg = unpack(arena, type, payload);
	struct pending *p = msg ? pending_take(c, head->id) : NULL;
	if (!msg || (p && p->op != head->op)) {
		free(p);
		return ERR_SYNTAX;
	}
	if (!p)
		return ERR_OK; /* cancelled, or past its deadline */
	struct pending done = *p;
	free(p);
	int fd = head->n_fds ? fds[0] : -1;
	fds[0] = -1;
	if (head->err) {
		done.fn(done.ctx, head->err, NULL, -1, ((Postern__Failure *)msg)->text);
		return ERR_OK;
	}
	bug_if(reply_arena);
	reply_arena = TAKE(arena);
	done.fn(done.ctx, 0, msg, fd, "");
	arena_free(&reply_arena);
	return ERR_OK;
}

static int take_packet(struct ipc_chan *c, struct slice packet, int *fds, size_t n_fds)
{
	struct frame_head head;
	struct slice payload;
	int err = frame_parse(packet, n_fds, c->contract, c->serves, c->peer, &head, &payload);
	if (err < 0)
		return err;
	if (head.kind == FRAME_REQUEST)
		return take_request(c, &head, payload, fds);
	if (head.kind == FRAME_NOTICE)
		return take_notice(c, &head, payload, fds);
	return take_reply(c, &head, payload, fds);
}

/* 1 a packet or read on, 0 none waits, < 0 the end (ERR_CLOSED) or a broken packet. */
static int read_packet(struct ipc_chan *c)
{
	static uint8_t space[IPC_FRAME_MAX];
	union {
		char space[CMSG_SPACE(sizeof(int) * IPC_FDS_MAX)];
		struct cmsghdr align;
	} control;
	struct iovec iov = { space, sizeof(space) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	/* It died with something of ours unread. That is said once, and ahead of what it sent before. */
	if (n < 0 && errno == ECONNRESET)
		return 1;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : ERR_CLOSED;
	int fds[IPC_FDS_MAX] = { -1, -1 };
	size_t n_fds = 0;
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(&msg); cm; cm = CMSG_NXTHDR(&msg, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		n_fds = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(cm), n_fds * sizeof(int));
	}
	/* An empty packet looks like the end, but for the fds that it may carry. */
	int err = n == 0 ? ERR_CLOSED :
		  msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ?
			  ERR_SYNTAX :
			  take_packet(c, slice_of(space, (size_t)n), fds, n_fds);
	close_fds(fds, IPC_FDS_MAX);
	return err < 0 ? err : 1;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct ipc_chan *c = container_of(poll, struct ipc_chan, poll);
	int got = 1;
	c->refs++;
	if (status < 0) {
		c->events = 0;	/* libuv has stopped watching */
		events = UV_DISCONNECT;
	}
	if (events & UV_WRITABLE)
		out_flush(c);
	/* What the peer sent before it went is read first, so a disconnect alone changes nothing here. */
	for (int i = 0; i < FRAMES_A_TURN && got == 1 && !c->dead; i++) {
		if (c->serving >= IPC_PENDING_MAX && !(events & UV_DISCONNECT))
			break;
		got = read_packet(c);
	}
	if (got < 0 && !c->dead) {
		if (got != ERR_CLOSED)
			ev(EV_ERROR, "ipc.frame.refused", KS("contract", c->contract->name),
			   KS("peer", role_name(c->peer)), KI("index", c->peer_index));
		chan_closed_by_peer(c, got);
	}
	poll_update(c);
	chan_unref(c);
}

void ipc_chan_finish(struct ipc_chan *c)
{
	c->refs++;
	while (!c->dead && read_packet(c) == 1)
		;
	chan_closed_by_peer(c, ERR_CLOSED);
	chan_unref(c);
}

/* ---- calls ---- */

static void on_sweep(uv_timer_t *timer)
{
	struct ipc_chan *c = container_of(timer, struct ipc_chan, sweep);
	int64_t now = clock_mono_ms();
	bool more = false;
	c->refs++;
	/* A callback may cancel others, so start over after each instead of walking on. */
	for (bool again = true; again && !c->dead;) {
		again = false;
		more = false;
		list_each(p, &c->pending, struct pending, node) {
			if (!p->deadline)
				continue;
			more = true;
			if (p->deadline > now)
				continue;
			struct pending late = *p;
			free(pending_take(c, late.id));
			late.fn(late.ctx, ERR_TIMEOUT, NULL, -1, "");
			again = true;
			break;
		}
		if (again)
			continue;
	}
	if (!more && !c->dead) {
		uv_timer_stop(&c->sweep);
		c->sweeping = false;
	}
	chan_unref(c);
}

static struct pending *pending_add(struct ipc_chan *c, uint16_t op, unsigned deadline_ms, ipc_reply_fn *fn, void *ctx)
{
	struct pending *p = calloc(1, sizeof(*p));
	bug_if(!p || op >= c->contract->n_ops);
	p->id = c->next_id++;
	p->op = op;
	p->fn = fn;
	p->ctx = ctx;
	if (!c->by_id)
		c->by_id = map_new();
	map_put(c->by_id, map_key_u64(&p->id), p);
	list_append(&c->pending, &p->node);
	if (deadline_ms) {
		p->deadline = clock_mono_ms() + deadline_ms;
		if (!c->sweeping && !c->dead) {
			c->sweeping = true;
			uv_timer_start(&c->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
		}
	}
	return p;
}

uint64_t ipc_call_packed(struct ipc_chan *c, uint16_t op, struct slice req, const int *fds, size_t n_fds,
			 unsigned deadline_ms, ipc_reply_fn *fn, void *ctx)
{
	uint64_t id = pending_add(c, op, deadline_ms, fn, ctx)->id;
	if (send_packed(c, (struct frame_head){ .op = op, .kind = FRAME_REQUEST, .id = id }, req, fds, n_fds))
		return id;
	ipc_cancel(c, id);
	return 0;
}

uint64_t ipc_call(struct ipc_chan *c, uint16_t op, const ProtobufCMessage *req, const int *fds, size_t n_fds,
		  unsigned deadline_ms, ipc_reply_fn *fn, void *ctx)
{
	bug_if(op >= c->contract->n_ops || req->descriptor != c->contract->ops[op].request);
	uint64_t id = pending_add(c, op, deadline_ms, fn, ctx)->id;
	send_frame(c, (struct frame_head){ .op = op, .kind = FRAME_REQUEST, .id = id }, req, fds, n_fds);
	return id;
}

void ipc_cancel(struct ipc_chan *c, uint64_t id)
{
	free(pending_take(c, id));
}

void ipc_notify(struct ipc_chan *c, uint16_t op, const ProtobufCMessage *msg, int fd)
{
	bug_if(op >= c->contract->n_ops || msg->descriptor != c->contract->ops[op].request);
	send_frame(c, (struct frame_head){ .op = op, .kind = FRAME_NOTICE }, msg, &fd, fd >= 0);
}

void ipc_reply(struct ipc_call *call, const ProtobufCMessage *reply, int fd)
{
	const struct ipc_op *op = &call->chan->contract->ops[call->op];
	bug_if(reply->descriptor != op->reply || (fd >= 0 && !(op->flags & IPC_REPLY_FD)));
	send_frame(call->chan, (struct frame_head){ .op = call->op, .kind = FRAME_REPLY, .id = call->id }, reply,
		   &fd, fd >= 0);
	if (fd >= 0)
		close(fd);
	call_free(call);
}

void ipc_fail(struct ipc_call *call, int err, const char *text)
{
	Postern__Failure failure = POSTERN__FAILURE__INIT;
	bug_if(err >= 0);
	if (text)
		failure.text = (char *)text;
	send_frame(call->chan, (struct frame_head){ .op = call->op, .kind = FRAME_REPLY, .id = call->id, .err = err },
		   &failure.base, NULL, 0);
	call_free(call);
}

bool ipc_peer_gone(const struct ipc_call *call)
{
	return call->chan->dead;
}

/* ---- the start ---- */

struct ipc_chan *ipc_chan_new(uv_loop_t *loop, int fd, const struct ipc_contract *contract, bool serves,
			      enum role peer, unsigned peer_index, const struct ipc_handlers *handlers, void *ctx)
{
	struct ipc_chan *c = calloc(1, sizeof(*c));
	bug_if(!c);
	c->refs = 1;
	c->fd = fd;
	c->contract = contract;
	c->serves = serves;
	c->peer = peer;
	c->peer_index = peer_index;
	c->handlers = handlers;
	c->ctx = ctx;
	c->next_id = 1;
	list_init(&c->pending);
	list_init(&c->out);
	bug_if(uv_poll_init(loop, &c->poll, fd) < 0);
	bug_if(uv_timer_init(loop, &c->sweep) < 0);
	poll_update(c);
	return c;
}

enum role ipc_chan_peer(const struct ipc_chan *c)
{
	return c->peer;
}

unsigned ipc_chan_peer_index(const struct ipc_chan *c)
{
	return c->peer_index;
}

bool ipc_chan_dead(const struct ipc_chan *c)
{
	return c->dead || c->gone;
}

size_t ipc_out_pending(const struct ipc_chan *c)
{
	return c->out_bytes;
}

int ipc_pair(int ret[2])
{
	int fds[2], size = SOCKET_BUFFER;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return -errno;
	for (int i = 0; i < 2; i++)
		IGNORE(setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)),
		       "the kernel's default still fits IPC_FRAME_MAX");
	ret[0] = fds[0];
	ret[1] = fds[1];
	return ERR_OK;
}
