/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mail comes in: bytes into the log, a row for the message and one for each recipient, answered when all of it
 * is durable. The operation id is kept for a day: the same request again gets the same answer. A route that the
 * caller was told before a switch may be old: after a kick, and after a start (a kick may have been missed),
 * directory is asked before the first attempt.
 */
#include "room/queue/queue.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/err.h"
#include "base/event.h"
#include "ipc/directory.pb-c.h"
#include "lib/ipc/memfd.h"

static size_t header_length(struct slice message)
{
	ptrdiff_t end = slice_find(message, SLICE("\r\n\r\n"), 0);
	return end < 0 ? message.n : (size_t)end + 4;
}

static bool needs_utf8(const struct new_message *m, size_t header)
{
	bool ascii = ascii_only(m->sender) && ascii_only(slice_sub(m->message, 0, header));
	for (size_t i = 0; ascii && i < m->n_rcpts; i++)
		ascii = ascii_only(m->rcpts[i].address);
	return m->smtputf8 && !ascii;
}

/* What the log says of a message beside its bytes: the request, so that the log alone tells what waits. */
static int put_bytes(struct queue *q, const struct new_message *m, size_t header,
		     struct blob_addr *ret)
{
	CLEANUP(arena_free) struct arena *a = arena_new();
	Postern__EnqueueRequest req = POSTERN__ENQUEUE_REQUEST__INIT;
	Postern__QueueRecipient *rows = ARENA_ARRAY(a, Postern__QueueRecipient, m->n_rcpts);
	req.recipients = ARENA_ARRAY(a, Postern__QueueRecipient *, m->n_rcpts);
	for (size_t i = 0; i < m->n_rcpts; i++) {
		postern__queue_recipient__init(&rows[i]);
		rows[i].address = pb_of_slice(m->rcpts[i].address);
		rows[i].original = pb_of_slice(m->rcpts[i].original);
		rows[i].orcpt = pb_of_slice(m->rcpts[i].orcpt);
		rows[i].notify = m->rcpts[i].notify;
		req.recipients[req.n_recipients++] = &rows[i];
	}
	req.operation_id = pb_of_slice(m->operation);
	req.sender = pb_of_slice(m->sender);
	req.envid = pb_of_slice(m->envid);
	req.ret_headers = m->ret_headers;
	req.smtputf8 = m->smtputf8;
	req.account_id = m->account;
	req.junk = m->junk;
	size_t n = postern__enqueue_request__get_packed_size(&req);
	uint8_t *meta = arena_alloc(a, n), sha256[32];
	postern__enqueue_request__pack(&req, meta);
	return blob_put_message(q->log, slice_of(meta, n), (struct slice){0}, m->message, header,
				ret, sha256);
}

static int insert_rcpt(struct queue *q, int64_t id, const struct new_rcpt *r, int64_t now)
{
	char domain_text[512], key[QUEUE_KEY_MAX];
	struct slice domain = address_domain(r->address, domain_text, sizeof(domain_text));
	bool ask = now - q->started_ms < QUEUE_FRESH_MS || kicked_recently(q, domain, now);
	size_t n =
		dest_key(key, ask ? QUEUE_ROUTE_ASK : r->route, r->host, r->port, r->tls, domain);
	dest_wake(q, slice_of(key, n), now);	/* looked at when the batch is committed */
	return sql_run(q->db,
		       "INSERT INTO recipient (message, address, original, orcpt, domain, notify, "
		       "destination, route,"
		       " host, port, tls, due_ms, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, "
		       "?, ?, ?, ?)",
		       "ibbbbibibiiii", id, r->address, r->original, r->orcpt, domain,
		       (int64_t)r->notify, slice_of(key, n), (int64_t)r->route, r->host,
		       (int64_t)r->port, (int64_t)r->tls, now, now);
}

static int operation_note(struct queue *q, struct slice operation, uint64_t id, int64_t now)
{
	int err = operation.n ? sql_run(q->db, "INSERT INTO operation (id, message, made_ms) VALUES (?, ?, ?)", "bii",
					operation, (int64_t)id, now)
			      : 0;
	return err < 0 ? err : 0;
}

int message_insert(struct queue *q, const struct new_message *m, int64_t now, uint64_t *ret_id)
{
	struct blob_addr addr;
	size_t header = header_length(m->message);
	int err = put_bytes(q, m, header, &addr);
	if (err == 0)
		err = sql_run(
			q->db,
			"INSERT INTO message (sender, envid, ret_headers, smtputf8, body_8bit, "
			"account, created_ms,"
			" size, segment, offset, length, junk) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			"bbiiiiiiiiii", m->sender, m->envid, (int64_t)m->ret_headers,
			(int64_t)needs_utf8(m, header), (int64_t)!ascii_only(m->message),
			(int64_t)m->account, now, (int64_t)m->message.n, (int64_t)addr.segment,
			(int64_t)addr.offset, (int64_t)addr.length, (int64_t)m->junk);
	if (err < 0)
		return err;
	int64_t id = sql_last_id(q->db);
	for (size_t i = 0; i < m->n_rcpts && err >= 0; i++)
		if (!m->rcpts[i].report)
			err = insert_rcpt(q, id, &m->rcpts[i], now);
	*ret_id = (uint64_t)id;
	return err < 0 ? err : 0;
}

/* A request that waits for its batch. */
struct enqueue {
	struct work work;
	struct ipc_call *call;
	struct new_message m;
	struct slice mapped;
	uint64_t id;
	bool before;	/* it was there already */
};

int message_once(struct queue *q, const struct new_message *m, int64_t now, bool *ret_drop)
{
	int64_t until;
	if (!m->once_key.n)
		return 0;
	int err = sql_get(q->db, &until, "SELECT until_ms FROM once WHERE key = ?", "b", m->once_key);
	if (err == 0 && until > now) {
		*ret_drop = true;
		return 0;
	}
	if (err < 0 && err != ERR_NOT_FOUND)
		return err;
	err = sql_run(q->db, "INSERT OR REPLACE INTO once (key, until_ms) VALUES (?, ?)", "bi", m->once_key,
		      now + m->once_ms);
	return err < 0 ? err : 0;
}

static bool has_recipients(const struct new_message *m)
{
	for (size_t i = 0; i < m->n_rcpts; i++)
		if (!m->rcpts[i].report)
			return true;
	return false;
}

static int apply(struct queue *q, struct work *w)
{
	struct enqueue *e = container_of(w, struct enqueue, work);
	int64_t known;
	int err = sql_get(q->db, &known, "SELECT message FROM operation WHERE id = ?", "b",
			  e->m.operation);
	if (err == 0) {
		e->id = (uint64_t)known;
		e->before = true;
		return 0;
	}
	if (err != ERR_NOT_FOUND)
		return err;
	int64_t now = clock_wall_ms();
	bool drop = false;
	err = message_once(q, &e->m, now, &drop);
	if (err < 0 || drop)
		return err < 0 ? err : operation_note(q, e->m.operation, 0, now);
	err = has_recipients(&e->m) ? message_insert(q, &e->m, now, &e->id) : 0;
	if (err == 0)
		err = report(q, &e->m, now, e->call->arena);
	return err < 0 ? err : operation_note(q, e->m.operation, e->id, now);
}

static void done(struct queue *q, struct work *w, int err)
{
	struct enqueue *e = container_of(w, struct enqueue, work);
	Postern__EnqueueReply reply = POSTERN__ENQUEUE_REPLY__INIT;
	reply.queue_id = e->id;
	if (err < 0) {
		ev(EV_WARN, "queue.message.refused", KS("error", err_name(err)));
	} else if (!e->before && e->id) {
		ev(EV_INFO, "queue.message.added", KI("queue_id", e->id),
		   KSL("sender", e->m.sender), KI("recipients", e->m.n_rcpts),
		   KI("size", e->m.message.n));
		q->enqueued++;
	}
	memfd_unmap(&e->mapped);
	struct ipc_call *call = e->call;
	if (err < 0)
		ipc_fail(call, err, NULL);
	else
		ipc_reply(call, &reply.base, -1);
}

static int check(const Postern__EnqueueRequest *req)
{
	if (!req->n_recipients || !req->operation_id.len || req->operation_id.len > 64 || req->once_key.len > 64)
		return ERR_INVALID;
	for (size_t i = 0; i < req->n_recipients; i++)
		if (!req->recipients[i]->address.len || req->recipients[i]->port > 65535 ||
		    req->recipients[i]->report > REPORT_DISPOSED || strlen(req->recipients[i]->host) > 255)
			return ERR_INVALID;
	return 0;
}

static void fill(struct enqueue *e, const Postern__EnqueueRequest *req)
{
	struct new_rcpt *rcpts = ARENA_ARRAY(e->call->arena, struct new_rcpt, req->n_recipients);
	for (size_t i = 0; i < req->n_recipients; i++) {
		const Postern__QueueRecipient *r = req->recipients[i];
		rcpts[i] = (struct new_rcpt){.address = slice_of_pb(r->address),
					     .original = slice_of_pb(r->original),
					     .orcpt = slice_of_pb(r->orcpt),
					     .notify = r->notify,
					     .route = r->route,
					     .host = slice_str(r->host),
					     .port = r->port,
					     .tls = r->tls,
					     .report = r->report,
					     .text = slice_of_pb(r->text)};
	}
	e->m = (struct new_message){.once_key = slice_of_pb(req->once_key),
				    .once_ms = (int64_t)req->once_seconds * 1000,
				    .operation = slice_of_pb(req->operation_id),
				    .sender = slice_of_pb(req->sender),
				    .envid = slice_of_pb(req->envid),
				    .message = e->mapped,
				    .ret_headers = req->ret_headers,
				    .smtputf8 = req->smtputf8,
				    .account = req->account_id,
				    .junk = req->junk,
				    .rcpts = rcpts,
				    .n_rcpts = req->n_recipients};
}

void enqueue_handle(struct ipc_call *call, void *ctx)
{
	struct queue *q = ((struct room *)ctx)->state;
	const Postern__EnqueueRequest *req = (const Postern__EnqueueRequest *)call->req;
	struct enqueue *e = ARENA_NEW(call->arena, struct enqueue);
	int err = check(req);
	if (err == 0)
		err = memfd_map(call->fds[0], QUEUE_MESSAGE_MAX, &e->mapped);
	if (err < 0) {
		ipc_fail(call, err, NULL);
		return;
	}
	e->call = call;
	fill(e, req);
	e->work.apply = apply;
	e->work.done = done;
	batch_add(q, &e->work);
}
