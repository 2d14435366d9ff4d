/* SPDX-License-Identifier: Apache-2.0 */
#include "room/directory/noun/responder.h"

#include "base/err.h"
#include "lib/zone/zones.h"
#include "proto/api/api.h"
#include "room/directory/db/engine_priv.h"
#include "room/directory/route/route.h"

static struct slice *lines_of(struct arena *a, struct slice text, size_t *ret_n)
{
	struct slice *list = ARENA_ARRAY(a, struct slice, FORWARD_TARGETS_MAX);
	*ret_n = 0;
	while (text.n && *ret_n < FORWARD_TARGETS_MAX) {
		ptrdiff_t end = slice_find_byte(text, '\n', 0);
		size_t n = end < 0 ? text.n : (size_t)end;
		list[(*ret_n)++] = slice_sub(text, 0, n);
		text = slice_sub(text, n + 1 < text.n ? n + 1 : text.n, text.n);
	}
	return list;
}

int responder_get(struct engine *e, struct arena *a, uint64_t account, struct responder *ret)
{
	struct responder x = { 0 };
	struct sql_stmt *s =
		sql_prepare(e->db, "SELECT zone, targets, keep, forward_start, forward_end, subject, text, days,"
				   " reply_start, reply_end FROM responder WHERE account = ?1");
	sql_bind_int(s, 1, (int64_t)account);
	int r = sql_step(s);
	if (r == 1) {
		x.zone = column_dup(a, s, 0);
		x.targets = lines_of(a, column_dup(a, s, 1), &x.n_targets);
		x.keep = sql_int(s, 2);
		x.forward = (struct span){ column_dup(a, s, 3), column_dup(a, s, 4) };
		x.subject = column_dup(a, s, 5);
		x.text = column_dup(a, s, 6);
		x.days = (unsigned)sql_int(s, 7);
		x.reply = (struct span){ column_dup(a, s, 8), column_dup(a, s, 9) };
	}
	sql_done(s);
	if (r >= 0)
		*ret = x;
	return r < 0 ? r : 0;
}

int responder_put(struct engine *e, uint64_t account, const struct responder *x, int64_t now_ms)
{
	struct buf targets = BUF_INIT(4096);
	int r;
	if (!x->n_targets && !x->days) {
		r = sql_run(e->db, "DELETE FROM responder WHERE account = ?1", "i", (int64_t)account);
		return r < 0 ? r : 0;
	}
	for (size_t i = 0; i < x->n_targets; i++)
		buf_printf(&targets, "%s" SLICE_FMT, i ? "\n" : "", SLICE_ARG(x->targets[i]));
	r = sql_run(e->db,
		    "INSERT INTO responder (account, zone, targets, keep, forward_start, forward_end, subject,"
		    " text, days, reply_start, reply_end, changed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
		    " ON CONFLICT (account) DO UPDATE SET (zone, targets, keep, forward_start, forward_end, subject, text, days,"
		    " reply_start, reply_end, changed) = (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
		    "ibbibbbbibbi", (int64_t)account, x->zone, buf_view(&targets), (int64_t)x->keep, x->forward.start,
		    x->forward.end, x->subject, x->text, (int64_t)x->days, x->reply.start, x->reply.end, now_ms);
	buf_fini(&targets);
	return r < 0 ? r : 0;
}

/* ---- checks ---- */

int responder_check_span(const struct span *s, struct problem *why)
{
	if (s->start.n && api_day(s->start) < 0)
		return problem_set(why, ERR_INVALID, "start", "\"" SLICE_FMT "\" is no date such as 2026-12-24",
				   SLICE_ARG(s->start));
	if (s->end.n && api_day(s->end) < 0)
		return problem_set(why, ERR_INVALID, "end", "\"" SLICE_FMT "\" is no date such as 2026-12-24",
				   SLICE_ARG(s->end));
	if (s->start.n && s->end.n && memcmp(s->end.p, s->start.p, 10) < 0)
		return problem_set(why, ERR_INVALID, "end", "the last day is before the first");
	return 0;
}

int responder_check_zone(struct slice zone, struct problem *why)
{
	if (zones_find(zone))
		return 0;
	return problem_set(why, ERR_INVALID, "zone", "\"" SLICE_FMT "\" is no time zone such as Europe/Berlin",
			   SLICE_ARG(zone));
}

struct circle {
	uint64_t seen[FORWARD_FOLLOW_MAX];
	size_t n;
};

/* Where mail for these goes by today's settings, mailbox by mailbox; 1: to this one again. */
static int leads_back(struct engine *e, struct arena *a, const struct account *x, const struct slice *targets,
		      size_t n, int64_t now_ms, struct circle *c)
{
	for (size_t i = 0; i < n; i++) {
		struct route_ask ask = { .address = targets[i], .authenticated = true, .now_ms = now_ms };
		struct route route;
		route_resolve(e, a, &ask, &route);
		for (size_t k = 0; k < route.n_targets; k++) {
			const struct route_target *t = &route.targets[k];
			struct responder next;
			bool before = false;
			if (t->kind != ROUTE_TO_MAILBOX)
				continue;
			if (t->account == x->id)
				return 1;
			for (size_t m = 0; m < c->n; m++)
				before |= c->seen[m] == t->account;
			if (before || c->n == FORWARD_FOLLOW_MAX)
				continue;
			c->seen[c->n++] = t->account;
			int r = responder_get(e, a, t->account, &next);
			if (r == 0 && next.n_targets)
				r = leads_back(e, a, x, next.targets, next.n_targets, now_ms, c);
			if (r)
				return r;
		}
	}
	return 0;
}

int responder_check_circle(struct engine *e, struct arena *a, const struct account *x, const struct slice *targets,
			   size_t n, int64_t now_ms, struct problem *why)
{
	for (size_t i = 0; i < n; i++) {
		struct circle c = { .n = 0 };
		int r = slice_eq_ci(targets[i], x->address)
				? 1
				: leads_back(e, a, x, &targets[i], 1, now_ms, &c);
		if (r == 1)
			return problem_set(why, ERR_CONFLICT, "to", "mail for " SLICE_FMT " would come back to " SLICE_FMT,
					   SLICE_ARG(targets[i]), SLICE_ARG(x->address));
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- the script ---- */

static void put_quoted(struct buf *out, struct slice s)
{
	buf_byte(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_byte(out, '\\');
		buf_byte(out, s.p[i]);
	}
	buf_byte(out, '"');
}

static void put_comment(struct buf *out, const char *what, const struct span *s, struct slice zone)
{
	buf_printf(out, "\n# %s", what);
	if (s->start.n)
		buf_printf(out, ", from " SLICE_FMT, SLICE_ARG(s->start));
	if (s->end.n)
		buf_printf(out, ", until " SLICE_FMT, SLICE_ARG(s->end));
	if (s->start.n || s->end.n)
		buf_printf(out, " (" SLICE_FMT ")", SLICE_ARG(zone));
	buf_str(out, ".\n");
}

static void put_when(struct buf *out, const struct span *s)
{
	const char *more = "";
	buf_str(out, "if ");
	if (!s->start.n && !s->end.n)
		buf_str(out, "true");
	else
		buf_str(out, "allof (");
	if (s->start.n) {
		buf_printf(out, "currentdate :value \"ge\" \"date\" \"" SLICE_FMT "\"", SLICE_ARG(s->start));
		more = ", ";
	}
	if (s->end.n)
		buf_printf(out, "%scurrentdate :value \"le\" \"date\" \"" SLICE_FMT "\"", more, SLICE_ARG(s->end));
	buf_str(out, s->start.n || s->end.n ? ") {\n" : " {\n");
}

static void put_reply(struct buf *out, const struct responder *x)
{
	put_comment(out, "The automatic reply", &x->reply, x->zone);
	put_when(out, &x->reply);
	buf_printf(out, "\tvacation :days %u", x->days);
	if (x->subject.n) {
		buf_str(out, " :subject ");
		put_quoted(out, x->subject);
	}
	buf_byte(out, ' ');
	put_quoted(out, x->text);
	buf_str(out, ";\n}\n");
}

static void put_forward(struct buf *out, const struct responder *x)
{
	put_comment(out, x->keep ? "Mail is passed on, a copy stays" : "Mail is passed on, no copy stays", &x->forward, x->zone);
	put_when(out, &x->forward);
	for (size_t i = 0; i < x->n_targets; i++) {
		buf_printf(out, "\tredirect%s ", x->keep ? " :copy" : "");
		put_quoted(out, x->targets[i]);
		buf_str(out, ";\n");
	}
	buf_str(out, x->keep ? "}\n" : "\tstop;\n}\n");
}

struct slice responder_script(struct arena *a, const struct responder *x)
{
	struct buf out = BUF_INIT(64 * 1024);
	if (!x->n_targets && !x->days)
		return slice_of(NULL, 0);
	buf_str(&out, "# Made from the settings \"forward\" and \"autoreply\" of this mailbox.\n"
		      "require [\"copy\", \"date\", \"relational\", \"vacation\"];\n");
	if (x->days)
		put_reply(&out, x);
	if (x->n_targets)
		put_forward(&out, x);
	struct slice text = arena_dup(a, buf_view(&out));
	buf_fini(&out);
	return text;
}
