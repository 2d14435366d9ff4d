/* SPDX-License-Identifier: Apache-2.0 */
/*
 * password forgot, look, reset, change: what anybody may ask, without having logged in (M7 to M10).
 *
 * Threats: asking who is here (forgot answers the same before it looks), guessing (every check goes through guard.h),
 * spending a link twice at once (link_spend is part of the transaction that sets the password), links of a host that
 * the request named (web_link takes it from configuration).
 */
#include "room/directory/op/admin.h"

#include "base/err.h"
#include "base/event.h"
#include "ipc/auth.pb-c.h"
#include "ipc/store.pb-c.h"
#include "room/directory/login/guard.h"
#include "room/directory/login/link.h"
#include "room/directory/notice/language.h"
#include "room/directory/notice/notice.h"
#include "room/directory/noun/policy.h"
#include "room/directory/op/recovery.h"
#include "room/directory/noun/staff.h"

enum { HOUR_MS = 3600 * 1000, MINUTE_MS = 60 * 1000, VERIFY_MS = 30 * 1000, FORGOT_WHO_MAX = 320 };

/* Who a link or a name stands for: a mailbox user, or staff. */
struct person {
	int64_t holder;
	bool is_staff;
	struct account account;
	struct domain domain;	/* of a mailbox user */
	struct staff staff;
	uint64_t customer;	/* whose policy; 0: the provider's people */
	struct slice name, reach;
};

static int person_account(struct admin *ad, struct person *p)
{
	int r = domain_by_id(ad->e, ad->a, p->account.domain, &p->domain);
	if (r < 0)
		return r;
	p->holder = holder_account(p->account.id);
	p->customer = p->domain.customer;
	p->name = p->account.address;
	p->reach = recovery_reach(&p->domain, &p->account);
	return 0;
}

static int person_staff(struct person *p)
{
	p->is_staff = true;
	p->holder = holder_staff(p->staff.id);
	p->customer = p->staff.customer;
	p->name = p->staff.login;
	p->reach = p->staff.recovery;
	return 0;
}

/* Staff first, as at a login. */
static int person_by_name(struct admin *ad, struct slice in, struct person *p)
{
	struct slice login;
	*p = (struct person){ 0 };
	if (staff_login(ad->a, in, &login) == 0) {
		int r = staff_get(ad->e, ad->a, login, &p->staff);
		if (r != ERR_NOT_FOUND)
			return r < 0 ? r : person_staff(p);
	}
	int r = credential_find(ad->e, ad->a, in, ad->now_ms, &p->account);
	return r < 0 ? r : person_account(ad, p);
}

static int person_by_holder(struct admin *ad, int64_t holder, struct person *p)
{
	*p = (struct person){ 0 };
	if (holder > 0) {
		int r = staff_by_id(ad->e, ad->a, (uint64_t)holder, &p->staff);
		return r < 0 ? r : person_staff(p);
	}
	int r = account_by_id(ad->e, ad->a, (uint64_t)-holder, &p->account);
	if (r == 0 && p->account.state != ACCOUNT_LIVE)
		r = ERR_NOT_FOUND;
	return r < 0 ? r : person_account(ad, p);
}

/* --- forgot ----------------------------------------------------------------------------------------- */

static bool sent_lately(struct admin *ad, const struct person *p)
{
	struct link l;
	return link_latest(ad->e, p->holder, LINK_RESET, &l) == 0 && ad->now_ms - l.created_ms < LINK_AGAIN_MS &&
	       ad->now_ms >= l.created_ms;
}

static int send_link(struct admin *ad, const struct person *p)
{
	struct policy policy;
	struct slice token;
	int r = policy_get(ad->e, p->customer, &policy);
	if (r < 0)
		return r;
	struct link l = {
		.holder = p->holder,
		.kind = LINK_RESET,
		.created_ms = ad->now_ms,
		.expires_ms = ad->now_ms + (int64_t)policy.reset_minutes * MINUTE_MS,
	};
	r = link_make(ad->e, ad->a, &l, &token);
	if (r < 0)
		return r;
	const char *path = arena_printf(ad->a, "/password/" SLICE_FMT, SLICE_ARG(token));
	return notice_add(ad->e, ad->a, &(struct notice){
		.kind = NOTICE_RESET, .customer = p->customer, .domain = p->domain.id, .account = p->account.id,
		.to = p->reach, .language = p->is_staff ? p->staff.language : (struct slice){ 0 }, .now_ms = ad->now_ms,
		.vars = { { .name = "link", .text = slice_str(web_link(ad->d, ad->a, path)) },
			  { .name = "expires", .number = l.expires_ms } } });
}

/* Asked too often for one name or from one network: nothing is sent. */
static bool too_often(struct admin *ad, struct slice user)
{
	struct guard_try t = {
		.who = slice_str(arena_printf(ad->a, "forgot " SLICE_FMT, SLICE_ARG(slice_sub(user, 0, FORGOT_WHO_MAX - 7)))),
		.remote = bytes_of(&ad->req->remote),
	};
	struct limiter_verdict v = guard_try(ad->d->guard, ad->e, &t, ad->now_ms);
	if (!v.refused)
		guard_wrong(ad->d->guard, &t, ad->now_ms);
	return v.refused;
}

/* One transaction with an audit row in any case, so that what follows is as late for a name that is here as for one that
 * is not. */
void op_password_forgot(struct admin *ad)
{
	struct person p;
	struct slice user = admin_get(ad, "user");
	bool quiet = too_often(ad, user);
	int r = person_by_name(ad, user, &p);
	quiet |= r < 0 || !p.reach.n || sent_lately(ad, &p);
	r = engine_begin(ad->e);
	if (r == 0 && !quiet && (r = send_link(ad, &p)) < 0) {
		ev(EV_WARN, "directory.reset.unsent", KS("reason", err_name(r)));
		admin_rollback(ad);
		r = engine_begin(ad->e);
	}
	if (r == 0)
		r = admin_commit(ad, user);
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_ok(ad, 202, NULL);
}

/* --- links ------------------------------------------------------------------------------------------- */

static int find_link(struct admin *ad, struct link *l, struct person *p)
{
	int r = link_find(ad->e, admin_get(ad, "token"), ad->now_ms, l);
	if (r == 0)
		r = person_by_holder(ad, l->holder, p);
	if (r == ERR_NOT_FOUND)
		return problem_set(&ad->why, r, "token", "this link is not good any more: it was used, or its time is over");
	return r;
}

static json_t *classes_json(unsigned classes)
{
	json_t *list = json_array();
	for (size_t i = 0; policy_class_name(i); i++)
		if (classes & (1u << i))
			json_array_append_new(list, json_string(policy_class_name(i)));
	return list;
}

void op_password_look(struct admin *ad)
{
	struct link l;
	struct person p;
	struct policy policy;
	struct slice language;
	int r = find_link(ad, &l, &p);
	if (r == 0)
		r = policy_get(ad->e, p.customer, &policy);
	if (r == 0)
		r = language_of(ad->e, ad->a, p.is_staff ? p.staff.language : p.account.language, p.customer, &language);
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_ok(ad, 200, json_pack("{s:o, s:o, s:I, s:i, s:o}", "user", json_text(p.name), "language",
					    json_text(language), "expires_ms",
					    (json_int_t)l.expires_ms, "length", (int)policy.length, "classes",
					    classes_json(policy.classes)));
}

/* --- setting ----------------------------------------------------------------------------------------- */

struct setting {
	struct person p;
	bool by_link;
	struct guard_try try;
	uint64_t version;	/* that was verified */
};

static void on_revoked(void *ctx, int err)
{
	struct admin *ad = ctx;
	struct setting *s = ad->ctx;
	admin_ok(ad, 200, json_pack("{s:o}", "user", json_text(s->p.name)));
}

static int tell_changed(struct admin *ad, const struct person *p)
{
	if (p->is_staff)
		return 0;
	return notice_add(ad->e, ad->a, &(struct notice){
		.kind = NOTICE_PASSWORD_CHANGED, .customer = p->customer, .domain = p->domain.id, .account = p->account.id,
		.to = p->account.address, .now_ms = ad->now_ms,
		.vars = { { .name = "when", .number = ad->now_ms },
			  { .name = "remote", .text = bytes_of(&ad->req->remote) } } });
}

static int still_allowed(struct admin *ad, struct setting *s)
{
	struct link l;
	if (s->by_link) {
		int r = find_link(ad, &l, &s->p);
		return r < 0 ? r : link_spend(ad->e, admin_get(ad, "token"), ad->now_ms);
	}
	int r = person_by_holder(ad, s->p.holder, &s->p);
	uint64_t now = s->p.is_staff ? s->p.staff.version : s->p.account.version;
	return r < 0 ? r : now == s->version ? 0 : ERR_CONFLICT;
}

static int put(struct admin *ad, struct setting *s, struct slice hash)
{
	uint64_t version = 0;
	int r = still_allowed(ad, s);
	if (r < 0)
		return r;
	if (s->p.is_staff)
		r = staff_set_password(ad->e, s->p.staff.id, hash, false, ad->now_ms);
	else
		r = credential_set(ad->e, s->p.account.id, hash, CREDENTIAL_OWN, ad->now_ms, &version);
	return r < 0 ? r : tell_changed(ad, &s->p);
}

static void on_hash(struct admin *ad, struct slice hash)
{
	struct setting *s = ad->ctx;
	int r = engine_begin(ad->e);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	r = put(ad, s, hash);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, s->p.name);
	if (r < 0)
		admin_refuse(ad, r);
	else if (s->p.is_staff)
		on_revoked(ad, 0);
	else
		store_batch(ad->d, POSTERN__STORE_OP__STORE_REVOKE, &s->p.account, 1, NULL, on_revoked, ad);
}

void op_password_reset(struct admin *ad)
{
	struct link l;
	struct setting *s = ARENA_NEW(ad->a, struct setting);
	ad->ctx = s;
	s->by_link = true;
	int r = find_link(ad, &l, &s->p);
	if (r == 0)
		r = password_check(ad->e, s->p.customer, "password", admin_get(ad, "password"), &ad->why);
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_hash(ad, admin_get(ad, "password"), on_hash);
}

/* --- change: with the password that is there ------------------------------------------------------------ */

static int wrong(struct admin *ad)
{
	return problem_set(&ad->why, ERR_DENIED, "password", "wrong name or password");
}

/* The default password is no password of one's own, and a first one ends. */
static int check_change(struct admin *ad, const struct setting *s)
{
	struct policy p;
	const struct account *x = &s->p.account;
	bool given = s->p.is_staff ? s->p.staff.must_change : x->must_change;
	int r = policy_get(ad->e, s->p.customer, &p);
	if (r < 0)
		return r;
	if (!s->p.is_staff && x->first_password && ad->now_ms >= x->password_ms + (int64_t)p.invitation_hours * HOUR_MS)
		return problem_set(&ad->why, ERR_CONFLICT, "password",
				   "the time of this first password is over: ask for a link or a new one");
	if (given && slice_eq(admin_get(ad, "password"), admin_get(ad, "new_password")))
		return problem_set(&ad->why, ERR_INVALID, "new_password",
				   "this password was given to you: choose one of your own");
	return password_check(ad->e, s->p.customer, "new_password", admin_get(ad, "new_password"), &ad->why);
}

static void on_verified(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct admin *ad = ctx;
	struct setting *s = ad->ctx;
	const Postern__VerifyReply *reply = (const Postern__VerifyReply *)msg;
	if (fd >= 0)
		close(fd);
	if (err < 0) {
		admin_refuse(ad, problem_set(&ad->why, ERR_UNAVAILABLE, NULL, "passwords cannot be checked just now"));
		return;
	}
	if (!reply->right || !s->p.holder) {
		guard_wrong(ad->d->guard, &s->try, ad->now_ms);
		admin_refuse(ad, wrong(ad));
		return;
	}
	guard_right(ad->d->guard, ad->e, &s->try, ad->now_ms);
	int r = check_change(ad, s);
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_hash(ad, admin_get(ad, "new_password"), on_hash);
}

static void verify(struct admin *ad, const struct setting *s)
{
	Postern__VerifyRequest req = POSTERN__VERIFY_REQUEST__INIT;
	req.hash = data_of(s->p.is_staff ? s->p.staff.hash : s->p.account.hash);
	req.password = data_of(admin_get(ad, "password"));
	room_call(ad->d->room, ROLE_AUTH, PEER_ANY, POSTERN__AUTH_OP__AUTH_VERIFY, &req.base, NULL, 0, VERIFY_MS, on_verified,
		  ad);
}

void op_password_change(struct admin *ad)
{
	struct setting *s = ARENA_NEW(ad->a, struct setting);
	uint8_t *tag = arena_alloc(ad->a, 4);
	int r = person_by_name(ad, admin_get(ad, "user"), &s->p);
	ad->ctx = s;
	if (r < 0 && r != ERR_NOT_FOUND) {
		admin_refuse(ad, r);
		return;
	}
	guard_tag(admin_get(ad, "password"), tag);
	s->version = s->p.is_staff ? s->p.staff.version : s->p.account.version;
	s->try = (struct guard_try){
		.account = r == 0 && !s->p.is_staff ? s->p.account.id : 0,
		.who = r == 0 ? s->p.name : admin_get(ad, "user"),
		.remote = bytes_of(&ad->req->remote),
		.tag = slice_of(tag, 4),
	};
	if (r < 0)
		s->p = (struct person){ 0 };
	if (guard_try(ad->d->guard, ad->e, &s->try, ad->now_ms).refused)
		admin_refuse(ad, wrong(ad));
	else
		verify(ad, s);
}
