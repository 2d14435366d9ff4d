/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address convert, candidate promote, candidate banish: one address after the other, each a transaction of its own.
 *
 *   candidates are counted -> rules -> a mailbox whose mail must not be lost goes if it is empty -> rows, audit
 *     -> sessions end, mail moves or goes -> told
 *
 * The route changes with the rows; mail that was routed before finds the folder or the account closed and is routed again.
 */
#include "room/directory/noun/account_close.h"
#include "room/directory/op/admin.h"
#include "room/directory/work/area.h"
#include "room/directory/noun/convert.h"
#include "room/directory/noun/policy.h"

#include "base/err.h"
#include "base/text.h"
#include "ipc/store.pb-c.h"

struct converting {
	struct admin *ad;
	struct slice *addresses;
	size_t n, at;
	bool candidates_only;	/* promote, banish */
	struct convert c;	/* the one under way */
	uint64_t messages;
	bool claimed;		/* its revision was right before the shard was asked */
	bool pending;
	json_t *items;
	size_t done, refused;
};

static void next(struct converting *x);

/* --- answers ---------------------------------------------------------------------------------------- */

static const char *mail_word(const struct convert *c, uint64_t messages)
{
	if (c->transfers)
		return "moves";
	if (c->discard_mail && messages)
		return "discarded";
	return c->candidate.messages ? "stays" : "none";
}

static json_t *item_json(const struct converting *x)
{
	const struct convert *c = &x->c;
	return json_pack("{s:o, s:s, s:s, s:o, s:s, s:I, s:o, s:b}", "address", json_text(c->text),
			 "type_before", address_type_name(c->was), "type", address_type_name(c->want),
			 "to", json_texts(c->targets, c->n_targets), "mail", mail_word(c, x->messages),
			 "messages", (json_int_t)x->messages, "repointed",
			 json_texts(c->repointed, c->n_repointed), "pending", x->pending);
}

static void finish(struct converting *x)
{
	admin_ok(x->ad, 200,
		 json_pack("{s:o, s:I, s:I}", "items", x->items, "done", (json_int_t)x->done, "refused",
			   (json_int_t)x->refused));
}

/* A single one that is refused is a refused request; of several each has its own answer. */
static void refuse(struct converting *x, int err)
{
	struct admin *ad = x->ad;
	if (x->n == 1) {
		json_decref(x->items);
		admin_refuse(ad, err);
		return;
	}
	x->refused++;
	json_array_append_new(
		x->items,
		json_pack("{s:o, s:o, s:s?, s:i}", "address", json_text(x->addresses[x->at]), "error",
			  json_text(slice_str(ad->why.err ? ad->why.text : text_in(ad->why.language, err_text(err)))), "field",
			  ad->why.err ? ad->why.field : NULL, "status",
			  (int)problem_status(ad->why.err ? ad->why.err : err)));
	x->at++;
	next(x);
}

static void told(struct converting *x)
{
	x->done++;
	json_array_append_new(x->items, item_json(x));
	x->at++;
	next(x);
}

/* --- behind the rows -------------------------------------------------------------------------------- */

static void on_counted(void *ctx, size_t i, int err, const ProtobufCMessage *reply)
{
	struct converting *x = ctx;
	if (err == 0)
		x->messages = ((const Postern__AccountUsage *)reply)->messages;
}

static void on_all_counted(void *ctx, int err)
{
	struct converting *x = ctx;
	transfers_run(x->ad->d);
	told(x);
}

static void on_moved_revoked(void *ctx, int err)
{
	struct converting *x = ctx;
	store_batch(x->ad->d, POSTERN__STORE_OP__STORE_ACCOUNT_USAGE, &x->c.account, 1, on_counted,
		    on_all_counted, x);
}

static void on_forgotten(void *ctx, size_t i, int err, const ProtobufCMessage *reply)
{
	struct converting *x = ctx;
	if (err == 0)
		x->messages = ((const Postern__AccountUsage *)reply)->messages;
	x->pending = err < 0 && err != ERR_NOT_FOUND;
	if (!x->pending)
		IGNORE(account_forget(x->ad->e, x->c.account.id), "tried again at the next tick");
}

static void on_discarded(void *ctx, int err)
{
	told(ctx);
}

static void on_discard_revoked(void *ctx, int err)
{
	struct converting *x = ctx;
	store_batch(x->ad->d, POSTERN__STORE_OP__STORE_ACCOUNT_REMOVE, &x->c.account, 1, on_forgotten,
		    on_discarded, x);
}

static void on_dropped(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct converting *x = ctx;
	if (fd >= 0)
		close(fd);
	if (err == 0)
		x->messages = ((const Postern__DropReply *)msg)->messages;
	x->pending = err < 0 && err != ERR_NOT_FOUND;
	told(x);
}

static void folder_call(struct converting *x, uint16_t op, ipc_reply_fn *fn)
{
	struct addressing area;
	struct account account;
	Postern__FolderRequest req = POSTERN__FOLDER_REQUEST__INIT;
	if (addressing_get(x->ad->e, x->ad->a, x->c.d.id, &area) < 0 ||
	    account_by_id(x->ad->e, x->ad->a, area.area, &account) < 0) {
		x->pending = true;
		told(x);
		return;
	}
	req.account_id = account.id;
	req.folder = data_of(x->c.dropped_folder);
	room_call(x->ad->d->room, ROLE_STORE, account.shard, op, &req.base, NULL, 0, STORE_MS, fn, x);
}

static void on_folder_closed(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct converting *x = ctx;
	if (fd >= 0)
		close(fd);
	folder_call(x, POSTERN__STORE_OP__STORE_DROP, on_dropped);
}

static void on_made(void *ctx, int err)
{
	struct converting *x = ctx;
	int r = err < 0 ? err : account_complete(x->ad->e, x->c.made.id);
	x->pending = r < 0 && r != ERR_NOT_FOUND;	/* completed at the next tick */
	transfers_run(x->ad->d);
	told(x);
}

static void behind(struct converting *x)
{
	struct directory *d = x->ad->d;
	struct convert *c = &x->c;
	x->messages = c->candidate.messages;
	if (convert_moves_mailbox(c))
		store_batch(d, POSTERN__STORE_OP__STORE_REVOKE, &c->account, 1, NULL, on_moved_revoked, x);
	else if (c->was == ADDRESS_MAILBOX && c->discard_mail)
		store_batch(d, POSTERN__STORE_OP__STORE_REVOKE, &c->account, 1, NULL, on_discard_revoked,
			    x);
	else if (c->dropped_folder.n)
		folder_call(x, POSTERN__STORE_OP__STORE_CLOSE, on_folder_closed);
	else if (c->made.id)
		store_batch(d, POSTERN__STORE_OP__STORE_ACCOUNT_PUT, &c->made, 1, NULL, on_made, x);
	else {
		transfers_run(d);
		told(x);
	}
}

/* --- the rows --------------------------------------------------------------------------------------- */

static void apply(struct converting *x)
{
	struct admin *ad = x->ad;
	struct convert *c = &x->c;
	/* Others may have changed what was looked at before the shard was asked. */
	int r = x->claimed ? convert_check(ad->e, ad->a, c, &ad->why) : 0;
	if (r == 0)
		r = x->claimed ? engine_begin(ad->e) : admin_begin_of(ad, c->text);
	if (r < 0) {
		refuse(x, r);
		return;
	}
	r = convert_apply(ad->e, ad->a, &x->c, ad->now_ms, &ad->why);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, x->c.text);
	if (r < 0) {
		refuse(x, r);
		return;
	}
	behind(x);
}

/* It was empty, and the shard has forgotten it. */
static void on_closed(void *ctx, int err, uint64_t messages)
{
	struct converting *x = ctx;
	struct convert *c = &x->c;
	if (err == ERR_CONFLICT)
		account_holds_mail(&x->ad->why, "discard_mail", c->text, messages);
	if (err < 0) {
		refuse(x, err);
		return;
	}
	/* The answer may free everything but the engine. */
	struct directory *d = x->ad->d;
	uint64_t id = c->account.id;
	apply(x);
	/* REMOVING by now, with nothing left to ask the shard for; or it was refused. */
	IGNORE(account_forget(d->e, id), "tried again at the next tick");
	account_reopen(d, id);
}

static void on_hashed(struct admin *ad, struct slice hash)
{
	struct converting *x = ad->ctx;
	x->c.hash = hash;
	apply(x);
}

/* What only a mailbox has is not left unsaid. */
static int no_mailbox(struct admin *ad)
{
	if (admin_has(ad, "password"))
		return problem_set(&ad->why, ERR_INVALID, "password", "only a mailbox has a password");
	if (admin_has(ad, "quota"))
		return problem_set(&ad->why, ERR_INVALID, "quota", "only a mailbox has a quota");
	if (admin_has(ad, "name"))
		return problem_set(&ad->why, ERR_INVALID, "name", "only a mailbox has a person's name");
	return 0;
}

static int wanted(struct converting *x)
{
	struct admin *ad = x->ad;
	struct slice type = admin_get(ad, "type"), password = admin_get(ad, "password");
	x->c.want = ADDRESS_BANISHED;
	int r = type.n ? address_type_by_name(type, &x->c.want) : 0;
	if (r == 0 && x->candidates_only && x->c.was != ADDRESS_CANDIDATE)
		return problem_set(&ad->why, ERR_NOT_FOUND, "address", SLICE_FMT " is no candidate but %s",
				   SLICE_ARG(x->c.text), address_type_text(x->c.was, ad->why.language));
	if (r == 0 && x->c.want != ADDRESS_MAILBOX)
		r = no_mailbox(ad);
	if (r == 0 && password.n)
		r = password_check(ad->e, x->c.d.customer, "password", password, &ad->why);
	return r == 0 ? convert_check(ad->e, ad->a, &x->c, &ad->why) : r;
}

static void on_synced(void *ctx, int err)
{
	struct converting *x = ctx;
	struct admin *ad = x->ad;
	struct convert *c = &x->c;
	int r = err < 0 ? problem_set(&ad->why, ERR_UNAVAILABLE, NULL, "the store does not answer, nothing was changed")
			: convert_look(ad->e, ad->a, x->addresses[x->at], c, &ad->why);
	if (r == 0)
		r = wanted(x);
	bool closes = r == 0 && c->was == ADDRESS_MAILBOX && !c->discard_mail && !convert_moves_mailbox(c);
	if (closes) {
		r = admin_claim_of(ad, c->text);
		x->claimed = true;
	}
	if (r < 0)
		refuse(x, r);
	else if (closes)
		account_close_empty(ad->d, &c->account, on_closed, x);
	else if (c->want == ADDRESS_MAILBOX && admin_has(ad, "password"))
		admin_hash(ad, admin_get(ad, "password"), on_hashed);
	else
		apply(x);
}

static uint32_t shard_for(struct admin *ad)
{
	struct counts_of_all all = { 0 };
	unsigned shards = ad->d->room->shards;
	if (shards < 2 || engine_counts(ad->e, &all) < 0)
		return 0;
	return (uint32_t)(all.mailboxes % shards);
}

static void take_targets(struct converting *x)
{
	struct admin *ad = x->ad;
	x->c.targets = ARENA_ARRAY(ad->a, struct slice, ad->n_fields + 1);
	for (size_t i = 0; i < ad->n_fields; i++)
		if (slice_eq(ad->fields[i].name, SLICE("to")))
			x->c.targets[x->c.n_targets++] = ad->fields[i].value;
}

static void next(struct converting *x)
{
	struct admin *ad = x->ad;
	if (x->at == x->n) {
		finish(x);
		return;
	}
	ad->why = problem_like(&ad->why);
	x->messages = 0;
	x->pending = x->claimed = false;
	x->c = (struct convert){
		.discard_mail = admin_flag(ad, "discard_mail", false),
		.quota = admin_size(ad, "quota", 0),
		.person = admin_get(ad, "name"),
		.shard = shard_for(ad),
	};
	take_targets(x);
	int r = convert_look(ad->e, ad->a, x->addresses[x->at], &x->c, &ad->why);
	/* What is no candidate yet may be one that the rows do not know. */
	if (r < 0 && r != ERR_NOT_FOUND)
		refuse(x, r);
	else if (!x->c.d.id)
		refuse(x, r);
	else {
		ad->why = problem_like(&ad->why);
		area_sync(ad->d, x->c.d.id, on_synced, x);
	}
}

static void start(struct admin *ad, bool candidates_only)
{
	struct converting *x = ARENA_NEW(ad->a, struct converting);
	x->ad = ad;
	x->candidates_only = candidates_only;
	x->items = json_array();
	x->addresses = ARENA_ARRAY(ad->a, struct slice, ad->n_fields + 1);
	for (size_t i = 0; i < ad->n_fields; i++)
		if (slice_eq(ad->fields[i].name, SLICE("address")))
			x->addresses[x->n++] = ad->fields[i].value;
	ad->ctx = x;
	next(x);
}

void op_address_convert(struct admin *ad)
{
	start(ad, false);
}

void op_candidate_promote(struct admin *ad)
{
	start(ad, true);
}

void op_candidate_banish(struct admin *ad)
{
	start(ad, true);
}
