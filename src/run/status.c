/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `postern status`: asks every room what it counts, waits for all a moment, and puts the table together.
 * With trials, each room also tries what its sandbox must refuse and tells what happened.
 */
#include "run/supervisor_priv.h"

#include "base/err.h"
#include "ipc/control.pb-c.h"

#include <fcntl.h>

enum { STATS_DEADLINE_MS = 1000 };

struct gather;

struct row {
	struct gather *gather;
	struct child *child;
	Postern__ControlRoom room;
};

struct gather {
	struct ipc_call *call;
	size_t waiting, n;
	struct row rows[CHILDREN_MAX];
	Postern__ControlRoom *list[CHILDREN_MAX];
	struct supervisor *sup;
};

static uint64_t read_number_after(const char *path, const char *label, uint64_t unit)
{
	char text[4096];
	uint64_t v = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = 0;
	const char *at = strstr(text, label);
	if (!at)
		return 0;
	at += strlen(label) + strspn(at + strlen(label), " \t");
	return slice_u64(slice_of(at, strspn(at, "0123456789")), UINT64_MAX / unit, &v) == 0 ? v * unit : 0;
}

static void answer(struct gather *g)
{
	Postern__ControlStatusReply reply = POSTERN__CONTROL_STATUS_REPLY__INIT;
	reply.rooms = g->list;
	reply.n_rooms = g->n;
	reply.started_ms = g->sup->started_ms;
	reply.version = POSTERN_VERSION;
	ipc_reply(g->call, &reply.base, -1); /* frees the arena that g lives in */
}

static void done(struct gather *g)
{
	if (--g->waiting == 0)
		answer(g);
}

static void on_stats(void *ctx, int err, const ProtobufCMessage *msg, int fd UNUSED, const char *text UNUSED)
{
	struct row *row = ctx;
	struct arena *arena = row->gather->call->arena;
	const Postern__ControlStatsReply *reply = (const Postern__ControlStatsReply *)msg;
	if (err == 0) {
		row->room.counters = ARENA_ARRAY(arena, Postern__ControlCounter *, reply->n_counters);
		for (size_t i = 0; i < reply->n_counters; i++) {
			Postern__ControlCounter *c = ARENA_NEW(arena, Postern__ControlCounter);
			*c = (Postern__ControlCounter)POSTERN__CONTROL_COUNTER__INIT;
			c->name = arena_str(arena, slice_str(reply->counters[i]->name));
			c->value = reply->counters[i]->value;
			row->room.counters[row->room.n_counters++] = c;
		}
	}
	done(row->gather);
}

static void on_trials(void *ctx, int err, const ProtobufCMessage *msg, int fd UNUSED, const char *text UNUSED)
{
	struct row *row = ctx;
	struct arena *arena = row->gather->call->arena;
	const Postern__ControlProbeReply *reply = (const Postern__ControlProbeReply *)msg;
	if (err == 0) {
		row->room.trials = ARENA_ARRAY(arena, Postern__ControlProbeResult *, reply->n_results);
		for (size_t i = 0; i < reply->n_results; i++) {
			Postern__ControlProbeResult *r = ARENA_NEW(arena, Postern__ControlProbeResult);
			*r = (Postern__ControlProbeResult)POSTERN__CONTROL_PROBE_RESULT__INIT;
			r->what = arena_str(arena, slice_str(reply->results[i]->what));
			r->err = reply->results[i]->err;
			row->room.trials[row->room.n_trials++] = r;
		}
	}
	done(row->gather);
}

static void ask(struct row *row, bool trials)
{
	Postern__ControlNothing nothing = POSTERN__CONTROL_NOTHING__INIT;
	struct ipc_chan *control = row->child->control;
	row->gather->waiting++;
	ipc_call(control, POSTERN__CONTROL_OP__CONTROL_STATS, &nothing.base, NULL, 0, STATS_DEADLINE_MS, on_stats, row);
	if (!trials)
		return;
	row->gather->waiting++;
	ipc_call(control, POSTERN__CONTROL_OP__CONTROL_PROBE, &nothing.base, NULL, 0, STATS_DEADLINE_MS, on_trials, row);
}

static void fill(struct row *row, struct child *c, struct arena *arena)
{
	char path[64];
	row->room = (Postern__ControlRoom)POSTERN__CONTROL_ROOM__INIT;
	row->room.role = (char *)role_name(c->room->role);
	row->room.index = c->index;
	row->room.state = arena_str(arena, slice_str(child_state_name(c->state)));
	row->room.restarts = c->restarts;
	row->room.started_ms = c->started_ms;
	if (!c->process)
		return;
	row->room.pid = (uint32_t)c->process->pid;
	snprintf(path, sizeof(path), "/proc/%d/status", c->process->pid);
	row->room.rss_bytes = read_number_after(path, "VmRSS:", 1024);
	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", c->process->pid);
	row->room.pss_bytes = read_number_after(path, "Pss:", 1024);
}

void status_answer(struct supervisor *sup, struct ipc_call *call)
{
	struct gather *g = ARENA_NEW(call->arena, struct gather);
	const Postern__ControlStatusRequest *req = (const Postern__ControlStatusRequest *)call->req;
	g->call = call;
	g->sup = sup;
	g->waiting = 1; /* ours, until all are asked */
	for (size_t i = 0; i < sup->n_children; i++) {
		struct child *c = &sup->children[i];
		struct row *row = &g->rows[g->n];
		row->gather = g;
		row->child = c;
		fill(row, c, call->arena);
		g->list[g->n++] = &row->room;
		if (c->state == CHILD_READY && c->control)
			ask(row, req->trials);
	}
	done(g);
}
