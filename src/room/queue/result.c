/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an attempt came to, made durable in one transaction: rows of delivered and failed recipients go, others
 * get their next time, notifications are queued beside (so that neither a recipient nor its bounce is ever lost
 * or told twice), and a message without recipients goes.
 */
#include "room/queue/queue.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "base/rng.h"
#include "ipc/directory.pb-c.h"
#include "room/queue/backoff.h"

enum { NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4 };

struct result {
	struct queue *q;
	const struct envelope *env;
	struct arena *arena;
	int64_t now;
	bool unreachable;
	struct dsn_rcpt *failed, *done, *disposed;
	size_t n_failed, n_done, n_disposed;
};

static struct dsn_rcpt dsn_of(const struct rcpt *r, const struct outcome *o)
{
	return (struct dsn_rcpt){.address = r->original.n ? r->original : r->address,
				 .orcpt = r->orcpt,
				 .enhanced = o->enhanced,
				 .code = o->code,
				 .text = o->text,
				 .server = o->server};
}

static int remove_row(struct result *t, const struct rcpt *r)
{
	return sql_run(t->q->db, "DELETE FROM recipient WHERE id = ?", "i", (int64_t)r->id);
}

static int delivered(struct result *t, const struct rcpt *r, const struct outcome *o)
{
	if (r->notify & NOTIFY_SUCCESS && !o->dsn_passed_on)
		t->done[t->n_done++] = dsn_of(r, o);
	t->q->delivered++;
	t->q->hosted += r->route == POSTERN__ROUTE_KIND__ROUTE_MAILBOX;
	return remove_row(t, r);
}

/*
 * Nobody has shown that mail from outside is of the sender that it names. What a server of theirs refused would
 * go back to whoever was made up (backscatter, S36), so only what nobody could be reached for is told, or what the
 * provider has looked at.
 */
static bool may_tell(const struct envelope *env, const struct outcome *o)
{
	bool unreachable = o->code == 0 && o->what == OUT_LATER && !slice_starts(o->enhanced, SLICE("4.2."));
	return env->account || unreachable || o->ordered;
}

static int failed(struct result *t, const struct rcpt *r, const struct outcome *o, bool tell)
{
	bool wanted = r->notify == 0 || r->notify & NOTIFY_FAILURE;
	wanted = wanted && !(r->notify & NOTIFY_NEVER);
	if (wanted && tell && o->mdn)
		t->disposed[t->n_disposed++] = dsn_of(r, o);
	else if (wanted && tell)
		t->failed[t->n_failed++] = dsn_of(r, o);
	t->q->withheld += wanted && !tell && t->env->sender.n;
	t->q->failed++;
	ev(EV_INFO, "queue.recipient.failed", KI("queue_id", t->env->id),
	   KSL("address", r->address), KSL("status", o->enhanced), KSL("text", o->text));
	return remove_row(t, r);
}

/* No server took a session: that is the destination's affair (dest.c), the row stays due. */
static int unreachable(struct result *t, const struct rcpt *r, const struct outcome *o)
{
	char key[QUEUE_KEY_MAX];
	dest_wake(t->q, slice_of(key, route_key(key, r->domain)), t->now);	/* after a kick meanwhile */
	return sql_run(t->q->db,
		       "UPDATE recipient SET attempts = attempts + 1, code = ?, enhanced = ?, text "
		       "= ?, server = ?,"
		       " tried_ms = ? WHERE id = ?",
		       "ibbbii", (int64_t)o->code, o->enhanced, o->text, o->server, t->now,
		       (int64_t)r->id);
}

static int later(struct result *t, const struct rcpt *r, const struct outcome *o)
{
	struct conf *conf = t->q->room->conf;
	if (t->unreachable)
		return unreachable(t, r, o);
	int64_t due = t->now;
	if (!o->gone || r->steps >= QUEUE_AGAIN_MAX)
		due += backoff_retry_ms((int64_t)conf_u64(conf, "queue.retry_first"),
					(int64_t)conf_u64(conf, "queue.retry_max"), r->steps, rng_u64());
	char key[QUEUE_KEY_MAX];
	bool keep = r->route == POSTERN__ROUTE_KIND__ROUTE_MAILBOX && !o->ask_again;
	size_t n = route_key(key, r->domain);
	dest_wake(t->q, slice_of(key, n), due);
	int err = sql_run(t->q->db,
			  "UPDATE recipient SET attempts = attempts + 1, steps = steps + 1, due_ms "
			  "= ?, code = ?,"
			  " enhanced = ?, text = ?, server = ?, tried_ms = ? WHERE id = ?",
			  "iibbbii", due, (int64_t)o->code, o->enhanced, o->text, o->server, t->now,
			  (int64_t)r->id);
	if (err >= 0 && !keep)
		err = sql_run(t->q->db,
			      "UPDATE recipient SET destination = ?, route = ? WHERE id = ? AND "
			      "destination"
			      " <> 'parked'",
			      "bii", slice_of(key, n), (int64_t)QUEUE_ROUTE_ASK, (int64_t)r->id);
	return err;
}

static int one(struct result *t, const struct rcpt *r, const struct outcome *o)
{
	int64_t lifetime = (int64_t)conf_u64(t->q->room->conf, "queue.lifetime");
	if (o->what == OUT_DELIVERED)
		return delivered(t, r, o);
	if (o->what == OUT_FAILED)
		return failed(t, r, o, may_tell(t->env, o));
	if (t->now - t->env->created_ms < lifetime)
		return later(t, r, o);
	struct outcome expired = *o;
	expired.enhanced = SLICE("4.4.7");
	if (!expired.text.n)
		expired.text = SLICE("The message could not be delivered in time");
	return failed(t, r, &expired, may_tell(t->env, o));
}

static int close_message(struct result *t)
{
	int64_t left;
	int err =
		sql_get(t->q->db, &left,
			"SELECT count(*) FROM (SELECT 1 FROM recipient WHERE message = ? LIMIT 1)",
			"i", (int64_t)t->env->id);
	if (err == 0 && !left)
		err = sql_run(t->q->db, "DELETE FROM message WHERE id = ?", "i",
			      (int64_t)t->env->id);
	else if (err == 0 && t->env->crashes)
		err = sql_run(t->q->db, "UPDATE message SET crashes = 0 WHERE id = ?", "i",
			      (int64_t)t->env->id);
	return err;
}

int result_apply(struct queue *q, const struct envelope *env, const struct rcpt *rcpts, size_t n,
		 const struct outcome *outcomes, bool unreachable_all, struct arena *a)
{
	struct result t = {.q = q,
			   .env = env,
			   .arena = a,
			   .now = clock_wall_ms(),
			   .unreachable = unreachable_all};
	bool hosted = n && rcpts[0].route == POSTERN__ROUTE_KIND__ROUTE_MAILBOX;
	int err = 0;
	t.failed = ARENA_ARRAY(a, struct dsn_rcpt, n);
	t.done = ARENA_ARRAY(a, struct dsn_rcpt, n);
	t.disposed = ARENA_ARRAY(a, struct dsn_rcpt, n);
	for (size_t i = 0; i < n && err >= 0; i++)
		err = one(&t, &rcpts[i], &outcomes[i]);
	if (err >= 0 && t.n_failed)
		err = bounce(q, env, DSN_FAILED, t.failed, t.n_failed, a);
	if (err >= 0 && t.n_disposed)
		err = disposition(q, env, t.disposed, t.n_disposed);
	if (err >= 0 && t.n_done)
		err = bounce(q, env, hosted ? DSN_DELIVERED : DSN_RELAYED, t.done, t.n_done, a);
	if (err >= 0)
		err = close_message(&t);
	return err < 0 ? err : 0;
}

static int apply(struct queue *q, struct work *w)
{
	struct job *j = container_of(w, struct job, work);
	int err = letters_insert(j);
	return err < 0 ? err : result_apply(q, &j->env, j->rcpts, j->n, j->outcomes, j->unreachable, j->arena);
}

static void on_again(uv_timer_t *t)
{
	struct queue *q = t->data;
	while (!list_empty(&q->unwritten)) {
		struct work *w = list_first(&q->unwritten, struct work, node);
		list_remove(&w->node);
		batch_add(q, w);
	}
}

/* A full disk must not make us deliver twice: the job keeps its rows until its outcome could be written. */
static void done(struct queue *q, struct work *w, int err)
{
	struct job *j = container_of(w, struct job, work);
	if (err >= 0) {
		job_over(j);
		return;
	}
	ev(EV_ERROR, "queue.result.unwritten", KI("queue_id", j->message),
	   KS("error", err_name(err)));
	list_append(&q->unwritten, &w->node);
	bug_if(uv_timer_start(&q->again, on_again, QUEUE_PAUSE_MS, 0));
}

void result_add(struct job *j)
{
	j->work.apply = apply;
	j->work.done = done;
	batch_add(j->q, &j->work);
}
