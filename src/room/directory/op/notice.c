/* SPDX-License-Identifier: Apache-2.0 */
/* notice log, show, sender, set-sender. */
#include "room/directory/op/admin.h"

#include "base/err.h"
#include "room/directory/db/name.h"
#include "room/directory/notice/write.h"

static const char *const states[] = { "waiting", "sent", "failed", NULL };

static const char *host_of(const struct admin *ad)
{
	return conf_str(ad->d->room->conf, "host.name");
}

static json_t *row_json(struct admin *ad, const struct notice_row *row)
{
	struct customer c = { .name = SLICE("") };
	struct notice_mail m = { .subject = row->subject, .from = row->from };
	if (row->customer && customer_by_id(ad->e, ad->a, row->customer, &c) < 0)
		c.name = SLICE("");
	/* What waits has no subject of its own yet: today's template gives it. */
	if (row->state != NOTICE_SENT && notice_write(ad->e, ad->a, row, NULL, host_of(ad), &m) < 0)
		m = (struct notice_mail){ .subject = SLICE(""), .from = SLICE("") };
	json_t *j = json_pack("{s:I, s:I, s:s, s:o, s:s, s:o, s:o, s:o, s:o}", "id", (json_int_t)row->id, "made_ms",
			      (json_int_t)row->made_ms, "kind", notice_kinds[row->kind].name, "to", json_text(row->to),
			      "state", states[row->state], "subject", json_text(m.subject), "language",
			      json_text(row->language), "from", json_text(m.from), "customer", json_text(c.name));
	if (row->state != NOTICE_WAITING)
		json_object_set_new(j, "sent_ms", json_integer(row->sent_ms));
	if (row->queue_id)
		json_object_set_new(j, "queue_id", json_number(row->queue_id));
	if (row->error.n)
		json_object_set_new(j, "error", json_text(row->error));
	return j;
}

static int find_customer(struct admin *ad, uint64_t *ret)
{
	struct slice name = admin_get(ad, "customer");
	struct customer c;
	if (!name.n)
		return 0;
	int r = customer_get(ad->e, ad->a, name, &c);
	if (r == ERR_NOT_FOUND)
		return problem_set(&ad->why, r, "customer", "there is no customer " SLICE_FMT, SLICE_ARG(name));
	if (r == 0)
		*ret = c.id;
	return r;
}

static int fill_filter(struct admin *ad, struct notice_filter *f)
{
	struct name to;
	struct domain d;
	uint64_t before = 0;
	struct page page = admin_page(ad);
	int r = find_customer(ad, &f->customer);
	if (r == 0 && admin_has(ad, "domain")) {
		r = admin_domain(ad, admin_get(ad, "domain"), &d);
		f->domain = r == 0 ? d.id : 0;
	}
	if (r < 0)
		return r;
	if (admin_has(ad, "to")) {
		if (name_parse(ad->a, admin_get(ad, "to"), &to) < 0)
			return problem_set(&ad->why, ERR_INVALID, "to", "\"" SLICE_FMT "\" is not an address",
					   SLICE_ARG(admin_get(ad, "to")));
		f->to = name_text(ad->a, to.local, to.domain);
	}
	f->kind = admin_has(ad, "kind") ? notice_kind_by_name(admin_get(ad, "kind")) : -1;
	if (admin_has(ad, "kind") && f->kind < 0)
		return problem_set(&ad->why, ERR_NOT_FOUND, "kind", "there is no notice " SLICE_FMT,
				   SLICE_ARG(admin_get(ad, "kind")));
	if (page.after.n && slice_u64(page.after, INT64_MAX, &before) < 0)
		return problem_set(&ad->why, ERR_INVALID, "after", "\"" SLICE_FMT "\" is no cursor of this list",
				   SLICE_ARG(page.after));
	f->before = before;
	f->limit = page.limit;
	f->viewer = page.viewer;
	f->text = page.text;
	f->state = admin_has(ad, "state") ? (int)admin_choice(ad, "state", states, 0) : -1;
	return 0;
}

void op_notice_log(struct admin *ad)
{
	struct notice_filter f = { 0 };
	struct notice_row *rows;
	size_t n = 0;
	int r = fill_filter(ad, &f);
	if (r == 0)
		r = notice_log(ad->e, ad->a, &f, &rows, &n);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	json_t *items = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(items, row_json(ad, &rows[i]));
	admin_page_ok(ad, items, slice_str(arena_printf(ad->a, "%llu", n ? (unsigned long long)rows[n - 1].id : 0)), n);
}

void op_notice_show(struct admin *ad)
{
	struct notice_row row;
	struct notice_mail m;
	int r = notice_get(ad->e, ad->a, admin_size(ad, "id", 0), &row);
	if (r == ERR_NOT_FOUND)
		problem_set(&ad->why, r, "id", "there is no notice of this number");
	if (r == 0)
		r = notice_write(ad->e, ad->a, &row, NULL, host_of(ad), &m);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	json_t *j = row_json(ad, &row);
	json_object_set_new(j, "text", json_text(m.text));
	admin_ok(ad, 200, j);
}

/* The customer, and the domain where one is named, which must be his. */
static int find_owner(struct admin *ad, uint64_t *ret_customer, struct domain *ret_domain)
{
	int r = find_customer(ad, ret_customer);
	if (r < 0 || !admin_has(ad, "domain"))
		return r;
	r = admin_domain(ad, admin_get(ad, "domain"), ret_domain);
	if (r == 0 && ret_domain->customer != *ret_customer)
		return problem_set(&ad->why, ERR_NOT_FOUND, "domain", "the customer has no domain " SLICE_FMT,
				   SLICE_ARG(ret_domain->name));
	return r;
}

static void give_sender(struct admin *ad, uint64_t customer, const struct domain *d)
{
	struct slice address, name;
	int r = notice_sender(ad->e, ad->a, customer, d->id, host_of(ad), &address, &name);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	json_t *j = json_pack("{s:o, s:o, s:o}", "customer", json_text(admin_get(ad, "customer")), "from",
			      json_text(address), "from_name", json_text(name));
	if (d->id)
		json_object_set_new(j, "domain", json_text(d->name));
	admin_ok(ad, 200, j);
}

void op_notice_sender(struct admin *ad)
{
	uint64_t customer = 0;
	struct domain d = { 0 };
	int r = find_owner(ad, &customer, &d);
	if (r < 0)
		admin_refuse(ad, r);
	else
		give_sender(ad, customer, &d);
}

void op_notice_set_sender(struct admin *ad)
{
	uint64_t customer = 0;
	struct domain d = { 0 };
	int r = find_owner(ad, &customer, &d);
	if (r == 0)
		r = admin_begin(ad);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	r = notice_set_sender(ad->e, ad->a, customer, d.id, slice_trim(admin_get(ad, "from")), admin_get(ad, "from_name"),
			      &ad->why);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, admin_get(ad, "customer"));
	if (r < 0)
		admin_refuse(ad, r);
	else
		give_sender(ad, customer, &d);
}
