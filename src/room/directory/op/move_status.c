/* SPDX-License-Identifier: Apache-2.0 */
/*
 * move status, stop, proof. A proof compares, mailbox by mailbox, what is at the old server with what is here; the
 * call is held until all of them are compared, or for a while, and says "running" then.
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"
#include "room/directory/op/move.h"

enum { PROOF_WAIT_MS = 10 * 60 * 1000 };

struct sum {
	size_t total, done, failed, stopped, active;
	struct counts counts;
	int64_t started_ms, changed_ms;
};

static void add_task(struct sum *s, const struct task *t)
{
	s->total++;
	s->done += t->state == TASK_DONE;
	s->failed += t->state == TASK_FAILED;
	s->stopped += t->state == TASK_STOPPED;
	s->active += t->state == TASK_WAITING || t->state == TASK_RUNNING;
	s->counts.messages_total += t->counts.messages_total;
	s->counts.messages_done += t->counts.messages_done;
	s->counts.messages_new += t->counts.messages_new;
	s->counts.messages_failed += t->counts.messages_failed;
	s->counts.bytes_new += t->counts.bytes_new;
	if (t->changed_ms > s->changed_ms)
		s->changed_ms = t->changed_ms;
}

static const char *state_of(const struct sum *s)
{
	return s->active    ? "running"
	       : s->stopped ? "stopped"
	       : s->failed  ? "failed"
	       : s->total   ? "done"
			    : "none";
}

/* Kept in English; what the mover says in words of its own is said in the asker's language (arenas end texts with NUL). */
static json_t *error_json(const struct task *t)
{
	const char *said = t->error.n ? text_in(text_current(), (const char *)t->error.p) : "";
	return json_text(slice_str(said));
}

static json_t *task_json(const struct task *t)
{
	return json_pack("{s:o, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "address",
			 json_text(t->address), "state", task_state_name(t->state), "error",
			 error_json(t), "folders_total", (json_int_t)t->counts.folders_total,
			 "folders_done", (json_int_t)t->counts.folders_done, "messages_total",
			 (json_int_t)t->counts.messages_total, "messages_done",
			 (json_int_t)t->counts.messages_done, "messages_new",
			 (json_int_t)t->counts.messages_new, "bytes_new",
			 (json_int_t)t->counts.bytes_new, "messages_failed",
			 (json_int_t)t->counts.messages_failed, "attempts", (json_int_t)t->attempts,
			 "finished_ms", (json_int_t)t->finished_ms);
}

static json_t *source_json(struct admin *ad, const struct plan *p)
{
	bool v6 = slice_find_byte(p->host, ':', 0) >= 0;
	return json_text(slice_str(arena_printf(ad->a, "%s://%s" SLICE_FMT "%s:%u",
						p->pop3 ? (p->tls == 0 ? "pop3s" : "pop3") :
						p->tls == 0 ? "imaps" : "imap", v6 ? "[" : "",
						SLICE_ARG(p->host), v6 ? "]" : "", p->port)));
}

/* Messages and bytes of a second, and what is left at that rate. */
static void add_rate(json_t *j, const struct sum *s, int64_t started_ms)
{
	double seconds = (double)(s->changed_ms - started_ms) / 1000;
	if (seconds <= 0.05)
		return;
	double rate = (double)s->counts.messages_new / seconds;
	uint64_t left = s->counts.messages_total > s->counts.messages_done
				? s->counts.messages_total - s->counts.messages_done
				: 0;
	json_object_set_new(j, "messages_per_second", json_number((uint64_t)(rate + 0.5)));
	json_object_set_new(j, "bytes_per_second",
			    json_number((uint64_t)((double)s->counts.bytes_new / seconds)));
	if (s->active && rate > 0)
		json_object_set_new(j, "eta_ms",
				    json_number((uint64_t)((double)left / rate * 1000)));
}

static json_t *status_json(struct admin *ad, const struct domain *d, const struct plan *p,
			   const struct task *tasks, size_t n)
{
	struct sum s = { 0 };
	json_t *boxes = json_array();
	for (size_t i = 0; i < n; i++) {
		add_task(&s, &tasks[i]);
		json_array_append_new(boxes, task_json(&tasks[i]));
	}
	json_t *j = json_pack(
		"{s:o, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "domain",
		json_text(d->name), "state", n ? state_of(&s) : "none", "from",
		p ? source_json(ad, p) : json_string(""), "mailboxes_total", (json_int_t)s.total,
		"mailboxes_done", (json_int_t)s.done, "mailboxes_failed", (json_int_t)s.failed,
		"messages_total", (json_int_t)s.counts.messages_total, "messages_done",
		(json_int_t)s.counts.messages_done, "messages_new",
		(json_int_t)s.counts.messages_new, "bytes_new", (json_int_t)s.counts.bytes_new,
		"messages_failed", (json_int_t)s.counts.messages_failed, "started_ms",
		(json_int_t)(p ? p->started_ms : 0), "updated_ms", (json_int_t)s.changed_ms,
		"mailboxes", boxes);
	if (p)
		add_rate(j, &s, p->started_ms);
	return j;
}

void move_give(struct admin *ad, unsigned status, const struct domain *d)
{
	struct plan p;
	struct task *tasks = NULL;
	size_t n = 0;
	int r = plan_get(ad->e, ad->a, d->id, &p);
	bool planned = r == 0;
	if (planned)
		r = task_list(ad->e, ad->a, p.id, false, &tasks, &n);
	if (r < 0 && r != ERR_NOT_FOUND)
		admin_refuse(ad, r);
	else
		admin_ok(ad, status, status_json(ad, d, planned ? &p : NULL, tasks, n));
}

void op_move_status(struct admin *ad)
{
	struct domain d;
	int r = admin_domain(ad, admin_get(ad, "domain"), &d);
	if (r < 0)
		admin_refuse(ad, r);
	else
		move_give(ad, 200, &d);
}

static int find_plan(struct admin *ad, struct domain *d, struct plan *p)
{
	int r = admin_domain(ad, admin_get(ad, "domain"), d);
	if (r < 0)
		return r;
	r = plan_get(ad->e, ad->a, d->id, p);
	if (r == ERR_NOT_FOUND)
		return problem_set(&ad->why, r, "domain", SLICE_FMT " is not being moved",
				   SLICE_ARG(d->name));
	return r;
}

void op_move_stop(struct admin *ad)
{
	struct domain d;
	struct plan p;
	int r = find_plan(ad, &d, &p);
	if (r == 0)
		r = admin_begin(ad);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	r = plan_end(ad->e, p.id, ad->now_ms);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, d.name);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	proof_wake(ad->d);
	move_give(ad, 200, &d);
}

/* --- proof ------------------------------------------------------------------------------------------ */

struct proving {
	struct domain d;
	uint64_t plan;
	uv_timer_t *timer;
};

static void on_timer_closed(uv_handle_t *h)
{
	free(h);
}

static json_int_t sum_folders(const json_t *report, const char *member)
{
	json_int_t sum = 0;
	size_t i;
	json_t *folder;
	json_array_foreach(json_object_get(report, "folders"), i, folder) sum +=
		json_integer_value(json_object_get(folder, member));
	return sum;
}

enum { THERE, HERE, MISSING, DIFFERENT, N_SUMS };

static json_t *proof_box(const struct task *t, json_int_t sums[N_SUMS])
{
	static const char *const members[N_SUMS] = { "there", "here", "missing", "different" };
	json_t *report =
		t->report.n ? json_loadb((const char *)t->report.p, t->report.n, 0, NULL) : NULL;
	json_t *folders = json_object_get(report, "folders");
	for (size_t i = 0; i < N_SUMS; i++)
		sums[i] += sum_folders(report, members[i]);
	json_t *j = json_pack("{s:o, s:s, s:o, s:o}", "address", json_text(t->address), "state",
			      task_state_name(t->state), "error", error_json(t), "folders",
			      folders ? json_incref(folders) : json_array());
	json_decref(report);
	return j;
}

static void give_proof(struct admin *ad)
{
	struct proving *v = ad->ctx;
	struct task *tasks = NULL;
	struct sum s = { 0 };
	json_int_t sums[N_SUMS] = { 0 };
	json_t *boxes = json_array();
	size_t n = 0;
	int r = task_list(ad->e, ad->a, v->plan, true, &tasks, &n);
	for (size_t i = 0; r == 0 && i < n; i++) {
		add_task(&s, &tasks[i]);
		json_array_append_new(boxes, proof_box(&tasks[i], sums));
	}
	list_remove(&ad->node);
	uv_close((uv_handle_t *)v->timer, on_timer_closed);
	if (r < 0) {
		json_decref(boxes);
		admin_refuse(ad, r);
		return;
	}
	admin_ok(ad, 200,
		 json_pack("{s:o, s:s, s:b, s:I, s:I, s:I, s:I, s:o}", "domain",
			   json_text(v->d.name), "state", s.active ? "running" : "done", "complete",
			   n && s.done == n && !sums[MISSING] && !sums[DIFFERENT], "messages_there",
			   sums[THERE], "messages_here", sums[HERE], "messages_missing",
			   sums[MISSING], "messages_different", sums[DIFFERENT], "mailboxes",
			   boxes));
}

static void on_proof_timer(uv_timer_t *t)
{
	give_proof(t->data);
}

static bool proof_ready(struct admin *ad)
{
	const struct proving *v = ad->ctx;
	struct arena *a = arena_new();
	struct task *tasks = NULL;
	size_t n = 0;
	bool ready = true;
	if (task_list(ad->e, a, v->plan, true, &tasks, &n) == 0)
		for (size_t i = 0; i < n; i++)
			ready &= tasks[i].state != TASK_WAITING && tasks[i].state != TASK_RUNNING;
	arena_free(&a);
	return ready;
}

void proof_wake(struct directory *d)
{
	list_each(ad, &d->proofs, struct admin, node)
	{
		if (proof_ready(ad))
			give_proof(ad);
	}
}

/* A proof task beside each copy task; one that is under way goes on. */
static int start_proof(struct admin *ad, const struct domain *d, const struct plan *p)
{
	struct task *tasks, *proofs;
	size_t n = 0, n_proofs = 0;
	int r = task_list(ad->e, ad->a, p->id, true, &proofs, &n_proofs);
	for (size_t i = 0; r == 0 && i < n_proofs; i++)
		if (proofs[i].state == TASK_WAITING || proofs[i].state == TASK_RUNNING)
			return 0;
	if (p->ended)
		return problem_set(&ad->why, ERR_CONFLICT, "domain",
				   "the move was ended and its passwords were erased: start it "
				   "again to compare");
	if (r == 0)
		r = task_list(ad->e, ad->a, p->id, false, &tasks, &n);
	if (r == 0)
		r = admin_begin(ad);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < n; i++) {
		uint64_t id = 0;
		tasks[i].proof = true;
		r = task_put(ad->e, &tasks[i], ad->now_ms, &id);
	}
	if (r < 0) {
		admin_rollback(ad);
		return r;
	}
	return admin_commit(ad, d->name);
}

void op_move_proof(struct admin *ad)
{
	struct proving *v = ARENA_NEW(ad->a, struct proving);
	struct plan p;
	int r = find_plan(ad, &v->d, &p);
	if (r == 0)
		r = start_proof(ad, &v->d, &p);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	v->plan = p.id;
	v->timer = calloc(1, sizeof(*v->timer));
	bug_if(!v->timer || uv_timer_init(ad->d->room->loop, v->timer) < 0);
	v->timer->data = ad;
	ad->ctx = v;
	bug_if(uv_timer_start(v->timer, on_proof_timer, PROOF_WAIT_MS, 0) < 0);
	list_append(&ad->d->proofs, &ad->node);
	move_wake(ad->d);
	proof_wake(ad->d);
}
