/* SPDX-License-Identifier: Apache-2.0 */
/* What domain add and set say about candidates, sub-addresses and the catch-all mailbox, and how domain show tells it. */
#include "room/directory/op/addressing.h"

#include "base/err.h"
#include "room/directory/db/engine_priv.h"

static const char *const switch_words[] = { "off", "on", NULL };
static const char *const separator_words[] = { "off", "+", "-", "=", NULL };
static const uint8_t separators[] = { 0, '+', '-', '=' };

void op_addressing_json(json_t *j, const struct addressing *x, const struct candidate_sum *sum)
{
	unsigned sep = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(separators); i++)
		if (separators[i] == x->separator)
			sep = i;
	json_object_set_new(j, "subaddress", json_string(separator_words[sep]));
	json_object_set_new(j, "catch_all", json_text(x->catch_all));
	json_object_set_new(j, "multidrop", json_string(switch_words[x->multidrop]));
	json_object_set_new(j, "candidates", json_string(switch_words[x->candidates]));
	json_object_set_new(j, "candidate_days", json_integer(x->days));
	json_object_set_new(j, "candidate_size_bytes", json_number(x->bytes));
	json_object_set_new(j, "candidate_max", json_integer(x->max));
	json_object_set_new(j, "candidate_addresses", json_number(sum->candidates));
	json_object_set_new(j, "candidate_messages", json_number(sum->messages));
	json_object_set_new(j, "candidate_used_bytes", json_number(sum->bytes));
}

static int take_catch_all(struct admin *ad, const struct domain *d, struct addressing *x)
{
	struct slice in = admin_get(ad, "catch_all"), target;
	if (!in.n)
		return 0;
	x->catch_all = (struct slice){ 0 };
	if (slice_eq(in, SLICE("none")))
		return 0;
	if (address_target(ad->a, d, in, &target) < 0)
		return problem_set(&ad->why, ERR_INVALID, "catch_all",
				   "\"" SLICE_FMT "\" is neither an address nor none", SLICE_ARG(in));
	if (address_type_of(ad->e, ad->a, d, &target, 1) != ADDRESS_ALIAS)
		return problem_set(&ad->why, ERR_INVALID, "catch_all", "\"" SLICE_FMT "\" is not a mailbox here",
				   SLICE_ARG(target));
	x->catch_all = target;
	return 0;
}

static uint64_t number(struct admin *ad, const char *name, uint64_t fallback)
{
	uint64_t v = fallback;
	return admin_has(ad, name) && slice_u64(admin_get(ad, name), UINT32_MAX, &v) < 0 ? fallback : v;
}

bool op_addressing_named(const struct admin *ad)
{
	static const char *const names[] = { "subaddress", "catch_all", "multidrop", "candidates", "candidate_days",
					     "candidate_size", "candidate_max" };
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (admin_has(ad, names[i]))
			return true;
	return false;
}

int op_addressing_take(struct admin *ad, const struct domain *d, struct addressing *x)
{
	unsigned sep = admin_choice(ad, "subaddress", separator_words, ARRAY_SIZE(separators));
	if (sep < ARRAY_SIZE(separators))
		x->separator = separators[sep];
	x->candidates = admin_choice(ad, "candidates", switch_words, x->candidates);
	x->multidrop = admin_choice(ad, "multidrop", switch_words, x->multidrop);
	x->days = (unsigned)number(ad, "candidate_days", x->days);
	x->max = (unsigned)number(ad, "candidate_max", x->max);
	x->bytes = admin_size(ad, "candidate_size", x->bytes);
	int r = take_catch_all(ad, d, x);
	if (r == 0 && x->catch_all.n && x->candidates)
		return problem_set(&ad->why, ERR_CONFLICT, admin_has(ad, "candidates") ? "candidates" : "catch_all",
				   "unknown addresses go to the catch-all mailbox or become candidates, not both");
	if (r == 0 && x->multidrop && !x->catch_all.n)
		return problem_set(&ad->why, ERR_CONFLICT, admin_has(ad, "multidrop") ? "multidrop" : "catch_all",
				   "multidrop needs a catch-all mailbox, which gets the copies");
	if (r == 0 && (!x->bytes || x->bytes > INT64_MAX))
		return problem_set(&ad->why, ERR_INVALID, "candidate_size",
				   "candidates need room: expected a size such as 100M");
	return r;
}

int op_addressing_save(struct admin *ad, const struct domain *d, struct addressing *x)
{
	struct account area;
	x->domain = d->id;
	if (!x->area && x->candidates)
		return addressing_make_area(ad->e, ad->a, d, x,
					    (uint32_t)(d->id % (ad->d->room->shards ? ad->d->room->shards : 1)),
					    ad->now_ms);
	int r = addressing_put(ad->e, x);
	if (r == 0 && x->area)
		r = account_by_id(ad->e, ad->a, x->area, &area);
	if (r == 0 && x->area && area.quota != x->bytes)
		r = account_set_quota(ad->e, x->area, x->bytes);
	return r;
}

struct telling {
	struct directory *d;
	uint64_t area;
	void (*fn)(void *ctx);
	void *ctx;
};

static void on_told(void *ctx, int err)
{
	struct telling *t = ctx;
	struct telling copy = *t;
	free(t);
	/* Not yet: mail for unknown addresses is told to come later, and the next tick tells the shard. */
	if (err == 0)
		IGNORE(account_complete(copy.d->e, copy.area), "LIVE already, or tried again at the next tick");
	copy.fn(copy.ctx);
}

void op_addressing_tell(struct admin *ad, const struct addressing *x, void (*fn)(void *ctx), void *ctx)
{
	struct account area;
	if (!x->area || account_by_id(ad->e, ad->a, x->area, &area) < 0) {
		fn(ctx);
		return;
	}
	struct telling *t = calloc(1, sizeof(*t));
	bug_if(!t);
	*t = (struct telling){ ad->d, x->area, fn, ctx };
	store_batch(ad->d, POSTERN__STORE_OP__STORE_ACCOUNT_PUT, &area, 1, NULL, on_told, t);
}
