/* SPDX-License-Identifier: Apache-2.0 */
/* policy show, set: what a customer asks of passwords. */
#include "room/directory/op/admin.h"

#include "base/err.h"
#include "ipc/store.pb-c.h"
#include "room/directory/login/second.h"
#include "room/directory/noun/policy.h"

static json_t *policy_json(const struct customer *c, const struct policy *p)
{
	json_t *classes = json_array();
	for (size_t i = 0; policy_class_name(i); i++)
		if (p->classes & (1u << i))
			json_array_append_new(classes, json_string(policy_class_name(i)));
	return json_pack("{s:o, s:i, s:o, s:i, s:i, s:i, s:b}", "customer", json_text(c->name), "length",
			 (int)p->length, "classes", classes, "old_login_days", (int)p->old_login_days,
			 "invitation_hours", (int)p->invitation_hours, "reset_minutes",
			 (int)p->reset_minutes, "app_passwords_with_totp", p->app_passwords);
}

static int find(struct admin *ad, struct customer *ret, struct policy *ret_policy)
{
	struct slice name = admin_get(ad, "customer");
	int r = customer_get(ad->e, ad->a, name, ret);
	if (r == ERR_NOT_FOUND)
		return problem_set(&ad->why, r, "customer", "there is no customer " SLICE_FMT, SLICE_ARG(name));
	return r < 0 ? r : policy_get(ad->e, ret->id, ret_policy);
}

/* The words that were given, all together: they replace what was asked for until now. */
static unsigned take_classes(const struct admin *ad, unsigned fallback)
{
	unsigned found = 0;
	if (!admin_has(ad, "classes"))
		return fallback;
	for (size_t i = 0; i < ad->n_fields; i++)
		for (size_t k = 0; slice_eq(ad->fields[i].name, SLICE("classes")) && policy_class_name(k); k++)
			if (slice_eq(ad->fields[i].value, slice_str(policy_class_name(k))))
				found |= 1u << k;
	return found;
}

static unsigned take_number(const struct admin *ad, const char *name, unsigned fallback)
{
	uint64_t v = fallback;
	if (!admin_has(ad, name) || slice_u64(admin_get(ad, name), UINT32_MAX, &v) < 0)
		return fallback;
	return (unsigned)v;
}

void op_policy_show(struct admin *ad)
{
	struct customer c;
	struct policy p;
	int r = find(ad, &c, &p);
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_ok(ad, 200, policy_json(&c, &p));
}

/* From now on the main password of these is not enough for mail programs. */
static int end_mail(struct admin *ad, uint64_t customer, struct account **ret, size_t *ret_n)
{
	int r = second_accounts(ad->e, ad->a, customer, ret, ret_n);
	for (size_t i = 0; r == 0 && i < *ret_n; i++)
		r = token_end_mail(ad->e, holder_account((*ret)[i].id), (*ret)[i].version);
	return r;
}

static void on_ended(void *ctx, int err)
{
	struct admin *ad = ctx;
	admin_ok(ad, 200, ad->ctx);
}

void op_policy_set(struct admin *ad)
{
	static const char *const off_on[] = { "off", "on", NULL };
	struct customer c;
	struct policy p;
	struct account *ended = NULL;
	size_t n_ended = 0;
	int r = find(ad, &c, &p);
	if (r == 0)
		r = admin_begin(ad);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	p.length = take_number(ad, "length", p.length);
	p.classes = take_classes(ad, p.classes);
	p.old_login_days = take_number(ad, "old_login_days", p.old_login_days);
	p.invitation_hours = take_number(ad, "invitation_hours", p.invitation_hours);
	p.reset_minutes = take_number(ad, "reset_minutes", p.reset_minutes);
	bool before = p.app_passwords;
	p.app_passwords = admin_choice(ad, "app_passwords_with_totp", off_on, p.app_passwords);
	r = policy_put(ad->e, c.id, &p);
	if (r == 0 && p.app_passwords && !before)
		r = end_mail(ad, c.id, &ended, &n_ended);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, c.name);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	ad->ctx = policy_json(&c, &p);
	if (n_ended)
		store_batch(ad->d, POSTERN__STORE_OP__STORE_REVOKE, ended, n_ended, NULL, on_ended, ad);
	else
		on_ended(ad, 0);
}
