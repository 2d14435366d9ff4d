/* SPDX-License-Identifier: Apache-2.0 */
/* domain remove: the area with candidates goes along, but mail in it only where the caller said that it may. */
#include "room/directory/noun/account_close.h"
#include "room/directory/noun/addressing.h"
#include "room/directory/op/admin.h"
#include "room/directory/db/name.h"
#include "room/directory/noun/other_name.h"
#include "room/directory/work/transfer.h"

#include "base/err.h"
#include "ipc/store.pb-c.h"

struct removing {
	struct admin *ad;
	struct domain d;
	struct account area;	/* id 0: none */
	uint64_t messages;
};

static void finish(struct removing *x)
{
	recipient_forget(x->ad->e, x->d.id);
	admin_ok(x->ad, 200,
		 json_pack("{s:o, s:I}", "domain", json_text(x->d.name), "messages", (json_int_t)x->messages));
}

static int remove_rows(struct removing *x)
{
	struct admin *ad = x->ad;
	int r = admin_begin(ad);
	if (r < 0)
		return r;
	r = domain_remove(ad->e, x->d.id, &ad->why);
	if (r == 0 && x->area.id)
		r = account_retire(ad->e, x->area.id);
	if (r < 0) {
		admin_rollback(ad);
		return r;
	}
	return admin_commit(ad, x->d.name);
}

static void on_forgotten(void *ctx, size_t i, int err, const ProtobufCMessage *reply)
{
	struct removing *x = ctx;
	if (err == 0)
		x->messages = ((const Postern__AccountUsage *)reply)->messages;
	if (err == 0 || err == ERR_NOT_FOUND)
		IGNORE(account_forget(x->ad->e, x->area.id), "tried again at the next tick");
}

static void on_all_forgotten(void *ctx, int err)
{
	finish(ctx);
}

static void discard(struct removing *x)
{
	int r = remove_rows(x);
	if (r < 0)
		admin_refuse(x->ad, r);
	else
		store_batch(x->ad->d, POSTERN__STORE_OP__STORE_ACCOUNT_REMOVE, &x->area, 1, on_forgotten,
			    on_all_forgotten, x);
}

static void on_closed(void *ctx, int err, uint64_t messages)
{
	struct removing *x = ctx;
	struct admin *ad = x->ad;
	if (err == ERR_CONFLICT)
		problem_set(&ad->why, err, "discard_mail",
			    messages == 1 ? "the candidates of " SLICE_FMT
			    " hold %llu message, which would be lost: discard_mail says that it may go" :
			    "the candidates of " SLICE_FMT
			    " hold %llu messages, which would be lost: discard_mail says that they may go",
			    SLICE_ARG(x->d.name), (unsigned long long)messages);
	int r = err < 0 ? err : remove_rows(x);
	if (err == 0 && r < 0)
		account_reopen(ad->d, x->area.id);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	IGNORE(account_forget(ad->e, x->area.id), "tried again at the next tick");
	finish(x);
}

/* An alias domain goes alone; what it was another name of stays. 1: that was it. */
static int remove_alias(struct removing *x, struct slice given)
{
	struct admin *ad = x->ad;
	struct slice name;
	if (name_domain(ad->a, given, &name) < 0 || slice_eq(name, x->d.name))
		return 0;
	int r = admin_begin(ad);
	if (r < 0)
		return r;
	r = alias_domain_remove(ad->e, name);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, name);
	if (r == ERR_NOT_FOUND)
		return problem_set(&ad->why, ERR_CONFLICT, "domain",
				   SLICE_FMT " is the alternate name of " SLICE_FMT " and goes with it", SLICE_ARG(name),
				   SLICE_ARG(x->d.name));
	x->d.name = name;
	return r < 0 ? r : 1;
}

static int check_aliases(struct removing *x)
{
	struct slice *rows;
	size_t n = 0;
	int r = alias_domain_list(x->ad->e, x->ad->a, x->d.id, &rows, &n);
	if (r == 0 && n)
		return problem_set(&x->ad->why, ERR_CONFLICT, "domain", SLICE_FMT " is another name of it: remove that first",
				   SLICE_ARG(rows[0]));
	return r;
}

/* What the rows do not allow is told before the store is asked. */
static int check(struct removing *x)
{
	struct admin *ad = x->ad;
	struct transfer *rows;
	struct addressing a;
	size_t n = 0;
	uint64_t mailboxes = 0, others;
	int r = domain_counts(ad->e, x->d.id, &mailboxes, &others);
	if (r == 0 && mailboxes)	/* its own words for it */
		return 0;
	if (r == 0)
		r = addressing_get(ad->e, ad->a, x->d.id, &a);
	if (r == 0 && a.area)
		r = account_by_id(ad->e, ad->a, a.area, &x->area);
	if (r == 0)
		r = transfer_list(ad->e, ad->a, 0, &rows, &n);
	for (size_t i = 0; r == 0 && i < n; i++)
		if (x->area.id && rows[i].from == x->area.id)
			r = problem_set(&ad->why, ERR_CONFLICT, "domain",
					"mail of " SLICE_FMT " is being moved just now", SLICE_ARG(rows[i].origin));
	return r;
}

void op_domain_remove(struct admin *ad)
{
	struct removing *x = ARENA_NEW(ad->a, struct removing);
	x->ad = ad;
	int r = admin_domain(ad, admin_get(ad, "domain"), &x->d);
	if (r == 0)
		r = remove_alias(x, admin_get(ad, "domain"));
	if (r == 1) {
		admin_ok(ad, 200, json_pack("{s:o, s:i}", "domain", json_text(x->d.name), "messages", 0));
		return;
	}
	if (r == 0)
		r = check_aliases(x);
	if (r == 0)
		r = check(x);
	bool ask = r == 0 && x->area.id && !admin_flag(ad, "discard_mail", false);
	if (r == 0 && !x->area.id)
		r = remove_rows(x);
	else if (ask)
		r = admin_claim(ad);
	if (r < 0)
		admin_refuse(ad, r);
	else if (!x->area.id)
		finish(x);
	else if (!ask)
		discard(x);
	else
		account_close_empty(ad->d, &x->area, on_closed, x);
}
