/* SPDX-License-Identifier: Apache-2.0 */
/* plan list, show, set: when each domain moves, and where it stands (M38). */
#include "room/directory/op/admin.h"

#include "base/err.h"
#include "room/directory/noun/responder.h"
#include "room/directory/noun/schedule.h"

/* In the order of the operation's choices. */
static const char *const phase_words[] = { "announced", "filtering", "hosted", "done", NULL };
static const enum phase phases[] = { PHASE_ANNOUNCED, PHASE_FILTERING, PHASE_HOSTED, PHASE_DONE };

static const char *next_of(enum phase phase)
{
	static const char *const words[] = { "filter", "copy", "switch", "look", "nothing" };
	return (size_t)phase < ARRAY_SIZE(words) ? words[phase] : "";
}

static json_t *plan_json(struct admin *ad, const struct planned *p)
{
	uint64_t mailboxes = 0, addresses = 0;
	if (domain_counts(ad->e, p->d.id, &mailboxes, &addresses) < 0)
		return json_object();
	return json_pack("{s:o, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:I}", "domain", json_text(p->d.name), "customer",
			 json_text(p->customer), "phase", phase_name(p->d.phase), "next", next_of(p->d.phase), "day",
			 json_text(p->x.day), "place", json_number(p->x.place), "note", json_text(p->x.note), "mailboxes",
			 json_number(mailboxes), "switched_ms", (json_int_t)p->d.switched_ms);
}

void op_plan_list(struct admin *ad)
{
	struct page page = admin_page(ad);
	struct slice name = admin_get(ad, "customer");
	struct customer c = { 0 };
	struct planned *rows = NULL;
	size_t n = 0;
	int r = name.n ? customer_get(ad->e, ad->a, name, &c) : 0;
	if (r == ERR_NOT_FOUND)
		r = problem_set(&ad->why, ERR_NOT_FOUND, "customer", "there is no customer " SLICE_FMT, SLICE_ARG(name));
	if (r == 0)
		r = schedule_list(ad->e, ad->a, c.id, &page, &rows, &n);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	json_t *items = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(items, plan_json(ad, &rows[i]));
	admin_page_ok(ad, items, n ? schedule_cursor(ad->a, &rows[n - 1]) : SLICE(""), n);
}

static int look_up(struct admin *ad, struct planned *ret)
{
	struct customer c;
	int r = admin_domain(ad, admin_get(ad, "domain"), &ret->d);
	if (r == 0)
		r = customer_by_id(ad->e, ad->a, ret->d.customer, &c);
	if (r == 0)
		ret->customer = c.name;
	return r < 0 ? r : schedule_get(ad->e, ad->a, ret->d.id, &ret->x);
}

/* What a switch now would leave behind comes on top. */
static void give(struct admin *ad, const struct planned *p)
{
	struct switch_report report = { 0 };
	json_t *j = plan_json(ad, p);
	if (domain_switch_report(ad->e, ad->a, &p->d, &report) == 0) {
		json_object_set_new(j, "not_copied", json_number(report.n_not_copied));
		json_object_set_new(j, "no_password", json_number(report.n_no_password));
		json_object_set_new(j, "unknown", json_number(report.n_missing));
	}
	admin_ok(ad, 200, j);
}

void op_plan_show(struct admin *ad)
{
	struct planned p;
	int r = look_up(ad, &p);
	if (r < 0)
		admin_refuse(ad, r);
	else
		give(ad, &p);
}

static int take(struct admin *ad, struct planned *p)
{
	unsigned phase = admin_choice(ad, "phase", phase_words, ARRAY_SIZE(phases));
	if (admin_has(ad, "day"))
		p->x.day = admin_get(ad, "day");
	if (admin_flag(ad, "no_day", false))
		p->x.day = SLICE("");
	if (admin_has(ad, "note"))
		p->x.note = admin_get(ad, "note");
	if (admin_has(ad, "place"))
		p->x.place = admin_size(ad, "place", p->x.place);
	if (admin_flag(ad, "last", false))
		p->x.place = PLACE_LAST;
	return phase < ARRAY_SIZE(phases) ? schedule_phase(&p->d, phases[phase], &ad->why) : 0;
}

static int save(struct admin *ad, const struct planned *p)
{
	int r = admin_begin(ad);
	if (r < 0)
		return r;
	r = schedule_put(ad->e, p->d.id, &p->x, ad->now_ms);
	if (r == 0)
		r = domain_update(ad->e, &p->d);
	if (r < 0) {
		admin_rollback(ad);
		return r;
	}
	return admin_commit(ad, p->d.name);
}

void op_plan_set(struct admin *ad)
{
	struct planned p;
	int r = look_up(ad, &p);
	if (r == 0)
		r = take(ad, &p);
	if (r == 0)
		r = save(ad, &p);
	if (r < 0)
		admin_refuse(ad, r);
	else
		give(ad, &p);
}
