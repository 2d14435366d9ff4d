/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/room/timers.h"

#include "base/err.h"

struct timers {
	const struct timer_job *jobs;
	size_t n;
	int64_t *last_ms;	/* 0: never, as far as is known */
	timer_keep_fn *keep;
	void *ctx;
};

struct timers *timers_new(const struct timer_job *jobs, size_t n, timer_keep_fn *keep, void *ctx)
{
	struct timers *t = calloc(1, sizeof(*t));
	bug_if(!t);
	*t = (struct timers){ .jobs = jobs, .n = n, .keep = keep, .ctx = ctx };
	t->last_ms = calloc(n + 1, sizeof(*t->last_ms));
	bug_if(!t->last_ms);
	return t;
}

void timers_free(struct timers **t)
{
	if (!*t)
		return;
	free((*t)->last_ms);
	free(*t);
	*t = NULL;
}

void timers_restore(struct timers *t, struct slice name, int64_t ran_ms)
{
	for (size_t i = 0; i < t->n; i++)
		if (slice_eq(name, slice_str(t->jobs[i].name)))
			t->last_ms[i] = ran_ms;
}

static bool is_due(const struct timers *t, size_t i, int64_t now_ms)
{
	return !t->last_ms[i] || now_ms < t->last_ms[i] || now_ms - t->last_ms[i] >= t->jobs[i].period_ms;
}

static void run(struct timers *t, size_t i, int64_t now_ms)
{
	t->jobs[i].run(t->ctx, now_ms);
	t->last_ms[i] = now_ms;
	if (t->keep)
		t->keep(t->ctx, &t->jobs[i], now_ms);
}

void timers_tick(struct timers *t, int64_t now_ms)
{
	for (size_t i = 0; i < t->n; i++)
		if (is_due(t, i, now_ms))
			run(t, i, now_ms);
}

static Postern__TimerRow *row_of(const struct timers *t, size_t i, bool ran, struct arena *a)
{
	Postern__TimerRow *row = ARENA_NEW(a, Postern__TimerRow);
	postern__timer_row__init(row);
	row->name = arena_str(a, slice_str(t->jobs[i].name));
	row->help = arena_str(a, slice_str(t->jobs[i].help));
	row->period_ms = t->jobs[i].period_ms;
	row->last_ms = t->last_ms[i];
	row->ran = ran;
	return row;
}

int timers_answer(struct timers *t, const Postern__TimerRequest *req, int64_t now_ms, struct arena *a,
		  Postern__TimerReply **ret)
{
	Postern__TimerReply *reply = ARENA_NEW(a, Postern__TimerReply);
	postern__timer_reply__init(reply);
	reply->rows = ARENA_ARRAY(a, Postern__TimerRow *, t->n + 1);
	for (size_t i = 0; i < t->n; i++) {
		bool named = !strcmp(req->name, t->jobs[i].name);
		if (*req->name && !named)
			continue;
		bool go = req->run && (named || is_due(t, i, now_ms));
		if (go)
			run(t, i, now_ms);
		reply->rows[reply->n_rows++] = row_of(t, i, go, a);
	}
	if (*req->name && !reply->n_rows)
		return ERR_NOT_FOUND;
	*ret = reply;
	return 0;
}
