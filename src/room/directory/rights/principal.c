/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks: a token becomes its holder, and the holder's offices become hats. */
#include "base/err.h"
#include "room/directory/login/app_password.h"
#include "room/directory/noun/staff.h"

struct principal principal_local(struct arena *a)
{
	struct hat *hat = ARENA_NEW(a, struct hat);
	hat->rank = RANK_PROVIDER;
	return (struct principal){ .login = SLICE("provider"), .hats = hat, .n_hats = 1 };
}

struct principal principal_anyone(void)
{
	return (struct principal){ .login = SLICE("anyone") };
}

enum rank principal_rank(const struct principal *p)
{
	return p->n_hats ? p->hats[0].rank : RANK_NOBODY;
}

int64_t principal_viewer(const struct principal *p)
{
	return principal_rank(p) == RANK_PROVIDER ? 0 : p->holder ? p->holder : INT64_MAX;
}

/* His own hat, the lowest: every holder has it. */
static int self_of(struct engine *e, struct arena *a, struct principal *p, struct hat *ret, uint64_t *ret_version)
{
	*ret = (struct hat){ .rank = RANK_USER, .self = p->holder };
	if (p->holder > 0) {
		struct staff s;
		int r = staff_by_id(e, a, (uint64_t)p->holder, &s);
		if (r < 0)
			return r;
		p->login = s.login;
		ret->customer = s.customer;
		*ret_version = s.version;
		return 0;
	}
	struct account x;
	struct domain d;
	int r = account_by_id(e, a, (uint64_t)-p->holder, &x);
	if (r == 0)
		r = x.state == ACCOUNT_LIVE ? domain_by_id(e, a, x.domain, &d) : ERR_NOT_FOUND;
	if (r < 0)
		return r;
	p->login = x.address;
	ret->customer = d.customer;
	ret->domain = d.id;
	*ret_version = x.version;
	return 0;
}

static int put_on(struct engine *e, struct arena *a, struct principal *p, uint64_t *ret_version)
{
	struct office *offices;
	struct hat self;
	size_t n = 0;
	int r = self_of(e, a, p, &self, ret_version);
	if (r == 0)
		r = office_of(e, a, p->holder, &offices, &n);
	if (r < 0)
		return r;
	p->hats = ARENA_ARRAY(a, struct hat, n + 1);
	for (size_t i = 0; i < n; i++)
		p->hats[i] = (struct hat){ .rank = offices[i].rank,
					   .customer = offices[i].customer,
					   .domain = offices[i].domain };
	p->hats[n] = self;
	p->n_hats = n + 1;
	return 0;
}

int principal_hats(struct engine *e, struct arena *a, int64_t holder, struct principal *ret)
{
	uint64_t version;
	*ret = (struct principal){ .holder = holder };
	return put_on(e, a, ret, &version);
}

int principal_version(struct engine *e, struct arena *a, int64_t holder, uint64_t *ret)
{
	struct principal p = { .holder = holder };
	struct hat self;
	return self_of(e, a, &p, &self, ret);
}

/* A session ends with the password that made it; the one of a mail program with the program's own, too. */
static int check_version(struct engine *e, const struct token *t, uint64_t version)
{
	bool app = false;
	int r = 0;
	if (t->kind != TOKEN_SESSION || t->version == version)
		return 0;
	if (t->scopes.n && t->holder < 0)
		r = app_password_is(e, (uint64_t)-t->holder, t->version, APP_SIEVE, &app);
	return r < 0 ? r : app ? 0 : ERR_NOT_FOUND;
}

int principal_of(struct engine *e, struct arena *a, struct slice text, int64_t now_ms, struct principal *ret)
{
	struct principal p = { .has_token = true };
	uint64_t version = 0;
	int r = token_find(e, a, text, now_ms, &p.token);
	if (r < 0)
		return r;
	p.holder = p.token.holder;
	r = put_on(e, a, &p, &version);
	if (r < 0)
		return r;
	r = check_version(e, &p.token, version);
	if (r < 0)
		return r;
	/* A mail program's session is the mailbox user's, whatever offices he has. */
	if (p.token.kind == TOKEN_SESSION && p.token.scopes.n) {
		p.hats += p.n_hats - 1;
		p.n_hats = 1;
	}
	token_touch(e, &p.token, now_ms);
	*ret = p;
	return 0;
}

enum relation relation_of(const struct hat *hat, const struct object *object)
{
	bool same = object->customer && object->customer == hat->customer;
	switch (hat->rank) {
	case RANK_PROVIDER:
		return RELATION_OWN;
	case RANK_CUSTOMER_ADMIN:
		return same ? RELATION_OWN : RELATION_FOREIGN;
	case RANK_DOMAIN_ADMIN:
		return object->domain && object->domain == hat->domain ? RELATION_OWN
		       : same					       ? RELATION_SIBLING
								       : RELATION_FOREIGN;
	case RANK_USER:
		return object->holder && object->holder == hat->self ? RELATION_OWN
		       : same					     ? RELATION_SIBLING
								     : RELATION_FOREIGN;
	default:
		return RELATION_FOREIGN;
	}
}
