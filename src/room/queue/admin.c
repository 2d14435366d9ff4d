/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue.list, queue.show, queue.flush, queue.remove. Directory has said that the caller may; the fields are
 * checked against the table again. What came out of mail and from servers goes into JSON as valid UTF-8 without
 * control characters (S13).
 */
#include "room/queue/queue.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/err.h"
#include "base/event.h"
#include "base/text.h"
#include "ipc/directory.pb-c.h"
#include "lib/ipc/memfd.h"
#include "proto/api/api.h"
#include "proto/mail/address.h"
#include "proto/mail/name_search.h"

#include <jansson.h>

enum { INLINE_MAX = 128 * 1024, PAGE_DEFAULT = 100, PAGE_MAX = 1000, RECIPIENTS_MAX = 1000 };

struct admin {
	struct work work;
	struct ipc_call *call;
	struct api_field *fields;
	size_t n_fields;
	uint64_t id;
	int64_t now;
	bool with_bounce;
	int64_t touched;
	bool in_flight;
};

static void reply_json(struct ipc_call *call, unsigned status, json_t *root)
{
	Postern__AdminReply reply = POSTERN__ADMIN_REPLY__INIT;
	int fd = -1;
	char *text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	bug_if(!text);
	struct slice s = slice_str(text);
	reply.status = status;
	if (s.n <= INLINE_MAX || memfd_of("answer", s, &fd) < 0)
		reply.json = pb_of_slice(s);
	ipc_reply(call, &reply.base, fd);
	free(text);
}

static void reply_problem(struct ipc_call *call, unsigned status, const char *title,
			  const char *detail, const char *field)
{
	const char *l = text_language(slice_str(((const Postern__AdminRequest *)call->req)->language));
	json_t *root = json_pack("{s:s, s:i, s:s}", "title", text_in(l, title), "status", (int)status, "detail",
				 text_in(l, detail));
	if (field && *field)
		json_object_set_new(root, "field", json_string(field));
	reply_json(call, status, root);
}

static json_t *text_of(struct slice s)
{
	struct buf out = BUF_INIT(4096);
	for (size_t i = 0; i < s.n && out.n < 4000;) {
		uint32_t cp;
		size_t n = utf8_decode(slice_sub(s, i, s.n), &cp);
		if (n == 0 || cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
			buf_byte(&out, n && cp == '\n' ? ' ' : '?');
		else
			buf_append(&out, s.p + i, n);
		i += n ? n : 1;
	}
	json_t *j = json_stringn((const char *)out.p, out.n);
	buf_fini(&out);
	return j ? j : json_string("");
}

/* "550 5.1.1 No such user" */
static json_t *error_of(struct sql_stmt *s, int code, int enhanced, int text)
{
	struct buf out = BUF_INIT(2048);
	if (sql_int(s, code))
		buf_printf(&out, "%d ", (int)sql_int(s, code));
	if (sql_blob(s, enhanced).n) {
		buf_slice(&out, sql_blob(s, enhanced));
		buf_byte(&out, ' ');
	}
	buf_slice(&out, sql_blob(s, text));
	json_t *j = text_of(buf_view(&out));
	buf_fini(&out);
	return j;
}

static uint64_t number(const struct admin *a, const char *name, uint64_t fallback)
{
	uint64_t v = fallback;
	struct slice text = api_get(a->fields, a->n_fields, name);
	IGNORE(slice_u64(text, INT64_MAX, &v), "absent, or checked before");
	return v;
}

/* What a row of recipients is; FLYING has those that are tried just now. The first of these words that one of a message's rows has
 * is what the message is. */
#define FLYING "(SELECT value FROM json_each(?8))"
#define STATE(row) \
	"CASE WHEN " row ".id IN " FLYING " THEN 'active' WHEN " row ".destination = CAST('parked' AS BLOB) THEN 'parked'" \
	" WHEN " row ".attempts > 0 THEN 'deferred' ELSE 'new' END"
static const char *const states[] = { "active", "parked", "deferred", "new" };

/* A column of the message's worst recipient: the one that was tried last. */
static json_t *item(struct sql_stmt *s)
{
	json_t *o = json_object();
	json_object_set_new(o, "id", json_integer(sql_int(s, 0)));
	json_object_set_new(o, "sender", text_of(sql_blob(s, 1)));
	json_object_set_new(o, "size_bytes", json_integer(sql_int(s, 2)));
	json_object_set_new(o, "created_ms", json_integer(sql_int(s, 3)));
	json_object_set_new(o, "recipients", json_integer(sql_int(s, 4)));
	json_object_set_new(o, "tries", json_integer(sql_int(s, 5)));
	json_object_set_new(o, "next_ms", json_integer(sql_int(s, 6)));
	json_object_set_new(o, "error", error_of(s, 7, 8, 9));
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		/* group_concat: a word, or several with commas between them */
		if (slice_find(sql_blob(s, 11), slice_str(states[i]), 0) < 0)
			continue;
		json_object_set_new(o, "state", json_string(states[i]));
		break;
	}
	return o;
}

/* Not so while it is only read ahead. */
static bool is_tried(const struct job *j)
{
	return j && !list_linked(&j->node);
}

/* The numbers of the rows that are tried, as JSON for SQL: so many as the jobs that run have at most. */
static void flying_rows(struct queue *q, struct buf *out)
{
	struct slice key;
	void *job;
	buf_byte(out, '[');
	for (size_t at = 0; map_next(q->flying, &at, &key, &job);) {
		uint64_t id;
		if (!is_tried(job))
			continue;
		memcpy(&id, key.p, sizeof(id));
		buf_printf(out, "%s%llu", out->n > 1 ? "," : "", (unsigned long long)id);
	}
	buf_byte(out, ']');
}

/* A domain as the rows have it: A-labels in lower case. Empty where none is named; it was checked before. */
static struct slice domain_of(const struct admin *a, const char *field)
{
	char text[ADDR_DOMAIN_MAX + 1];
	struct slice in = api_get(a->fields, a->n_fields, field);
	int n = in.n ? domain_parse(in, ADDR_UTF8, text) : 0;
	return n > 0 ? arena_dup(a->call->arena, slice_of(text, (size_t)n)) : in;
}

static void list(struct queue *q, struct admin *a)
{
	uint64_t limit = number(a, "limit", PAGE_DEFAULT), last = 0, n = 0;
	json_t *items = json_array();
	struct buf flying = BUF_INIT(QUEUE_ACTIVE_MAX * QUEUE_JOB_RCPTS * 24);
	flying_rows(q, &flying);
	/* max(tried_ms) makes SQLite take code, enhanced and text from that row. */
	struct sql_stmt *s =
		sql_prepare(q->db, "SELECT m.id, m.sender, m.size, m.created_ms, count(*), "
				   "max(r.attempts), min(r.due_ms), r.code, r.enhanced,"
				   " r.text, max(r.tried_ms), group_concat(DISTINCT " STATE("r") ") FROM message m JOIN recipient r ON "
				   "r.message = m.id WHERE m.id > ?1"
				   " AND (?2 = x'' OR m.sender = ?2) AND (?3 = x'' OR EXISTS "
				   "(SELECT 1 FROM recipient x WHERE x.message = m.id"
				   " AND x.domain = ?3)) AND (?5 = x'' OR lower(CAST(substr(m.sender, -length(?5) - 1) AS TEXT))"
				   " = '@' || CAST(?5 AS TEXT)) AND (?6 = '' OR EXISTS (SELECT 1 FROM recipient x"
				   " WHERE x.message = m.id AND ?6 = " STATE("x") "))"
				   " AND (length(?7) = 0 OR holds(m.sender, ?7) OR EXISTS (SELECT 1 FROM recipient x"
				   " WHERE x.message = m.id AND holds(x.address, ?7))) GROUP BY m.id ORDER BY m.id LIMIT ?4");
	struct slice q_text = name_search_fold(a->call->arena, api_get(a->fields, a->n_fields, "q"));
	sql_bind_int(s, 1, (int64_t)number(a, "after", 0));
	struct slice sender = api_get(a->fields, a->n_fields, "sender");
	sql_bind_blob(s, 2, sender.n ? sender : slice_of("", 0));
	sql_bind_blob(s, 3, domain_of(a, "domain"));
	sql_bind_blob(s, 5, domain_of(a, "sender_domain"));
	sql_bind_text(s, 6, api_get(a->fields, a->n_fields, "state"));
	sql_bind_blob(s, 7, q_text);
	sql_bind_text(s, 8, buf_view(&flying));
	if (limit > PAGE_MAX)
		limit = PAGE_MAX;
	sql_bind_int(s, 4, (int64_t)limit);
	int err;
	while ((err = sql_step(s)) == 1) {
		last = (uint64_t)sql_int(s, 0);
		json_array_append_new(items, item(s));
		n++;
	}
	sql_done(s);
	buf_fini(&flying);
	if (err < 0) {
		json_decref(items);
		ipc_fail(a->call, err, NULL);
		return;
	}
	char cursor[24];
	snprintf(cursor, sizeof(cursor), "%llu", (unsigned long long)last);
	reply_json(a->call, 200, json_pack("{s:o, s:o}", "items", items, "next",
					   n && n == limit ? json_string(cursor) : json_null()));
}

static const char *state_of(struct queue *q, uint64_t id, struct slice destination, int64_t attempts)
{
	if (is_tried(map_get(q->flying, map_key_u64(&id))))
		return "active";
	return slice_eq(destination, SLICE("parked")) ? "parked" : attempts > 0 ? "deferred" : "new";
}

static int recipients(struct queue *q, uint64_t message, json_t *all)
{
	int err;
	struct sql_stmt *s =
		sql_prepare(q->db, "SELECT id, address, destination, server, attempts, due_ms, "
				   "code, enhanced, text FROM recipient"
				   " WHERE message = ? ORDER BY id LIMIT ?");
	sql_bind_int(s, 1, (int64_t)message);
	sql_bind_int(s, 2, RECIPIENTS_MAX);
	while ((err = sql_step(s)) == 1) {
		json_t *o = json_object();
		struct slice host = sql_blob(s, 3);
		json_object_set_new(o, "address", text_of(sql_blob(s, 1)));
		json_object_set_new(
			o, "state",
			json_string(state_of(q, (uint64_t)sql_int(s, 0), sql_blob(s, 2), sql_int(s, 4))));
		json_object_set_new(o, "host", text_of(host.n ? host : sql_blob(s, 2)));
		json_object_set_new(o, "tries", json_integer(sql_int(s, 4)));
		json_object_set_new(o, "next_ms", json_integer(sql_int(s, 5)));
		json_object_set_new(o, "error", error_of(s, 6, 7, 8));
		json_array_append_new(all, o);
	}
	sql_done(s);
	return err;
}

static void show(struct queue *q, struct admin *a)
{
	struct envelope env;
	int err = envelope_load(q, a->call->arena, a->id, &env);
	json_t *all = json_array();
	if (err == 0)
		err = recipients(q, a->id, all);
	if (err < 0) {
		json_decref(all);
		if (err == ERR_NOT_FOUND)
			reply_problem(a->call, 404, "Not found", "no queued message has this number", "id");
		else
			ipc_fail(a->call, err, NULL);
		return;
	}
	json_t *o = json_object();
	json_object_set_new(o, "id", json_integer((json_int_t)env.id));
	json_object_set_new(o, "sender", text_of(env.sender));
	json_object_set_new(o, "size_bytes", json_integer((json_int_t)env.size));
	json_object_set_new(o, "created_ms", json_integer(env.created_ms));
	json_object_set_new(
		o, "expires_ms",
		json_integer(env.created_ms + (int64_t)conf_u64(q->room->conf, "queue.lifetime")));
	json_object_set_new(o, "recipients", all);
	reply_json(a->call, 200, o);
}

/* Flush: due now, whatever the backoff; parked mail gets another chance where it is named. */
static int flush_apply(struct queue *q, struct work *w)
{
	struct admin *a = container_of(w, struct admin, work);
	struct slice domain = api_get(a->fields, a->n_fields, "domain");
	char lower[512];
	for (size_t i = 0; i < domain.n && i < sizeof(lower); i++)
		lower[i] = (char)ascii_lower(domain.p[i]);
	domain = slice_of(lower, domain.n);
	static const char count[] =
		"SELECT count(DISTINCT message) FROM recipient WHERE (?1 = 0 OR message = ?1)"
		" AND (?2 = x'' OR domain = ?2)";
	int err = sql_get(q->db, &a->touched, count, "ib", (int64_t)a->id, domain);
	if (err >= 0 && a->id)
		err = sql_run(q->db, "UPDATE message SET crashes = 0 WHERE id = ?", "i",
			      (int64_t)a->id);
	if (err >= 0 && a->id)
		err = sql_run(q->db,
			      "UPDATE recipient SET destination = CAST('route ' || CAST(domain AS "
			      "TEXT) AS BLOB)"
			      " WHERE message = ? AND destination = 'parked'",
			      "i", (int64_t)a->id);
	if (err >= 0)
		err = sql_run(q->db,
			      "UPDATE recipient SET due_ms = ?1 WHERE due_ms > ?1 AND (?2 = 0 OR "
			      "message = ?2)"
			      " AND (?3 = x'' OR domain = ?3)",
			      "iib", a->now, (int64_t)a->id, domain);
	return err < 0 ? err : 0;
}

static void flush_done(struct queue *q, struct work *w, int err)
{
	struct admin *a = container_of(w, struct admin, work);
	if (err < 0) {
		ipc_fail(a->call, err, NULL);
		return;
	}
	if (a->id && !a->touched) {
		reply_problem(a->call, 404, "Not found", "no queued message has this number", "id");
		return;
	}
	dest_unblock_all(q);
	err = dests_load(q);
	if (err < 0) {
		ipc_fail(a->call, err, NULL);
		return;
	}
	reply_json(a->call, 200, json_pack("{s:I}", "count", (json_int_t)a->touched));
}

static int waiting_rows(struct queue *q, struct admin *a, struct rcpt *to, size_t *ret_n)
{
	size_t n = 0;
	int err = 0;
	struct sql_stmt *s = sql_prepare(q->db, "SELECT id, address, original, orcpt, notify FROM "
						"recipient WHERE message = ? LIMIT 1000");
	sql_bind_int(s, 1, (int64_t)a->id);
	while (n < RECIPIENTS_MAX && (err = sql_step(s)) == 1) {
		uint64_t id = (uint64_t)sql_int(s, 0);
		if (map_get(q->flying, map_key_u64(&id))) {
			a->in_flight = true;
			continue;
		}
		struct arena *mem = a->call->arena;
		to[n++] = (struct rcpt){.id = id,
					.address = arena_dup(mem, sql_blob(s, 1)),
					.original = arena_dup(mem, sql_blob(s, 2)),
					.orcpt = arena_dup(mem, sql_blob(s, 3)),
					.notify = a->with_bounce ? (unsigned)sql_int(s, 4) : 1,
					.route = QUEUE_ROUTE_ASK};
	}
	sql_done(s);
	*ret_n = n;
	return err < 0 ? err : 0;
}

static int remove_apply(struct queue *q, struct work *w)
{
	struct admin *a = container_of(w, struct admin, work);
	struct arena *mem = a->call->arena;
	struct rcpt *rows = ARENA_ARRAY(mem, struct rcpt, RECIPIENTS_MAX);
	struct envelope env;
	size_t n;
	int err = envelope_load(q, mem, a->id, &env);
	if (err == 0)
		err = waiting_rows(q, a, rows, &n);
	if (err < 0)
		return err;
	if (!n)
		return a->in_flight ? ERR_CONFLICT : ERR_NOT_FOUND;
	struct outcome *outcomes = ARENA_ARRAY(mem, struct outcome, n);
	for (size_t i = 0; i < n; i++)
		outcomes[i] = (struct outcome){ .what = OUT_FAILED, .enhanced = SLICE("5.7.0"),
			.text = SLICE("Removed from the queue by the administrator"), .ordered = true };
	return result_apply(q, &env, rows, n, outcomes, false, mem);
}

static void remove_done(struct queue *q, struct work *w, int err)
{
	struct admin *a = container_of(w, struct admin, work);
	if (err == ERR_NOT_FOUND)
		reply_problem(a->call, 404, "Not found", "no queued message has this number", "id");
	else if (err == ERR_CONFLICT)
		reply_problem(a->call, 409, "Conflict", "the message is being delivered just now",
			      "id");
	else if (err < 0)
		ipc_fail(a->call, err, NULL);
	else
		reply_json(a->call, 200, json_pack("{s:i}", "count", 1));
}

static bool take_fields(struct admin *a, const Postern__AdminRequest *req)
{
	const struct api_op *op = api_op_find(slice_str(req->operation));
	struct api_error error;
	text_use(text_language(slice_str(req->language)));
	a->fields = ARENA_ARRAY(a->call->arena, struct api_field, req->n_fields + 1);
	for (size_t i = 0; i < req->n_fields; i++)
		a->fields[i] = (struct api_field){slice_str(req->fields[i]->name),
						  slice_of_pb(req->fields[i]->value)};
	a->n_fields = req->n_fields;
	if (!op || op->owner != API_QUEUE) {
		reply_problem(a->call, 404, "Not found", "no such operation of the queue", NULL);
		return false;
	}
	if (api_check(op, a->fields, a->n_fields, false, &error) < 0) {
		struct buf text = BUF_INIT(1024);
		api_error_text(&error, &text);
		reply_problem(a->call, 400, "Bad request", buf_cstr(&text), error.field);
		buf_fini(&text);
		return false;
	}
	return true;
}

void admin_handle(struct ipc_call *call, void *ctx)
{
	struct queue *q = ((struct room *)ctx)->state;
	const Postern__AdminRequest *req = (const Postern__AdminRequest *)call->req;
	struct admin *a = ARENA_NEW(call->arena, struct admin);
	a->call = call;
	a->now = clock_wall_ms();
	if (!take_fields(a, req))
		return;
	a->id = number(a, "id", 0);
	IGNORE(api_bool(api_get(a->fields, a->n_fields, "bounce"), &a->with_bounce),
	       "absent, or checked before");
	if (!strcmp(req->operation, "queue.list")) {
		list(q, a);
	} else if (!strcmp(req->operation, "queue.show")) {
		show(q, a);
	} else {
		bool flush = !strcmp(req->operation, "queue.flush");
		a->work.apply = flush ? flush_apply : remove_apply;
		a->work.done = flush ? flush_done : remove_done;
		batch_add(q, &a->work);
	}
}
