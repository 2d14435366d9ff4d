/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An attempt at another server, by relay. RELAY_ATTEMPT is never repeated by itself: a relay that died may have
 * delivered. It is tried again all the same (RFC 5321 6.1: rather twice than never), and counted.
 */
#include "room/queue/queue.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "ipc/relay.pb-c.h"

enum { ATTEMPT_DEADLINE_MS = 45 * 60000 };

/* Relay died: who was in flight is a suspect, or, where suspects were in flight, these alone. */
struct crash {
	struct work work;
	struct job *job;
};

static int count_crash(struct queue *q, struct work *w)
{
	struct job *j = container_of(w, struct crash, work)->job;
	int err = sql_run(q->db, "UPDATE message SET crashes = crashes + 1 WHERE id = ?", "i",
			  (int64_t)j->message);
	if (err >= 0 && j->env.crashes + 1 >= QUEUE_CRASHES_MAX)
		err = sql_run(
			q->db,
			"UPDATE recipient SET destination = 'parked', text = ? WHERE message = ?",
			"bi", SLICE("Parked: attempts of this message ended the relay room"),
			(int64_t)j->message);
	return err < 0 ? err : 0;
}

static void crash_counted(struct queue *q, struct work *w, int err)
{
	struct crash *c = container_of(w, struct crash, work);
	struct job *j = c->job;
	if (j->env.crashes + 1 >= QUEUE_CRASHES_MAX)
		ev(EV_ERROR, "queue.message.parked", KI("queue_id", j->message));
	free(c);
	job_pause(j, "relay", ERR_CLOSED);
}

static void crashed(struct job *j)
{
	struct crash *c;
	if (j->q->suspect_active && !j->suspect) {
		job_pause(j, "relay", ERR_CLOSED);
		return;
	}
	c = calloc(1, sizeof(*c));
	bug_if(!c);
	c->job = j;
	c->work.apply = count_crash;
	c->work.done = crash_counted;
	batch_add(j->q, &c->work);
}

static struct outcome outcome_of(struct arena *a, const Postern__AttemptResult *r)
{
	struct outcome o = {
		.what = r->outcome == POSTERN__ATTEMPT_OUTCOME__ATTEMPT_DELIVERED ? OUT_DELIVERED
			: r->outcome == POSTERN__ATTEMPT_OUTCOME__ATTEMPT_FAILED  ? OUT_FAILED
										  : OUT_LATER,
		.code = r->code < 600 ? r->code : 0,
		.enhanced = arena_dup(a, slice_sub(slice_str(r->enhanced), 0, 12)),
		.text = arena_dup(a, slice_sub(slice_of_pb(r->text), 0, 512)),
		.server = arena_dup(a, slice_sub(slice_of_pb(r->server), 0, 320)),
		.dsn_passed_on = r->dsn_passed_on,
	};
	return o;
}

static void on_reply(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct job *j = ctx;
	const Postern__AttemptReply *reply = (const Postern__AttemptReply *)msg;
	if (fd >= 0)
		close(fd);
	if (err == ERR_CLOSED) {
		crashed(j);
		return;
	}
	if (err == ERR_UNAVAILABLE)	/* it stops: what was asked of it now would wait for its return */
		j->q->relay_away_ms = clock_wall_ms() + QUEUE_RELAY_AWAY_MS;
	if (err < 0 || reply->n_results != j->n) {
		job_pause(j, "relay", err < 0 ? err : ERR_INTERNAL);
		return;
	}
	j->outcomes = ARENA_ARRAY(j->arena, struct outcome, j->n);
	for (size_t i = 0; i < j->n; i++)
		j->outcomes[i] = outcome_of(j->arena, reply->results[i]);
	j->unreachable = reply->unreachable;
	if (reply->unreachable)
		dest_unreachable(j->dest, clock_wall_ms());
	else
		dest_reached(j->dest);
	result_add(j);
}

/* RFC 3461 5.2.1: what we were asked the next server is asked; what nobody asked is left to it. */
static void fill_rcpts(struct job *j, Postern__AttemptRequest *req)
{
	Postern__AttemptRecipient *rows = ARENA_ARRAY(j->arena, Postern__AttemptRecipient, j->n);
	req->recipients = ARENA_ARRAY(j->arena, Postern__AttemptRecipient *, j->n);
	req->n_recipients = j->n;
	for (size_t i = 0; i < j->n; i++) {
		postern__attempt_recipient__init(&rows[i]);
		rows[i].address = pb_of_slice(j->rcpts[i].address);
		rows[i].notify = j->rcpts[i].notify;
		rows[i].orcpt = pb_of_slice(j->rcpts[i].orcpt);
		req->recipients[i] = &rows[i];
	}
}

void attempt_start(struct job *j)
{
	Postern__AttemptRequest req = POSTERN__ATTEMPT_REQUEST__INIT;
	const struct rcpt *first = &j->rcpts[0];
	req.queue_id = j->message;
	req.sender = pb_of_slice(j->env.sender);
	fill_rcpts(j, &req);
	if (j->dest->kind == DEST_TO) {
		req.host = arena_str(j->arena, first->host);
		req.port = first->port;
		req.tls = first->tls;
	}
	req.domain = pb_of_slice(first->domain);
	req.envid = pb_of_slice(j->env.envid);
	req.ret_headers = j->env.ret_headers;
	req.smtputf8 = j->env.smtputf8;
	req.body_8bit = j->env.body_8bit;
	req.size = j->env.size;
	room_call(j->q->room, ROLE_RELAY, PEER_ANY, POSTERN__RELAY_OP__RELAY_ATTEMPT, &req.base,
		  &j->fd, 1, ATTEMPT_DEADLINE_MS, on_reply, j);
}
