/* SPDX-License-Identifier: Apache-2.0 */
/*
 * password look, reset, change: what anybody may ask, without having logged in (M7 to M10); op/forgot.c is the fourth.
 *
 * Threats: guessing (every check goes through guard.h, and a refusal is held back as at any login), spending a link twice at
 * once (link_spend is part of the transaction that sets the password).
 */
#include "room/directory/op/admin.h"

#include "base/err.h"
#include "ipc/store.pb-c.h"
#include "room/directory/login/guard.h"
#include "room/directory/login/link.h"
#include "room/directory/login/person.h"
#include "room/directory/login/second.h"
#include "room/directory/notice/language.h"
#include "room/directory/notice/notice.h"
#include "room/directory/noun/policy.h"
#include "room/directory/op/verify.h"

enum { HOUR_MS = 3600 * 1000 };

/* --- links ------------------------------------------------------------------------------------------- */

static int find_link(struct admin *ad, struct link *l, struct person *p)
{
	int r = link_find(ad->e, admin_get(ad, "token"), ad->now_ms, l);
	if (r == 0)
		r = person_by_holder(ad->e, ad->a, l->holder, p);
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
	bool second;		/* a code is wanted beside the password */
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
	int r = person_by_holder(ad->e, ad->a, s->p.holder, &s->p);
	return r < 0 ? r : person_version(&s->p) == s->version ? 0 : ERR_CONFLICT;
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

/* Whose password a link sets needs no code for that: a login still does. */
static int check_second(struct admin *ad, struct setting *s, struct second *x)
{
	int r = s->by_link ? 0 : second_is_on(ad->e, ad->a, s->p.holder, &s->second);
	return r == 0 && s->second ? second_spend(ad->d, ad->a, x, admin_get(ad, "totp")) : r;
}

static void on_hash(struct admin *ad, struct slice hash)
{
	struct setting *s = ad->ctx;
	struct second x = { .who = &s->p, .remote = bytes_of(&ad->req->remote), .now_ms = ad->now_ms };
	int r = admin_begin(ad), code = 0;
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	r = code = check_second(ad, s, &x);
	if (r == 0)
		r = put(ad, s, hash);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, s->p.name);
	if (code == ERR_DENIED) {
		second_wrong(ad->d, ad->a, &x);
		admin_refuse_late(ad, admin_second_wrong(ad, "totp"), x.delay_ms);
		return;
	}
	if (r == 0 && s->second)
		second_right(ad->d, ad->a, &x);
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

/* The default password is no password of one's own, and a first one ends. */
static int check_change(struct admin *ad, const struct setting *s)
{
	struct policy p;
	const struct account *x = &s->p.account;
	bool given = person_must_change(&s->p);
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

static void on_verified(struct admin *ad)
{
	struct setting *s = ad->ctx;
	int r = check_change(ad, s);
	if (r == 0)
		r = second_is_on(ad->e, ad->a, s->p.holder, &s->second);
	if (r == 0 && s->second && !admin_has(ad, "totp"))
		r = admin_second_wanted(ad, "totp");
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_hash(ad, admin_get(ad, "new_password"), on_hash);
}

void op_password_change(struct admin *ad)
{
	struct setting *s = ARENA_NEW(ad->a, struct setting);
	struct slice user = admin_get(ad, "user");
	int r = person_by_name(ad->e, ad->a, user, ad->now_ms, &s->p);
	ad->ctx = s;
	if (r < 0 && r != ERR_NOT_FOUND) {
		admin_refuse(ad, r);
		return;
	}
	if (r < 0)
		s->p = (struct person){ 0 };
	s->version = person_version(&s->p);
	admin_verify(ad, &s->p, user, on_verified);
}
