/* SPDX-License-Identifier: Apache-2.0 */
#include "room/directory/login/second.h"

#include "base/err.h"
#include "base/event.h"
#include "room/directory/db/engine_priv.h"
#include "room/directory/login/app_password.h"
#include "room/directory/login/totp.h"
#include "room/directory/noun/policy.h"

int second_is_on(struct engine *e, struct arena *a, int64_t holder, bool *ret)
{
	struct totp t;
	int r = totp_get(e, a, holder, &t);
	if (r == 0)
		*ret = totp_is_on(&t);
	return r;
}

int second_wants_apps(struct engine *e, struct arena *a, const struct account *x, bool *ret)
{
	struct domain d;
	struct policy p;
	bool on = false;
	int r = second_is_on(e, a, holder_account(x->id), &on);
	if (r == 0 && on)
		r = domain_by_id(e, a, x->domain, &d);
	if (r == 0 && on)
		r = policy_get(e, d.customer, &p);
	if (r < 0)
		return r;
	*ret = on && p.app_passwords;
	return 0;
}

int second_holds(struct engine *e, struct arena *a, const struct account *x, uint64_t version, const char *protocol, bool *ret)
{
	bool apps = false;
	*ret = false;
	if (x->state != ACCOUNT_LIVE || !version)
		return 0;
	if (x->version != version)
		return app_password_is(e, x->id, version, app_protocol(protocol), ret);
	int r = second_wants_apps(e, a, x, &apps);
	if (r == 0)
		*ret = !x->must_change && !apps;
	return r;
}

static const char of_customer[] = "SELECT account.id FROM totp JOIN account ON account.id = -totp.holder"
				  " JOIN domain ON domain.id = account.domain"
				  " WHERE totp.since > 0 AND account.state = 1 AND domain.customer = ?1";

int second_accounts(struct engine *e, struct arena *a, uint64_t customer, struct account **ret, size_t *ret_n)
{
	struct account *rows = NULL;
	uint64_t *ids = NULL;
	size_t n = 0, n_rows = 0;
	int r;
	struct sql_stmt *s = sql_prepare(e->db, of_customer);
	sql_bind_int(s, 1, (int64_t)customer);
	while ((r = sql_step(s)) == 1)
		*ROWS_MORE(a, &ids, &n) = (uint64_t)sql_int(s, 0);
	sql_done(s);
	for (size_t i = 0; i < n && r >= 0; i++)
		r = account_by_id(e, a, ids[i], ROWS_MORE(a, &rows, &n_rows));
	if (r < 0)
		return r;
	*ret = rows;
	*ret_n = n_rows;
	return 0;
}

/* Without a tag: the same wrong code once more is one more guess. */
static struct guard_try try_of(struct arena *a, const struct second *s)
{
	return (struct guard_try){
		.account = s->who->is_staff ? 0 : s->who->account.id,
		.who = slice_str(arena_printf(a, "totp " SLICE_FMT, SLICE_ARG(s->who->name))),
		.remote = s->remote,
	};
}

int second_try(struct directory *d, struct arena *a, struct second *s)
{
	struct guard_try t = try_of(a, s);
	struct limiter_verdict v = guard_try(d->guard, d->e, &t, s->now_ms);
	s->limited = v.refused;
	s->delay_ms = v.delay_ms;
	return v.refused ? ERR_DENIED : 0;
}

int second_tell(struct directory *d, struct arena *a, const struct second *s, enum notice_kind kind)
{
	const struct person *p = s->who;
	struct notice n = {
		.kind = kind,
		.customer = p->customer,
		.domain = p->domain.id,
		.account = p->account.id,
		.to = p->is_staff ? p->staff.recovery : p->account.address,
		.language = p->is_staff ? p->staff.language : (struct slice){ 0 },
		.now_ms = s->now_ms,
		.vars = { { .name = "login", .text = p->name },
			  { .name = "when", .number = s->now_ms },
			  { .name = "remote", .text = s->remote.n ? s->remote : SLICE("-") } },
	};
	if (kind == NOTICE_TOTP_RECOVERY) {
		unsigned left = 0;
		int r = totp_codes_left(d->e, p->holder, &left);
		if (r < 0)
			return r;
		n.vars[3] = (struct notice_var){ .name = "left", .number = left };
	}
	return notice_add(d->e, a, &n);
}

int second_spend(struct directory *d, struct arena *a, struct second *s, struct slice code)
{
	struct totp t;
	int r = second_try(d, a, s);
	if (r == 0)
		r = totp_get(d->e, a, s->who->holder, &t);
	if (r == 0)
		r = totp_spend(d->e, d->seal, a, &t, code, s->now_ms, &s->recovery);
	if (r == 0 && s->recovery)
		r = second_tell(d, a, s, NOTICE_TOTP_RECOVERY);
	return r;
}

void second_right(struct directory *d, struct arena *a, const struct second *s)
{
	struct guard_try t = try_of(a, s);
	guard_right(d->guard, d->e, &t, s->now_ms);
}

static int note_wrong(struct directory *d, struct arena *a, const struct second *s)
{
	unsigned n = 0;
	int r = engine_begin(d->e);
	if (r < 0)
		return r;
	r = totp_note_wrong(d->e, s->who->holder, &n);
	if (r == 0 && n == TOTP_WRONG_MAX)
		r = second_tell(d, a, s, NOTICE_TOTP_GUESSED);
	if (r == 0)
		return engine_commit(d->e);
	engine_rollback(d->e);
	return r;
}

void second_wrong(struct directory *d, struct arena *a, const struct second *s)
{
	struct guard_try t = try_of(a, s);
	ev(EV_INFO, "directory.totp.denied", KSL("login", s->who->name), KSL("remote", s->remote));
	if (s->limited)
		return;
	guard_wrong(d->guard, &t, s->now_ms);
	int r = note_wrong(d, a, s);
	if (r < 0)
		ev(EV_WARN, "directory.totp.uncounted", KS("reason", err_name(r)));
}
