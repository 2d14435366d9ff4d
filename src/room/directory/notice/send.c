/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows are sent oldest first, WINDOW of them under way. The queue remembers the row's operation id, so a row that was
 * handed over just before a crash is handed over again and answered with the same number: one message. What was
 * answered in a turn of the loop is written down in one transaction. While the queue does not answer rows wait; the
 * next tick begins again.
 */
#include "room/directory/notice/send.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "ipc/queue.pb-c.h"
#include "lib/ipc/memfd.h"
#include "lib/sql/sql.h"
#include "room/directory/notice/write.h"

enum { WINDOW = 32, CALL_MS = 30 * 1000, TRIM_ROWS = 2000, ROUTE_ASK = 99 /* no RouteKind: the queue asks here */ };

struct notices {
	struct directory *d;
	uv_timer_t soon;	/* the next turn of the loop */
	struct list ended;	/* struct sending: answered, not written down yet */
	unsigned flying;
	uint64_t last;		/* id of the newest row that was begun */
	bool paused;		/* the queue did not answer: until the next tick */
};

struct sending {
	struct list node;
	struct notices *n;
	struct arena *a;
	struct notice_row row;
	struct notice_mail mail;
	uint64_t queue_id;
	int err;
};

static void on_soon(uv_timer_t *t);

static void later(struct notices *n)
{
	bug_if(uv_timer_start(&n->soon, on_soon, 0, 0) < 0);
}

static void end(struct sending *s, int err)
{
	struct notices *n = s->n;
	s->err = err;
	list_append(&n->ended, &s->node);
	later(n);
}

static void on_queued(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct sending *s = ctx;
	if (fd >= 0)
		close(fd);
	if (err == 0)
		s->queue_id = ((const Postern__EnqueueReply *)msg)->queue_id;
	end(s, err);
}

static int message_of(struct sending *s, int *ret_fd)
{
	struct directory *d = s->n->d;
	const char *host = conf_str(d->room->conf, "host.name");
	struct buf out = BUF_INIT(8 * MESSAGE_BYTES_MAX);
	int r = notice_write(d->e, s->a, &s->row, d->seal, host, &s->mail);
	if (r == 0) {
		notice_compose(&out, s->a, &s->row, &s->mail, host);
		r = buf_ok(&out) ? memfd_of("notice", buf_view(&out), ret_fd) : ERR_TOO_BIG;
	}
	if (out.p)
		explicit_bzero(out.p, out.cap);
	buf_fini(&out);
	return r;
}

static void send_one(struct notices *n, const struct notice_row *row, struct arena *a)
{
	struct sending *s = calloc(1, sizeof(*s));
	int fd = -1;
	bug_if(!s);
	*s = (struct sending){ .n = n, .a = a, .row = *row };
	n->flying++;
	int r = message_of(s, &fd);
	if (r < 0) {
		end(s, r);
		return;
	}
	Postern__EnqueueRequest req = POSTERN__ENQUEUE_REQUEST__INIT;
	Postern__QueueRecipient to = POSTERN__QUEUE_RECIPIENT__INIT, *list = &to;
	to.address = to.original = data_of(s->row.to);
	to.route = ROUTE_ASK;
	to.notify = 1;	/* never: there is nobody to tell */
	req.operation_id = data_of(s->row.operation);
	req.recipients = &list;
	req.n_recipients = 1;
	req.smtputf8 = true;
	room_call(n->d->room, ROLE_QUEUE, 0, POSTERN__QUEUE_OP__QUEUE_ENQUEUE, &req.base, &fd, 1, CALL_MS, on_queued, s);
	close(fd);
}

/* Each row in an arena of its own: they end one by one. */
static void fill(struct notices *n)
{
	while (n->flying < WINDOW && !n->paused && !n->d->room->stopping) {
		struct arena *a = arena_new();
		struct notice_row *row;
		size_t found = 0;
		int r = notice_waiting(n->d->e, a, n->last, 1, &row, &found);
		if (r < 0 || !found) {
			arena_free(&a);
			return;
		}
		n->last = row->id;
		send_one(n, row, a);
	}
}

/* Trouble that passes: the row stays as it is. */
static bool is_passing(int err)
{
	return err == ERR_UNAVAILABLE || err == ERR_CLOSED || err == ERR_TIMEOUT || err == ERR_FULL || err > -1000;
}

static int write_down(struct directory *d, struct sending *s)
{
	int64_t now = clock_wall_ms();
	if (s->err == 0)
		return notice_sent(d->e, s->row.id, s->queue_id, s->mail.from, s->mail.subject, now);
	if (is_passing(s->err)) {
		s->n->paused = true;
		return 0;
	}
	return notice_failed(d->e, s->row.id, slice_str(err_text(s->err)), now);
}

static void tell(const struct sending *s)
{
	const char *kind = notice_kinds[s->row.kind].name;
	if (s->err == 0)
		ev(EV_INFO, "directory.notice.sent", KS("kind", kind), KSL("to", s->row.to), KI("notice", s->row.id),
		   KI("queue_id", s->queue_id));
	else
		ev(EV_WARN, is_passing(s->err) ? "directory.notice.waits" : "directory.notice.failed", KS("kind", kind),
		   KSL("to", s->row.to), KI("notice", s->row.id), KS("error", err_name(s->err)));
}

static void on_soon(uv_timer_t *t)
{
	struct notices *n = t->data;
	struct directory *d = n->d;
	int r = list_empty(&n->ended) ? 1 : sql_begin(engine_sql(d->e));
	list_each(s, &n->ended, struct sending, node) {
		if (r == 0)
			r = write_down(d, s);
	}
	if (r == 0)
		r = sql_commit(engine_sql(d->e));
	else if (r < 0)
		sql_rollback(engine_sql(d->e));
	if (r < 0)
		n->paused = true;	/* the queue knows their ids */
	while (!list_empty(&n->ended)) {
		struct sending *s = list_first(&n->ended, struct sending, node);
		list_remove(&s->node);
		tell(s);
		n->flying--;
		arena_free(&s->a);
		free(s);
	}
	directory_check_disk(d);
	fill(n);
}

static void on_notice(void *ctx)
{
	struct directory *d = ctx;
	later(d->notices);
}

void notices_start(struct directory *d)
{
	struct notices *n = calloc(1, sizeof(*n));
	bug_if(!n || uv_timer_init(d->room->loop, &n->soon) < 0);
	n->d = d;
	n->soon.data = n;
	list_init(&n->ended);
	d->notices = n;
	engine_use_seal(d->e, d->seal);
	engine_on_notice(d->e, on_notice, d);
}

/* From the oldest on, where nothing is under way: rows that were left behind come again. */
void notices_kick(struct directory *d)
{
	struct notices *n = d->notices;
	n->paused = false;
	if (!n->flying)
		n->last = 0;
	later(n);
}

void notices_job_send(void *ctx, int64_t now_ms)
{
	notices_kick(ctx);
}

void notices_job_trim(void *ctx, int64_t now_ms)
{
	struct directory *d = ctx;
	int64_t before = now_ms - (int64_t)conf_u64(d->room->conf, "notices.keep");
	uint64_t n = 0, some = TRIM_ROWS;
	int r = 0;
	for (; r == 0 && some == TRIM_ROWS; n += r < 0 ? 0 : some)
		r = notice_trim(d->e, before, TRIM_ROWS, &some);
	if (r < 0)
		ev(EV_WARN, "directory.notice.untrimmed", KS("error", err_name(r)));
	else if (n)
		ev(EV_INFO, "directory.notice.trimmed", KI("rows", n));
}
