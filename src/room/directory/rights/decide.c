/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decision (rights.h). The object is found from the operation's standard fields, whatever the operation: customer,
 * domain, address, login, and id, whose meaning the noun says. Fields of other names are never looked at here, so an
 * operation that names something by one of these has to look itself, in the scope of the object.
 */
#include "room/directory/rights/rights.h"

#include "base/err.h"
#include "room/directory/db/name.h"
#include "room/directory/notice/notice.h"
#include "room/directory/noun/staff.h"

struct question {
	struct engine *e;
	struct arena *a;
	const struct principal *p;
	const struct api_op *op;
	const struct api_field *fields;
	size_t n;
	struct problem *why;
};

/* --- objects ---------------------------------------------------------------------------------------- */

static int of_customer(struct engine *e, struct arena *a, struct slice value, struct object *ret)
{
	struct customer c;
	int r = customer_get(e, a, value, &c);
	if (r == 0)
		*ret = (struct object){ .customer = c.id };
	return r;
}

static int of_domain(struct engine *e, struct arena *a, struct slice value, struct object *ret)
{
	struct slice normal;
	struct domain d;
	if (name_domain(a, value, &normal) < 0)
		return ERR_NOT_FOUND;
	int r = domain_get(e, a, normal, &d);
	if (r == 0)
		*ret = (struct object){ .customer = d.customer, .domain = d.id };
	return r;
}

/* An address that is free, or that has no mailbox, is its domain's. */
static int of_address(struct engine *e, struct arena *a, struct slice value, struct object *ret)
{
	struct name name;
	struct domain d;
	struct address x;
	if (name_parse(a, value, &name) < 0 || name.literal)
		return ERR_NOT_FOUND;
	int r = domain_get(e, a, name.domain, &d);
	if (r < 0)
		return r;
	struct object object = { .customer = d.customer, .domain = d.id };
	r = address_get(e, a, d.id, name.local, &x);
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	if (r == 0 && x.type == ADDRESS_MAILBOX)
		object.holder = holder_account(x.account);
	*ret = object;
	return 0;
}

static int of_holder(struct engine *e, struct arena *a, int64_t holder, struct object *ret)
{
	struct staff s;
	struct account x;
	struct domain d;
	int r;
	if (holder > 0) {
		r = staff_by_id(e, a, (uint64_t)holder, &s);
		if (r == 0)
			*ret = (struct object){ .customer = s.customer, .holder = holder };
		return r;
	}
	r = account_by_id(e, a, (uint64_t)-holder, &x);
	if (r == 0)
		r = domain_by_id(e, a, x.domain, &d);
	if (r == 0)
		*ret = (struct object){ .customer = d.customer, .domain = d.id, .holder = holder };
	return r;
}

/* Staff first: a mailbox that is made later under somebody's login does not take it over. */
static int of_login(struct engine *e, struct arena *a, struct slice value, struct object *ret)
{
	struct slice login;
	struct staff s;
	if (staff_login(a, value, &login) < 0)
		return ERR_NOT_FOUND;
	int r = staff_get(e, a, login, &s);
	if (r == 0)
		return of_holder(e, a, holder_staff(s.id), ret);
	return r == ERR_NOT_FOUND ? of_address(e, a, login, ret) : r;
}

static int of_token(struct engine *e, struct arena *a, struct slice value, struct object *ret)
{
	uint64_t id = 0;
	struct token t;
	if (slice_u64(value, INT64_MAX, &id) < 0)
		return ERR_NOT_FOUND;
	int r = token_by_id(e, a, id, &t);
	return r < 0 ? r : of_holder(e, a, t.holder, ret);
}

/* It belongs to whose templates and name it was sent with. */
static int of_notice(struct engine *e, struct arena *a, struct slice value, struct object *ret)
{
	uint64_t id = 0;
	struct notice_row row;
	if (slice_u64(value, INT64_MAX, &id) < 0)
		return ERR_NOT_FOUND;
	int r = notice_get(e, a, id, &row);
	if (r == 0)
		*ret = (struct object){ .customer = row.customer, .domain = row.domain };
	return r;
}

typedef int object_fn(struct engine *e, struct arena *a, struct slice value, struct object *ret);

static const struct {
	const char *field;
	object_fn *fn;
} standard[] = {
	{ "customer", of_customer },
	{ "domain", of_domain },
	{ "address", of_address },
	{ "login", of_login },
};

/* What a number is one of; the provider's operations need no row. */
static const struct {
	const char *noun;
	object_fn *fn;
} numbers[] = {
	{ "token.", of_token },
	{ "notice.", of_notice },
};

static object_fn *object_fn_of(const struct api_op *op, struct slice field)
{
	for (size_t i = 0; i < ARRAY_SIZE(standard); i++) {
		if (slice_eq(field, slice_str(standard[i].field)))
			return standard[i].fn;
	}
	for (size_t i = 0; slice_eq(field, SLICE("id")) && i < ARRAY_SIZE(numbers); i++) {
		if (!strncmp(op->name, numbers[i].noun, strlen(numbers[i].noun)))
			return numbers[i].fn;
	}
	return NULL;
}

bool rights_has_object(const struct api_op *op, const char *field)
{
	return object_fn_of(op, slice_str(field)) != NULL;
}

/* A login that is given to somebody new need not be there. */
static bool may_be_new(const struct api_op *op, struct slice field)
{
	return slice_eq(field, SLICE("login")) && !strcmp(op->name, "admin.add");
}

/* --- the decision ----------------------------------------------------------------------------------- */

/* The same words for what is not there and for what is not his. */
static int not_there(const struct question *q, const struct api_field *f)
{
	const struct api_param *param = api_param_find(q->op, f->name);
	const char *field = param ? param->name : NULL;
	if (may_be_new(q->op, f->name))
		return problem_set(q->why, ERR_EXISTS, field, "the login " SLICE_FMT " is taken", SLICE_ARG(f->value));
	if (slice_eq(f->name, SLICE("customer")))
		return problem_set(q->why, ERR_NOT_FOUND, field, "there is no customer " SLICE_FMT, SLICE_ARG(f->value));
	if (slice_eq(f->name, SLICE("domain")))
		return problem_set(q->why, ERR_NOT_FOUND, field, "there is no domain " SLICE_FMT, SLICE_ARG(f->value));
	if (slice_eq(f->name, SLICE("address")))
		return problem_set(q->why, ERR_NOT_FOUND, field, "there is no address " SLICE_FMT, SLICE_ARG(f->value));
	if (slice_eq(f->name, SLICE("login")))
		return problem_set(q->why, ERR_NOT_FOUND, field, "there is no login " SLICE_FMT, SLICE_ARG(f->value));
	return problem_set(q->why, ERR_NOT_FOUND, field, "there is no id " SLICE_FMT, SLICE_ARG(f->value));
}

static bool covers(const struct hat *hat, const struct office *o)
{
	switch (hat->rank) {
	case RANK_PROVIDER:
		return true;
	case RANK_CUSTOMER_ADMIN:
		return o->rank != RANK_PROVIDER && o->customer && o->customer == hat->customer;
	case RANK_DOMAIN_ADMIN:
		return o->rank == RANK_DOMAIN_ADMIN && o->domain && o->domain == hat->domain;
	default:
		return false;
	}
}

int rights_outranks(struct engine *e, struct arena *a, const struct principal *p, int64_t holder, bool *ret)
{
	struct office *offices;
	size_t n = 0;
	bool all = true;
	int r = office_of(e, a, holder, &offices, &n);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n && all && holder != p->holder; i++) {
		bool one = false;
		for (size_t k = 0; k < p->n_hats && !one; k++)
			one = covers(&p->hats[k], &offices[i]);
		all = one;
	}
	*ret = all;
	return 0;
}

static int check_rank(const struct question *q, const struct object *object, const struct api_field *f)
{
	bool may = true;
	if (!object->holder || !strcmp(q->op->method, "GET"))
		return 0;
	int r = rights_outranks(q->e, q->a, q->p, object->holder, &may);
	if (r < 0 || may)
		return r;
	return problem_set(q->why, ERR_DENIED, api_param_find(q->op, f->name)->name,
			   SLICE_FMT " has a rank that you do not have", SLICE_ARG(f->value));
}

static enum api_by by_of(const struct api_param *param)
{
	return param ? param->by : API_BY_PROVIDER;
}

static bool is_above(const struct question *q, const struct hat *hat, const struct api_field *f)
{
	static const enum rank least[] = {
		[API_BY_ALL] = RANK_NOBODY,
		[API_BY_ADMIN] = RANK_DOMAIN_ADMIN,
		[API_BY_CUSTOMER] = RANK_CUSTOMER_ADMIN,
		[API_BY_PROVIDER] = RANK_PROVIDER,
	};
	return hat->rank > least[by_of(api_param_find(q->op, f->name))];
}

/* All objects under one hat, but those that it may not name at all. */
static int check_objects(const struct question *q, const struct hat *hat, struct object *ret)
{
	for (size_t i = 0; i < q->n; i++) {
		const struct api_field *f = &q->fields[i];
		object_fn *fn = object_fn_of(q->op, f->name);
		struct object object = { 0 };
		if (!fn || is_above(q, hat, f))
			continue;
		int r = fn(q->e, q->a, f->value, &object);
		if (r < 0 && r != ERR_NOT_FOUND)
			return r;
		if (r == ERR_NOT_FOUND && (hat->rank == RANK_PROVIDER || may_be_new(q->op, f->name)))
			continue;
		if (r == 0)
			r = rights_of_hat(slice_str(q->op->name), hat->rank, relation_of(hat, &object));
		if (r == ERR_NOT_FOUND)
			return not_there(q, f);
		if (r == 0)
			r = check_rank(q, &object, f);
		if (r < 0)
			return r;
		/* The narrowest one tells whose it is. */
		if (!ret->customer || object.domain)
			*ret = object;
	}
	return 0;
}

static int above_hat(const struct question *q, enum api_by by, const char *field, struct slice name)
{
	switch (by) {
	case API_BY_ADMIN:
		return problem_set(q->why, ERR_DENIED, field, "only an admin may say " SLICE_FMT, SLICE_ARG(name));
	case API_BY_CUSTOMER:
		return problem_set(q->why, ERR_DENIED, field, "only a customer's admin may say " SLICE_FMT, SLICE_ARG(name));
	default:
		return problem_set(q->why, ERR_DENIED, field, "only the provider may say " SLICE_FMT, SLICE_ARG(name));
	}
}

static int check_fields(const struct question *q, const struct hat *hat)
{
	for (size_t i = 0; i < q->n; i++) {
		const struct api_param *param = api_param_find(q->op, q->fields[i].name);
		if (is_above(q, hat, &q->fields[i]))
			return above_hat(q, by_of(param), param ? param->name : NULL, q->fields[i].name);
	}
	return 0;
}

static int check_token(const struct question *q)
{
	const struct token *t = &q->p->token;
	bool changes = strcmp(q->op->method, "GET") != 0;
	if (!q->p->has_token || (t->kind == TOKEN_SESSION && !t->scopes.n) || !strncmp(q->op->name, "session.", 8))
		return 0;
	/* A key makes no keys: a narrow one would make itself a wide one. */
	if (!strncmp(q->op->name, "token.", 6) || !token_covers(t, slice_str(q->op->name), changes))
		return problem_set(q->why, ERR_DENIED, NULL, "this token is not for %s", q->op->name);
	return 0;
}

/* A refusal of a field or a rank says more than "not found" under another hat. */
static bool is_better(int err, int than)
{
	return than == 0 || (than == ERR_NOT_FOUND && err != ERR_NOT_FOUND);
}

static int try_hats(const struct question *q, struct object *ret)
{
	struct problem best = { 0 };
	int err = 0;
	for (size_t i = 0; i < q->p->n_hats; i++) {
		const struct hat *hat = &q->p->hats[i];
		struct problem why = problem_like(q->why);
		struct object object = { 0 };
		struct question one = *q;
		one.why = &why;
		if (rights_of_hat(slice_str(q->op->name), hat->rank, RELATION_OWN) < 0)
			continue;
		/* Objects first: what is not this hat's is not there, whatever is said of it. */
		int r = check_objects(&one, hat, &object);
		if (r == 0)
			r = check_fields(&one, hat);
		if (r == 0) {
			*ret = object;
			return 0;
		}
		if (r != ERR_NOT_FOUND && !why.err)
			return r; /* the database */
		if (is_better(r, err)) {
			best = why;
			err = r;
		}
	}
	if (!err)
		return problem_set(q->why, ERR_DENIED, NULL,
				   principal_rank(q->p) == RANK_NOBODY ? "%s is for those who are logged in" : "%s is not for you",
				   q->op->name);
	if (q->why)
		*q->why = best;
	return err;
}

int rights_decide(struct engine *e, struct arena *a, const struct principal *p, const struct api_op *op,
		  const struct api_field *fields, size_t n, struct object *ret, struct problem *why)
{
	struct question q = { e, a, p, op, fields, n, why };
	struct object object = { 0 };
	if (!rights_known(slice_str(op->name)))
		return ERR_UNSUPPORTED;
	int r = check_token(&q);
	if (r == 0 && rights_of_hat(slice_str(op->name), RANK_NOBODY, RELATION_FOREIGN) != 0)
		r = try_hats(&q, &object);
	if (r == 0)
		*ret = object;
	return r;
}
