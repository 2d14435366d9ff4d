/* SPDX-License-Identifier: Apache-2.0 */
/*
 * password forgot (M9, M10). Threats: asking who is here (THREATS H15): the request is only written down, with its audit
 * row, and answered; whose name it is, and whether a link goes out, is looked at a moment later, so the answer is the same
 * work for every name. Asking often (guard.h, whoever is asked for). Links of a host that the request named (web_link takes
 * it from configuration).
 */
#include "room/directory/op/forgot.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "base/rng.h"
#include "room/directory/db/engine_priv.h"
#include "room/directory/login/guard.h"
#include "room/directory/login/link.h"
#include "room/directory/noun/policy.h"
#include "room/directory/notice/notice.h"
#include "room/directory/login/person.h"
#include "room/directory/op/recovery.h"

enum { MINUTE_MS = 60 * 1000, WHO_MAX = 320 };

/* --- asking ------------------------------------------------------------------------------------------- */

/* Asked too often for one name or from one network: nothing comes of it. */
static bool too_often(struct admin *ad, struct slice user)
{
	struct guard_try t = {
		.who = slice_str(arena_printf(ad->a, "forgot " SLICE_FMT, SLICE_ARG(slice_sub(user, 0, WHO_MAX - 7)))),
		.remote = bytes_of(&ad->req->remote),
	};
	struct limiter_verdict v = guard_try(ad->d->guard, ad->e, &t, ad->now_ms);
	if (!v.refused)
		guard_wrong(ad->d->guard, &t, ad->now_ms);
	return v.refused;
}

/* At a moment that nobody can tell from outside. */
static void later(struct directory *d)
{
	if (!uv_is_active((uv_handle_t *)&d->forgot))
		bug_if(uv_timer_start(&d->forgot, d->forgot.timer_cb, FORGOT_MS + rng_u64() % FORGOT_MS, 0) < 0);
}

void op_password_forgot(struct admin *ad)
{
	struct slice user = admin_get(ad, "user");
	bool quiet = too_often(ad, user);
	int r = admin_begin(ad);
	if (r == 0 && !quiet &&
	    (r = sql_run(ad->e->db, "INSERT INTO forgot (user, at) VALUES (?1, ?2)", "bi", user, ad->now_ms)) < 0)
		admin_rollback(ad);
	if (r >= 0)
		r = admin_commit(ad, user);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	later(ad->d);
	admin_ok(ad, 202, NULL);
}

/* --- what was asked ------------------------------------------------------------------------------------- */

struct asked {
	int64_t id, at_ms;
	struct slice user;
};

static int first_behind(struct engine *e, struct arena *a, int64_t id, struct asked *ret)
{
	struct sql_stmt *s = sql_prepare(e->db, "SELECT id, user, at FROM forgot WHERE id > ?1 ORDER BY id LIMIT 1");
	sql_bind_int(s, 1, id);
	int r = sql_step(s);
	if (r == 1)
		*ret = (struct asked){ .id = sql_int(s, 0), .user = column_dup(a, s, 1), .at_ms = sql_int(s, 2) };
	sql_done(s);
	return r;
}

static bool sent_lately(struct engine *e, const struct person *p, int64_t now_ms)
{
	struct link l;
	return link_latest(e, p->holder, LINK_RESET, &l) == 0 && now_ms - l.created_ms < LINK_AGAIN_MS &&
	       now_ms >= l.created_ms;
}

static int send_link(struct directory *d, struct arena *a, const struct person *p, int64_t now_ms)
{
	struct policy policy;
	struct slice token;
	int r = policy_get(d->e, p->customer, &policy);
	if (r < 0)
		return r;
	struct link l = {
		.holder = p->holder,
		.kind = LINK_RESET,
		.created_ms = now_ms,
		.expires_ms = now_ms + (int64_t)policy.reset_minutes * MINUTE_MS,
	};
	r = link_make(d->e, a, &l, &token);
	if (r < 0)
		return r;
	const char *path = arena_printf(a, "/password/" SLICE_FMT, SLICE_ARG(token));
	return notice_add(d->e, a, &(struct notice){
		.kind = NOTICE_RESET, .customer = p->customer, .domain = p->domain.id, .account = p->account.id,
		.to = person_reach(p), .language = p->is_staff ? p->staff.language : (struct slice){ 0 }, .now_ms = now_ms,
		.vars = { { .name = "login", .text = p->name },
			  { .name = "link", .text = slice_str(web_link(d, a, path)) },
			  { .name = "expires", .number = l.expires_ms } } });
}

/* The link and the end of the request are one transaction; send: false only ends it. */
static int settle(struct directory *d, struct arena *a, const struct asked *x, bool send)
{
	struct person p;
	int64_t now_ms = clock_wall_ms();
	int r = engine_begin(d->e);
	if (r < 0)
		return r;
	if (send && person_by_name(d->e, a, x->user, now_ms, &p) == 0 && person_reach(&p).n && !sent_lately(d->e, &p, now_ms))
		r = send_link(d, a, &p, now_ms);
	if (r == 0)
		r = sql_run(d->e->db, "DELETE FROM forgot WHERE id = ?1", "i", x->id);
	if (r < 0) {
		engine_rollback(d->e);
		return r;
	}
	return engine_commit(d->e);
}

static void on_later(uv_timer_t *t)
{
	struct directory *d = t->data;
	struct asked x = { 0 };
	struct arena *a = arena_new();
	unsigned n = 0;
	while (first_behind(d->e, a, x.id, &x) == 1) {
		int r = settle(d, a, &x, clock_wall_ms() - x.at_ms < FORGOT_LATEST_MS);
		if (r < 0) {
			ev(EV_WARN, "directory.reset.unsent", KS("reason", err_name(r)));
			r = settle(d, a, &x, false);
		}
		arena_free(&a);
		a = arena_new();
		n++;
	}
	if (n)
		ev(EV_INFO, "directory.forgot.done", KI("requests", n));
	arena_free(&a);
	directory_check_disk(d);
}

void forgot_start(struct directory *d)
{
	bug_if(uv_timer_init(d->room->loop, &d->forgot) < 0);
	d->forgot.data = d;
	d->forgot.timer_cb = on_later;
	later(d);
}
