/* SPDX-License-Identifier: Apache-2.0 */
/* customer set: its pool, how that is shared out, and how to reach it. */
#include "room/directory/op/admin.h"

#include "base/err.h"
#include "room/directory/noun/limits.h"

int limits_late(struct admin *ad)
{
	return problem_set(&ad->why, ERR_UNAVAILABLE, NULL,
			   "a shard of the store does not answer: the change is kept, and holds for its mailboxes when it is back");
}

int admin_retention(struct admin *ad, bool inherits, int *in_out)
{
	struct slice text = admin_get(ad, "retention");
	int days;
	if (!text.n)
		return 0;
	bool right = retention_parse(text, &days) == 0 && (inherits || days != RETENTION_INHERIT);
	if (!right && inherits)
		return problem_set(&ad->why, ERR_INVALID, "retention",
				   "\"" SLICE_FMT "\": expected a number of days from 1 to %d, on, off, default",
				   SLICE_ARG(text), RETENTION_DAYS_MAX);
	if (!right)
		return problem_set(&ad->why, ERR_INVALID, "retention",
				   "\"" SLICE_FMT "\": expected a number of days from 1 to %d, on, off", SLICE_ARG(text),
				   RETENTION_DAYS_MAX);
	*in_out = days;
	return 0;
}

static void on_applied(void *ctx, int err)
{
	struct admin *ad = ctx;
	json_t *j = err < 0 ? NULL : customer_json(ad, ad->ctx);
	if (j)
		admin_ok(ad, 200, j);
	else
		admin_refuse(ad, err < 0 ? limits_late(ad) : ERR_INTERNAL);
}

/* before: its pool until now. Rules that a change keeps or comes nearer to do not stand in its way. */
static int change(struct admin *ad, struct customer *c, uint64_t before)
{
	static const char *const allotments[] = { "shared", "fixed", NULL };
	struct customer_limits l;
	int r = limits_of_customer(ad->e, c->id, &l);
	if (r < 0)
		return r;
	bool was_fixed = l.fixed, less = c->pool && (!before || c->pool < before);
	l.fixed = admin_choice(ad, "allotment", allotments, l.fixed);
	r = admin_retention(ad, false, &l.retention);
	if (r == 0 && (less || l.fixed != was_fixed))
		r = limits_check_customer(ad->e, ad->a, c->id, c->pool, l.fixed, &ad->why);
	if (r == 0)
		r = customer_update(ad->e, ad->a, c, &ad->why);
	if (r == 0)
		r = limits_set_customer(ad->e, c->id, &l);
	return r < 0 ? r : limits_pending_add(ad->e, c->id);
}

void op_customer_set(struct admin *ad)
{
	struct customer *c = ARENA_NEW(ad->a, struct customer);
	struct slice name = admin_get(ad, "customer");
	int r = customer_get(ad->e, ad->a, name, c);
	if (r == ERR_NOT_FOUND)
		problem_set(&ad->why, r, "customer", "there is no customer " SLICE_FMT, SLICE_ARG(name));
	uint64_t before = c->pool;
	c->pool = admin_size(ad, "pool", c->pool);
	if (admin_has(ad, "language"))
		c->language = admin_get(ad, "language");
	if (admin_has(ad, "contact"))
		c->contact = admin_get(ad, "contact");
	if (r == 0)
		r = admin_begin(ad);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	r = change(ad, c, before);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, c->name);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	ad->ctx = c;
	limits_apply(ad->d, c->id, on_applied, ad);
}
