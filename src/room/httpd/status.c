/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status: the supervisor's table of rooms with what each counts. The figures that everybody wants
 * (customers, domains, mailboxes, queued mail) are counters of directory and queue; while one of
 * these is away its figures are null and the rest is there all the same.
 */
#include "room/httpd/httpd_priv.h"

#include "base/err.h"
#include "ipc/control.pb-c.h"

#include <jansson.h>

static json_t *room_object(const Postern__ControlRoom *room)
{
	json_t *counters = json_object();
	for (size_t i = 0; i < room->n_counters; i++)
		json_object_set_new(counters, room->counters[i]->name,
				    json_integer(room->counters[i]->value));
	json_t *trials = json_object(); /* what was tried: the errno that refused it, 0 where it was
					   let through */
	for (size_t i = 0; i < room->n_trials; i++)
		json_object_set_new(trials, room->trials[i]->what,
				    json_integer(room->trials[i]->err));
	return json_pack("{s:s, s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:o, s:o}", "role", room->role,
			 "index", (json_int_t)room->index, "pid", (json_int_t)room->pid, "state",
			 room->state, "rss_bytes", (json_int_t)room->rss_bytes, "pss_bytes",
			 (json_int_t)room->pss_bytes, "restarts", (json_int_t)room->restarts,
			 "started_ms", (json_int_t)room->started_ms, "counters", counters, "trials",
			 trials);
}

static json_t *figure(const Postern__ControlStatusReply *status, const char *role, const char *name)
{
	for (size_t i = 0; i < status->n_rooms; i++) {
		const Postern__ControlRoom *room = status->rooms[i];
		for (size_t k = 0; k < room->n_counters && !strcmp(room->role, role); k++) {
			if (!strcmp(room->counters[k]->name, name))
				return json_integer(room->counters[k]->value);
		}
	}
	return json_null();
}

static json_t *status_object(const Postern__ControlStatusReply *status)
{
	json_t *rooms = json_array();
	for (size_t i = 0; i < status->n_rooms; i++)
		json_array_append_new(rooms, room_object(status->rooms[i]));
	return json_pack("{s:s, s:I, s:o, s:o, s:o, s:o, s:o}", "version", status->version,
			 "started_ms", (json_int_t)status->started_ms, "rooms", rooms, "customers",
			 figure(status, "directory", "customers"), "domains",
			 figure(status, "directory", "domains"), "mailboxes",
			 figure(status, "directory", "mailboxes"), "queued",
			 figure(status, "queue", "queued"));
}

static void on_status(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct request *r = ctx;
	if (fd >= 0)
		close(fd);
	if (!request_call_end(r))
		return;
	if (err < 0) {
		request_fail_err(r, err, text);
		return;
	}
	json_t *status = status_object((const Postern__ControlStatusReply *)reply);
	char *json = status ? json_dumps(status, JSON_COMPACT) : NULL;
	json_decref(status);
	if (!json) { /* a name that is no UTF-8: cannot be, unless a room is broken */
		request_fail(r, 500, NULL, NULL);
		return;
	}
	buf_str(&r->out, json);
	free(json);
	request_done(r, 200);
}

void status_begin(struct request *r)
{
	Postern__ControlStatusRequest ask = POSTERN__CONTROL_STATUS_REQUEST__INIT;
	bool trials = false;
	struct slice wish = api_get(r->fields.v, r->fields.n, "trials");
	ask.trials = wish.n && api_bool(wish, &trials) == 0 && trials;
	request_call_begin(r);
	room_control_call(r->httpd->room, POSTERN__CONTROL_OP__CONTROL_STATUS, &ask.base,
			  HTTPD_CALL_MS, on_status, r);
}
