/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/delivery/rules.h"

#include "base/err.h"
#include "base/event.h"
#include "ipc/directory.pb-c.h"
#include "ipc/filter.pb-c.h"
#include "ipc/store.pb-c.h"
#include "lib/delivery/senders.h"
#include "proto/mail/digest.h"

#include <sys/stat.h>

enum { FITS_AT_ONCE = 64, FITS_MS = 3000, ROUTE_ASK = 99, NOTIFY_NEVER = 1, ACTIONS_MAX = 64, LETTERS_MAX = 4096, FRAME_REST = 4096 };

struct run {
	struct rules_ask ask;
	rules_done_fn *done;
	void *ctx;
	struct rules_plan plan;
	struct slice own;	/* the account's address */
	struct list redirects;
	Postern__SenderRequest authors;	/* of the message, for lists that ask who writes */
	unsigned waiting;
	size_t letters_room;
	Postern__RulesFailed *scripts;	/* those that run by themselves, by name and version */
	size_t n_scripts;
};

struct redirect {
	struct list node;
	struct run *run;
	struct slice address;
	struct slice sender;		/* for what is here */
	unsigned here, full, waiting;	/* mailboxes of this system behind it; those without room; shards that are asked */
};

static ProtobufCBinaryData data_of(struct slice s)
{
	return (ProtobufCBinaryData){ s.n, (uint8_t *)s.p };
}

static struct slice bytes_of(ProtobufCBinaryData b)
{
	return slice_of(b.data, b.len);
}

static struct slice keep_bytes(struct run *r, ProtobufCBinaryData b)
{
	return arena_dup(r->ask.arena, bytes_of(b));
}

static void finish(struct run *r)
{
	r->done(r->ctx, &r->plan);
}

static void fail(struct run *r, int err)
{
	r->plan = (struct rules_plan){ .err = err };
	finish(r);
}

/* ---- the plan ---- */

static struct rules_place *place(struct run *r)
{
	if (!r->plan.places)
		r->plan.places = ARENA_ARRAY(r->ask.arena, struct rules_place, ACTIONS_MAX + 1);
	return &r->plan.places[r->plan.n_places++];
}

/* Where it is kept by no action so far. */
static void keep(struct run *r)
{
	for (size_t i = 0; i < r->plan.n_places; i++)
		if (!r->plan.places[i].mailbox.n)
			return;
	*place(r) = (struct rules_place){ 0 };
}

static struct rules_letter *letter(struct run *r)
{
	struct rules_plan *p = &r->plan;
	if (p->n_letters == LETTERS_MAX)
		return NULL;
	if (p->n_letters == r->letters_room) {
		size_t more = r->letters_room ? 4 * r->letters_room : 4;
		struct rules_letter *all = ARENA_ARRAY(r->ask.arena, struct rules_letter, more);
		for (size_t i = 0; i < p->n_letters; i++)
			all[i] = p->letters[i];
		p->letters = all;
		r->letters_room = more;
	}
	struct rules_letter *l = &p->letters[p->n_letters++];
	*l = (struct rules_letter){ 0 };
	postern__queue_recipient__init(&l->to);
	return l;
}

/* ---- redirects ---- */

static struct rules_letter *redirect_letter(struct run *r, struct slice sender)
{
	struct rules_letter *l = letter(r);
	if (!l) {
		keep(r);
		return NULL;
	}
	l->sender = sender.n ? sender : r->ask.sender;
	l->delivered_to = r->own;
	return l;
}

static void pass_on(struct run *r, const Postern__RouteTarget *t)
{
	struct rules_letter *l = redirect_letter(r, keep_bytes(r, t->sender));
	if (!l)
		return;
	l->to.address = data_of(keep_bytes(r, t->address));
	l->to.route = t->kind;
	l->to.host = arena_str(r->ask.arena, slice_str(t->host));
	l->to.port = t->port;
	l->to.tls = t->tls;
}

static void answered(struct run *r)
{
	if (--r->waiting)
		return;
	if (r->plan.err < 0)
		fail(r, r->plan.err);
	else
		finish(r);
}

/* One letter for all that is here: queue expands it. Where a mailbox has no room the message stays here as well: behind our
 * 250 nobody would be told that it came to nothing. */
static void pass_on_here(struct redirect *x)
{
	struct run *r = x->run;
	if (x->full) {
		ev(EV_INFO, "rules.redirect.full", KI("account", r->ask.account), KSL("address", x->address));
		keep(r);
	}
	struct rules_letter *l = x->full < x->here ? redirect_letter(r, x->sender) : NULL;
	if (!l)
		return;
	l->to.address = data_of(x->address);
	l->to.route = ROUTE_ASK;
}

/* A shard that says nothing about it in time is asked with the message itself, by queue. */
static void on_fits(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct redirect *x = ctx;
	x->full += err == ERR_QUOTA;
	if (--x->waiting == 0)
		pass_on_here(x);
	answered(x->run);
}

/* As it will be kept: with a line in front, and another sender in its Return-Path. */
static uint64_t redirected_bytes(const struct redirect *x)
{
	const struct run *r = x->run;
	struct stat st = { 0 };
	bug_if(fstat(r->ask.fd, &st) < 0);
	uint64_t n = (uint64_t)st.st_size + strlen("Delivered-To: \r\n") + r->own.n;
	return x->sender.n > r->ask.sender.n ? n + x->sender.n - r->ask.sender.n : n;
}

static void ask_fits(struct redirect *x, const Postern__RouteTarget *t)
{
	struct run *r = x->run;
	Postern__FitsRequest req = POSTERN__FITS_REQUEST__INIT;
	req.account_id = t->account_id;
	req.bytes = redirected_bytes(x);
	x->waiting++;
	r->waiting++;
	room_call(r->ask.room, ROLE_STORE, t->shard, POSTERN__STORE_OP__STORE_FITS, &req.base, NULL, 0,
		  r->ask.ms < FITS_MS ? r->ask.ms : FITS_MS, on_fits, x);
}

static void take_target(struct redirect *x, const Postern__RouteTarget *t)
{
	struct run *r = x->run;
	if (t->kind == POSTERN__ROUTE_KIND__ROUTE_DISCARD)
		return;
	if (t->kind != POSTERN__ROUTE_KIND__ROUTE_MAILBOX) {
		pass_on(r, t);
		return;
	}
	if (t->account_id == r->ask.account) {
		keep(r);
		return;
	}
	if (!x->here++)
		x->sender = keep_bytes(r, t->sender);
	if (x->here <= FITS_AT_ONCE && t->shard < r->ask.room->shards)
		ask_fits(x, t);
}

static void on_redirect(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct redirect *x = ctx;
	struct run *r = x->run;
	const Postern__RouteReply *reply = (const Postern__RouteReply *)msg;
	if (err < 0) {
		r->plan.err = err;
	} else if (!reply->n_targets) {
		ev(EV_INFO, "rules.redirect.refused", KI("account", r->ask.account), KSL("address", x->address),
		   KS("text", reply->text));
		keep(r);
	}
	x->waiting++;
	for (size_t i = 0; err == 0 && i < reply->n_targets; i++)
		take_target(x, reply->targets[i]);
	if (--x->waiting == 0 && x->here)
		pass_on_here(x);
	answered(r);
}

static void ask_redirect(struct run *r, struct redirect *x)
{
	Postern__RouteRequest req = POSTERN__ROUTE_REQUEST__INIT;
	req.address = data_of(x->address);
	req.sender = data_of(r->ask.sender);
	req.null_sender = !r->ask.sender.n;
	req.by = data_of(r->own);
	req.authenticated = r->ask.authenticated;
	req.authors = r->authors.addresses;
	req.n_authors = r->authors.n_addresses;
	r->waiting++;
	room_call(r->ask.room, ROLE_DIRECTORY, PEER_ANY, POSTERN__DIRECTORY_OP__DIRECTORY_ROUTE, &req.base, NULL, 0,
		  r->ask.ms, on_redirect, x);
}

/* It came by our redirect before, or may be no good to pass on (S39). */
static bool stays(const struct run *r)
{
	Postern__Digest *d;
	if (r->ask.junk || !r->own.n)
		return true;
	if (digest_unpack_in(r->ask.arena, r->ask.digest, &d) < 0)
		return false;
	for (size_t i = 0; i < d->n_delivered_to; i++)
		if (slice_eq_ci(bytes_of(d->delivered_to[i]), r->own))
			return true;
	return false;
}

static void do_redirects(struct run *r)
{
	if (!list_empty(&r->redirects) && stays(r)) {
		keep(r);
		finish(r);
		return;
	}
	if (!list_empty(&r->redirects) &&
	    senders_question(r->ask.arena, 0, r->ask.sender, r->ask.digest, &r->authors) < 0) {
		keep(r);
		finish(r);
		return;
	}
	r->waiting++;
	list_each(x, &r->redirects, struct redirect, node)
		ask_redirect(r, x);
	if (--r->waiting == 0)
		finish(r);
}

/* ---- actions ---- */

static void add_place(struct run *r, const Postern__SieveAction *a)
{
	struct rules_place *p = place(r);
	p->mailbox = a->kind == POSTERN__SIEVE_KIND__SIEVE_FILEINTO ? keep_bytes(r, a->mailbox) : slice_of(NULL, 0);
	if (slice_eq_ci(p->mailbox, SLICE("INBOX")))
		p->mailbox = slice_of("INBOX", 5);
	p->create = a->create;
	p->flags = ARENA_ARRAY(r->ask.arena, ProtobufCBinaryData, a->n_flags + 1);
	for (size_t i = 0; i < a->n_flags; i++)
		p->flags[p->n_flags++] = data_of(keep_bytes(r, a->flags[i]));
}

static void add_vacation(struct run *r, const Postern__SieveAction *a)
{
	struct rules_letter *l = letter(r);
	if (!l || !r->ask.sender.n)
		return;
	l->text = keep_bytes(r, a->message);
	l->to.address = data_of(r->ask.sender);
	l->to.route = ROUTE_ASK;
	l->to.notify = NOTIFY_NEVER;
	l->once_key = keep_bytes(r, a->once_key);
	l->once_seconds = a->once_seconds;
}

static void add_redirect(struct run *r, const Postern__SieveAction *a)
{
	struct redirect *x = ARENA_NEW(r->ask.arena, struct redirect);
	x->run = r;
	x->address = keep_bytes(r, a->address);
	list_append(&r->redirects, &x->node);
}

static void act(struct run *r, const Postern__SieveAction *a)
{
	switch (a->kind) {
	case POSTERN__SIEVE_KIND__SIEVE_REDIRECT:
		add_redirect(r, a);
		break;
	case POSTERN__SIEVE_KIND__SIEVE_VACATION:
		add_vacation(r, a);
		break;
	case POSTERN__SIEVE_KIND__SIEVE_REJECT:
	case POSTERN__SIEVE_KIND__SIEVE_EREJECT:
		r->plan.mdn = a->kind == POSTERN__SIEVE_KIND__SIEVE_REJECT;
		r->plan.no_mdn = a->automatic;
		r->plan.reject = keep_bytes(r, a->text);
		if (!r->plan.reject.n)
			r->plan.reject = SLICE("The recipient does not want this message");
		break;
	default:
		add_place(r, a);
	}
}

static void on_told(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	if (fd >= 0)
		close(fd);
}

/* For the owner (RFC 5228 2.10.6). Nobody waits for it: a failure that gets lost is told with the next message. */
static void tell_failure(struct run *r, const Postern__SieveFailure *f)
{
	if (!f || f->script >= r->n_scripts || !r->scripts[f->script].version)
		return;
	Postern__RulesFailed req = r->scripts[f->script];
	req.within = f->within;
	req.line = f->line;
	req.column = f->column;
	req.what = f->what;
	req.arg = f->arg;
	room_call(r->ask.room, ROLE_DIRECTORY, PEER_ANY, POSTERN__DIRECTORY_OP__DIRECTORY_RULES_FAILED, &req.base, NULL, 0,
		  r->ask.ms, on_told, NULL);
}

static void on_sieve(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct run *r = ctx;
	const Postern__SieveReply *reply = (const Postern__SieveReply *)msg;
	if (err < 0 || reply->error[0])
		ev(EV_WARN, "rules.run.failed", KI("account", r->ask.account),
		   KS("text", err < 0 ? err_name(err) : reply->error));
	if (err < 0) {
		keep(r);
		finish(r);
		return;
	}
	tell_failure(r, reply->failure);
	for (size_t i = 0; i < reply->n_actions && i < ACTIONS_MAX; i++)
		act(r, reply->actions[i]);
	if (r->plan.reject.n) {
		r->plan = (struct rules_plan){ .reject = r->plan.reject, .mdn = r->plan.mdn, .no_mdn = r->plan.no_mdn };
		finish(r);
		return;
	}
	do_redirects(r);
}

/* ---- the questions ---- */

static void ask_filter(struct run *r, const Postern__RulesReply *rules)
{
	Postern__SieveRequest req = POSTERN__SIEVE_REQUEST__INIT;
	struct arena *a = r->ask.arena;
	Postern__SieveScript *rows = ARENA_ARRAY(a, Postern__SieveScript, rules->n_scripts);
	size_t bytes = FRAME_REST;
	req.scripts = ARENA_ARRAY(a, Postern__SieveScript *, rules->n_scripts);
	for (size_t i = 0; i < rules->n_scripts; i++) {
		postern__sieve_script__init(&rows[i]);
		rows[i].name = rules->scripts[i]->name;
		rows[i].text = rules->scripts[i]->text;
		rows[i].global = rules->scripts[i]->global;
		bytes += rows[i].text.len + strlen(rows[i].name) + 16;
		req.scripts[req.n_scripts++] = &rows[i];
	}
	for (size_t i = 0; i < rules->n_addresses; i++)
		bytes += rules->addresses[i].len + 4;
	for (size_t i = 0; i < rules->n_mailboxes; i++)
		bytes += rules->mailboxes[i].len + 4;
	req.run = rules->run;
	req.addresses = rules->addresses;
	req.n_addresses = rules->n_addresses;
	req.mailboxes = rules->mailboxes;
	req.n_mailboxes = rules->n_mailboxes;
	req.separator = rules->separator;
	req.zone = rules->zone;
	if (bytes + r->ask.digest.n <= IPC_FRAME_MAX)
		req.digest = data_of(r->ask.digest);
	req.sender = data_of(r->ask.sender);
	req.recipient = data_of(r->ask.recipient);
	req.now_ms = r->ask.now_ms;
	req.junk = r->ask.junk;
	room_call(r->ask.room, ROLE_FILTER, PEER_ANY, POSTERN__FILTER_OP__FILTER_SIEVE, &req.base, &r->ask.fd, 1,
		  r->ask.ms, on_sieve, r);
}

static void keep_names(struct run *r, const Postern__RulesReply *rules)
{
	r->scripts = ARENA_ARRAY(r->ask.arena, Postern__RulesFailed, rules->n_scripts + 1);
	for (size_t i = 0; i < rules->run && i < rules->n_scripts; i++) {
		Postern__RulesFailed *f = &r->scripts[r->n_scripts++];
		postern__rules_failed__init(f);
		f->account_id = r->ask.account;
		f->script = arena_str(r->ask.arena, slice_str(rules->scripts[i]->name));
		f->version = rules->scripts[i]->version;
	}
}

static void on_rules(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct run *r = ctx;
	const Postern__RulesReply *rules = (const Postern__RulesReply *)msg;
	if (err < 0 && err != ERR_NOT_FOUND) {
		fail(r, err);
		return;
	}
	if (err < 0 || !rules->run) {	/* gone, which the store will say; or none any more */
		keep(r);
		finish(r);
		return;
	}
	if (rules->n_addresses)
		r->own = keep_bytes(r, rules->addresses[0]);
	keep_names(r, rules);
	ask_filter(r, rules);
}

void rules_run(const struct rules_ask *ask, rules_done_fn *done, void *ctx)
{
	struct run *r = ARENA_NEW(ask->arena, struct run);
	Postern__RulesRequest req = POSTERN__RULES_REQUEST__INIT;
	*r = (struct run){ .ask = *ask, .done = done, .ctx = ctx };
	list_init(&r->redirects);
	req.account_id = ask->account;
	room_call(ask->room, ROLE_DIRECTORY, PEER_ANY, POSTERN__DIRECTORY_OP__DIRECTORY_RULES, &req.base, NULL, 0, ask->ms,
		  on_rules, r);
}
