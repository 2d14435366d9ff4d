/* SPDX-License-Identifier: Apache-2.0 */
/* forward and autoreply: show, set, remove. */
#include "room/directory/op/admin.h"

#include "base/err.h"
#include "room/directory/directory_priv.h"
#include "room/directory/db/name.h"
#include "room/directory/notice/notice.h"
#include "room/directory/noun/responder.h"

static json_t *span_json(json_t *j, const struct span *s, const struct responder *x)
{
	json_object_set_new(j, "start", json_text(s->start));
	json_object_set_new(j, "end", json_text(s->end));
	json_object_set_new(j, "zone", json_text(x->zone));
	return j;
}

static json_t *forward_json(struct admin *ad, const struct account *x, const struct responder *r)
{
	json_t *j = json_pack("{s:o, s:o, s:b, s:o}", "address", json_text(x->address), "to",
			      json_texts(r->targets, r->n_targets), "keep", (int)r->keep, "script",
			      json_text(responder_script(ad->a, r)));
	return span_json(j, &r->forward, r);
}

static json_t *reply_json(struct admin *ad, const struct account *x, const struct responder *r)
{
	json_t *j = json_pack("{s:o, s:b, s:o, s:o, s:I, s:o}", "address", json_text(x->address), "on", r->days != 0,
			      "subject", json_text(r->subject), "text", json_text(r->text), "days", (json_int_t)r->days,
			      "script", json_text(responder_script(ad->a, r)));
	return span_json(j, &r->reply, r);
}

typedef json_t *answer_fn(struct admin *ad, const struct account *x, const struct responder *r);

static void show(struct admin *ad, answer_fn *fn)
{
	struct account x;
	struct domain d;
	struct responder r;
	int err = admin_mailbox(ad, &d, &x);
	if (err == 0)
		err = responder_get(ad->e, ad->a, x.id, &r);
	if (err < 0)
		admin_refuse(ad, err);
	else
		admin_ok(ad, 200, fn(ad, &x, &r));
}

void op_forward_show(struct admin *ad)
{
	show(ad, forward_json);
}

void op_autoreply_show(struct admin *ad)
{
	show(ad, reply_json);
}

/* Whose mail goes elsewhere is told, whoever did it. */
static int tell(struct admin *ad, const struct domain *d, const struct account *x, const struct responder *r)
{
	struct buf list = BUF_INIT(2048);
	for (size_t i = 0; i < r->n_targets; i++)
		buf_printf(&list, "%s" SLICE_FMT, i ? ", " : "", SLICE_ARG(r->targets[i]));
	int err = notice_add(ad->e, ad->a, &(struct notice){
		.kind = NOTICE_FORWARD_CHANGED, .customer = d->customer, .domain = d->id, .account = x->id, .to = x->address,
		.now_ms = ad->now_ms,
		.vars = { { .name = "when", .number = ad->now_ms },
			  { .name = "remote", .text = bytes_of(&ad->req->remote) },
			  { .name = "targets", .text = list.n ? arena_dup(ad->a, buf_view(&list)) : SLICE("-") } } });
	buf_fini(&list);
	return err;
}

static void save(struct admin *ad, const struct domain *d, const struct account *x, const struct responder *r,
		 bool told, answer_fn *fn)
{
	int err = admin_begin(ad);
	if (err < 0) {
		admin_refuse(ad, err);
		return;
	}
	err = responder_put(ad->e, x->id, r, ad->now_ms);
	if (err == 0 && told)
		err = tell(ad, d, x, r);
	if (err < 0)
		admin_rollback(ad);
	else
		err = admin_commit(ad, x->address);
	if (err < 0)
		admin_refuse(ad, err);
	else
		admin_ok(ad, 200, fn(ad, x, r));
}

/* start, end and zone of the request; what is not named is open, the zone stays as it is. */
static int read_span(struct admin *ad, struct responder *r, struct span *ret)
{
	*ret = (struct span){ admin_get(ad, "start"), admin_get(ad, "end") };
	if (admin_has(ad, "zone"))
		r->zone = admin_get(ad, "zone");
	if (!r->zone.n)
		r->zone = SLICE("UTC");
	int err = responder_check_span(ret, &ad->why);
	return err < 0 ? err : responder_check_zone(r->zone, &ad->why);
}

static int read_targets(struct admin *ad, const struct domain *d, struct responder *r)
{
	r->targets = ARENA_ARRAY(ad->a, struct slice, FORWARD_TARGETS_MAX);
	r->n_targets = 0;
	for (size_t i = 0; i < ad->n_fields; i++) {
		if (!slice_eq(ad->fields[i].name, SLICE("to")))
			continue;
		if (r->n_targets == FORWARD_TARGETS_MAX)
			return problem_set(&ad->why, ERR_TOO_BIG, "to", "mail is passed on to at most %d addresses",
					   FORWARD_TARGETS_MAX);
		int err = address_target(ad->a, d, ad->fields[i].value, &r->targets[r->n_targets]);
		if (err < 0)
			return problem_set(&ad->why, err, "to", "\"" SLICE_FMT "\" is no address",
					   SLICE_ARG(ad->fields[i].value));
		r->n_targets++;
	}
	return 0;
}

void op_forward_set(struct admin *ad)
{
	struct account x;
	struct domain d;
	struct responder r;
	int err = admin_mailbox(ad, &d, &x);
	if (err == 0)
		err = responder_get(ad->e, ad->a, x.id, &r);
	if (err == 0)
		err = read_targets(ad, &d, &r);
	if (err == 0)
		err = read_span(ad, &r, &r.forward);
	if (err == 0)
		err = responder_check_circle(ad->e, ad->a, &x, r.targets, r.n_targets, ad->now_ms, &ad->why);
	if (err < 0) {
		admin_refuse(ad, err);
		return;
	}
	r.keep = admin_flag(ad, "keep", false);
	save(ad, &d, &x, &r, true, forward_json);
}

void op_autoreply_set(struct admin *ad)
{
	struct account x;
	struct domain d;
	struct responder r;
	uint64_t days = 7;
	int err = admin_mailbox(ad, &d, &x);
	if (err == 0)
		err = responder_get(ad->e, ad->a, x.id, &r);
	if (err == 0)
		err = read_span(ad, &r, &r.reply);
	if (err == 0 && admin_has(ad, "days"))
		err = slice_u64(admin_get(ad, "days"), REPLY_DAYS_MAX, &days);
	if (err < 0) {
		admin_refuse(ad, err);
		return;
	}
	r.days = (unsigned)days;
	r.subject = admin_get(ad, "subject");
	r.text = admin_get(ad, "text");
	save(ad, &d, &x, &r, false, reply_json);
}

static void off(struct admin *ad, bool forward)
{
	struct account x;
	struct domain d;
	struct responder r;
	int err = admin_mailbox(ad, &d, &x);
	if (err == 0)
		err = responder_get(ad->e, ad->a, x.id, &r);
	if (err < 0) {
		admin_refuse(ad, err);
		return;
	}
	bool was = forward && r.n_targets;
	if (forward) {
		r.n_targets = 0;
		r.keep = false;
		r.forward = (struct span){ 0 };
	} else {
		r.days = 0;
		r.subject = r.text = slice_of(NULL, 0);
		r.reply = (struct span){ 0 };
	}
	save(ad, &d, &x, &r, was, forward ? forward_json : reply_json);
}

void op_forward_remove(struct admin *ad)
{
	off(ad, true);
}

void op_autoreply_remove(struct admin *ad)
{
	off(ad, false);
}
