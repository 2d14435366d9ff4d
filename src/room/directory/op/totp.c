/* SPDX-License-Identifier: Apache-2.0 */
/*
 * totp show, start, confirm, codes, remove: the second factor of a login.
 *
 * Threats: a stolen session (a secret is made, recovery codes are made and one's own second factor goes with the password or
 * a code only), guessing (second.h), sessions that somebody began with the password alone (confirm ends them), an alias
 * that leads to somebody of a higher rank (only a login's own name is one).
 */
#include "room/directory/op/admin.h"

#include "base/err.h"
#include "base/rng.h"
#include "ipc/store.pb-c.h"
#include "room/directory/login/totp.h"
#include "room/directory/noun/policy.h"
#include "room/directory/op/verify.h"

struct acting {
	struct person p;
	struct second second;
	uint64_t version;	/* of the password */
	int (*work)(struct admin *ad, struct acting *x);	/* inside the transaction */
	struct slice codes[TOTP_RECOVERY_CODES];
};

/* A login's own name; an alias is none. */
static int find(struct admin *ad, struct person *ret)
{
	struct slice login = { 0 }, named = admin_get(ad, "login");
	int r = staff_login(ad->a, named, &login) < 0 ? ERR_NOT_FOUND :
							person_by_name(ad->e, ad->a, login, ad->now_ms, ret);
	if (r == 0 && !slice_eq(ret->name, login))
		r = ERR_NOT_FOUND;
	if (r == ERR_NOT_FOUND)
		return problem_set(&ad->why, r, "login", "there is no login " SLICE_FMT, SLICE_ARG(named));
	return r;
}

static struct acting *begin(struct admin *ad, struct totp *ret)
{
	struct acting *x = ARENA_NEW(ad->a, struct acting);
	int r = find(ad, &x->p);
	if (r == 0)
		r = totp_get(ad->e, ad->a, x->p.holder, ret);
	if (r < 0) {
		admin_refuse(ad, r);
		return NULL;
	}
	x->second = (struct second){ .who = &x->p, .remote = bytes_of(&ad->req->remote), .now_ms = ad->now_ms };
	x->version = person_version(&x->p);
	ad->ctx = x;
	return x;
}

static int not_on(struct admin *ad, const struct acting *x)
{
	return problem_set(&ad->why, ERR_CONFLICT, "login", SLICE_FMT " has no second factor", SLICE_ARG(x->p.name));
}

static int is_on(struct admin *ad, const struct acting *x)
{
	return problem_set(&ad->why, ERR_CONFLICT, "login", "the second factor of " SLICE_FMT " is on already: turn it off first",
			   SLICE_ARG(x->p.name));
}

static bool waits(const struct admin *ad, const struct totp *t)
{
	return t->holder && !totp_is_on(t) && ad->now_ms - t->made_ms < TOTP_WAITS_MS && ad->now_ms >= t->made_ms;
}

/* --- show -------------------------------------------------------------------------------------------- */

void op_totp_show(struct admin *ad)
{
	struct totp t;
	unsigned left = 0;
	bool apps = false;
	struct acting *x = begin(ad, &t);
	if (!x)
		return;
	int r = totp_codes_left(ad->e, x->p.holder, &left);
	if (r == 0 && !x->p.is_staff)
		r = second_wants_apps(ad->e, ad->a, &x->p.account, &apps);
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_ok(ad, 200, json_pack("{s:o, s:b, s:o, s:b, s:i, s:b}", "login", json_text(x->p.name), "on", totp_is_on(&t),
					    "since_ms", totp_is_on(&t) ? json_integer(t.since_ms) : json_null(), "waits",
					    waits(ad, &t), "recovery_codes_left", (int)left, "app_passwords", apps));
}

/* --- start ------------------------------------------------------------------------------------------- */

static int still_he(struct admin *ad, struct acting *x)
{
	int r = person_by_holder(ad->e, ad->a, x->p.holder, &x->p);
	return r < 0 ? r : person_version(&x->p) == x->version ? 0 : ERR_CONFLICT;
}

static void give_secret(struct admin *ad, const struct acting *x, struct slice secret)
{
	struct slice text = totp_base32(ad->a, secret);
	struct slice uri = totp_uri(ad->a, text, slice_str(conf_str(ad->d->room->conf, "host.name")), x->p.name);
	admin_ok(ad, 201, json_pack("{s:o, s:o, s:o, s:I}", "login", json_text(x->p.name), "secret", json_text(text), "uri",
				    json_text(uri), "expires_ms", (json_int_t)(ad->now_ms + TOTP_WAITS_MS)));
}

static void on_start(struct admin *ad)
{
	struct acting *x = ad->ctx;
	uint8_t secret[TOTP_SECRET_BYTES];
	int r = admin_begin(ad);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	rng_bytes(secret, sizeof(secret));
	r = still_he(ad, x);
	if (r == 0)
		r = totp_start(ad->e, ad->d->seal, ad->a, x->p.holder, slice_of(secret, sizeof(secret)), ad->now_ms);
	if (r == ERR_EXISTS)
		r = is_on(ad, x);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, x->p.name);
	if (r < 0)
		admin_refuse(ad, r);
	else
		give_secret(ad, x, slice_of(secret, sizeof(secret)));
	explicit_bzero(secret, sizeof(secret));
}

void op_totp_start(struct admin *ad)
{
	struct totp t;
	struct acting *x = begin(ad, &t);
	if (!x)
		return;
	if (totp_is_on(&t))
		admin_refuse(ad, is_on(ad, x));
	else if (person_must_change(&x->p))
		admin_refuse(ad, problem_set(&ad->why, ERR_CONFLICT, "login", SLICE_FMT " has to set a password of its own first",
					     SLICE_ARG(x->p.name)));
	else
		admin_verify(ad, &x->p, x->p.name, on_start);
}

/* --- what changes it --------------------------------------------------------------------------------- */

static void give_codes(void *ctx, int err)
{
	struct admin *ad = ctx;
	struct acting *x = ad->ctx;
	json_t *j = json_pack("{s:o}", "login", json_text(x->p.name));
	if (x->codes[0].n)
		json_object_set_new(j, "recovery_codes", json_texts(x->codes, TOTP_RECOVERY_CODES));
	admin_ok(ad, 200, j);
}

static int make_codes(struct admin *ad, struct acting *x)
{
	return totp_make_codes(ad->e, ad->a, x->p.holder, x->codes);
}

static int turn_off(struct admin *ad, struct acting *x)
{
	int r = totp_remove(ad->e, x->p.holder);
	if (r == ERR_NOT_FOUND)
		return not_on(ad, x);
	return r < 0 ? r : second_tell(ad->d, ad->a, &x->second, NOTICE_TOTP_OFF);
}

/* One that waits is in nobody's way. */
static int forget(struct admin *ad, struct acting *x)
{
	int r = totp_remove(ad->e, x->p.holder);
	return r == ERR_NOT_FOUND ? not_on(ad, x) : r;
}

/* The transaction of it: a code that was sent is spent by what it is for. */
static void act(struct admin *ad)
{
	struct acting *x = ad->ctx;
	bool by_code = admin_has(ad, "code");
	int r = admin_begin(ad), code = 0;
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	r = still_he(ad, x);
	if (r == 0 && by_code)
		r = code = second_spend(ad->d, ad->a, &x->second, admin_get(ad, "code"));
	if (r == 0)
		r = x->work(ad, x);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, x->p.name);
	if (code == ERR_DENIED) {
		second_wrong(ad->d, ad->a, &x->second);
		r = admin_second_wrong(ad, "code");
	} else if (by_code && r == 0) {
		second_right(ad->d, ad->a, &x->second);
	}
	if (code == ERR_DENIED)
		admin_refuse_late(ad, r, x->second.delay_ms);
	else if (r < 0)
		admin_refuse(ad, r);
	else
		give_codes(ad, 0);
}

/* With the password, a code, or both. */
static void prove(struct admin *ad)
{
	struct acting *x = ad->ctx;
	if (admin_has(ad, "password"))
		admin_verify(ad, &x->p, x->p.name, act);
	else if (admin_has(ad, "code"))
		act(ad);
	else
		admin_refuse(ad, problem_set(&ad->why, ERR_INVALID, "code", "send a code, a recovery code, or the password"));
}

void op_totp_codes(struct admin *ad)
{
	struct totp t;
	struct acting *x = begin(ad, &t);
	if (!x)
		return;
	x->work = make_codes;
	if (totp_is_on(&t))
		prove(ad);
	else
		admin_refuse(ad, not_on(ad, x));
}

/* Whoever is above him (rights.h) has seen the person. */
void op_totp_remove(struct admin *ad)
{
	struct totp t;
	struct acting *x = begin(ad, &t);
	if (!x)
		return;
	x->work = totp_is_on(&t) ? turn_off : forget;
	if (totp_is_on(&t) && ad->who.holder == x->p.holder)
		prove(ad);
	else
		act(ad);
}

/* --- confirm ----------------------------------------------------------------------------------------- */

static int turn_on(struct admin *ad, struct acting *x, const struct policy *policy)
{
	struct totp t;
	uint64_t mine = ad->who.has_token && ad->who.holder == x->p.holder ? ad->who.token.id : 0;
	int r = second_try(ad->d, ad->a, &x->second);
	if (r == 0)
		r = totp_get(ad->e, ad->a, x->p.holder, &t);
	if (r == 0)
		r = totp_confirm(ad->e, ad->d->seal, ad->a, &t, admin_get(ad, "code"), ad->now_ms);
	if (r == ERR_NOT_FOUND)
		return problem_set(&ad->why, ERR_CONFLICT, "login", "nothing waits to be confirmed (any more): start again");
	if (r == 0)
		r = totp_make_codes(ad->e, ad->a, x->p.holder, x->codes);
	if (r == 0)
		r = token_end_web(ad->e, x->p.holder, mine);
	if (r == 0 && policy->app_passwords)
		r = token_end_mail(ad->e, x->p.holder, person_version(&x->p));
	return r < 0 ? r : second_tell(ad->d, ad->a, &x->second, NOTICE_TOTP_ON);
}

static int commit(struct admin *ad, struct acting *x, const struct policy *policy)
{
	int r = admin_begin(ad);
	if (r < 0)
		return r;
	r = turn_on(ad, x, policy);
	if (r == 0)
		return admin_commit(ad, x->p.name);
	admin_rollback(ad);
	if (r != ERR_DENIED)
		return r;
	second_wrong(ad->d, ad->a, &x->second);
	return admin_second_wrong(ad, "code");
}

void op_totp_confirm(struct admin *ad)
{
	struct totp t;
	struct policy policy;
	struct acting *x = begin(ad, &t);
	if (!x)
		return;
	int r = totp_is_on(&t) ? is_on(ad, x) : policy_get(ad->e, x->p.customer, &policy);
	if (r == 0)
		r = commit(ad, x, &policy);
	if (r < 0 && ad->second) {
		admin_refuse_late(ad, r, x->second.delay_ms);
		return;
	}
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	second_right(ad->d, ad->a, &x->second);
	if (x->p.is_staff || !policy.app_passwords)
		give_codes(ad, 0);
	else
		store_batch(ad->d, POSTERN__STORE_OP__STORE_REVOKE, &x->p.account, 1, NULL, give_codes, ad);
}
