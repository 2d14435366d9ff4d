/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts the rooms, keeps them running, stops them in order. It reads files and signals and frames of its
 * own rooms, never a byte of the network. Starting is all or nothing: when a room cannot start the first
 * time, everything is taken down and the reason is said.
 *
 * Stopping: phase after phase (who hears the network first, who has the disk last), each with a
 * deadline, then SIGKILL, which every room must survive anyway.
 */
#include "run/supervisor.h"

#include "run/supervisor_priv.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "base/text.h"
#include "ipc/control.pb-c.h"
#include "lib/room/room.h"

#include <errno.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { ERROR_MAX = 4096, RELOAD_DEADLINE_MS = 20000 };

/* ---- stopping ---- */

static bool phase_over(struct supervisor *sup)
{
	for (size_t i = 0; i < sup->n_children; i++) {
		struct child *c = &sup->children[i];
		if (c->room->stop_phase <= sup->stop_phase && c->process)
			return false;
	}
	return true;
}

static void stop_phase(struct supervisor *sup);

static void stop_next(struct supervisor *sup)
{
	while (sup->stop_phase < TOPOLOGY_STOP_PHASES && phase_over(sup))
		if (++sup->stop_phase < TOPOLOGY_STOP_PHASES)
			stop_phase(sup);
	if (sup->stop_phase >= TOPOLOGY_STOP_PHASES)
		uv_stop(sup->loop);
}

static void on_stop_deadline(uv_timer_t *timer)
{
	struct supervisor *sup = timer->data;
	for (size_t i = 0; i < sup->n_children; i++) {
		struct child *c = &sup->children[i];
		if (c->room->stop_phase > sup->stop_phase || !c->process)
			continue;
		ev(EV_WARN, "room.stop.late", KS("room", role_name(c->room->role)), KI("index", c->index));
		child_kill(c);
	}
}

static void stop_phase(struct supervisor *sup)
{
	for (size_t i = 0; i < sup->n_children; i++)
		if (sup->children[i].room->stop_phase == sup->stop_phase)
			child_stop(&sup->children[i]);
	uv_timer_start(&sup->stop_timer, on_stop_deadline, ROOM_STOP_MS, 0);
}

static void stop_all(struct supervisor *sup, int exit_code)
{
	if (sup->stopping)
		return;
	sup->stopping = true;
	sup->exit_code = exit_code;
	ev(EV_INFO, "supervisor.stopping");
	for (size_t i = 0; i < sup->n_bound; i++)
		close(sup->bound[i].fd);
	sup->n_bound = 0;
	stop_phase(sup);
	stop_next(sup);
}

/* ---- what children tell ---- */

void supervisor_child_ready(struct supervisor *sup, struct child *c)
{
	ev(EV_DEBUG, "room.ready", KS("room", role_name(c->room->role)), KI("index", c->index), KI("pid", c->process->pid));
	if (sup->up)
		return;
	for (size_t i = 0; i < sup->n_children; i++)
		if (sup->children[i].state != CHILD_READY)
			return;
	sup->up = true;
	ev(EV_INFO, "supervisor.ready", KI("rooms", sup->n_children), KI("ms", clock_wall_ms() - sup->started_ms));
}

void supervisor_child_failed(struct supervisor *sup, struct child *c, const char *why)
{
	ev(EV_ERROR, "room.start.failed", KS("room", role_name(c->room->role)), KI("index", c->index), KS("reason", why));
	if (!sup->up)
		stop_all(sup, 1);
}

void supervisor_child_exited(struct supervisor *sup, struct child *c)
{
	if (sup->stopping)
		stop_next(sup);
	else if (!sup->up)
		supervisor_child_failed(sup, c, "it ended while starting");
}

/* ---- reload ---- */

static void tell_restart_options(const struct conf *was, const struct conf *now, struct arena *a,
				 Postern__ControlReloadReply *ret)
{
	ret->waiting = ARENA_ARRAY(a, char *, conf_n_options);
	for (size_t i = 0; i < conf_n_options; i++) {
		const struct conf_option *o = &conf_options[i];
		bool same;
		if (o->reload == CONF_RELOAD)
			continue;
		if (o->type == CONF_BOOL)
			same = conf_bool(was, o->name) == conf_bool(now, o->name);
		else if (o->type == CONF_U64 || o->type == CONF_SIZE || o->type == CONF_DURATION)
			same = conf_u64(was, o->name) == conf_u64(now, o->name);
		else
			same = strcmp(conf_str(was, o->name), conf_str(now, o->name)) == 0;
		if (same)
			continue;
		ev(EV_WARN, "supervisor.reload.needs-restart", KS("option", o->name));
		ret->waiting[ret->n_waiting++] = (char *)o->name;
	}
}

/* What was read is in force in every room once each has said so; only then is whoever asked told. */
struct reload {
	struct arena *arena;		/* that it lives in */
	struct ipc_call *call;		/* NULL: a signal asked */
	Postern__ControlReloadReply reply;
	unsigned waiting;
};

struct reloading {
	struct reload *all;
	struct child *c;
};

static void reload_done(struct reload *all)
{
	if (--all->waiting)
		return;
	ev(EV_INFO, "supervisor.reloaded");
	if (all->call)
		ipc_reply(all->call, &all->reply.base, -1);
	struct arena *a = all->arena;
	arena_free(&a);
}

static void on_reloaded(void *ctx, int err, const ProtobufCMessage *reply UNUSED, int fd UNUSED, const char *text UNUSED)
{
	struct reloading *one = ctx;
	if (err < 0)
		ev(EV_WARN, "room.reload.failed", KS("room", role_name(one->c->room->role)), KS("reason", err_text(err)));
	reload_done(one->all);
}

/* One that is starting has it ahead of all else that it is asked, so it is not waited for. */
static void on_reloaded_while_starting(void *ctx UNUSED, int err UNUSED, const ProtobufCMessage *reply UNUSED, int fd UNUSED,
				       const char *text UNUSED)
{
}

static void tell_rooms(struct supervisor *sup, struct reload *all)
{
	Postern__ControlNothing msg = POSTERN__CONTROL_NOTHING__INIT;
	for (size_t i = 0; i < sup->n_children; i++) {
		struct child *c = &sup->children[i];
		if (!c->control)
			continue;
		bool ready = c->state == CHILD_READY;
		struct reloading *one = ready ? ARENA_NEW(all->arena, struct reloading) : NULL;
		if (one)
			*one = (struct reloading){ all, c };
		all->waiting += ready;
		child_send_tls(c);	/* ahead of the call: its answer speaks for both */
		ipc_call(c->control, POSTERN__CONTROL_OP__CONTROL_RELOAD, &msg.base, &sup->conf_fd, 1, RELOAD_DEADLINE_MS,
			 ready ? on_reloaded : on_reloaded_while_starting, one);
	}
}

int supervisor_reload(struct supervisor *sup, struct ipc_call *call, struct buf *error)
{
	struct conf *conf;
	int conf_fd, tls_fd, err = files_conf(sup->dir, &conf, &conf_fd, error);
	if (err < 0)
		return err;
	err = files_tls(sup->dir, conf, &tls_fd, error);
	if (err < 0) {
		conf_free(&conf);
		close(conf_fd);
		return err;
	}
	struct arena *a = arena_new();
	struct reload *all = ARENA_NEW(a, struct reload);
	*all = (struct reload){ a, call, POSTERN__CONTROL_RELOAD_REPLY__INIT, 1 };
	tell_restart_options(sup->started, conf, a, &all->reply);
	if (sup->conf != sup->started)
		conf_free(&sup->conf);
	close(sup->conf_fd);
	close(sup->tls_fd);
	sup->conf = conf;
	sup->conf_fd = conf_fd;
	sup->tls_fd = tls_fd;
	tell_rooms(sup, all);
	reload_done(all);
	return ERR_OK;
}

static void on_signal(uv_signal_t *handle, int sig)
{
	struct supervisor *sup = handle->data;
	if (sig != SIGHUP) {
		stop_all(sup, 0);
		return;
	}
	struct buf error = BUF_INIT(ERROR_MAX);
	if (supervisor_reload(sup, NULL, &error) < 0)
		ev(EV_ERROR, "supervisor.reload.refused", KS("error", buf_cstr(&error)));
	buf_fini(&error);
}

/* ---- starting ---- */

static int make_children(struct supervisor *sup, struct buf *error)
{
	for (size_t r = 0; r < topology_n_rooms; r++) {
		const struct topology_room *room = &topology_rooms[r];
		unsigned count = room->count_option ? (unsigned)conf_u64(sup->conf, room->count_option) : 1;
		for (unsigned i = 0; i < count; i++) {
			char name[32];
			bug_if(sup->n_children == CHILDREN_MAX);
			snprintf(name, sizeof(name), room->role == ROLE_STORE ? "%s.%u" : "%s", room->data ? room->data : "", i);
			int err = room->data ? files_data(sup->dir, name, conf_str(sup->conf, "run.user"), error) : ERR_OK;
			if (err < 0)
				return err;
			child_init(&sup->children[sup->n_children++], sup, room, i);
		}
	}
	return ERR_OK;
}

static int prepare(struct supervisor *sup, struct buf *error)
{
	int err = files_conf(sup->dir, &sup->conf, &sup->conf_fd, error);
	sup->started = sup->conf;
	if (err == 0)
		err = files_lock(sup->dir, &sup->lock_fd, error);
	if (err == 0)
		err = files_tls(sup->dir, sup->conf, &sup->tls_fd, error);
	if (err == 0)
		err = make_children(sup, error);
	if (err == 0)
		err = listen_all(sup, error);
	return err;
}

static void raise_fd_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		IGNORE(setrlimit(RLIMIT_NOFILE, &limit), "doctor tells of a low limit");
	}
}

int supervisor_main(const char *dir)
{
	static struct supervisor sup;
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	static uv_signal_t handles[ARRAY_SIZE(signals)];
	struct buf error = BUF_INIT(ERROR_MAX);
	umask(077);
	signal(SIGPIPE, SIG_IGN);
	sup.dir = realpath(dir, NULL);
	if (!sup.dir) {
		fprintf(stderr, "postern: %s: %s\n", dir, err_said(-errno));
		return 1;
	}
	sup.loop = uv_default_loop();
	sup.started_ms = clock_wall_ms();
	raise_fd_limit();
	if (prepare(&sup, &error) < 0) {
		fprintf(stderr, "postern: %s\n", buf_cstr(&error));
		buf_fini(&error);
		return 1;
	}
	buf_fini(&error);
	text_use(NULL); /* events are English */
	ev_setup("supervisor", conf_bool(sup.conf, "log.json"), EV_INFO);
	sup.epoch = files_next_epoch(sup.dir);
	bug_if(uv_timer_init(sup.loop, &sup.stop_timer) < 0);
	sup.stop_timer.data = &sup;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		bug_if(uv_signal_init(sup.loop, &handles[i]) < 0);
		handles[i].data = &sup;
		uv_signal_start(&handles[i], on_signal, signals[i]);
	}
	ev(EV_INFO, "supervisor.starting", KS("version", POSTERN_VERSION), KI("epoch", sup.epoch));
	for (size_t i = 0; i < sup.n_children && !sup.stopping; i++)
		child_start(&sup.children[i]);
	uv_run(sup.loop, UV_RUN_DEFAULT);
	files_remove_pid(sup.dir);
	ev(EV_INFO, "supervisor.stopped");
	return sup.exit_code;
}
