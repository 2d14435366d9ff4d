/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status: the supervisor's table of rooms with what each counts, and directory's counts of customers, domains and
 * mailboxes. Directory may be down or slow: then its members are null and the rest is there all the same.
 */
#include "room/httpd/httpd_priv.h"

#include "base/err.h"
#include "ipc/control.pb-c.h"

#include <jansson.h>

enum { OVERVIEW_MS = 3000 };

static json_t *room_object(const Postern__ControlRoom *room)
{
	json_t *counters = json_object();
	for (size_t i = 0; i < room->n_counters; i++)
		json_object_set_new(counters, room->counters[i]->name, json_integer(room->counters[i]->value));
	json_t *trials = json_object(); /* what was tried: the errno that refused it, 0 where it was let through */
	for (size_t i = 0; i < room->n_trials; i++)
		json_object_set_new(trials, room->trials[i]->what, json_integer(room->trials[i]->err));
	return json_pack("{s:s, s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:o, s:o}", "role", room->role, "index",
			 (json_int_t)room->index, "pid", (json_int_t)room->pid, "state", room->state, "rss_bytes",
			 (json_int_t)room->rss_bytes, "pss_bytes", (json_int_t)room->pss_bytes, "restarts",
			 (json_int_t)room->restarts, "started_ms", (json_int_t)room->started_ms, "counters", counters, "trials", trials);
}

static json_t *queued(const Postern__ControlStatusReply *status)
{
	for (size_t i = 0; i < status->n_rooms; i++) {
		const Postern__ControlRoom *room = status->rooms[i];
		for (size_t k = 0; k < room->n_counters && !strcmp(room->role, "queue"); k++) {
			if (!strcmp(room->counters[k]->name, "queued"))
				return json_integer(room->counters[k]->value);
		}
	}
	return json_null();
}

/* Without directory's part. */
static json_t *status_object(const Postern__ControlStatusReply *status)
{
	json_t *rooms = json_array();
	for (size_t i = 0; i < status->n_rooms; i++)
		json_array_append_new(rooms, room_object(status->rooms[i]));
	return json_pack("{s:s, s:I, s:o, s:o}", "version", status->version, "started_ms", (json_int_t)status->started_ms,
			 "rooms", rooms, "queued", queued(status));
}

static void add_overview(json_t *status, struct slice text)
{
	static const char *const names[] = { "customers", "domains", "mailboxes" };
	json_t *overview = text.n ? json_loadb((const char *)text.p, text.n, 0, NULL) : NULL;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		json_t *v = json_object_get(overview, names[i]);
		json_object_set(status, names[i], v ? v : json_null());
	}
	json_decref(overview);
}

/* r->out holds the status so far. */
static void on_overview(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct request *r = ctx;
	const Postern__AdminReply *answer = (const Postern__AdminReply *)reply;
	struct slice overview = { 0 };
	if (fd >= 0)
		close(fd);
	if (!request_call_end(r))
		return;
	if (err == 0 && answer->status == 200)
		overview = slice_of(answer->json.data, answer->json.len);
	json_t *status = json_loadb((const char *)r->out.p, r->out.n, 0, NULL);
	bug_if(!status);
	add_overview(status, overview);
	char *whole = json_dumps(status, JSON_COMPACT);
	buf_clear(&r->out);
	buf_str(&r->out, whole);
	free(whole);
	json_decref(status);
	request_done(r, 200);
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
	char *so_far = status ? json_dumps(status, JSON_COMPACT) : NULL;
	json_decref(status);
	if (!so_far) { /* a name that is no UTF-8: cannot be, unless a room is broken */
		request_fail(r, 500, NULL, NULL);
		return;
	}
	buf_str(&r->out, so_far);
	free(so_far);
	Postern__AdminRequest ask = POSTERN__ADMIN_REQUEST__INIT;
	ask.operation = (char *)"overview";
	ask.actor = (char *)"provider";
	request_call_begin(r);
	room_call(r->httpd->room, ROLE_DIRECTORY, 0, POSTERN__DIRECTORY_OP__DIRECTORY_ADMIN, &ask.base, NULL, 0,
		  OVERVIEW_MS, on_overview, r);
}

void status_begin(struct request *r)
{
	Postern__ControlStatusRequest ask = POSTERN__CONTROL_STATUS_REQUEST__INIT;
	bool trials = false;
	IGNORE(api_bool(api_get(r->fields.v, r->fields.n, "trials"), &trials) < 0, "absent is false");
	ask.trials = trials;
	request_call_begin(r);
	room_control_call(r->httpd->room, POSTERN__CONTROL_OP__CONTROL_STATUS, &ask.base, HTTPD_CALL_MS, on_status, r);
}
