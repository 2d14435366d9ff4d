/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mailbox add, list, show, set, password, remove. What is acknowledged is in force on every protocol (M2): a new
 * account is answered when the store knows it, a new password when the old sessions are gone, a removal when
 * nothing routes or logs in any more. A crash in between leaves a row that the next start completes.
 */
#include "room/directory/op/admin.h"

#include "base/err.h"
#include "ipc/store.pb-c.h"
#include "room/directory/noun/account_close.h"
#include "room/directory/work/area.h"
#include "room/directory/noun/convert.h"
#include "room/directory/noun/limits.h"
#include "room/directory/db/name.h"
#include "room/directory/notice/language.h"
#include "room/directory/noun/policy.h"
#include "room/directory/noun/staff.h"
#include "room/directory/op/recovery.h"

/* In the order of enum account_login. */
static const char *const login_words[] = { "", "ready", "must-change", "invited", "no-password", NULL };

struct mailbox {
	struct domain d;
	struct slice local;
	struct account x;
	uint64_t quota; /* asked for */
	int retention;
	struct slice recovery, language;
	uint64_t change;	/* of the customer's limits: what the shard has to hear of; 0: others have to be told, too */
};

static const char *state_of(const struct admin *ad, const struct account *x)
{
	if (x->hash.n)
		return login_words[x->must_change ? ACCOUNT_MUST_CHANGE : ACCOUNT_READY];
	return login_words[x->invited_ms > ad->now_ms ? ACCOUNT_INVITED : ACCOUNT_NO_PASSWORD];
}

static json_t *mailbox_json(struct admin *ad, const struct account *x, const Postern__AccountUsage *usage)
{
	struct limits l;
	char days[16];
	struct slice *aliases;
	size_t n_aliases;
	json_t *j = json_pack("{s:o, s:o, s:o, s:I, s:b, s:b, s:b, s:b, s:o, s:o, s:I, s:I}", "address",
			      json_text(x->address), "name", json_text(x->person), "language",
			      json_text(language_shown(x->language)), "quota_bytes",
			      (json_int_t)x->quota, "has_password", x->hash.n && !x->must_change,
			      "send_any", x->send_any, "hosted", x->hosted, "must_change", (int)x->must_change, "recovery",
			      json_text(x->recovery), "invited_ms", x->invited_ms ? json_integer(x->invited_ms) : json_null(), "account_id",
			      (json_int_t)x->id, "created_ms", (json_int_t)x->created_ms);
	json_object_set_new(j, "state", json_string(state_of(ad, x)));
	if (address_aliases(ad->e, ad->a, x->address, &aliases, &n_aliases) == 0)
		json_object_set_new(j, "aliases", json_texts(aliases, n_aliases));
	if (limits_of(ad->e, x->id, &l) == 0)
		json_object_set_new(j, "retention", json_string(retention_text((int)l.retention, days)));
	if (usage) {
		json_object_set_new(j, "used_bytes", json_number(usage->bytes));
		if (x->quota)
			json_object_set_new(j, "percent", json_integer((json_int_t)((double)usage->bytes * 100.0 / (double)x->quota)));
		json_object_set_new(j, "messages", json_number(usage->messages));
	}
	return j;
}

static struct mailbox *mailbox_of(struct admin *ad)
{
	struct mailbox *m = ARENA_NEW(ad->a, struct mailbox);
	ad->ctx = m;
	return m;
}

/* Which shard a new account goes to: spread by its number. */
static uint32_t shard_for(struct admin *ad)
{
	struct counts_of_all all = { 0 };
	unsigned shards = ad->d->room->shards;
	if (shards < 2 || engine_counts(ad->e, &all) < 0)
		return 0;
	return (uint32_t)(all.mailboxes % shards);
}

/* M27: days of one's own, and none at all, are for mailboxes whose quota bounds what they keep. */
static int check_retention(struct admin *ad, int retention, uint64_t quota)
{
	if (retention == RETENTION_INHERIT || quota)
		return 0;
	if (admin_has(ad, "retention"))
		return problem_set(&ad->why, ERR_INVALID, "retention",
				   "\"" SLICE_FMT "\": only a mailbox with a quota may have a retention of its own",
				   SLICE_ARG(admin_get(ad, "retention")));
	return problem_set(&ad->why, ERR_CONFLICT, "quota",
			   "0: the mailbox has a retention of its own, which needs a quota; set that to default first");
}

/* --- add -------------------------------------------------------------------------------------------- */

/* The store did not take it: nobody has seen the account yet, so it goes again. */
static void undo(struct admin *ad, uint64_t account)
{
	int r = admin_begin(ad);
	if (r < 0)
		return;
	r = account_retire(ad->e, account);
	if (r < 0)
		engine_rollback(ad->e);
	else
		IGNORE(engine_commit(ad->e), "completed or removed at the next start");
}

static void on_stored(void *ctx, int err)
{
	struct admin *ad = ctx;
	struct mailbox *m = ad->ctx;
	if (err < 0) {
		undo(ad, m->x.id);
		admin_refuse(ad, problem_set(&ad->why, ERR_UNAVAILABLE, NULL,
					     "the store does not answer, nothing was changed"));
		return;
	}
	int r = account_complete(ad->e, m->x.id);
	area_sync(ad->d, m->d.id, NULL, NULL);	/* it may have been a candidate: its mail follows */
	if (r < 0 && r != ERR_NOT_FOUND)
		admin_refuse(ad, r);
	else
		admin_ok(ad, 201, mailbox_json(ad, &m->x, NULL));
}

static void add_row(struct admin *ad, struct slice hash)
{
	struct mailbox *m = ad->ctx;
	m->x.hash = hash;
	int r = admin_begin(ad);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	r = account_add(ad->e, ad->a, &m->d, m->local, &m->x, ad->now_ms, &ad->why);
	if (r == 0 && m->retention != RETENTION_INHERIT)
		r = limits_set_retention(ad->e, m->x.id, m->retention);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, m->x.address);
	if (r < 0)
		admin_refuse(ad, r);
	else
		store_batch(ad->d, POSTERN__STORE_OP__STORE_ACCOUNT_PUT, &m->x, 1, NULL, on_stored,
			    ad);
}

/* Before a password is hashed for nothing. */
static int check_new(struct admin *ad, struct mailbox *m)
{
	struct address there;
	int r = admin_address(ad, &m->d, &m->local);
	if (r < 0)
		return r;
	r = address_get(ad->e, ad->a, m->d.id, m->local, &there);
	if (r == 0)
		return problem_set(&ad->why, ERR_EXISTS, "address",
				   SLICE_FMT " exists already (%s)",
				   SLICE_ARG(name_text(ad->a, m->local, m->d.name)),
				   address_type_word(there.type, ad->why.language));
	return r == ERR_NOT_FOUND
		       ? customer_check_pool(ad->e, ad->a, m->d.customer, 0, m->x.quota, &ad->why)
		       : r;
}

void op_mailbox_add(struct admin *ad)
{
	struct mailbox *m = mailbox_of(ad);
	m->x = (struct account){
		.quota = admin_size(ad, "quota", 0),
		.person = admin_get(ad, "name"),
		.shard = shard_for(ad),
		.send_any = admin_flag(ad, "send_any", false),
		.hosted = admin_flag(ad, "hosted", false),
		.must_change = admin_has(ad, "password") && admin_flag(ad, "must_change", false),
	};
	int r = check_new(ad, m);
	if (r == 0)
		r = language_take(admin_get(ad, "language"), &m->x.language, &ad->why);
	if (r == 0 && admin_has(ad, "password"))
		r = password_check(ad->e, m->d.customer, "password", admin_get(ad, "password"),
				   &ad->why);
	m->retention = RETENTION_INHERIT;
	if (r == 0)
		r = admin_retention(ad, true, &m->retention);
	if (r == 0)
		r = check_retention(ad, m->retention, m->x.quota);
	if (r < 0)
		admin_refuse(ad, r);
	else if (admin_has(ad, "password"))
		admin_hash(ad, admin_get(ad, "password"), add_row);
	else
		add_row(ad, (struct slice){ 0 });
}

/* --- list, show ------------------------------------------------------------------------------------- */

/*
 * What is in use the shards alone know. A page of those that use much is filled from several batches of rows; that needs all
 * shards, while others are listed without what a shard that is down does not say.
 */
enum { OVER_BATCH = 200, OVER_AGAIN = 3 };

struct listing {
	struct admin *ad;
	struct account_filter f;
	struct page page;
	struct account *rows;
	size_t n, batch;	/* rows, and how many there may be */
	uint64_t over;		/* percent of the quota; 0: all */
	unsigned again;		/* batches with a mailbox that went away meanwhile */
	json_t **each, *items;
	struct slice last;
};

static void list_on(struct listing *l);

static bool is_over(const struct listing *l, const struct account *x, const Postern__AccountUsage *usage)
{
	return !l->over || (x->quota && (unsigned __int128)usage->bytes * 100 > (unsigned __int128)x->quota * l->over);
}

static void on_listed_usage(void *ctx, size_t i, int err, const ProtobufCMessage *reply)
{
	struct listing *l = ctx;
	const Postern__AccountUsage *usage = (const Postern__AccountUsage *)reply;
	if (err < 0 || !is_over(l, &l->rows[i], usage))
		return;
	json_decref(l->each[i]);
	l->each[i] = mailbox_json(l->ad, &l->rows[i], usage);
}

/* Into the answer, as many as it takes. */
static void take_listed(struct listing *l, bool drop)
{
	for (size_t i = 0; i < l->n; i++) {
		bool taken = !drop && json_array_size(l->items) < l->page.limit;
		if (l->each[i] && taken)
			json_array_append_new(l->items, l->each[i]);
		else
			json_decref(l->each[i]);
		if (taken)
			l->last = l->rows[i].address;
	}
}

static void on_listed(void *ctx, int err)
{
	struct listing *l = ctx;
	bool blind = l->over && err < 0;
	take_listed(l, blind);
	if (blind && err == ERR_NOT_FOUND && l->again++ < OVER_AGAIN) {
		list_on(l);
	} else if (blind) {
		json_decref(l->items);
		admin_refuse(l->ad, problem_set(&l->ad->why, ERR_UNAVAILABLE, NULL,
						"a shard of the store does not answer: nobody knows what its mailboxes use"));
	} else if (json_array_size(l->items) < l->page.limit && l->n == l->batch) {
		list_on(l);
	} else {
		admin_page_ok(l->ad, l->items, l->last, json_array_size(l->items));
	}
}

static void list_on(struct listing *l)
{
	struct admin *ad = l->ad;
	struct page page = l->page;
	l->batch = page.limit = l->over && page.limit < OVER_BATCH ? OVER_BATCH : page.limit;
	if (l->last.n)
		page.after = l->last;
	int r = account_find(ad->e, ad->a, &l->f, &page, &l->rows, &l->n);
	if (r < 0) {
		json_decref(l->items);
		admin_refuse(ad, r);
		return;
	}
	l->each = ARENA_ARRAY(ad->a, json_t *, l->n + 1);
	for (size_t i = 0; !l->over && i < l->n; i++)
		l->each[i] = mailbox_json(ad, &l->rows[i], NULL);
	store_batch(ad->d, POSTERN__STORE_OP__STORE_ACCOUNT_USAGE, l->rows, l->n, on_listed_usage, on_listed, l);
}

void op_mailbox_list(struct admin *ad)
{
	struct listing *l = ARENA_NEW(ad->a, struct listing);
	*l = (struct listing){ .ad = ad, .page = admin_page(ad), .over = admin_size(ad, "over", 0), .last = SLICE("") };
	l->f = (struct account_filter){
		.login = admin_choice(ad, "state", login_words, ACCOUNT_LOGIN_ANY),
		.closed = admin_flag(ad, "without_password", false),
		.has_quota = l->over != 0,
		.level = l->over >= 95 ? 2 : l->over >= 80 ? 1 : 0,
		.now_ms = ad->now_ms,
	};
	int r = admin_of_domain(ad, &l->f.domain);
	if (r == 0)
		r = admin_of_customer(ad, &l->f.customer);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	l->items = json_array();
	list_on(l);
}

static void on_shown_usage(void *ctx, size_t i, int err, const ProtobufCMessage *reply)
{
	struct admin *ad = ctx;
	struct mailbox *m = ad->ctx;
	admin_ok(ad, 200, mailbox_json(ad, &m->x, err == 0 ? (const Postern__AccountUsage *)reply : NULL));
}

static void on_nothing(void *ctx, int err)
{
}

static void show(struct admin *ad)
{
	struct mailbox *m = ad->ctx;
	store_batch(ad->d, POSTERN__STORE_OP__STORE_ACCOUNT_USAGE, &m->x, 1, on_shown_usage,
		    on_nothing, ad);
}

void op_mailbox_show(struct admin *ad)
{
	struct mailbox *m = mailbox_of(ad);
	int r = admin_mailbox(ad, &m->d, &m->x);
	if (r < 0)
		admin_refuse(ad, r);
	else
		show(ad);
}

/* --- set -------------------------------------------------------------------------------------------- */

static int set_hosted(struct admin *ad, const struct mailbox *m)
{
	struct address x;
	int r = address_get(ad->e, ad->a, m->d.id, m->local, &x);
	return r < 0 ? r : address_set_hosted(ad->e, x.id, admin_flag(ad, "hosted", false));
}

/* The address of a customer's or a domain's admin is changed, never taken away (M10). */
static int set_recovery(struct admin *ad, const struct mailbox *m)
{
	struct office *offices = NULL;
	size_t n = 0;
	int r = m->recovery.n ? 0 : office_of(ad->e, ad->a, holder_account(m->x.id), &offices, &n);
	for (size_t i = 0; r == 0 && i < n; i++)
		if (offices[i].rank != RANK_PROVIDER)
			r = problem_set(&ad->why, ERR_CONFLICT, "forget_recovery",
					"an admin of a customer or a domain has a recovery address: name another one instead");
	return r < 0 ? r : account_set_recovery(ad->e, m->x.id, m->recovery);
}

static int set_rows(struct admin *ad, const struct mailbox *m)
{
	int r = account_set_quota(ad->e, m->x.id, m->quota);
	if (r == 0 && admin_has(ad, "retention"))
		r = limits_set_retention(ad->e, m->x.id, m->retention);
	if (r == 0 && admin_has(ad, "name"))
		r = account_set_person(ad->e, m->x.id, admin_get(ad, "name"));
	if (r == 0 && admin_has(ad, "language"))
		r = account_set_language(ad->e, m->x.id, m->language);
	if (r == 0 && admin_has(ad, "send_any"))
		r = account_set_send_any(ad->e, m->x.id, admin_flag(ad, "send_any", false));
	if (r == 0 && admin_has(ad, "hosted"))
		r = set_hosted(ad, m);
	if (r == 0 && (admin_has(ad, "recovery") || admin_flag(ad, "forget_recovery", false)))
		r = set_recovery(ad, m);
	return r;
}

static int change(struct admin *ad, struct mailbox *m)
{
	bool told = m->quota != m->x.quota || admin_has(ad, "retention");
	uint64_t before = 0;
	int r = admin_begin(ad);
	if (r < 0)
		return r;
	r = set_rows(ad, m);
	if (r == 0 && told)
		r = limits_pending_change(ad->e, m->d.customer, &before);
	if (r == 0 && told)
		r = limits_pending_add(ad->e, m->d.customer);
	if (r == 0 && told && !before)
		r = limits_pending_change(ad->e, m->d.customer, &m->change);
	if (r < 0) {
		admin_rollback(ad);
		return r;
	}
	r = admin_commit(ad, m->x.address);
	return r < 0 ? r : account_by_id(ad->e, ad->a, m->x.id, &m->x);
}

static int take_retention(struct admin *ad, struct mailbox *m)
{
	struct limits l;
	int r = limits_of(ad->e, m->x.id, &l);
	m->retention = r == 0 ? l.own_retention : RETENTION_INHERIT;
	if (r == 0)
		r = admin_retention(ad, true, &m->retention);
	return r < 0 ? r : check_retention(ad, m->retention, m->quota);
}

/* The shard hears of it when the rows have it: of two changes the later one stays in both. The mark that the customer's
 * mailboxes have to be told goes again where it is of this change alone; else a later tick tells them all. */
static void on_limits_stored(void *ctx, int err)
{
	struct admin *ad = ctx;
	struct mailbox *m = ad->ctx;
	if (err == 0 && m->change)
		err = limits_pending_done(ad->e, m->d.customer, m->change);
	if (err < 0)
		admin_refuse(ad, limits_late(ad));
	else
		show(ad);
}

void op_mailbox_set(struct admin *ad)
{
	struct mailbox *m = mailbox_of(ad);
	int r = admin_mailbox(ad, &m->d, &m->x);
	if (r == 0)
		r = admin_address(ad, &m->d, &m->local);
	if (r == 0)
		r = recovery_take(ad, m->x.id, &m->recovery);
	if (r == 0)
		r = language_take(admin_get(ad, "language"), &m->language, &ad->why);
	m->quota = admin_size(ad, "quota", r == 0 ? m->x.quota : 0);
	if (r == 0)
		r = customer_check_pool(ad->e, ad->a, m->d.customer, m->x.quota, m->quota,
					&ad->why);
	if (r == 0)
		r = take_retention(ad, m);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	bool tell = m->quota != m->x.quota || admin_has(ad, "retention");
	r = change(ad, m);
	if (r < 0)
		admin_refuse(ad, r);
	else if (tell)
		store_batch(ad->d, POSTERN__STORE_OP__STORE_ACCOUNT_PUT, &m->x, 1, NULL, on_limits_stored, ad);
	else
		show(ad);
}

/* --- password --------------------------------------------------------------------------------------- */

/* A store that is down has no sessions: it comes back without them. */
static void on_revoked(void *ctx, int err)
{
	struct admin *ad = ctx;
	struct mailbox *m = ad->ctx;
	admin_ok(ad, 200, mailbox_json(ad, &m->x, NULL));
}

static void set_password(struct admin *ad, struct slice hash)
{
	struct mailbox *m = ad->ctx;
	struct domain d;
	int r = admin_mailbox(ad, &d, &m->x); /* it may be gone meanwhile */
	if (r == 0)
		r = admin_begin(ad);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	m->x.hash = hash;
	m->x.must_change = admin_flag(ad, "must_change", false);
	r = credential_set(ad->e, m->x.id, hash, m->x.must_change, ad->now_ms, &m->x.version);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, m->x.address);
	if (r < 0)
		admin_refuse(ad, r);
	else
		store_batch(ad->d, POSTERN__STORE_OP__STORE_REVOKE, &m->x, 1, NULL, on_revoked, ad);
}

void op_mailbox_password(struct admin *ad)
{
	struct mailbox *m = mailbox_of(ad);
	int r = admin_mailbox(ad, &m->d, &m->x);
	if (r == 0)
		r = password_check(ad->e, m->d.customer, "password", admin_get(ad, "password"),
				   &ad->why);
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_hash(ad, admin_get(ad, "password"), set_password);
}

/* --- remove ----------------------------------------------------------------------------------------- */

static void on_forgotten(void *ctx, size_t i, int err, const ProtobufCMessage *reply)
{
	struct admin *ad = ctx;
	struct mailbox *m = ad->ctx;
	const Postern__AccountUsage *usage = (const Postern__AccountUsage *)reply;
	bool gone = err == 0 || err == ERR_NOT_FOUND;
	if (gone)
		IGNORE(account_forget(ad->e, m->x.id), "tried again at the next tick");
	/* Not gone yet: nothing reaches it any more, and the space comes back when the store does. */
	admin_ok(ad, 200,
		 json_pack("{s:o, s:b, s:I}", "address", json_text(m->x.address), "pending", !gone,
			   "messages", (json_int_t)(err == 0 ? usage->messages : 0)));
}

static void on_sessions_ended(void *ctx, int err)
{
	struct admin *ad = ctx;
	struct mailbox *m = ad->ctx;
	store_batch(ad->d, POSTERN__STORE_OP__STORE_ACCOUNT_REMOVE, &m->x, 1, on_forgotten,
		    on_nothing, ad);
}

static int retire(struct admin *ad, const struct mailbox *m)
{
	int r = admin_begin(ad);
	if (r < 0)
		return r;
	r = account_retire(ad->e, m->x.id);
	if (r < 0) {
		admin_rollback(ad);
		return r;
	}
	return admin_commit(ad, m->x.address);
}

static int check_removal(struct admin *ad, struct mailbox *m)
{
	bool busy = false;
	int r = convert_unreferenced(ad->e, ad->a, m->x.address, &ad->why);
	if (r == 0)
		r = transfer_into(ad->e, m->x.id, &busy);
	if (r == 0 && busy)
		return problem_set(&ad->why, ERR_CONFLICT, "address",
				   "mail is being moved into " SLICE_FMT " just now", SLICE_ARG(m->x.address));
	return r;
}

/* It was empty, and the shard has forgotten it. */
static void on_closed(void *ctx, int err, uint64_t messages)
{
	struct admin *ad = ctx;
	struct mailbox *m = ad->ctx;
	if (err == ERR_CONFLICT)
		account_holds_mail(&ad->why, "discard_mail", m->x.address, messages);
	int r = err < 0 ? err : check_removal(ad, m);	/* again: what leads there may have come meanwhile */
	if (r == 0)
		r = retire(ad, m);
	if (err == 0 && r < 0)
		account_reopen(ad->d, m->x.id);
	if (r < 0)
		admin_refuse(ad, r);
	else
		on_forgotten(ad, 0, ERR_NOT_FOUND, NULL);
}

void op_mailbox_remove(struct admin *ad)
{
	struct mailbox *m = mailbox_of(ad);
	int r = admin_mailbox(ad, &m->d, &m->x);
	if (r == 0)
		r = check_removal(ad, m);
	bool ask = r == 0 && !admin_flag(ad, "discard_mail", false);
	if (ask)
		r = admin_claim(ad);
	if (r == 0 && ask) {
		account_close_empty(ad->d, &m->x, on_closed, ad);
		return;
	}
	if (r == 0)
		r = retire(ad, m);
	if (r < 0)
		admin_refuse(ad, r);
	else
		store_batch(ad->d, POSTERN__STORE_OP__STORE_REVOKE, &m->x, 1, NULL,
			    on_sessions_ended, ad);
}
