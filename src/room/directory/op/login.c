/* SPDX-License-Identifier: Apache-2.0 */
/* login add, list, remove: old user names. */
#include "room/directory/op/admin.h"

#include "base/err.h"
#include "room/directory/login/old_login.h"

static json_t *login_json(const struct old_login *x)
{
	return json_pack("{s:o, s:o, s:s, s:o, s:I}", "name", json_text(x->name), "address", json_text(x->address),
			 "state", old_login_state_name(x->state), "deadline_ms",
			 x->deadline_ms ? json_integer(x->deadline_ms) : json_null(), "created_ms",
			 (json_int_t)x->created_ms);
}

/* One name of an account as it stands now. */
static int get(struct admin *ad, uint64_t account, struct slice name, struct old_login *ret)
{
	struct page all = { 0 };
	struct old_login *rows;
	size_t n = 0;
	int r = old_login_list(ad->e, ad->a, 0, 0, account, ad->now_ms, &all, &rows, &n);
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (slice_eq(rows[i].name, name)) {
			*ret = rows[i];
			return 0;
		}
	}
	return r < 0 ? r : ERR_NOT_FOUND;
}

void op_login_add(struct admin *ad)
{
	struct domain d;
	struct account x;
	struct old_login row;
	struct slice name;
	int r = admin_mailbox(ad, &d, &x);
	if (r == 0)
		r = admin_begin(ad);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	r = old_login_add(ad->e, ad->a, x.id, admin_get(ad, "name"), ad->now_ms, &ad->why);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, x.address);
	if (r == 0)
		r = old_login_name(ad->a, admin_get(ad, "name"), &name);
	if (r == 0)
		r = get(ad, x.id, name, &row);
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_ok(ad, 201, login_json(&row));
}

void op_login_list(struct admin *ad)
{
	struct page page = admin_page(ad);
	static const char *const states[] = { "", "waiting", "grace", "ended", NULL }; /* enum old_login_state */
	struct old_login_filter f = { .now_ms = ad->now_ms, .state = (int)admin_choice(ad, "state", states, ANY) };
	struct domain of = { 0 };
	struct account x = { 0 };
	struct old_login *rows;
	size_t n = 0;
	int r = admin_of_domain(ad, &f.domain);
	if (r == 0 && admin_has(ad, "address"))
		r = admin_mailbox(ad, &of, &x);
	f.account = x.id;
	if (r == 0)
		r = admin_of_customer(ad, &f.customer);
	if (r == 0)
		r = old_login_search(ad->e, ad->a, &f, &page, &rows, &n);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	json_t *items = json_array();
	for (size_t i = 0; i < n; i++) {
		json_t *j = login_json(&rows[i]);
		admin_put_revision(ad, j, "login", rows[i].address, rows[i].name);
		json_array_append_new(items, j);
	}
	admin_page_ok(ad, items, n ? rows[n - 1].name : SLICE(""), n);
}

static int remove_row(struct admin *ad, const struct account *x)
{
	struct slice name = admin_get(ad, "name");
	IGNORE(old_login_name(ad->a, name, &name), "then it is not found as it stands");
	int r = old_login_remove(ad->e, x->id, name);
	if (r == ERR_NOT_FOUND)
		return problem_set(&ad->why, r, "name", SLICE_FMT " has no old user name " SLICE_FMT,
				   SLICE_ARG(x->address), SLICE_ARG(name));
	return r;
}

void op_login_remove(struct admin *ad)
{
	struct domain d;
	struct account x;
	int r = admin_mailbox(ad, &d, &x);
	if (r == 0)
		r = admin_begin(ad);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	r = remove_row(ad, &x);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, x.address);
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_ok(ad, 200, NULL);
}
