/* SPDX-License-Identifier: Apache-2.0 */
/* customer add, list, show, remove; overview. */
#include "room/directory/op/admin.h"

#include "base/err.h"
#include "ipc/store.pb-c.h"
#include "room/directory/notice/language.h"
#include "room/directory/noun/limits.h"

json_t *customer_json(struct admin *ad, const struct customer *c)
{
	uint64_t domains = 0, mailboxes = 0;
	if (customer_counts(ad->e, c->id, &domains, &mailboxes) < 0)
		return NULL;
	struct customer_limits l;
	char days[16];
	if (limits_of_customer(ad->e, c->id, &l) < 0)
		return NULL;
	return json_pack("{s:o, s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:I}", "customer", json_text(c->name),
			 "retention", retention_text(l.retention, days), "allotment", l.fixed ? "fixed" : "shared",
			 "domains", (json_int_t)domains, "mailboxes", (json_int_t)mailboxes,
			 "pool_bytes", json_number(c->pool), "language", json_text(language_shown(c->language)),
			 "contact", json_text(c->contact), "created_ms", (json_int_t)c->created_ms);
}

static void give(struct admin *ad, unsigned status, const struct customer *c)
{
	json_t *j = customer_json(ad, c);
	if (j)
		admin_ok(ad, status, j);
	else
		admin_refuse(ad, ERR_INTERNAL);
}

static int find(struct admin *ad, struct customer *ret)
{
	struct slice name = admin_get(ad, "customer");
	int r = customer_get(ad->e, ad->a, name, ret);
	if (r == ERR_NOT_FOUND)
		return problem_set(&ad->why, r, "customer", "there is no customer " SLICE_FMT,
				   SLICE_ARG(name));
	return r;
}

void op_customer_add(struct admin *ad)
{
	struct customer c = {
		.name = admin_get(ad, "customer"),
		.pool = admin_size(ad, "pool", 0),
		.language = admin_get(ad, "language"),
		.contact = admin_get(ad, "contact"),
		.created_ms = ad->now_ms,
	};
	struct customer_limits l = { .fixed = slice_eq(admin_get(ad, "allotment"), SLICE("fixed")) };
	int r = admin_retention(ad, false, &l.retention);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	r = admin_begin(ad);
	if (r == 0 && ((r = customer_add(ad->e, ad->a, &c, &ad->why)) < 0 || (r = limits_set_customer(ad->e, c.id, &l)) < 0))
		admin_rollback(ad);
	if (r == 0)
		r = admin_commit(ad, c.name);
	if (r < 0)
		admin_refuse(ad, r);
	else
		give(ad, 201, &c);
}

void op_customer_list(struct admin *ad)
{
	struct page page = admin_page(ad);
	struct customer *rows;
	size_t n = 0;
	int r = customer_list(ad->e, ad->a, &page, &rows, &n);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	json_t *items = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(items, customer_json(ad, &rows[i]));
	admin_page_ok(ad, items, n ? rows[n - 1].name : SLICE(""), n);
}

/* What its mailboxes use: the shards know. */
struct showing {
	struct admin *ad;
	struct customer c;
	uint64_t used;
};

static void on_usage(void *ctx, size_t i, int err, const ProtobufCMessage *reply)
{
	struct showing *s = ctx;
	if (err == 0)
		s->used += ((const Postern__AccountUsage *)reply)->bytes;
}

static void on_all_used(void *ctx, int err)
{
	struct showing *s = ctx;
	json_t *j = customer_json(s->ad, &s->c);
	if (!j) {
		admin_refuse(s->ad, ERR_INTERNAL);
		return;
	}
	if (err == 0)
		json_object_set_new(j, "used_bytes", json_number(s->used));
	admin_ok(s->ad, 200, j);
}

void op_customer_show(struct admin *ad)
{
	struct showing *s = ARENA_NEW(ad->a, struct showing);
	struct page all = { 0 };
	struct account *rows;
	size_t n = 0;
	s->ad = ad;
	int r = find(ad, &s->c);
	if (r == 0)
		r = account_list(ad->e, ad->a, 0, s->c.id, &all, &rows, &n);
	if (r < 0)
		admin_refuse(ad, r);
	else
		store_batch(ad->d, POSTERN__STORE_OP__STORE_ACCOUNT_USAGE, rows, n, on_usage,
			    on_all_used, s);
}

void op_customer_remove(struct admin *ad)
{
	struct customer c;
	int r = find(ad, &c);
	if (r == 0)
		r = admin_begin(ad);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	r = customer_remove(ad->e, c.id, &ad->why);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, c.name);
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_ok(ad, 200, NULL);
}

void op_overview(struct admin *ad)
{
	struct counts_of_all all = { 0 };
	int r = engine_counts(ad->e, &all);
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_ok(ad, 200,
			 json_pack("{s:I, s:I, s:I}", "customers", (json_int_t)all.customers,
				   "domains", (json_int_t)all.domains, "mailboxes",
				   (json_int_t)all.mailboxes));
}
