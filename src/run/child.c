/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One room's process.
 *
 *   DOWN --start--> STARTING --answer to START--> READY --stop--> STOPPING --exit--> GONE
 *    ^                 |                            |
 *    +---- restart timer <------ exit --------------+
 *
 * A room that dies within QUICK_MS of its start is started again after a delay that doubles up to
 * DELAY_MAX_MS; one that lived longer, at once.
 */
#include "run/supervisor_priv.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "base/text.h"
#include "ipc/control.pb-c.h"

#include <fcntl.h>

enum { QUICK_MS = 3000, DELAY_FIRST_MS = 50, DELAY_MAX_MS = 5000, START_SLOW_MS = 30000, CONTROL_FD = 3, LOCK_FD = 4 };

const char *child_state_name(enum child_state state)
{
	static const char *const names[] = { "down", "starting", "ready", "stopping", "gone" };
	return names[state];
}

void child_init(struct child *c, struct supervisor *sup, const struct topology_room *room, unsigned index)
{
	c->sup = sup;
	c->room = room;
	c->index = index;
	c->state = CHILD_DOWN;
	bug_if(uv_timer_init(sup->loop, &c->restart) < 0);
}

static void on_process_closed(uv_handle_t *h)
{
	free(h);
}

static void on_restart(uv_timer_t *timer)
{
	struct child *c = container_of(timer, struct child, restart);
	c->restarts++;
	child_start(c);
}

/* A large index is checked before it is used, and that takes as long as it takes: said, not cut off. */
static void on_slow_start(uv_timer_t *timer)
{
	struct child *c = container_of(timer, struct child, restart);
	ev(EV_WARN, "room.start.slow", KS("room", role_name(c->room->role)), KI("index", c->index),
	   KI("seconds", (clock_mono_ms() - c->started_mono) / 1000));
}

static void schedule_restart(struct child *c)
{
	unsigned delay = 0;
	if (clock_mono_ms() - c->started_mono < QUICK_MS) {
		delay = DELAY_FIRST_MS << (c->quick_deaths < 7 ? c->quick_deaths : 7);
		if (delay > DELAY_MAX_MS)
			delay = DELAY_MAX_MS;
		c->quick_deaths++;
	} else {
		c->quick_deaths = 0;
	}
	uv_timer_start(&c->restart, on_restart, delay, 0);
}

static void on_process_exit(uv_process_t *process, int64_t status, int sig)
{
	struct child *c = process->data;
	bool expected = c->state == CHILD_STOPPING;
	uv_close((uv_handle_t *)process, on_process_closed);
	c->process = NULL;
	uv_timer_stop(&c->restart);
	ipc_chan_free(&c->control);
	ev(expected ? EV_DEBUG : EV_WARN, expected ? "room.stopped" : "room.crashed", KS("room", role_name(c->room->role)),
	   KI("index", c->index), KI("status", status), KI("signal", sig));
	c->state = expected || c->sup->stopping ? CHILD_GONE : CHILD_DOWN;
	if (c->state == CHILD_DOWN && c->sup->up)
		schedule_restart(c);
	supervisor_child_exited(c->sup, c);
}

/* ---- control ---- */

static void on_started(void *ctx, int err, const ProtobufCMessage *reply UNUSED, int fd UNUSED, const char *text)
{
	struct child *c = ctx;
	if (err < 0) {
		/* ERR_CLOSED: it died, which on_process_exit tells. */
		if (err != ERR_CLOSED)
			supervisor_child_failed(c->sup, c, *text ? text : err_text(err));
		return;
	}
	if (c->state != CHILD_STARTING)
		return;
	uv_timer_stop(&c->restart);
	c->state = CHILD_READY;
	for (size_t i = 0; i < c->sup->n_bound; i++) {
		struct bound *b = &c->sup->bound[i];
		if (b->what->role != c->room->role)
			continue;
		Postern__ControlListener msg = POSTERN__CONTROL_LISTENER__INIT;
		msg.name = (char *)b->what->name;
		msg.address = b->address;
		ipc_notify(c->control, POSTERN__CONTROL_OP__CONTROL_LISTENER, &msg.base, b->fd);
	}
	supervisor_child_ready(c->sup, c);
}

static void send_channel(struct child *to, struct child *peer, bool serves, int fd)
{
	Postern__ControlChannel msg = POSTERN__CONTROL_CHANNEL__INIT;
	msg.role = peer->room->role;
	msg.index = peer->index;
	msg.serves = serves;
	ipc_notify(to->control, POSTERN__CONTROL_OP__CONTROL_CHANNEL, &msg.base, fd);
}

static void connect_pair(struct child *caller, struct child *server)
{
	int fds[2], err = ipc_pair(fds);
	if (err < 0) {
		ev(EV_ERROR, "supervisor.pair.failed", KS("reason", err_text(err)));
		return;
	}
	send_channel(caller, server, false, fds[0]);
	send_channel(server, caller, true, fds[1]);
	close(fds[0]);
	close(fds[1]);
}

/* New pairs with every room that lives and that the topology joins with this one. */
static void connect_all(struct child *c)
{
	for (size_t e = 0; e < topology_n_edges; e++) {
		const struct topology_edge *edge = &topology_edges[e];
		for (size_t i = 0; i < c->sup->n_children; i++) {
			struct child *other = &c->sup->children[i];
			if (other == c || !other->control)
				continue;
			if (edge->caller == c->room->role && edge->server == other->room->role)
				connect_pair(c, other);
			else if (edge->server == c->room->role && edge->caller == other->room->role)
				connect_pair(other, c);
		}
	}
}

void child_send_tls(struct child *c)
{
	Postern__ControlTls msg = POSTERN__CONTROL_TLS__INIT;
	if (c->control)
		ipc_notify(c->control, POSTERN__CONTROL_OP__CONTROL_TLS, &msg.base, c->sup->tls_fd);
}

static void h_status(struct ipc_call *call, void *ctx)
{
	struct child *c = ctx;
	status_answer(c->sup, call);
}

static void h_reload_all(struct ipc_call *call, void *ctx)
{
	struct child *c = ctx;
	const Postern__ControlReloadAll *req = (const Postern__ControlReloadAll *)call->req;
	struct buf error = BUF_INIT(4096);
	text_use(text_language(slice_str(req->language)));
	int err = supervisor_reload(c->sup, call, &error);
	text_use(NULL);
	if (err < 0)
		ipc_fail(call, err, buf_cstr(&error));
	buf_fini(&error);
}

static void on_control_closed(struct ipc_chan *chan UNUSED, int err UNUSED, void *ctx)
{
	struct child *c = ctx;
	c->control = NULL; /* freed behind us */
	/* A room without its control channel is out of reach; on_process_exit does the rest. */
	child_kill(c);
}

static ipc_handler_fn *const control_handlers[POSTERN__CONTROL_OP__CONTROL_RELOAD_ALL + 1] = {
	[POSTERN__CONTROL_OP__CONTROL_STATUS] = h_status,
	[POSTERN__CONTROL_OP__CONTROL_RELOAD_ALL] = h_reload_all,
};
static const struct ipc_handlers control = { .by_op = control_handlers, .on_closed = on_control_closed };

static void send_start(struct child *c)
{
	Postern__ControlStart msg = POSTERN__CONTROL_START__INIT;
	msg.role = c->room->role;
	msg.index = c->index;
	msg.epoch = c->sup->epoch;
	msg.shards = (uint32_t)conf_u64(c->sup->started, "rooms.store");
	msg.data_dir = (char *)(c->room->data ? c->room->data : "");
	ipc_call(c->control, POSTERN__CONTROL_OP__CONTROL_START, &msg.base, &c->sup->conf_fd, 1, 0, on_started, c);
	uv_timer_start(&c->restart, on_slow_start, START_SLOW_MS, START_SLOW_MS);
	child_send_tls(c);
	connect_all(c);
}

static int spawn(struct child *c, int control_fd)
{
	char index[16], cwd[4200];
	char *args[] = { "postern", "room", (char *)role_name(c->room->role), index, NULL };
	snprintf(index, sizeof(index), "%u", c->index);
	if (!c->room->data)
		snprintf(cwd, sizeof(cwd), "/");
	else if (c->room->role == ROLE_STORE)
		snprintf(cwd, sizeof(cwd), "%s/data/%s.%u", c->sup->dir, c->room->data, c->index);
	else
		snprintf(cwd, sizeof(cwd), "%s/data/%s", c->sup->dir, c->room->data);
	uv_stdio_container_t stdio[] = {
		{ .flags = UV_IGNORE },
		{ .flags = UV_INHERIT_FD, .data.fd = 1 },
		{ .flags = UV_INHERIT_FD, .data.fd = 2 },
		[CONTROL_FD] = { .flags = UV_INHERIT_FD, .data.fd = control_fd },
		[LOCK_FD] = { .flags = UV_INHERIT_FD, .data.fd = c->sup->lock_fd },
	};
	uv_process_options_t options = { .file = "/proc/self/exe", .args = args, .cwd = cwd, .exit_cb = on_process_exit,
					 .stdio = stdio, .stdio_count = ARRAY_SIZE(stdio) };
	c->process = calloc(1, sizeof(*c->process));
	bug_if(!c->process);
	c->process->data = c;
	int err = uv_spawn(c->sup->loop, c->process, &options);
	if (err < 0) {
		uv_close((uv_handle_t *)c->process, on_process_closed);
		c->process = NULL;
	}
	return err;
}

void child_start(struct child *c)
{
	int fds[2], err = ipc_pair(fds);
	c->started_ms = clock_wall_ms();
	c->started_mono = clock_mono_ms();
	if (err == 0) {
		err = spawn(c, fds[1]);
		close(fds[1]);
		if (err < 0)
			close(fds[0]);
	}
	if (err < 0) {
		ev(EV_ERROR, "room.spawn.failed", KS("room", role_name(c->room->role)), KS("reason", err_text(err)));
		if (c->sup->up)
			schedule_restart(c);
		else
			supervisor_child_failed(c->sup, c, err_text(err));
		return;
	}
	c->state = CHILD_STARTING;
	c->control = ipc_chan_new(c->sup->loop, fds[0], &control_contract, false, c->room->role, c->index, &control, c);
	send_start(c);
}

void child_stop(struct child *c)
{
	Postern__ControlNothing msg = POSTERN__CONTROL_NOTHING__INIT;
	uv_timer_stop(&c->restart);
	if (!c->process) {
		c->state = CHILD_GONE;
		return;
	}
	c->state = CHILD_STOPPING;
	if (c->control)
		ipc_notify(c->control, POSTERN__CONTROL_OP__CONTROL_STOP, &msg.base, -1);
}

void child_kill(struct child *c)
{
	if (c->process)
		uv_process_kill(c->process, SIGKILL);
}
