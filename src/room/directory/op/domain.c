/* SPDX-License-Identifier: Apache-2.0 */
/* domain add, list, show, set, switch. The switch is one row's update and a nudge to the queue. */
#include "room/directory/op/admin.h"

#include "base/err.h"
#include "base/text.h"
#include "ipc/queue.pb-c.h"
#include "room/directory/noun/limits.h"
#include "room/directory/op/addressing.h"
#include "room/directory/noun/other_name.h"

enum { SMTP_PORT = 25 };

/* In the order of the enums of engine.h and directory.proto. */
static const char *const mode_words[] = { "gateway", "hosted", NULL };
static const char *const tls_words[] = { "opportunistic", "none", "required", "verified", NULL };
static const char *const recipient_words[] = { "ask", "list", "any", NULL };
static const char *const down_words[] = { "queue", "later", NULL };
static const char *const banished_words[] = { "refuse", "drop", NULL };
static const char *const phase_words[] = { "announced", "filtering", "copying", "hosted", "done", NULL };
static const char *const over_quota_words[] = { "later", "refuse", NULL };

static json_t *server_json(const struct domain *d)
{
	struct buf text = BUF_INIT(512);
	bool v6 = slice_find_byte(d->server_host, ':', 0) >= 0;
	if (d->server_host.n)
		buf_printf(&text, "%s" SLICE_FMT "%s:%u", v6 ? "[" : "", SLICE_ARG(d->server_host),
			   v6 ? "]" : "", d->server_port);
	json_t *j = json_text(buf_view(&text));
	buf_fini(&text);
	return j;
}

json_t *domain_json(struct admin *ad, const struct domain *d)
{
	uint64_t mailboxes = 0, addresses = 0;
	struct customer c = { 0 };
	struct addressing x;
	struct candidate_sum sum;
	if (domain_counts(ad->e, d->id, &mailboxes, &addresses) < 0 ||
	    customer_by_id(ad->e, ad->a, d->customer, &c) < 0 ||
	    addressing_get(ad->e, ad->a, d->id, &x) < 0 || candidate_sums(ad->e, d->id, &sum) < 0)
		return json_object();
	struct domain_limits l;
	char days[16];
	if (limits_of_domain(ad->e, d->id, &l) < 0)
		return json_object();
	json_t *j = json_pack("{s:s, s:s, s:o, s:o, s:s, s:s, s:o, s:s, s:s, s:s, s:s, s:o, s:o, s:I, s:I}",
			 "retention", retention_text(l.retention, days), "over_quota", over_quota_words[l.refuse],
			 "domain", json_text(d->name), "customer", json_text(c.name), "mode",
			 mode_words[d->hosted], "phase", phase_name(d->phase), "server",
			 server_json(d), "server_tls", tls_words[d->server_tls & 3], "recipients",
			 recipient_words[d->recipients], "when_down", down_words[d->when_down],
			 "banished", banished_words[d->banished], "mailboxes",
			 json_number(mailboxes), "addresses", json_number(addresses), "created_ms",
			 (json_int_t)d->created_ms, "switched_ms", (json_int_t)d->switched_ms);
	struct slice alternate = { 0 }, *aliases = NULL;
	size_t n = 0;
	op_addressing_json(j, &x, &sum);
	if (other_name_alternate(ad->e, ad->a, d->id, &alternate) == 0)
		json_object_set_new(j, "alternate", json_text(alternate));
	if (alias_domain_list(ad->e, ad->a, d->id, &aliases, &n) == 0)
		json_object_set_new(j, "aliases", json_texts(aliases, n));
	return j;
}

static int take_customer(struct admin *ad, struct domain *d)
{
	struct customer c;
	struct slice name = admin_get(ad, "customer");
	if (!name.n)
		return 0;
	int r = customer_get(ad->e, ad->a, name, &c);
	if (r == ERR_NOT_FOUND)
		return problem_set(&ad->why, ERR_INVALID, "customer",
				   "there is no customer " SLICE_FMT, SLICE_ARG(name));
	if (r == 0)
		d->customer = c.id;
	return r;
}

/* What add and set have in common; absent fields leave what is there. */
static int take_fields(struct admin *ad, struct domain *d)
{
	uint16_t port = 0;
	int r = take_customer(ad, d);
	if (r < 0)
		return r;
	if (admin_has(ad, "server")) {
		if (api_hostport(admin_get(ad, "server"), SMTP_PORT, ad->a, &d->server_host,
				 &port) < 0)
			return problem_set(&ad->why, ERR_INVALID, "server", "expected HOST:PORT");
		d->server_port = port;
	}
	d->server_tls = admin_choice(ad, "server_tls", tls_words, d->server_tls);
	d->recipients = (enum recipients_mode)admin_choice(ad, "recipients", recipient_words,
							   d->recipients);
	d->when_down = (enum down_mode)admin_choice(ad, "when_down", down_words, d->when_down);
	d->banished = (enum banished_mode)admin_choice(ad, "banished", banished_words, d->banished);
	return 0;
}

/* In the transaction of the domain itself. */
static int take_limits(struct admin *ad, const struct domain *d)
{
	struct domain_limits l;
	int r = limits_of_domain(ad->e, d->id, &l);
	if (r == 0)
		r = admin_retention(ad, true, &l.retention);
	if (r < 0 || (!admin_has(ad, "over_quota") && !admin_has(ad, "retention")))
		return r;
	l.refuse = admin_choice(ad, "over_quota", over_quota_words, l.refuse);
	return limits_set_domain(ad->e, d->id, &l);
}

/* Queued mail of this domain is looked at again: its way may be another one now. */
static void kick(struct admin *ad, const struct domain *d)
{
	Postern__KickNotice notice = POSTERN__KICK_NOTICE__INIT;
	notice.domain = data_of(d->name);
	room_notify(ad->d->room, ROLE_QUEUE, 0, POSTERN__QUEUE_OP__QUEUE_KICK, &notice.base);
}

/* Rows of both tables under one audit row; then the shard hears of the area, then it is told. */
struct setting {
	struct admin *ad;
	struct domain d;
	struct addressing x;
	unsigned status;
	bool retell;		/* what holds for its mailboxes is another now */
	json_t *would;		/* of a dry run: what it would be */
};

static void give(void *ctx)
{
	struct setting *s = ctx;
	admin_ok(s->ad, s->status, domain_json(s->ad, &s->d));
}

static int add_alias(struct admin *ad, struct domain *d)
{
	static const char *const others[] = { "customer", "mode", "server", "catch_all", "multidrop", "candidates", NULL };
	for (size_t i = 0; others[i]; i++)
		if (admin_has(ad, others[i]))
			return problem_set(&ad->why, ERR_INVALID, others[i],
					   "another name of a domain has nothing of its own");
	int r = admin_begin(ad);
	if (r < 0)
		return r;
	r = alias_domain_add(ad->e, ad->a, admin_get(ad, "domain"), admin_get(ad, "alias_of"), d, &ad->why);
	if (r < 0) {
		admin_rollback(ad);
		return r;
	}
	return admin_commit(ad, d->name);
}

static int check_add(struct admin *ad)
{
	if (!admin_has(ad, "customer"))
		return problem_set(&ad->why, ERR_INVALID, "customer", "a domain needs a customer, or alias_of");
	if (!admin_has(ad, "mode"))
		return problem_set(&ad->why, ERR_INVALID, "mode", "a domain needs a mode: gateway or hosted");
	return 0;
}

void op_domain_add(struct admin *ad)
{
	struct setting *s = ARENA_NEW(ad->a, struct setting);
	struct domain *d = &s->d;
	*s = (struct setting){ .ad = ad, .status = 201 };
	*d = (struct domain){ .name = admin_get(ad, "domain"), .created_ms = ad->now_ms };
	d->hosted = admin_choice(ad, "mode", mode_words, 0) == 1;
	if (admin_has(ad, "alias_of")) {
		int err = add_alias(ad, d);
		if (err < 0)
			admin_refuse(ad, err);
		else
			give(s);
		return;
	}
	int r = check_add(ad);
	if (r == 0)
		r = take_fields(ad, d);
	if (r == 0)
		r = admin_begin(ad);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	r = domain_add(ad->e, ad->a, d, &ad->why);
	if (r == 0)
		r = addressing_get(ad->e, ad->a, d->id, &s->x);
	if (r == 0)
		r = op_addressing_take(ad, d, &s->x);
	if (r == 0 && op_addressing_named(ad))
		r = op_addressing_save(ad, d, &s->x);
	if (r == 0)
		r = take_limits(ad, d);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, d->name);
	if (r < 0)
		admin_refuse(ad, r);
	else
		op_addressing_tell(ad, &s->x, give, s);
}

void op_domain_list(struct admin *ad)
{
	struct page page = admin_page(ad);
	struct domain_filter f = {
		.hosted = (int)admin_choice(ad, "mode", mode_words, ANY),
		.phase = (int)admin_choice(ad, "phase", phase_words, ANY),
	};
	struct domain *rows;
	size_t n = 0;
	int r = admin_of_customer(ad, &f.customer);
	if (r == 0)
		r = domain_list(ad->e, ad->a, &f, &page, &rows, &n);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	json_t *items = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(items, domain_json(ad, &rows[i]));
	admin_page_ok(ad, items, n ? rows[n - 1].name : SLICE(""), n);
}

void op_domain_show(struct admin *ad)
{
	struct domain d;
	int r = admin_domain(ad, admin_get(ad, "domain"), &d);
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_ok(ad, 200, domain_json(ad, &d));
}

static int change(struct setting *s)
{
	struct admin *ad = s->ad;
	int r = admin_begin(ad);
	if (r < 0)
		return r;
	r = domain_update(ad->e, &s->d);
	if (r == 0 && op_addressing_named(ad))
		r = op_addressing_save(ad, &s->d, &s->x);
	if (r == 0)
		r = take_limits(ad, &s->d);
	if (r == 0 && s->retell)
		r = limits_pending_add(ad->e, s->d.customer);
	if (r == 0 && admin_flag(ad, "dry_run", false))
		s->would = domain_json(ad, &s->d);
	if (r < 0 || s->would) {
		admin_rollback(ad);
		return r;
	}
	return admin_commit(ad, s->d.name);
}

static void give_set(void *ctx)
{
	struct setting *s = ctx;
	json_t *j = s->would ? s->would : domain_json(s->ad, &s->d);
	json_object_set_new(j, "dry_run", json_boolean(s->would != NULL));
	admin_ok(s->ad, s->status, j);
}

static void tell_areas(struct setting *s)
{
	if (op_addressing_named(s->ad))
		op_addressing_tell(s->ad, &s->x, give_set, s);
	else
		give_set(s);
}

static void on_applied(void *ctx, int err)
{
	struct setting *s = ctx;
	if (err < 0)
		admin_refuse(s->ad, limits_late(s->ad));
	else
		tell_areas(s);
}

void op_domain_set(struct admin *ad)
{
	struct setting *s = ARENA_NEW(ad->a, struct setting);
	*s = (struct setting){ .ad = ad, .status = 200 };
	int r = admin_domain(ad, admin_get(ad, "domain"), &s->d);
	uint64_t customer = r == 0 ? s->d.customer : 0;
	if (r == 0)
		r = take_fields(ad, &s->d);
	s->retell = s->d.customer != customer || admin_has(ad, "retention");
	if (r == 0 && s->d.customer != customer)
		r = limits_check_move(ad->e, ad->a, s->d.id, s->d.customer, &ad->why);
	if (r == 0)
		r = addressing_get(ad->e, ad->a, s->d.id, &s->x);
	if (r == 0)
		r = op_addressing_take(ad, &s->d, &s->x);
	if (r == 0)
		r = change(s);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	if (s->would) {
		give_set(s);
		return;
	}
	recipient_forget(ad->e, s->d.id);
	kick(ad, &s->d);
	if (s->retell)
		limits_apply(ad->d, s->d.customer, on_applied, s);
	else
		tell_areas(s);
}

/* text: in the language of the answer. */
static void warn_each(struct admin *ad, json_t *warnings, const char *text, const struct slice *rows,
		      size_t n)
{
	enum { SHOWN = 20 };
	for (size_t i = 0; i < n && i < SHOWN; i++)
		json_array_append_new(warnings,
				      json_text(slice_str(arena_printf(ad->a, "%s: " SLICE_FMT, text,
								       SLICE_ARG(rows[i])))));
	if (n > SHOWN)
		json_array_append_new(
			warnings,
			json_text(slice_str(arena_printf(ad->a, T_("%s: %zu more"), text, n - SHOWN))));
}

static int switch_warnings(struct admin *ad, const struct domain *d, bool hosted, json_t *warnings)
{
	struct switch_report report = { 0 };
	int r = domain_switch_report(ad->e, ad->a, d, &report);
	if (r < 0)
		return r;
	if (hosted) {
		if (!report.mailboxes)
			json_array_append_new(warnings,
					      json_string(T_("the domain has no mailboxes: all its "
							     "mail would be refused")));
		warn_each(ad, warnings, T_("the old server takes mail for it, nobody here does"),
			  report.missing, report.n_missing);
		warn_each(ad, warnings, T_("nobody can log in, it has no password"), report.no_password,
			  report.n_no_password);
		warn_each(ad, warnings, T_("its old mail is not copied"), report.not_copied,
			  report.n_not_copied);
	} else {
		json_array_append_new(warnings, json_string(T_("mail that arrived here stays here; "
							       "new mail goes to the old server")));
	}
	return 0;
}

static int do_switch(struct admin *ad, struct domain *d, bool hosted)
{
	int r = admin_begin(ad);
	if (r < 0)
		return r;
	r = domain_switch(ad->e, d, hosted, ad->now_ms, &ad->why);
	if (r < 0) {
		admin_rollback(ad);
		return r;
	}
	r = admin_commit(ad, d->name);
	if (r < 0)
		return r;
	recipient_forget(ad->e, d->id);
	kick(ad, d);
	return 0;
}

void op_domain_switch(struct admin *ad)
{
	struct domain d;
	bool hosted = admin_choice(ad, "mode", mode_words, 0) == 1,
	     dry = admin_flag(ad, "dry_run", false);
	json_t *warnings = json_array();
	int r = admin_domain(ad, admin_get(ad, "domain"), &d);
	bool before = r == 0 && d.hosted;
	if (r == 0)
		r = switch_warnings(ad, &d, hosted, warnings);
	if (r == 0 && !hosted && !d.server_host.n)
		r = problem_set(&ad->why, ERR_CONFLICT, "mode",
				"the domain has no server of its own to go back to: name one with "
				"domain set --server");
	if (r == 0 && !dry && before != hosted)
		r = do_switch(ad, &d, hosted);
	if (r < 0) {
		json_decref(warnings);
		admin_refuse(ad, r);
		return;
	}
	admin_ok(ad, 200,
		 json_pack("{s:o, s:s, s:s, s:b, s:o}", "domain", json_text(d.name), "mode_before",
			   mode_words[before], "mode", mode_words[hosted], "dry_run", dry,
			   "warnings", warnings));
}
