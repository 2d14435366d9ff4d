/* SPDX-License-Identifier: Apache-2.0 */
/* template list, show, set, reset, preview, test: the texts of notices, the provider's and each customer's. */
#include "room/directory/op/admin.h"

#include "base/err.h"
#include "base/text.h"
#include "room/directory/db/engine_priv.h"
#include "room/directory/notice/language.h"
#include "room/directory/notice/texts.h"
#include "room/directory/notice/write.h"

static const char *const sources[] = { "built-in", "provider", "customer" };

struct target {
	enum notice_kind kind;
	struct customer customer;	/* id 0: the provider */
	struct slice language;
};

/* Where none is named: the provider's texts for him, a customer's own for its admin. */
static int own_customer(struct admin *ad, struct customer *ret)
{
	if (principal_rank(&ad->who) == RANK_PROVIDER)
		return 0;
	for (size_t i = 0; i < ad->who.n_hats; i++)
		if (ad->who.hats[i].rank == RANK_CUSTOMER_ADMIN)
			return customer_by_id(ad->e, ad->a, ad->who.hats[i].customer, ret);
	return ERR_DENIED;
}

int template_customer(struct admin *ad, struct customer *ret)
{
	struct slice name = admin_get(ad, "customer");
	*ret = (struct customer){ 0 };
	if (!name.n)
		return own_customer(ad, ret);
	int r = customer_get(ad->e, ad->a, name, ret);
	if (r == ERR_NOT_FOUND)
		return problem_set(&ad->why, r, "customer", "there is no customer " SLICE_FMT, SLICE_ARG(name));
	return r;
}

static int find(struct admin *ad, struct target *t)
{
	struct slice kind = admin_get(ad, "kind");
	int k = notice_kind_by_name(kind), r = template_customer(ad, &t->customer);
	if (r < 0)
		return r;
	if (k < 0)
		return problem_set(&ad->why, ERR_NOT_FOUND, "kind", "there is no notice " SLICE_FMT, SLICE_ARG(kind));
	t->kind = (enum notice_kind)k;
	if (!admin_has(ad, "language"))
		return language_of(ad->e, ad->a, t->customer.language, 0, &t->language);
	t->language = admin_get(ad, "language");
	return language_check(t->language, &ad->why);
}

static json_t *item_json(const struct target *t, const struct notice_template *x)
{
	json_t *j = json_pack("{s:s, s:o, s:s, s:o}", "kind", notice_kinds[t->kind].name, "language",
			      json_text(t->language), "source", sources[x->source], "subject", json_text(x->subject));
	if (x->changed_ms)
		json_object_set_new(j, "changed_ms", json_integer(x->changed_ms));
	return j;
}

static void add_variable(const struct admin *ad, json_t *list, const struct notice_var_def *v)
{
	json_array_append_new(list, json_pack("{s:s, s:s, s:b}", "name", v->name, "help",
					      text_in(ad->why.language, v->help), "secret", v->type == NOTICE_SECRET));
}

static void give(struct admin *ad, const struct target *t)
{
	struct notice_template x;
	const struct notice_var_def *defs = notice_kinds[t->kind].vars;
	int r = notice_template(ad->e, ad->a, t->kind, t->customer.id, t->language, &x);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	json_t *j = item_json(t, &x), *list = json_array();
	json_object_set_new(j, "text", json_text(x.text));
	json_object_set_new(j, "html", json_text(x.html));
	for (size_t i = 0; i < NOTICE_COMMON; i++)
		add_variable(ad, list, &notice_common[i]);
	for (size_t i = 0; i < NOTICE_VARS_MAX && defs[i].name; i++)
		add_variable(ad, list, &defs[i]);
	json_object_set_new(j, "variables", list);
	admin_ok(ad, 200, j);
}

void op_template_list(struct admin *ad)
{
	struct target t;
	int r = template_customer(ad, &t.customer);
	if (r == 0 && admin_has(ad, "language"))
		r = language_check(admin_get(ad, "language"), &ad->why);
	json_t *items = json_array();
	for (int k = 0; r == 0 && k < NOTICE_KINDS; k++) {
		for (size_t i = 0; r == 0 && i < notice_n_languages; i++) {
			struct notice_template x;
			t.kind = (enum notice_kind)k;
			t.language = slice_str(notice_languages[i].code);
			if (admin_has(ad, "language") && !slice_eq(t.language, admin_get(ad, "language")))
				continue;
			r = notice_template(ad->e, ad->a, t.kind, t.customer.id, t.language, &x);
			if (r < 0)
				break;
			json_t *j = item_json(&t, &x);
			json_object_set_new(j, "help", json_string(text_in(ad->why.language, notice_kinds[k].help)));
			json_array_append_new(items, j);
		}
	}
	if (r < 0) {
		json_decref(items);
		admin_refuse(ad, r);
		return;
	}
	admin_ok(ad, 200, json_pack("{s:o, s:n}", "items", items, "next"));
}

void op_template_show(struct admin *ad)
{
	struct target t;
	int r = find(ad, &t);
	if (r < 0)
		admin_refuse(ad, r);
	else
		give(ad, &t);
}

/* What the request holds, in place of what is there. */
static void take_texts(struct admin *ad, struct notice_template *x)
{
	if (admin_has(ad, "subject"))
		x->subject = admin_get(ad, "subject");
	if (admin_has(ad, "text"))
		x->text = admin_get(ad, "text");
	if (admin_has(ad, "html") || admin_has(ad, "text"))
		x->html = admin_has(ad, "html") ? admin_get(ad, "html") : SLICE("");
}

static int store(struct admin *ad, const struct target *t, const struct notice_template *x)
{
	int r = sql_run(ad->e->db,
			"INSERT INTO template (customer, kind, language, subject, text, html, changed)"
			" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (customer, kind, language) DO UPDATE SET"
			" subject = excluded.subject, text = excluded.text, html = excluded.html, changed = excluded.changed",
			"ittbbbi", (int64_t)t->customer.id, slice_str(notice_kinds[t->kind].name), t->language, x->subject,
			x->text, x->html, ad->now_ms);
	return r < 0 ? r : 0;
}

static int drop(struct admin *ad, const struct target *t)
{
	int r = sql_run(ad->e->db, "DELETE FROM template WHERE customer = ?1 AND kind = ?2 AND language = ?3", "itt",
			(int64_t)t->customer.id, slice_str(notice_kinds[t->kind].name), t->language);
	return r < 0 ? r : 0;
}

static void change(struct admin *ad, const struct target *t, const struct notice_template *x)
{
	int r = admin_begin(ad);
	if (r == 0) {
		r = x ? store(ad, t, x) : drop(ad, t);
		if (r < 0)
			admin_rollback(ad);
		else
			r = admin_commit(ad, slice_str(notice_kinds[t->kind].name));
	}
	if (r < 0)
		admin_refuse(ad, r);
	else
		give(ad, t);
}

void op_template_set(struct admin *ad)
{
	struct target t;
	struct notice_template x = { .html = SLICE("") };
	int r = find(ad, &t);
	take_texts(ad, &x);
	if (r == 0)
		r = notice_template_check(ad->a, t.kind, &x, &ad->why);
	if (r < 0)
		admin_refuse(ad, r);
	else
		change(ad, &t, &x);
}

void op_template_reset(struct admin *ad)
{
	struct target t;
	int r = find(ad, &t);
	if (r < 0)
		admin_refuse(ad, r);
	else
		change(ad, &t, NULL);
}

void op_template_preview(struct admin *ad)
{
	struct target t;
	struct notice_template x;
	struct notice_mail m;
	int r = find(ad, &t);
	if (r == 0)
		r = notice_template(ad->e, ad->a, t.kind, t.customer.id, t.language, &x);
	if (r == 0) {
		take_texts(ad, &x);
		r = notice_template_check(ad->a, t.kind, &x, &ad->why);
	}
	if (r == 0) {
		struct notice_row row = notice_sample(ad->a, t.kind, t.customer.id, 0, t.language, ad->now_ms);
		r = notice_write_with(ad->e, ad->a, &row, NULL, conf_str(ad->d->room->conf, "host.name"), &x, &m);
	}
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_ok(ad, 200, json_pack("{s:o, s:o, s:o, s:o}", "from", json_text(m.from), "subject",
					    json_text(m.subject), "text", json_text(m.text), "html", json_text(m.html)));
}

/* The kind's variables with their samples, as if it had happened. */
static void fill_samples(struct notice *n)
{
	const struct notice_var_def *defs = notice_kinds[n->kind].vars;
	for (size_t i = 0; i < NOTICE_VARS_MAX && defs[i].name; i++) {
		uint64_t number = 0;
		n->vars[i] = (struct notice_var){ defs[i].name, slice_str(defs[i].sample), 0 };
		if (defs[i].type >= NOTICE_TIME && slice_u64(n->vars[i].text, INT64_MAX, &number) == 0)
			n->vars[i].number = (int64_t)number;
	}
}

void op_template_test(struct admin *ad)
{
	struct target t;
	struct notice n = { .to = admin_get(ad, "to"), .now_ms = ad->now_ms };
	int r = find(ad, &t);
	if (r == 0) {
		n.kind = t.kind;
		n.customer = t.customer.id;
		n.language = t.language;
		fill_samples(&n);
		r = admin_begin(ad);
	}
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	r = notice_add(ad->e, ad->a, &n);
	if (r == ERR_INVALID)
		problem_set(&ad->why, r, "to", "\"" SLICE_FMT "\" is not an address", SLICE_ARG(n.to));
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, n.to);
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_ok(ad, 200, json_pack("{s:o, s:s, s:o}", "to", json_text(n.to), "kind", notice_kinds[t.kind].name,
					    "language", json_text(t.language)));
}
