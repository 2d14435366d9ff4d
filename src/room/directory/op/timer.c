/* SPDX-License-Identifier: Apache-2.0 */
/* timer list, timer run: this room's jobs, the queue's and every shard's; rows of several shards become one. */
#include "room/directory/op/admin.h"

#include "base/err.h"
#include "base/text.h"
#include "ipc/queue.pb-c.h"
#include "ipc/store.pb-c.h"
#include "room/directory/timer.h"

enum { ASK_MS = 30 * 1000, ROWS_MAX = 64 };

struct row {
	const char *room;
	const Postern__TimerRow *t;
};

struct asking {
	struct admin *ad;
	Postern__TimerRequest req;
	struct row rows[ROWS_MAX];
	size_t n;
	unsigned left;
	int err;
};

struct question {
	struct asking *x;
	const char *room;
};

static Postern__TimerRow *copy(struct arena *a, const Postern__TimerRow *from)
{
	Postern__TimerRow *to = ARENA_NEW(a, Postern__TimerRow);
	*to = *from;
	to->name = arena_str(a, slice_str(from->name));
	to->help = arena_str(a, slice_str(from->help));
	return to;
}

static void add(struct asking *x, const char *room, const Postern__TimerReply *reply)
{
	for (size_t i = 0; i < reply->n_rows; i++) {
		Postern__TimerRow *t = copy(x->ad->a, reply->rows[i]);
		size_t k = 0;
		while (k < x->n && strcmp(x->rows[k].t->name, t->name))
			k++;
		if (k < x->n && x->rows[k].t->last_ms < t->last_ms)
			t->last_ms = x->rows[k].t->last_ms;
		if (k < x->n)
			t->ran |= x->rows[k].t->ran;
		if (k == ROWS_MAX)
			return;
		x->rows[k] = (struct row){ room, t };
		x->n = k == x->n ? k + 1 : x->n;
	}
}

static void give(struct asking *x)
{
	json_t *items = json_array();
	for (size_t i = 0; i < x->n; i++) {
		const Postern__TimerRow *t = x->rows[i].t;
		if (x->req.run && !t->ran)
			continue;
		json_t *j = json_pack("{s:s, s:s, s:I, s:s}", "name", t->name, "room", x->rows[i].room, "every_s",
				      (json_int_t)(t->period_ms / 1000), "help", text_in(x->ad->why.language, t->help));
		if (t->last_ms)
			json_object_set_new(j, "last_ms", json_integer(t->last_ms));
		if (t->last_ms && t->period_ms)
			json_object_set_new(j, "next_ms", json_integer(t->last_ms + t->period_ms));
		json_array_append_new(items, j);
	}
	admin_ok(x->ad, 200, json_pack("{s:o, s:n}", "items", items, "next"));
}

static void end(struct asking *x)
{
	if (x->err)
		admin_refuse(x->ad, x->err);
	else if (*x->req.name && !x->n)
		admin_refuse(x->ad, problem_set(&x->ad->why, ERR_NOT_FOUND, "name", "there is no job %s", x->req.name));
	else
		give(x);
}

static void on_answer(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct question *q = ctx;
	struct asking *x = q->x;
	if (fd >= 0)
		close(fd);
	if (err == 0)
		add(x, q->room, (const Postern__TimerReply *)msg);
	else if (err != ERR_NOT_FOUND)
		x->err = problem_set(&x->ad->why, ERR_UNAVAILABLE, NULL, "%s does not answer: %s", q->room,
				     text_in(x->ad->why.language, err_text(err)));
	if (--x->left == 0)
		end(x);
}

static void ask(struct asking *x, enum role role, unsigned index, uint16_t op, const char *room)
{
	struct question *q = ARENA_NEW(x->ad->a, struct question);
	*q = (struct question){ x, room };
	x->left++;
	room_call(x->ad->d->room, role, index, op, &x->req.base, NULL, 0, ASK_MS, on_answer, q);
}

static void begin(struct admin *ad, bool run)
{
	struct asking *x = ARENA_NEW(ad->a, struct asking);
	Postern__TimerReply *own = NULL;
	unsigned shards = ad->d->room->shards ? ad->d->room->shards : 1;
	x->ad = ad;
	postern__timer_request__init(&x->req);
	x->req.run = run;
	x->req.name = arena_str(ad->a, admin_get(ad, "name"));
	if (timers_answer(ad->d->timers, &x->req, ad->now_ms, ad->a, &own) == 0)
		add(x, "directory", own);
	ask(x, ROLE_QUEUE, 0, POSTERN__QUEUE_OP__QUEUE_TIMER, "queue");
	for (unsigned i = 0; i < shards; i++)
		ask(x, ROLE_STORE, i, POSTERN__STORE_OP__STORE_TIMER, "store");
}

void op_timer_list(struct admin *ad)
{
	begin(ad, false);
}

void op_timer_run(struct admin *ad)
{
	int r = admin_begin(ad);
	if (r == 0)
		r = admin_commit(ad, admin_get(ad, "name"));
	if (r < 0)
		admin_refuse(ad, r);
	else
		begin(ad, true);
}
