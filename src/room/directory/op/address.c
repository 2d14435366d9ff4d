/* SPDX-License-Identifier: Apache-2.0 */
/* address add, list, remove: aliases, lists, redirects, banished ones. Mailboxes have their own noun. */
#include "room/directory/op/admin.h"
#include "room/directory/work/area.h"

#include "base/err.h"
#include "room/directory/noun/list_policy.h"
#include "room/directory/db/name.h"

static json_t *address_json(struct admin *ad, const struct address *x)
{
	struct list_policy p = { 0 };
	json_t *j = json_pack("{s:o, s:s, s:o, s:b, s:I}", "address",
			      json_text(name_text(ad->a, x->local, x->domain_name)), "type",
			      address_type_name(x->type), "to", json_texts(x->targets, x->n_targets),
			      "hosted", x->hosted, "created_ms", (json_int_t)x->created_ms);
	if (x->type == ADDRESS_LIST && list_policy_get(ad->e, ad->a, x->id, &p) == 0) {
		json_object_set_new(j, "senders", json_string(list_who_name(p.who)));
		json_object_set_new(j, "sender", json_texts(p.names, p.n_names));
	}
	return j;
}

/* Who may write to it, as far as fields say so. Inside the transaction. */
static int set_senders(struct admin *ad, const struct address *x)
{
	struct list_policy p = { 0 };
	if (!admin_has(ad, "senders"))
		return admin_has(ad, "sender") ? problem_set(&ad->why, ERR_INVALID, "sender",
							     "senders are only named with named")
					       : 0;
	p.names = ARENA_ARRAY(ad->a, struct slice, ad->n_fields + 1);
	for (size_t i = 0; i < ad->n_fields; i++)
		if (slice_eq(ad->fields[i].name, SLICE("sender")))
			p.names[p.n_names++] = ad->fields[i].value;
	int r = list_who_by_name(admin_get(ad, "senders"), &p.who);
	if (r == 0)
		r = list_policy_check(ad->e, ad->a, x, &p, &ad->why);
	return r < 0 ? r : list_policy_put(ad->e, x->id, &p);
}

static void take_targets(struct admin *ad, struct address *x)
{
	x->targets = ARENA_ARRAY(ad->a, struct slice, ad->n_fields + 1);
	for (size_t i = 0; i < ad->n_fields; i++)
		if (slice_eq(ad->fields[i].name, SLICE("to")))
			x->targets[x->n_targets++] = ad->fields[i].value;
}

void op_address_add(struct admin *ad)
{
	struct domain d;
	struct address x = { .hosted = admin_flag(ad, "hosted", false) };
	int r = admin_address(ad, &d, &x.local);
	if (r == 0)
		r = address_type_by_name(admin_get(ad, "type"), &x.type);
	take_targets(ad, &x);
	if (r == 0)
		r = admin_begin(ad);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	r = address_add(ad->e, ad->a, &d, &x, ad->now_ms, &ad->why);
	if (r == 0)
		r = set_senders(ad, &x);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, name_text(ad->a, x.local, d.name));
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	area_sync(ad->d, d.id, NULL, NULL);	/* it may have been a candidate: its mail follows */
	admin_ok(ad, 201, address_json(ad, &x));
}

static void list(struct admin *ad, const struct address_filter *f)
{
	struct page page = admin_page(ad);
	struct address *rows;
	size_t n = 0;
	int r = address_list(ad->e, ad->a, f, &page, &rows, &n);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	json_t *items = json_array();
	for (size_t i = 0; i < n; i++) {
		json_t *j = address_json(ad, &rows[i]);
		admin_put_revision(ad, j, rows[i].type == ADDRESS_CANDIDATE ? "candidate" : "address",
				   name_text(ad->a, rows[i].local, rows[i].domain_name), SLICE(""));
		json_array_append_new(items, j);
	}
	admin_page_ok(ad, items,
		      n ? name_text(ad->a, rows[n - 1].local, rows[n - 1].domain_name) : SLICE(""),
		      n);
}

/* Who has mail in an area without knowing is shown as it is just now, and the look is written down. */
static void list_candidates(void *ctx, int err)
{
	struct admin *ad = ctx;
	int r = err < 0 ? ERR_UNAVAILABLE : audit_look(ad, admin_has(ad, "domain") ? admin_get(ad, "domain") : SLICE("candidates"));
	if (r < 0)
		admin_refuse(ad, r);
	else
		list(ad, ad->ctx);
}

void op_address_list(struct admin *ad)
{
	struct address_filter *f = ARENA_NEW(ad->a, struct address_filter);
	enum address_type type = ADDRESS_MAILBOX;
	int r = admin_of_domain(ad, &f->domain);
	if (r == 0)
		r = admin_of_customer(ad, &f->customer);
	if (r == 0 && admin_has(ad, "type"))
		r = address_type_by_name(admin_get(ad, "type"), &type);
	f->type = admin_has(ad, "type") ? (int)type : -1;
	ad->ctx = f;
	if (r < 0)
		admin_refuse(ad, r);
	else if (type == ADDRESS_CANDIDATE && f->domain)
		area_sync(ad->d, f->domain, list_candidates, ad);
	else if (type == ADDRESS_CANDIDATE)
		list_candidates(ad, 0);
	else
		list(ad, f);
}

void op_address_remove(struct admin *ad)
{
	struct domain d;
	struct address x;
	struct slice local, text = { 0 };
	int r = admin_address(ad, &d, &local);
	if (r == 0) {
		text = name_text(ad->a, local, d.name);
		r = address_get(ad->e, ad->a, d.id, local, &x);
		if (r == ERR_NOT_FOUND)
			problem_set(&ad->why, r, "address", "there is no address " SLICE_FMT,
				    SLICE_ARG(text));
		else if (r == 0 && x.type == ADDRESS_MAILBOX)
			r = problem_set(&ad->why, ERR_CONFLICT, "address",
					SLICE_FMT " is a mailbox: remove it with mailbox remove",
					SLICE_ARG(text));
	}
	if (r == 0)
		r = admin_begin(ad);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	r = address_remove(ad->e, x.id);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, text);
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_ok(ad, 200, NULL);
}

static int find(struct admin *ad, struct domain *d, struct address *x)
{
	struct slice local;
	int r = admin_address(ad, d, &local);
	if (r == 0)
		r = address_get(ad->e, ad->a, d->id, local, x);
	if (r == ERR_NOT_FOUND)
		problem_set(&ad->why, r, "address", "there is no address " SLICE_FMT, SLICE_ARG(admin_get(ad, "address")));
	else if (r == 0)
		x->domain_name = d->name;
	return r;
}

void op_address_show(struct admin *ad)
{
	struct domain d;
	struct address x;
	int r = find(ad, &d, &x);
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_ok(ad, 200, address_json(ad, &x));
}

void op_address_set(struct admin *ad)
{
	struct domain d;
	struct address x;
	int r = find(ad, &d, &x);
	if (r == 0)
		r = admin_begin(ad);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	r = set_senders(ad, &x);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, name_text(ad->a, x.local, d.name));
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_ok(ad, 200, address_json(ad, &x));
}
