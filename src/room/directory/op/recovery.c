/* SPDX-License-Identifier: Apache-2.0 */
#include "room/directory/op/recovery.h"

#include "base/err.h"
#include "room/directory/db/name.h"
#include "room/directory/route/route.h"

/* Whether mail for it ends in this mailbox: by a name of it, a detail, a catch-all, a list. While the domain is forwarded the
 * names alone say so. */
static int leads_to(struct admin *ad, struct slice text, uint64_t account, bool *ret)
{
	struct account x;
	struct route route;
	struct route_ask ask = { .address = text, .retry = true, .probed = true, .answer = KNOWN_NO, .now_ms = ad->now_ms };
	int r = credential_find(ad->e, ad->a, text, ad->now_ms, &x);
	*ret = r == 0 && x.id == account;
	if (*ret || (r < 0 && r != ERR_NOT_FOUND && r != ERR_UNAVAILABLE))
		return r;
	route_resolve(ad->e, ad->a, &ask, &route);
	for (size_t i = 0; i < route.n_targets; i++)
		*ret |= route.targets[i].kind == ROUTE_TO_MAILBOX && route.targets[i].account == account;
	return 0;
}

static int check_here(struct admin *ad, uint64_t account, const struct name *name, struct slice text)
{
	struct domain d;
	bool itself = false;
	int r = domain_get(ad->e, ad->a, name->domain, &d);
	if (r == ERR_NOT_FOUND)
		return 0;
	if (r < 0)
		return r;
	if (!account)
		return problem_set(&ad->why, ERR_INVALID, "recovery",
				   SLICE_FMT " is in a domain that is here: a recovery address of an admin is outside",
				   SLICE_ARG(text));
	r = leads_to(ad, text, account, &itself);
	if (r == 0 && itself)
		return problem_set(&ad->why, ERR_INVALID, "recovery",
				   SLICE_FMT " leads to the mailbox itself: the recovery address is another one",
				   SLICE_ARG(text));
	return r;
}

int recovery_take(struct admin *ad, uint64_t account, struct slice *ret)
{
	struct name name;
	struct slice in = admin_get(ad, "recovery");
	*ret = (struct slice){ 0 };
	if (!in.n)
		return 0;
	if (name_parse(ad->a, in, &name) < 0 || name.literal)
		return problem_set(&ad->why, ERR_INVALID, "recovery", "\"" SLICE_FMT "\" is not an address",
				   SLICE_ARG(in));
	*ret = name_text(ad->a, name.local, name.domain);
	return check_here(ad, account, &name, *ret);
}

struct slice recovery_reach(const struct domain *d, const struct account *x)
{
	return d->hosted || x->hosted ? x->recovery : x->address;
}

struct slice person_reach(const struct person *p)
{
	return p->is_staff ? p->staff.recovery : recovery_reach(&p->domain, &p->account);
}
