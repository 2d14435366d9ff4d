/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that survive their peer. A call is either waiting (no channel to the room it wants) or in
 * flight on one channel. A peer that is gone when it is asked is as good as none. When the channel of a
 * call dies, one whose operation is IPC_RETRY takes the next channel or waits for it, at most RESENDS_MAX
 * times (a request that kills every room that takes it must not go on for ever); any other is told
 * ERR_CLOSED. One timer sweeps the deadlines of those that wait. A room hears calls in the order in which
 * they were made, those too that it hears a second time.
 *
 *      room_call --> WAITING --channel--> IN FLIGHT --reply--> told
 *                      ^  | deadline          | channel died
 *                      |  v                   |
 *                      | told UNAVAILABLE     +--> told CLOSED (no IPC_RETRY)
 *                      +----------------------+
 */
#include "lib/room/room_priv.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"

enum { SWEEP_MS = 50, RESENDS_MAX = 3 };

struct peer_call {
	struct list node;	/* in peers.waiting or peers.flying */
	struct peers *peers;
	enum role role;
	unsigned index;
	uint16_t op;
	bool retry;
	unsigned sent;
	uint64_t number;	/* they rise as calls are made */
	int64_t deadline;
	struct slice req;	/* packed, ours */
	int fds[IPC_FDS_MAX];
	size_t n_fds;
	ipc_reply_fn *fn;
	void *ctx;
	struct ipc_chan *chan;	/* while in flight */
	uint64_t id;
};

struct peers {
	uv_loop_t *loop;
	struct ipc_chan *chans[PEERS_MAX];
	size_t n, next;
	struct list waiting, flying; /* waiting: in order */
	uint64_t calls;
	uv_timer_t sweep;
	bool sweeping;
};

static void try_send(struct peer_call *call);

struct peers *peers_new(uv_loop_t *loop)
{
	struct peers *p = calloc(1, sizeof(*p));
	bug_if(!p);
	p->loop = loop;
	list_init(&p->waiting);
	list_init(&p->flying);
	bug_if(uv_timer_init(loop, &p->sweep) < 0);
	uv_unref((uv_handle_t *)&p->sweep);
	return p;
}

static void on_sweep_closed(uv_handle_t *timer)
{
	free(container_of((uv_timer_t *)timer, struct peers, sweep));
}

void peers_free(struct peers **pp)
{
	if (!*pp)
		return;
	struct peers *p = TAKE(*pp);
	bug_if(p->n || !list_empty(&p->waiting) || !list_empty(&p->flying));
	uv_close((uv_handle_t *)&p->sweep, on_sweep_closed);
}

static void call_free(struct peer_call *call)
{
	list_remove(&call->node);
	free((void *)call->req.p);
	for (size_t i = 0; i < call->n_fds; i++)
		close(call->fds[i]);
	free(call);
}

static void tell(struct peer_call *call, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	ipc_reply_fn *fn = call->fn;
	void *ctx = call->ctx;
	call_free(call);
	fn(ctx, err, reply, fd, text);
}

static void on_sweep(uv_timer_t *timer)
{
	struct peers *p = container_of(timer, struct peers, sweep);
	int64_t now = clock_mono_ms();
	for (bool again = true; again;) {
		again = false;
		list_each(call, &p->waiting, struct peer_call, node) {
			if (call->deadline > now)
				continue;
			tell(call, ERR_UNAVAILABLE, NULL, -1, "");
			again = true;
			break; /* the callback may have changed the list */
		}
	}
	if (list_empty(&p->waiting)) {
		uv_timer_stop(&p->sweep);
		p->sweeping = false;
	}
}

static void wait_for_peer(struct peer_call *call)
{
	struct peers *p = call->peers;
	struct list *behind = &p->waiting;
	while (behind->prev != &p->waiting && list_entry(behind->prev, struct peer_call, node)->number > call->number)
		behind = behind->prev;
	list_append(behind, &call->node);
	if (!p->sweeping) {
		p->sweeping = true;
		uv_timer_start(&p->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
	}
}

static void on_reply(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct peer_call *call = ctx;
	call->chan = NULL;
	if (err != ERR_CLOSED) {
		tell(call, err, reply, fd, text);
		return;
	}
	if (!call->retry) {
		tell(call, ERR_CLOSED, NULL, -1, "");
		return;
	}
	if (call->sent > RESENDS_MAX) {
		ev(EV_ERROR, "room.call.given-up", KS("peer", role_name(call->role)), KI("op", call->op));
		tell(call, ERR_UNAVAILABLE, NULL, -1, "");
		return;
	}
	/* There is no channel yet, but where several rooms of a kind take such a call. */
	list_remove(&call->node);
	try_send(call);
}

struct ipc_chan *peers_find(struct peers *p, enum role role, unsigned index)
{
	for (size_t k = 0; k < p->n; k++) {
		size_t i = (p->next + k) % p->n;
		if (ipc_chan_peer(p->chans[i]) != role || ipc_chan_dead(p->chans[i]))
			continue;
		if (index != PEER_ANY && ipc_chan_peer_index(p->chans[i]) != index)
			continue;
		if (index == PEER_ANY)
			p->next = i + 1;
		return p->chans[i];
	}
	return NULL;
}

static void try_send(struct peer_call *call)
{
	struct peers *p = call->peers;
	struct ipc_chan *chan;
	int64_t left = call->deadline - clock_mono_ms();
	while ((chan = peers_find(p, call->role, call->index))) {
		call->id = ipc_call_packed(chan, call->op, call->req, call->fds, call->n_fds, left > 0 ? (unsigned)left : 1,
					   on_reply, call);
		if (!call->id)
			continue; /* the peer died, and we are yet to hear of it: nothing was asked, so this harms no call */
		list_append(&p->flying, &call->node);
		call->chan = chan;
		call->sent++;
		return;
	}
	wait_for_peer(call);
}

static struct slice pack(const ProtobufCMessage *msg)
{
	uint8_t *bytes = malloc(protobuf_c_message_get_packed_size(msg) + 1);
	bug_if(!bytes);
	return slice_of(bytes, protobuf_c_message_pack(msg, bytes));
}

struct peer_call *peers_call(struct peers *p, enum role role, unsigned index, const struct ipc_contract *contract,
			     uint16_t op, const ProtobufCMessage *req, const int *fds, size_t n_fds,
			     unsigned deadline_ms, ipc_reply_fn *fn, void *ctx)
{
	struct peer_call *call = calloc(1, sizeof(*call));
	bug_if(!call || deadline_ms == 0 || n_fds > IPC_FDS_MAX);
	call->peers = p;
	call->number = ++p->calls;
	call->role = role;
	call->index = index;
	call->op = op;
	call->retry = contract->ops[op].flags & IPC_RETRY;
	call->deadline = clock_mono_ms() + deadline_ms;
	bug_if(req->descriptor != contract->ops[op].request);
	call->req = pack(req);
	call->fn = fn;
	call->ctx = ctx;
	for (size_t i = 0; i < n_fds; i++) {
		int copy = dup(fds[i]);
		bug_if(copy < 0); /* RLIMIT_NOFILE is sized so that the connection limits come first */
		call->fds[call->n_fds++] = copy;
	}
	try_send(call);
	return call;
}

void room_call_cancel(struct peer_call **cp)
{
	if (!*cp)
		return;
	struct peer_call *call = TAKE(*cp);
	if (call->chan)
		ipc_cancel(call->chan, call->id);
	call_free(call);
}

void peers_gone(struct peers *p, struct ipc_chan *chan)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->chans[i] != chan)
			continue;
		p->chans[i] = p->chans[--p->n];
		return;
	}
}

static void send_waiting(struct peers *p)
{
	struct list todo;
	list_init(&todo);
	list_each(call, &p->waiting, struct peer_call, node) {
		list_remove(&call->node);
		list_append(&todo, &call->node);
	}
	struct peer_call *call;
	while ((call = list_first(&todo, struct peer_call, node))) {
		list_remove(&call->node);
		try_send(call);
	}
}

void peers_add(struct peers *p, struct ipc_chan *chan)
{
	/* A channel to the same room that was not yet seen to be dead is read to its end: what the room answered before it
	 * died must not be asked again, and what it did not is asked ahead of all that comes now. */
	for (size_t i = 0; i < p->n; i++) {
		struct ipc_chan *old = p->chans[i];
		if (ipc_chan_peer(old) != ipc_chan_peer(chan) ||
		    ipc_chan_peer_index(old) != ipc_chan_peer_index(chan))
			continue;
		p->chans[i] = p->chans[--p->n];
		ipc_chan_finish(old);
		break;
	}
	bug_if(p->n == PEERS_MAX);
	p->chans[p->n++] = chan;
	send_waiting(p);
}

size_t peers_waiting(const struct peers *p)
{
	size_t n = 0;
	for (const struct list *l = p->waiting.next; l != &p->waiting; l = l->next)
		n++;
	return n;
}
