/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notifications become queued mail of their own, in the transaction that they tell of: with the null sender, so
 * that none is ever answered by another (RFC 5321 6.1), and by directory's word into a mailbox of ours or out.
 */
#include "room/queue/queue.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/event.h"
#include "base/rng.h"
#include "room/queue/mdn.h"

enum {
	RETURNED_MAX = 256 * 1024,	/* a larger message comes back as its header */
	HEADER_MAX = 1 << 20,
	DSN_MAX = 4 << 20,
};

/* Whether out is the whole message. The notification matters more than the copy: what cannot be read is left out. */
static bool read_original(struct queue *q, const struct envelope *env, bool whole, struct buf *out)
{
	if (whole && blob_read(q->log, &env->addr, true, true, out) == 0)
		return true;
	buf_clear(out);
	if (blob_read(q->log, &env->addr, true, false, out) < 0)
		buf_clear(out);
	return false;
}

static void boundary(struct buf *out)
{
	uint8_t random[16];
	rng_bytes(random, sizeof(random));
	hex_encode(out, slice_of(random, sizeof(random)));
}

static int queue_it(struct queue *q, const struct envelope *env, struct slice text)
{
	struct new_rcpt to = {.address = env->sender,
			      .original = env->sender,
			      .notify = 1,
			      .route = QUEUE_ROUTE_ASK};
	struct new_message m = {
		.message = text, .rcpts = &to, .n_rcpts = 1, .smtputf8 = !ascii_only(env->sender)};
	uint64_t id;
	int err = message_insert(q, &m, clock_wall_ms(), &id);
	if (err < 0)
		return err;
	q->bounced++;
	ev(EV_INFO, "queue.notification.added", KI("queue_id", id), KI("about", env->id),
	   KSL("to", env->sender));
	return 0;
}

/* original: the message, or its header alone. */
static int tell(struct queue *q, const struct envelope *env, enum dsn_action action, const struct dsn_rcpt *rcpts,
		size_t n, struct slice original, bool whole)
{
	struct buf text = BUF_INIT(DSN_MAX), mark = BUF_INIT(64);
	boundary(&mark);
	struct dsn d = {.action = action,
			.host = conf_str(q->room->conf, "host.name"),
			.sender = env->sender,
			.ours = env->account != 0,
			.envid = env->envid,
			.arrival_ms = env->created_ms,
			.now_ms = clock_wall_ms(),
			.until_ms = env->created_ms +
				    (int64_t)conf_u64(q->room->conf, "queue.lifetime"),
			.boundary = buf_cstr(&mark),
			.rcpts = rcpts,
			.n_rcpts = n,
			.original = original,
			.headers_only = !whole};
	dsn_write(&text, &d);
	int err = queue_it(q, env, buf_view(&text));
	buf_fini(&text);
	buf_fini(&mark);
	return err;
}

int bounce(struct queue *q, const struct envelope *env, enum dsn_action action,
	   const struct dsn_rcpt *rcpts, size_t n, struct arena *a)
{
	if (!env->sender.n) {
		ev(EV_INFO, "queue.notification.none", KI("about", env->id), KI("recipients", n));
		return 0;
	}
	bool whole = action == DSN_FAILED && !env->ret_headers && env->size <= RETURNED_MAX;
	struct buf original = BUF_INIT(HEADER_MAX);
	whole = read_original(q, env, whole, &original);
	int err = tell(q, env, action, rcpts, n, buf_view(&original), whole);
	buf_fini(&original);
	return err;
}

static int dispose(struct queue *q, const struct envelope *env, const struct dsn_rcpt *r, struct slice header)
{
	struct buf text = BUF_INIT(DSN_MAX), mark = BUF_INIT(64);
	boundary(&mark);
	struct mdn m = {.host = conf_str(q->room->conf, "host.name"),
			.to = env->sender,
			.recipient = r->address,
			.orcpt = r->orcpt,
			.reason = r->text,
			.now_ms = clock_wall_ms(),
			.boundary = buf_cstr(&mark),
			.header = header};
	mdn_write(&text, &m);
	int err = queue_it(q, env, buf_view(&text));
	buf_fini(&text);
	buf_fini(&mark);
	return err;
}

int disposition(struct queue *q, const struct envelope *env, const struct dsn_rcpt *rcpts, size_t n)
{
	struct buf header = BUF_INIT(HEADER_MAX);
	int err = 0;
	IGNORE(read_original(q, env, false, &header), "the header alone");
	for (size_t i = 0; i < n && err >= 0 && env->sender.n; i++)
		err = dispose(q, env, &rcpts[i], buf_view(&header));
	buf_fini(&header);
	return err;
}

static struct dsn_rcpt rcpt_of(const struct new_rcpt *r)
{
	bool refused = r->report == REPORT_REJECTED || r->report == REPORT_DISPOSED;
	return (struct dsn_rcpt){.address = r->original.n ? r->original : r->address,
				 .orcpt = r->orcpt,
				 .enhanced = refused ? SLICE("5.7.1") : SLICE("2.1.5"),
				 .text = r->text};
}

static int report_of(struct queue *q, const struct new_message *m, const struct envelope *env,
		     unsigned kind, enum dsn_action action, struct slice header, struct arena *a)
{
	struct dsn_rcpt *rcpts = ARENA_ARRAY(a, struct dsn_rcpt, m->n_rcpts);
	size_t n = 0;
	for (size_t i = 0; i < m->n_rcpts; i++)
		if (m->rcpts[i].report == kind)
			rcpts[n++] = rcpt_of(&m->rcpts[i]);
	return n ? tell(q, env, action, rcpts, n, header, false) : 0;
}

int report(struct queue *q, const struct new_message *m, int64_t now, struct arena *a)
{
	struct envelope env = {.sender = m->sender, .envid = m->envid, .account = m->account, .created_ms = now};
	ptrdiff_t end = slice_find(m->message, SLICE("\r\n\r\n"), 0);
	struct slice header = end < 0 ? m->message : slice_sub(m->message, 0, (size_t)end + 4);
	if (!m->sender.n)
		return 0;
	header = slice_sub(header, 0, HEADER_MAX);
	int err = report_of(q, m, &env, REPORT_DELIVERED, DSN_DELIVERED, header, a);
	if (err >= 0)
		err = report_of(q, m, &env, REPORT_EXPANDED, DSN_EXPANDED, header, a);
	if (err >= 0)
		err = report_of(q, m, &env, REPORT_REJECTED, DSN_FAILED, header, a);
	for (size_t i = 0; i < m->n_rcpts && err >= 0; i++) {
		struct dsn_rcpt r = rcpt_of(&m->rcpts[i]);
		if (m->rcpts[i].report == REPORT_DISPOSED)
			err = dispose(q, &env, &r, header);
	}
	return err;
}
