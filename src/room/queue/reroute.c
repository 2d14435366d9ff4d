/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directory is asked where mail for a recipient goes now: before every attempt but the first, after a kick, and
 * for notifications. The answer is committed as the row's new destination before anything is done about it; an
 * address that has become several (an alias, a list) becomes several rows.
 */
#include "room/queue/queue.h"

#include "base/clock.h"
#include "base/err.h"
#include "ipc/directory.pb-c.h"

enum { CALL_MS = 30000 };

struct reroute;

struct answer {
	struct reroute *reroute;
	Postern__RouteReply *reply;	/* our copy */
};

struct reroute {
	struct work work;
	struct job *job;
	struct answer *answers;
};

static size_t target_key(char key[QUEUE_KEY_MAX], const Postern__RouteTarget *t,
			 struct slice domain)
{
	if (t->kind == POSTERN__ROUTE_KIND__ROUTE_MAILBOX)
		return (size_t)snprintf(key, QUEUE_KEY_MAX, "store %u", t->shard);
	return dest_key(key, t->kind, slice_str(t->host), t->port, t->tls, domain);
}

static int update_row(struct queue *q, uint64_t id, const Postern__RouteTarget *t,
		      struct slice address, struct slice domain, struct slice key)
{
	return sql_run(q->db,
		       "UPDATE recipient SET address = ?, domain = ?, destination = ?, route = ?, "
		       "host = ?, port = ?,"
		       " tls = ?, account = ?, quota = ?, mailbox = ?, refuse = ?, multidrop = ? WHERE id = ?",
		       "bbbibiiiibibi", address, domain, key, (int64_t)t->kind, slice_str(t->host),
		       (int64_t)t->port, (int64_t)t->tls, (int64_t)t->account_id,
		       (int64_t)t->quota_bytes, slice_of_pb(t->mailbox),
		       (int64_t)t->over_quota_refuse, slice_of_pb(t->multidrop), (int64_t)id);
}

/* A further target of the same recipient; the row keeps its history. */
static int copy_row(struct queue *q, uint64_t id, uint64_t *ret)
{
	int err = sql_run(q->db,
			  "INSERT INTO recipient (message, address, original, orcpt, domain, "
			  "notify, destination, route,"
			  " host, port, tls, due_ms, created_ms, attempts, steps, delay_told) "
			  "SELECT message, address,"
			  " original, orcpt, domain, notify, destination, route, host, port, tls, "
			  "due_ms, created_ms,"
			  " attempts, steps, delay_told FROM recipient WHERE id = ?",
			  "i", (int64_t)id);
	*ret = (uint64_t)sql_last_id(q->db);
	return err;
}

/* An address of ours passes it on: a message of its own, with another sender and a line in front. */
static int redirect(struct queue *q, const struct envelope *env, const struct rcpt *row, const Postern__RouteTarget *t,
		    struct slice address)
{
	struct buf text = BUF_INIT(QUEUE_MESSAGE_MAX);
	struct new_rcpt to = {.address = address,
			      .original = row->original,
			      .orcpt = row->orcpt,
			      .notify = row->notify,
			      .route = t->kind,
			      .host = slice_str(t->host),
			      .port = t->port,
			      .tls = t->tls};
	buf_printf(&text, "Delivered-To: " SLICE_FMT "\r\n", SLICE_ARG(slice_of_pb(t->delivered_to)));
	int err = blob_read(q->log, &env->addr, true, true, &text);
	struct new_message m = {.sender = t->sender.len ? slice_of_pb(t->sender) : env->sender,
				.envid = env->envid,
				.message = buf_view(&text),
				.ret_headers = env->ret_headers,
				.smtputf8 = env->smtputf8,
				.account = env->account,
				.junk = env->junk,
				.rcpts = &to,
				.n_rcpts = 1};
	uint64_t id;
	if (err >= 0)
		err = message_insert(q, &m, clock_wall_ms(), &id);
	buf_fini(&text);
	return err;
}

static int move_to(struct queue *q, const struct envelope *env, const struct rcpt *row, const Postern__RouteTarget *t,
		   uint64_t id)
{
	struct slice address = t->address.len ? slice_of_pb(t->address) : row->address;
	char text[512], key[QUEUE_KEY_MAX];
	struct slice domain = address_domain(address, text, sizeof(text));
	size_t n = target_key(key, t, domain);
	int err = 0;
	bool redirected = t->delivered_to.len && !slice_eq_ci(slice_of_pb(t->delivered_to), address);
	if (redirected)
		err = redirect(q, env, row, t, address);
	if (err >= 0 && (redirected || t->kind == POSTERN__ROUTE_KIND__ROUTE_DISCARD))
		return sql_run(q->db, "DELETE FROM recipient WHERE id = ?", "i", (int64_t)id);
	if (err >= 0)
		err = update_row(q, id, t, address, domain, slice_of(key, n));
	dest_wake(q, slice_of(key, n), clock_wall_ms());
	return err;
}

static int move_row(struct queue *q, const struct envelope *env, const struct rcpt *row,
		    const Postern__RouteReply *reply)
{
	int err = 0;
	for (size_t i = reply->n_targets; i-- > 0 && err >= 0;) {	/* the last one is the row itself */
		uint64_t id = row->id;
		if (i)
			err = copy_row(q, row->id, &id);
		if (err >= 0)
			err = move_to(q, env, row, reply->targets[i], id);
	}
	return err;
}

static struct outcome refusal(const Postern__RouteReply *reply)
{
	bool later = reply->code / 100 != 5;
	return (struct outcome){.what = later ? OUT_LATER : OUT_FAILED,
				.enhanced = reply->enhanced[0] ? slice_str(reply->enhanced)
					    : later            ? SLICE("4.3.0")
							       : SLICE("5.1.1"),
				.text = slice_str(reply->text),
				.ask_again = true};
}

static int apply(struct queue *q, struct work *w)
{
	struct reroute *r = container_of(w, struct reroute, work);
	struct job *j = r->job;
	int err = 0;
	for (size_t i = 0; i < j->n && err >= 0; i++) {
		const Postern__RouteReply *reply = r->answers[i].reply;
		if (reply->n_targets) {
			err = move_row(q, &j->env, &j->rcpts[i], reply);
			continue;
		}
		struct outcome o = refusal(reply);
		err = result_apply(q, &j->env, &j->rcpts[i], 1, &o, false, j->arena);
	}
	if (err >= 0)	/* discarded ones may have been the last */
		err = sql_run(q->db, "DELETE FROM message WHERE id = ? AND NOT EXISTS"
				     " (SELECT 1 FROM recipient WHERE message = ?)", "ii",
			      (int64_t)j->message, (int64_t)j->message);
	return err < 0 ? err : 0;
}

static void free_answers(struct reroute *r)
{
	for (size_t i = 0; i < r->job->n; i++)
		if (r->answers[i].reply)
			postern__route_reply__free_unpacked(r->answers[i].reply, NULL);
}

static void done(struct queue *q, struct work *w, int err)
{
	struct reroute *r = container_of(w, struct reroute, work);
	struct job *j = r->job;
	free_answers(r);
	free(r);
	if (err < 0)
		job_pause(j, "database", err);
	else
		job_over(j);
}

static void finish(struct reroute *r)
{
	struct job *j = r->job;
	if (--j->waiting)
		return;
	if (j->deferred) {
		free_answers(r);
		free(r);
		job_pause(j, "directory", ERR_UNAVAILABLE);
		return;
	}
	r->work.apply = apply;
	r->work.done = done;
	batch_add(j->q, &r->work);
}

static Postern__RouteReply *copy_reply(struct arena *a, const Postern__RouteReply *reply)
{
	size_t n = postern__route_reply__get_packed_size(reply);
	uint8_t *packed = arena_alloc(a, n);
	postern__route_reply__pack(reply, packed);
	return postern__route_reply__unpack(NULL, n, packed);
}

static void on_route(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct answer *a = ctx;
	struct reroute *r = a->reroute;
	if (fd >= 0)
		close(fd);
	if (err == 0)
		a->reply = copy_reply(r->job->arena, (const Postern__RouteReply *)msg);
	else
		r->job->deferred = true;
	finish(r);
}

static void ask(struct reroute *r, size_t i)
{
	struct job *j = r->job;
	Postern__RouteRequest req = POSTERN__ROUTE_REQUEST__INIT;
	const struct rcpt *row = &j->rcpts[i];
	req.address = pb_of_slice(row->multidrop.n ? row->multidrop : row->address);
	req.retry = true;
	req.sender = pb_of_slice(j->env.sender);
	req.null_sender = !j->env.sender.n;
	r->answers[i] = (struct answer){ .reroute = r };
	j->waiting++;
	room_call(j->q->room, ROLE_DIRECTORY, PEER_ANY, POSTERN__DIRECTORY_OP__DIRECTORY_ROUTE,
		  &req.base, NULL, 0, CALL_MS, on_route, &r->answers[i]);
}

void reroute_start(struct job *j)
{
	struct reroute *r = calloc(1, sizeof(*r));
	bug_if(!r);
	r->job = j;
	r->answers = ARENA_ARRAY(j->arena, struct answer, j->n);
	j->waiting = 1;
	for (size_t i = 0; i < j->n; i++)
		ask(r, i);
	finish(r);
}
