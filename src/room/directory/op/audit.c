/* SPDX-License-Identifier: Apache-2.0 */
/* audit list, and the row of a look into somebody's mail. */
#include "room/directory/op/admin.h"
#include "room/directory/noun/audit.h"

#include "base/err.h"

static int take_filter(struct admin *ad, struct audit_filter *f)
{
	struct customer c;
	struct domain d;
	uint64_t days = 0;
	int r = 0;
	*f = (struct audit_filter){
		.actor = admin_get(ad, "actor"),
		.operation = admin_get(ad, "operation"),
		.object = admin_get(ad, "object"),
	};
	if (admin_has(ad, "days") && slice_u64(admin_get(ad, "days"), UINT32_MAX, &days) == 0)
		f->since_ms = ad->now_ms - (int64_t)days * 24 * 3600 * 1000;
	if (admin_has(ad, "customer")) {
		r = customer_get(ad->e, ad->a, admin_get(ad, "customer"), &c);
		if (r == ERR_NOT_FOUND)
			return problem_set(&ad->why, r, "customer", "there is no customer " SLICE_FMT,
					   SLICE_ARG(admin_get(ad, "customer")));
		f->customer = c.id;
	}
	if (r == 0 && admin_has(ad, "domain")) {
		r = admin_domain(ad, admin_get(ad, "domain"), &d);
		f->domain = d.id;
	}
	return r;
}

void op_audit_list(struct admin *ad)
{
	struct page page = admin_page(ad);
	struct audit_filter f;
	struct audit_row *rows;
	size_t n = 0;
	int r = take_filter(ad, &f);
	if (r == 0)
		r = audit_list(ad->e, ad->a, &f, &page, &rows, &n);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	json_t *items = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(items, json_pack("{s:I, s:o, s:o, s:o, s:o, s:o}", "at_ms", (json_int_t)rows[i].row.at_ms,
						       "actor", json_text(rows[i].row.actor), "remote",
						       json_text(rows[i].row.remote), "operation",
						       json_text(rows[i].row.operation), "object",
						       json_text(rows[i].row.object), "detail",
						       json_text(rows[i].row.detail)));
	admin_page_ok(ad, items, slice_str(arena_printf(ad->a, "%ju", n ? (uintmax_t)rows[n - 1].id : 0)), n);
}

int audit_look(struct admin *ad, struct slice object)
{
	int r = engine_begin(ad->e);
	return r < 0 ? r : admin_commit(ad, object);
}
