/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DIRECTORY_ADMIN: who asks, the check of fields, of rights and of the revision before any operation (table.c), and what
 * they share: the transaction with its audit row, and passwords hashed by auth.
 */
#include "room/directory/op/admin.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "base/text.h"
#include "ipc/auth.pb-c.h"
#include "ipc/queue.pb-c.h"
#include "room/directory/login/old_login.h"
#include "room/directory/rights/revision.h"
#include "room/directory/rights/rights.h"

enum { HASH_MS = 30 * 1000, QUEUE_MS = 25 * 1000 };

/* --- revisions ----------------------------------------------------------------------------------------- */

/* What the fields say it is about. A customer's admin who names no customer means his own. */
static int fill_key(struct admin *ad)
{
	const struct api_revised *is = api_revised(ad->op);
	struct customer own;
	for (size_t i = 0; is && i < API_KEY_MAX && is->key[i]; i++)
		ad->key[i] = admin_get(ad, is->key[i]);
	if (!is || strcmp(is->kind, "template") != 0 || ad->key[1].n)
		return 0;
	int r = template_customer(ad, &own);
	if (r == 0 && own.id)
		ad->key[1] = own.name;
	return r;
}

int admin_revision(struct admin *ad, struct slice *ret)
{
	const struct api_revised *is = api_revised(ad->op);
	return is ? revision_of(ad->e, ad->a, is->kind, ad->key, ret) : ERR_UNSUPPORTED;
}

void admin_put_revision(struct admin *ad, json_t *item, const char *kind, struct slice name, struct slice part)
{
	const struct slice key[API_KEY_MAX] = { name, part };
	struct slice revision;
	if (revision_of(ad->e, ad->a, kind, key, &revision) == 0)
		json_object_set_new(item, "revision", json_text(revision));
}

static int is_stale(struct admin *ad)
{
	ad->stale = true;
	return problem_set(&ad->why, ERR_CONFLICT, NULL, "somebody else changed it meanwhile: read it again");
}

static int check_revision_of(struct admin *ad, const struct slice *key)
{
	const struct api_revised *is = api_revised(ad->op);
	struct slice revision;
	if (!is)
		return problem_set(&ad->why, ERR_UNSUPPORTED, NULL, "%s is not for If-Match: its object has no revision",
				   ad->op->name);
	int r = revision_of(ad->e, ad->a, is->kind, key, &revision);
	return r < 0 ? r : revision_matches(ad->if_match, revision) ? 0 : is_stale(ad);
}

/* Before anything is done. What is not there the operation says itself; of several objects it tells of each. */
static int check_early(struct admin *ad)
{
	const struct api_revised *is = api_revised(ad->op);
	size_t n = 0;
	if (!is && !strcmp(ad->op->method, "GET"))
		ad->if_match = (struct slice){ 0 }; /* nothing is changed, so nothing is lost */
	for (size_t i = 0; is && i < ad->n_fields; i++)
		n += slice_eq(ad->fields[i].name, slice_str(is->key[0]));
	if (!ad->if_match.n || n > 1)
		return 0;
	int r = check_revision_of(ad, ad->key);
	return r == ERR_NOT_FOUND ? 0 : r;
}

static int claim(struct admin *ad, const struct slice *key)
{
	int r = ad->if_match.n ? check_revision_of(ad, key) : 0;
	return r == ERR_NOT_FOUND ? is_stale(ad) : r; /* RFC 9110 13.1.1: nothing matches what is not there */
}

int admin_claim_of(struct admin *ad, struct slice value)
{
	const struct slice key[API_KEY_MAX] = { value };
	return claim(ad, key);
}

int admin_claim(struct admin *ad)
{
	int r = claim(ad, ad->key);
	ad->if_match = (struct slice){ 0 };
	return r;
}

/* --- transactions ----------------------------------------------------------------------------------- */

/* What was asked, without secrets. */
static struct slice detail_of(struct admin *ad)
{
	struct buf text = BUF_INIT(4096);
	for (size_t i = 0; i < ad->n_fields; i++) {
		const struct api_param *p = api_param_find(ad->op, ad->fields[i].name);
		if (!p || p->type == API_SECRET)
			continue;
		buf_printf(&text, "%s%s=", text.n ? " " : "", p->name);
		if (p->type == API_TEXT)
			buf_printf(&text, "(%zu bytes)", ad->fields[i].value.n);
		else
			buf_slice(&text, ad->fields[i].value);
	}
	struct slice s = arena_dup(ad->a, buf_view(&text));
	buf_fini(&text);
	return s;
}

/* What was asked for may have changed while other rooms were asked: the revision is held against the rows that the
 * transaction sees. */
int admin_begin(struct admin *ad)
{
	int r = engine_begin(ad->e);
	if (r < 0)
		return r;
	r = admin_claim(ad);
	if (r < 0)
		engine_rollback(ad->e);
	return r;
}

int admin_begin_of(struct admin *ad, struct slice value)
{
	int r = engine_begin(ad->e);
	if (r < 0)
		return r;
	r = admin_claim_of(ad, value);
	if (r < 0)
		engine_rollback(ad->e);
	return r;
}

int admin_commit(struct admin *ad, struct slice object)
{
	struct audit row = {
		.at_ms = ad->now_ms,
		.actor = ad->who.login,
		.remote = bytes_of(&ad->req->remote),
		.operation = slice_str(ad->op->name),
		.object = object,
		.detail = detail_of(ad),
		.status = 200,
		.customer = ad->owner.customer,
		.domain = ad->owner.domain,
	};
	int r = old_login_settle(ad->e, ad->a, ad->now_ms);
	if (r == 0)
		r = audit_add(ad->e, &row);
	if (r < 0) {
		engine_rollback(ad->e);
		return r;
	}
	r = engine_commit(ad->e);
	if (r == 0)
		ev(EV_INFO, "directory.admin.done", KS("operation", ad->op->name),
		   KSL("object", object), KSL("actor", ad->who.login));
	return r;
}

void admin_rollback(struct admin *ad)
{
	engine_rollback(ad->e);
}

/* --- hashing ---------------------------------------------------------------------------------------- */

struct hashing {
	struct admin *ad;
	admin_hash_fn *fn;
};

static void on_hashed(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct hashing *h = ctx;
	struct admin *ad = h->ad;
	const Postern__HashReply *reply = (const Postern__HashReply *)msg;
	if (fd >= 0)
		close(fd);
	if (err == 0 && reply->n_hashes != 1)
		err = ERR_INTERNAL;
	if (err < 0)
		admin_refuse(ad, problem_set(&ad->why, err == ERR_TOO_BIG ? err : ERR_UNAVAILABLE,
					     NULL, "the password cannot be hashed just now: %s",
					     text_in(ad->why.language, err_text(err))));
	else
		h->fn(ad, arena_dup(ad->a, bytes_of(&reply->hashes[0])));
}

void admin_hash(struct admin *ad, struct slice password, admin_hash_fn *fn)
{
	Postern__HashRequest req = POSTERN__HASH_REQUEST__INIT;
	ProtobufCBinaryData one = data_of(password);
	struct hashing *h = ARENA_NEW(ad->a, struct hashing);
	h->ad = ad;
	h->fn = fn;
	req.n_passwords = 1;
	req.passwords = &one;
	room_call(ad->d->room, ROLE_AUTH, PEER_ANY, POSTERN__AUTH_OP__AUTH_HASH, &req.base, NULL, 0,
		  HASH_MS, on_hashed, h);
}

/* --- entry ------------------------------------------------------------------------------------------ */

static int take_fields(struct admin *ad)
{
	struct api_error error;
	struct buf text = BUF_INIT(sizeof(ad->why.text));
	if (ad->req->n_fields > API_FIELDS_MAX)
		return problem_set(&ad->why, ERR_TOO_BIG, NULL, "too many fields");
	ad->fields = ARENA_ARRAY(ad->a, struct api_field, ad->req->n_fields + 1);
	for (size_t i = 0; i < ad->req->n_fields; i++) {
		ad->fields[i].name = slice_str(ad->req->fields[i]->name);
		ad->fields[i].value = bytes_of(&ad->req->fields[i]->value);
		if (!ad->fields[i].value.p)
			ad->fields[i].value = SLICE("");
	}
	ad->n_fields = ad->req->n_fields;
	int r = api_check(ad->op, ad->fields, ad->n_fields, ad->call->fds[0] >= 0, &error);
	if (r == 0)
		return 0;
	api_error_text(&error, &text);
	const struct api_param *p = api_param_find(ad->op, slice_str(error.field));
	problem_set(&ad->why, r, p ? p->name : NULL, "%s", buf_cstr(&text));
	buf_fini(&text);
	return r;
}

/* Of what another room does: a change is written down first. */
static int note(struct admin *ad)
{
	if (!strcmp(ad->op->method, "GET"))
		return 0;
	int r = admin_begin(ad);
	return r < 0 ? r : admin_commit(ad, admin_get(ad, "id"));
}

/* The decision alone, for an operation of the supervisor's. */
static void authorize(struct admin *ad)
{
	int r = note(ad);
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_ok(ad, 200, NULL);
}

static void on_queue(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct admin *ad = ctx;
	if (err < 0)
		admin_refuse(ad, problem_set(&ad->why, ERR_UNAVAILABLE, NULL, "the queue does not answer"));
	else
		ipc_reply(ad->call, reply, fd);
}

/* The queue's own: it does what was decided here, and nobody else may ask it. */
static void hand_on(struct admin *ad)
{
	Postern__AdminRequest req = *ad->req;
	int r = note(ad);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	req.token = (ProtobufCBinaryData){ 0 };
	room_call(ad->d->room, ROLE_QUEUE, 0, POSTERN__QUEUE_OP__QUEUE_ADMIN, &req.base, NULL, 0, QUEUE_MS, on_queue, ad);
}

/* Who asks: whoever holds a token is its holder; without one the provider, at the admin socket. */
static int identify(struct admin *ad)
{
	struct slice token = bytes_of(&ad->req->token);
	if (!token.n) {
		ad->who = ad->call->peer == ROLE_ADMIND ? principal_local(ad->a) : principal_anyone();
		return 0;
	}
	int r = principal_of(ad->e, ad->a, token, ad->now_ms, &ad->who);
	if (token.n)
		explicit_bzero((void *)(uintptr_t)token.p, token.n);
	ad->unknown = r == ERR_NOT_FOUND;
	return ad->unknown ? problem_set(&ad->why, ERR_DENIED, NULL, "this token is not good (any more)") : r;
}

void serve_admin(struct ipc_call *call, void *ctx)
{
	struct room *room = ctx;
	struct directory *d = room->state;
	const Postern__AdminRequest *req = (const Postern__AdminRequest *)call->req;
	const struct api_op *op = api_op_find(slice_str(req->operation));
	if (!op) {
		ipc_fail(call, ERR_UNSUPPORTED, "no such operation");
		return;
	}
	struct admin *ad = ARENA_NEW(call->arena, struct admin);
	*ad = (struct admin){
		.d = d,
		.e = d->e,
		.a = call->arena,
		.call = call,
		.req = req,
		.op = op,
		.now_ms = clock_wall_ms(),
	};
	ad->why.language = text_language(slice_str(req->language));
	text_use(ad->why.language);
	int r = identify(ad);
	if (r == 0)
		r = take_fields(ad);
	if (r == 0)
		r = rights_decide(ad->e, ad->a, &ad->who, op, ad->fields, ad->n_fields, &ad->owner, &ad->why);
	ad->if_match = bytes_of(&req->if_match);
	if (r == 0)
		r = fill_key(ad);
	if (r == 0)
		r = check_early(ad);
	if (r < 0)
		admin_refuse(ad, r);
	else if (req->authorize_only)
		authorize(ad);
	else if (op->owner == API_QUEUE)
		hand_on(ad);
	else
		admin_run(ad);
}
