/* SPDX-License-Identifier: Apache-2.0 */
#include "room/directory/op/verify.h"

#include "base/err.h"
#include "ipc/auth.pb-c.h"
#include "room/directory/login/guard.h"

enum { VERIFY_MS = 30 * 1000 };

struct verifying {
	struct admin *ad;
	unsigned delay_ms;	/* of a refusal */
	int64_t holder;
	struct guard_try try;
	admin_verified_fn *fn;
};

static void on_late_closed(uv_handle_t *h)
{
	free(h);
}

static void on_late(uv_timer_t *t)
{
	struct admin *ad = t->data;
	uv_close((uv_handle_t *)t, on_late_closed);
	admin_refuse(ad, ad->why.err);
}

void admin_refuse_late(struct admin *ad, int err, unsigned delay_ms)
{
	uv_timer_t *t = delay_ms ? calloc(1, sizeof(*t)) : NULL;
	bug_if(!ad->why.err);
	if (!t) {
		admin_refuse(ad, err);
		return;
	}
	bug_if(uv_timer_init(ad->d->room->loop, t) < 0);
	t->data = ad;
	bug_if(uv_timer_start(t, on_late, delay_ms, 0) < 0);
}

static void wrong(const struct verifying *v)
{
	struct admin *ad = v->ad;
	admin_refuse_late(ad, problem_set(&ad->why, ERR_DENIED, "password", "wrong name or password"), v->delay_ms);
}

static void on_verified(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct verifying *v = ctx;
	struct admin *ad = v->ad;
	const Postern__VerifyReply *reply = (const Postern__VerifyReply *)msg;
	bool second = true;
	if (fd >= 0)
		close(fd);
	if (err < 0) {
		admin_refuse(ad, problem_set(&ad->why, ERR_UNAVAILABLE, NULL, "passwords cannot be checked just now"));
		return;
	}
	if (!reply->right || !v->holder) {
		guard_wrong(ad->d->guard, &v->try, ad->now_ms);
		wrong(v);
		return;
	}
	int r = second_is_on(ad->e, ad->a, v->holder, &second);
	if (r == 0 && !second)
		guard_right(ad->d->guard, ad->e, &v->try, ad->now_ms);
	if (r < 0)
		admin_refuse(ad, r);
	else
		v->fn(ad);
}

void admin_verify(struct admin *ad, const struct person *p, struct slice named, admin_verified_fn *fn)
{
	struct verifying *v = ARENA_NEW(ad->a, struct verifying);
	uint8_t *tag = arena_alloc(ad->a, 4);
	struct slice password = admin_get(ad, "password");
	Postern__VerifyRequest req = POSTERN__VERIFY_REQUEST__INIT;
	guard_tag(password, tag);
	*v = (struct verifying){
		.ad = ad,
		.holder = p->holder,
		.fn = fn,
		.try = { .account = p->holder && !p->is_staff ? p->account.id : 0,
			 .who = p->holder ? p->name : named,
			 .remote = bytes_of(&ad->req->remote),
			 .tag = slice_of(tag, 4) },
	};
	struct limiter_verdict verdict = guard_try(ad->d->guard, ad->e, &v->try, ad->now_ms);
	v->delay_ms = verdict.delay_ms;
	if (verdict.refused) {
		wrong(v);
		return;
	}
	req.hash = data_of(person_hash(p));
	req.password = data_of(password);
	room_call(ad->d->room, ROLE_AUTH, PEER_ANY, POSTERN__AUTH_OP__AUTH_VERIFY, &req.base, NULL, 0, VERIFY_MS, on_verified, v);
}

int admin_second_wanted(struct admin *ad, const char *field)
{
	ad->second = true;
	return problem_set(&ad->why, ERR_DENIED, field, "this login has a second factor: send a code beside the password");
}

int admin_second_wrong(struct admin *ad, const char *field)
{
	ad->second = true;
	return problem_set(&ad->why, ERR_INVALID, field, "this code is not good (any more)");
}
