/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a room's process: START brings role, configuration and the sandbox, then frames of the
 * control channel bring peers, callers, listeners and certificates. When the control channel ends the
 * supervisor is gone, and so is the room: at once, as after a crash, which every room must survive.
 */
#include "lib/room/room_priv.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "ipc/control.pb-c.h"
#include "lib/ipc/memfd.h"

#include <sys/stat.h>

enum { CONTROL_FD = 3, CONF_MAX = 1 << 20, PEM_MAX = 1 << 20, TRIALS_MAX = 16, COUNTERS_MAX = 64 };

struct stats {
	Postern__ControlCounter counters[COUNTERS_MAX];
	Postern__ControlCounter *list[COUNTERS_MAX];
	size_t n;
};

static struct {
	struct room room;
	struct ipc_chan *control;
	struct peers *peers;
	const struct ipc_handlers *caller_handlers;
	int exit_code;
	bool over;
} me;

/* ---- callers and peers ---- */

static void on_caller_closed(struct ipc_chan *chan, int err UNUSED, void *ctx UNUSED)
{
	if (me.room.ops->on_caller_gone)
		me.room.ops->on_caller_gone(&me.room, chan);
}

static void on_caller_notice(struct ipc_chan *chan, uint16_t op, const ProtobufCMessage *msg, int fd, void *ctx)
{
	if (me.room.ops->on_notice)
		me.room.ops->on_notice(chan, op, msg, fd, ctx);
	else if (fd >= 0)
		close(fd);
}

static void on_peer_closed(struct ipc_chan *chan, int err, void *ctx UNUSED)
{
	peers_gone(me.peers, chan);
	ev(EV_INFO, "room.peer.gone", KS("peer", role_name(ipc_chan_peer(chan))), KI("index", ipc_chan_peer_index(chan)),
	   KS("reason", err_name(err)));
}

static const struct ipc_handlers peer_handlers = { .on_notice = on_caller_notice, .on_closed = on_peer_closed };

const struct ipc_contract *contract_of(enum role role)
{
	switch (role) {
	case ROLE_AUTH:
		return &auth_contract;
	case ROLE_FILTER:
		return &filter_contract;
	case ROLE_RELAY:
		return &relay_contract;
	case ROLE_MOVER:
		return &mover_contract;
	case ROLE_DIRECTORY:
		return &directory_contract;
	case ROLE_QUEUE:
		return &queue_contract;
	case ROLE_STORE:
		return &store_contract;
	default:
		return NULL;
	}
}

static void take_channel(const Postern__ControlChannel *msg, int fd)
{
	const struct ipc_contract *contract = msg->serves ? me.room.ops->serves : contract_of((enum role)msg->role);
	if (!contract) {
		ev(EV_ERROR, "room.channel.refused", KS("peer", role_name((enum role)msg->role)));
		close(fd);
		return;
	}
	struct ipc_chan *chan =
		ipc_chan_new(me.room.loop, fd, contract, msg->serves, (enum role)msg->role, msg->index,
			     msg->serves ? me.caller_handlers : &peer_handlers, &me.room);
	if (!msg->serves)
		peers_add(me.peers, chan);
	else if (me.room.ops->on_caller)
		me.room.ops->on_caller(&me.room, chan);
}

struct peer_call *room_call(struct room *room UNUSED, enum role role, unsigned index, uint16_t op,
			    const ProtobufCMessage *req, const int *fds, size_t n_fds, unsigned deadline_ms,
			    ipc_reply_fn *fn, void *ctx)
{
	const struct ipc_contract *contract = contract_of(role);
	bug_if(!contract || op >= contract->n_ops);
	return peers_call(me.peers, role, index, contract, op, req, fds, n_fds, deadline_ms, fn, ctx);
}

void room_notify(struct room *room UNUSED, enum role role, unsigned index, uint16_t op, const ProtobufCMessage *msg)
{
	struct ipc_chan *chan = peers_find(me.peers, role, index);
	if (chan)
		ipc_notify(chan, op, msg, -1);
}

void room_control_call(struct room *room UNUSED, uint16_t op, const ProtobufCMessage *req, unsigned deadline_ms,
		       ipc_reply_fn *fn, void *ctx)
{
	ipc_call(me.control, op, req, NULL, 0, deadline_ms, fn, ctx);
}

/* ---- configuration and certificates ---- */

static int load_conf(int fd, struct conf **ret)
{
	struct slice text;
	int err = memfd_map(fd, CONF_MAX, &text);
	if (err < 0)
		return err;
	struct buf error = BUF_INIT(4096);
	err = conf_parse(text, "postern.conf", ret, &error);
	if (err < 0)
		ev(EV_ERROR, "room.conf.refused", KS("error", buf_cstr(&error)));
	buf_fini(&error);
	memfd_unmap(&text);
	return err;
}

static void use_conf(struct conf *conf)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };
	char who[32];
	enum ev_level least = EV_INFO;
	conf_free(&me.room.conf);
	me.room.conf = conf;
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(conf_str(conf, "log.level"), names[i]) == 0)
			least = (enum ev_level)i;
	snprintf(who, sizeof(who), "%s.%u", role_name(me.room.role), me.room.index);
	ev_setup(who, conf_bool(conf, "log.json"), least);
}

static void take_tls(int fd)
{
	struct slice pem;
	if (!me.room.ops->on_tls || memfd_map(fd, PEM_MAX, &pem) < 0)
		return;
	me.room.ops->on_tls(&me.room, pem);
	memfd_unmap(&pem);
}

/* ---- control ---- */

static void h_start(struct ipc_call *call, void *ctx UNUSED)
{
	const Postern__ControlStart *msg = (const Postern__ControlStart *)call->req;
	struct conf *conf;
	int err = load_conf(call->fds[0], &conf);
	if (err < 0) {
		ipc_fail(call, err, "configuration");
		return;
	}
	me.room.shards = msg->shards;
	me.room.epoch = msg->epoch;
	use_conf(conf);
	err = sandbox_drop_user(conf_str(conf, "run.user"));
	if (err == 0 && me.room.ops->init)
		err = me.room.ops->init(&me.room);
	if (err == 0)
		err = sandbox_enter(me.room.ops->sandbox, ".");
	if (err < 0) {
		ev(EV_ERROR, "room.start.failed", KS("reason", err_text(err)));
		ipc_fail(call, err, NULL);
		room_exit(&me.room, 1);
		return;
	}
	Postern__ControlNothing ok = POSTERN__CONTROL_NOTHING__INIT;
	ipc_reply(call, &ok.base, -1);
}

static void h_reload(struct ipc_call *call, void *ctx UNUSED)
{
	struct conf *conf;
	int err = load_conf(call->fds[0], &conf);
	if (err < 0) {
		ipc_fail(call, err, NULL);
		return;
	}
	use_conf(conf);
	if (me.room.ops->on_reload)
		me.room.ops->on_reload(&me.room);
	Postern__ControlNothing ok = POSTERN__CONTROL_NOTHING__INIT;
	ipc_reply(call, &ok.base, -1);
}

void stats_add(struct stats *stats, const char *name, int64_t value)
{
	if (stats->n == COUNTERS_MAX)
		return;
	Postern__ControlCounter *c = &stats->counters[stats->n];
	*c = (Postern__ControlCounter)POSTERN__CONTROL_COUNTER__INIT;
	c->name = (char *)name;
	c->value = value;
	stats->list[stats->n++] = c;
}

static void h_stats(struct ipc_call *call, void *ctx UNUSED)
{
	struct stats *stats = ARENA_NEW(call->arena, struct stats);
	stats_add(stats, "calls_waiting", (int64_t)peers_waiting(me.peers));
	if (me.room.ops->on_stats)
		me.room.ops->on_stats(&me.room, stats);
	Postern__ControlStatsReply reply = POSTERN__CONTROL_STATS_REPLY__INIT;
	reply.n_counters = stats->n;
	reply.counters = stats->list;
	ipc_reply(call, &reply.base, -1);
}

static void h_probe(struct ipc_call *call, void *ctx UNUSED)
{
	struct sandbox_trial trials[TRIALS_MAX];
	Postern__ControlProbeResult results[TRIALS_MAX], *list[TRIALS_MAX];
	Postern__ControlProbeReply reply = POSTERN__CONTROL_PROBE_REPLY__INIT;
	reply.n_results = sandbox_try(trials, TRIALS_MAX);
	for (size_t i = 0; i < reply.n_results; i++) {
		results[i] = (Postern__ControlProbeResult)POSTERN__CONTROL_PROBE_RESULT__INIT;
		results[i].what = (char *)trials[i].what;
		results[i].err = trials[i].err;
		list[i] = &results[i];
	}
	reply.results = list;
	ipc_reply(call, &reply.base, -1);
}

static void stop(void)
{
	me.room.stopping = true;
	if (me.room.ops->on_stop)
		me.room.ops->on_stop(&me.room);
	else
		room_exit(&me.room, 0);
}

static void on_control_notice(struct ipc_chan *chan UNUSED, uint16_t op, const ProtobufCMessage *msg, int fd,
			      void *ctx UNUSED)
{
	switch (op) {
	case POSTERN__CONTROL_OP__CONTROL_CHANNEL:
		take_channel((const Postern__ControlChannel *)msg, fd);
		return;
	case POSTERN__CONTROL_OP__CONTROL_LISTENER:
		if (me.room.ops->on_listener && !me.room.stopping) {
			me.room.ops->on_listener(&me.room, ((const Postern__ControlListener *)msg)->name, fd);
			return;
		}
		break;
	case POSTERN__CONTROL_OP__CONTROL_TLS:
		take_tls(fd);
		break;
	case POSTERN__CONTROL_OP__CONTROL_STOP:
		stop();
		break;
	default:
		break;
	}
	if (fd >= 0)
		close(fd);
}

static void on_control_closed(struct ipc_chan *chan UNUSED, int err UNUSED, void *ctx UNUSED)
{
	me.control = NULL;
	if (!me.over)
		ev(EV_WARN, "room.supervisor.gone");
	room_exit(&me.room, 1);
}

static ipc_handler_fn *const control_handlers[POSTERN__CONTROL_OP__CONTROL_RELOAD_ALL + 1] = {
	[POSTERN__CONTROL_OP__CONTROL_START] = h_start,
	[POSTERN__CONTROL_OP__CONTROL_RELOAD] = h_reload,
	[POSTERN__CONTROL_OP__CONTROL_STATS] = h_stats,
	[POSTERN__CONTROL_OP__CONTROL_PROBE] = h_probe,
};

void room_exit(struct room *room, int code)
{
	if (!me.over)
		me.exit_code = code;
	me.over = true;
	uv_stop(room->loop);
}

#ifdef __SANITIZE_ADDRESS__
/* Looking for leaks at exit wants a tracer, which the sandbox kills; unit tests look for them. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

int room_main(enum role role, unsigned index)
{
	static const struct ipc_handlers control = { .by_op = control_handlers,
						     .on_notice = on_control_notice,
						     .on_closed = on_control_closed };
	static struct ipc_handlers callers = { .on_notice = on_caller_notice, .on_closed = on_caller_closed };
	char who[32];
	struct stat st;
	signal(SIGPIPE, SIG_IGN);
	/* A terminal's ^C and a service manager's SIGTERM reach the whole group; the supervisor then stops us in order. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (fstat(CONTROL_FD, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		fprintf(stderr, "postern: rooms are started by the supervisor (postern run DIR)\n");
		return 2;
	}
	snprintf(who, sizeof(who), "%s.%u", role_name(role), index);
	ev_setup(who, false, EV_INFO);
	clock_setup();
	me.room.loop = uv_default_loop();
	me.room.role = role;
	me.room.index = index;
	me.room.ops = room_ops_of(role);
	callers.by_op = me.room.ops->handlers;
	me.caller_handlers = &callers;
	me.peers = peers_new(me.room.loop);
	me.control = ipc_chan_new(me.room.loop, CONTROL_FD, &control_contract, true, ROLE_SUPERVISOR, 0, &control, NULL);
	while (!me.over)
		uv_run(me.room.loop, UV_RUN_DEFAULT);
	return me.exit_code;
}
