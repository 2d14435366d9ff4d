/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job's life: rows are read into it, it runs, its outcomes become durable, its rows are free again. Nothing is
 * written when it begins: what ran when the room died is simply due still. Rows that a job holds are in
 * q->flying, so that no second job takes them.
 *
 * A message that was in flight when relay crashed is a suspect: suspects run one at a time, so that each crash
 * has one culprit, and a message with QUEUE_CRASHES_MAX crashes is parked (S45).
 */
#include "room/queue/queue.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "lib/ipc/memfd.h"

#include <sys/mman.h>

struct job *job_new(struct dest *d, uint64_t message)
{
	struct job *j = calloc(1, sizeof(*j));
	bug_if(!j);
	j->q = d->q;
	j->dest = d;
	j->message = message;
	j->arena = arena_new();
	j->fd = j->plain_fd = -1;
	return j;
}

static void grow(struct job *j)
{
	if (j->n < j->cap)
		return;
	size_t cap = j->cap ? j->cap * 4 : 2;
	struct rcpt *rcpts = ARENA_ARRAY(j->arena, struct rcpt, cap);
	if (j->n)
		memcpy(rcpts, j->rcpts, j->n * sizeof(*rcpts));
	j->rcpts = rcpts;
	j->cap = cap;
}

void job_add_row(struct job *j, struct sql_stmt *s)
{
	enum {
		ID = 1,
		ADDRESS,
		ORIGINAL,
		ORCPT,
		HOST,
		DOMAIN_,
		NOTIFY,
		ROUTE,
		PORT,
		TLS,
		ACCOUNT,
		QUOTA,
		ATTEMPTS,
		STEPS,
		TOLD,
		MAILBOX,
		REFUSE,
		MULTIDROP
	};
	grow(j);
	struct rcpt *r = &j->rcpts[j->n++];
	*r = (struct rcpt){
		.id = (uint64_t)sql_int(s, ID),
		.address = arena_dup(j->arena, sql_blob(s, ADDRESS)),
		.original = arena_dup(j->arena, sql_blob(s, ORIGINAL)),
		.orcpt = arena_dup(j->arena, sql_blob(s, ORCPT)),
		.host = arena_dup(j->arena, sql_blob(s, HOST)),
		.domain = arena_dup(j->arena, sql_blob(s, DOMAIN_)),
		.notify = (unsigned)sql_int(s, NOTIFY),
		.route = (unsigned)sql_int(s, ROUTE),
		.port = (unsigned)sql_int(s, PORT),
		.tls = (unsigned)sql_int(s, TLS),
		.account = (uint64_t)sql_int(s, ACCOUNT),
		.quota = (uint64_t)sql_int(s, QUOTA),
		.attempts = (unsigned)sql_int(s, ATTEMPTS),
		.steps = (unsigned)sql_int(s, STEPS),
		.delay_told = sql_int(s, TOLD),
		.mailbox = arena_dup(j->arena, sql_blob(s, MAILBOX)),
		.refuse = sql_int(s, REFUSE),
		.multidrop = arena_dup(j->arena, sql_blob(s, MULTIDROP)),
	};
	j->dest->rows++;
	map_put(j->q->flying, map_key_u64(&r->id), j);
}

void job_free(struct job **jp)
{
	struct job *j = *jp;
	if (!j)
		return;
	for (size_t i = 0; i < j->n; i++)
		map_remove(j->q->flying, map_key_u64(&j->rcpts[i].id));
	j->dest->rows -= j->n;
	if (j->fd >= 0)
		close(j->fd);
	if (j->plain_fd >= 0)
		close(j->plain_fd);
	arena_free(&j->arena);
	free(j);
	*jp = NULL;
}

int envelope_load(struct queue *q, struct arena *a, uint64_t id, struct envelope *ret)
{
	struct sql_stmt *s =
		sql_prepare(q->db, "SELECT sender, envid, ret_headers, smtputf8, body_8bit, "
				   "created_ms, size, segment, offset, length,"
				   " crashes, account, junk FROM message WHERE id = ?");
	sql_bind_int(s, 1, (int64_t)id);
	int got = sql_step(s);
	if (got == 1)
		*ret = (struct envelope){
			.id = id,
			.sender = arena_dup(a, sql_blob(s, 0)),
			.envid = arena_dup(a, sql_blob(s, 1)),
			.ret_headers = sql_int(s, 2),
			.smtputf8 = sql_int(s, 3),
			.body_8bit = sql_int(s, 4),
			.created_ms = sql_int(s, 5),
			.size = (uint64_t)sql_int(s, 6),
			.addr = {(uint32_t)sql_int(s, 7), (uint64_t)sql_int(s, 8),
				 (uint32_t)sql_int(s, 9)},
			.crashes = (unsigned)sql_int(s, 10),
			.account = (uint64_t)sql_int(s, 11),
			.junk = sql_int(s, 12),
		};
	sql_done(s);
	return got == 1 ? 0 : got < 0 ? got : ERR_NOT_FOUND;
}

static int read_into(struct job *j, struct slice prefix, int fd)
{
	int err = prefix.n ? memfd_write(fd, prefix) : 0;
	if (err == 0)
		err = blob_read_fd(j->q->log, &j->env.addr, true, true, fd);
	return err < 0 ? err : memfd_seal(fd);
}

int job_load_message(struct job *j, struct slice prefix)
{
	int fd;
	int err = memfd_new("queued", &fd);
	if (err < 0)
		return err;
	err = read_into(j, prefix, fd);
	if (err < 0)
		close(fd);
	else
		j->fd = fd;
	return err;
}

int job_plain(struct job *j, int *ret_fd, struct slice *ret_return_path)
{
	struct slice whole;
	int err = memfd_map(j->fd, UINT64_MAX, &whole);
	if (err < 0)
		return err;
	ptrdiff_t line = slice_find(whole, SLICE("\r\n"), 0);
	size_t n = line < 0 ? 0 : (size_t)line + 2;
	*ret_return_path = arena_dup(j->arena, slice_sub(whole, 0, n));
	if (j->plain_fd < 0)
		err = memfd_of("queued", slice_sub(whole, n, whole.n), &j->plain_fd);
	memfd_unmap(&whole);
	*ret_fd = j->plain_fd;
	return err;
}

void job_over(struct job *j)
{
	struct queue *q = j->q;
	struct dest *d = j->dest;
	if (j->suspect)
		q->suspect_active = false;
	job_free(&j);
	dest_job_over(d);
	dests_run(q);
	queue_maybe_exit(q);
}

void job_pause(struct job *j, const char *why, int err)
{
	ev(EV_WARN, "queue.job.paused", KI("queue_id", j->message), KS("by", why),
	   KS("error", err_name(err)));
	dest_pause(j->dest, clock_wall_ms() + QUEUE_PAUSE_MS);
	/* A kick meanwhile may have given the rows another destination, which could not see them so far. */
	for (size_t i = 0; i < j->n; i++) {
		char key[QUEUE_KEY_MAX];
		dest_wake(j->q, slice_of(key, route_key(key, j->rcpts[i].domain)), clock_wall_ms());
	}
	job_over(j);
}

/*
 * Bytes that cannot be read. The disk may be mended, or only be away for a while, so the message waits like one that a server
 * puts off; its lifetime ends in a report to its sender.
 */
static void damaged(struct job *j, int err)
{
	ev(EV_ERROR, "queue.message.damaged", KI("queue_id", j->message),
	   KS("error", err_name(err)));
	j->outcomes = ARENA_ARRAY(j->arena, struct outcome, j->n);
	for (size_t i = 0; i < j->n; i++)
		j->outcomes[i] = (struct outcome){ .what = OUT_LATER, .enhanced = SLICE("4.3.0"),
			.text = SLICE("The message could not be read from the server's disk") };
	result_add(j);
}

static int prepare(struct job *j)
{
	char prefix[QUEUE_RETURN_PATH_MAX];
	struct slice sender = j->env.sender;
	if (j->dest->kind == DEST_ROUTE)
		return 0;
	/* RFC 5321 4.4: who makes the final delivery says whose mail it was. */
	size_t n =
		(size_t)snprintf(prefix, sizeof(prefix), "Return-Path: <%.*s>\r\n",
				 (int)(sender.n < 1000 ? sender.n : 1000), (const char *)sender.p);
	return job_load_message(j, slice_of(prefix, j->dest->kind == DEST_STORE ? n : 0));
}

void job_start(struct job *j)
{
	struct queue *q = j->q;
	int err = envelope_load(q, j->arena, j->message, &j->env);
	if (err < 0) {
		job_pause(j, "message", err);
		return;
	}
	if (j->env.crashes && j->dest->kind != DEST_ROUTE) {
		if (q->suspect_active) {
			dest_pause(j->dest, clock_wall_ms() + QUEUE_PAUSE_MS / 4);
			job_over(j);
			return;
		}
		j->suspect = q->suspect_active = true;
	}
	err = prepare(j);
	if (err == ERR_CORRUPT)
		damaged(j, err);
	else if (err < 0)
		job_pause(j, "disk", err);
	else if (j->dest->kind == DEST_ROUTE)
		reroute_start(j);
	else if (j->dest->kind == DEST_STORE)
		deliver_start(j);
	else
		attempt_start(j);
}
