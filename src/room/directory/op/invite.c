/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mailbox invite, first-password: what is mailed to somebody so that he sets a password of his own (M7, M9). It goes
 * where he reads mail now: to the old server while his domain is forwarded, else to his recovery address.
 */
#include "room/directory/op/admin.h"

#include "base/err.h"
#include "ipc/auth.pb-c.h"
#include "ipc/store.pb-c.h"
#include "proto/pass/random.h"
#include "room/directory/login/link.h"
#include "room/directory/notice/notice.h"
#include "room/directory/noun/policy.h"
#include "room/directory/op/recovery.h"
#include "room/directory/noun/staff.h"

enum { HOUR_MS = 3600 * 1000, BATCH = 64, HASH_MS = 60 * 1000 };

static int reach(struct admin *ad, const struct domain *d, const struct account *x, struct slice *ret)
{
	*ret = recovery_reach(d, x);
	if (ret->n)
		return 0;
	return problem_set(&ad->why, ERR_CONFLICT, "address",
			   SLICE_FMT " has no recovery address, and its mail is here: there is nowhere to write to",
			   SLICE_ARG(x->address));
}

/* --- invite ----------------------------------------------------------------------------------------- */

static int invite(struct admin *ad, const struct domain *d, const struct account *x, struct slice to, int64_t *ret_expires)
{
	struct policy p;
	struct slice token;
	int r = policy_get(ad->e, d->customer, &p);
	if (r < 0)
		return r;
	struct link l = {
		.holder = holder_account(x->id),
		.kind = LINK_INVITATION,
		.created_ms = ad->now_ms,
		.expires_ms = ad->now_ms + (int64_t)p.invitation_hours * HOUR_MS,
	};
	r = link_make(ad->e, ad->a, &l, &token);
	if (r < 0)
		return r;
	*ret_expires = l.expires_ms;
	const char *path = arena_printf(ad->a, "/password/" SLICE_FMT, SLICE_ARG(token));
	return notice_add(ad->e, ad->a, &(struct notice){
		.kind = NOTICE_INVITATION, .customer = d->customer, .domain = d->id, .account = x->id, .to = to,
		.to_name = x->person, .now_ms = ad->now_ms,
		.vars = { { .name = "link", .text = slice_str(web_link(ad->d, ad->a, path)) },
			  { .name = "expires", .number = l.expires_ms } } });
}

void op_mailbox_invite(struct admin *ad)
{
	struct domain d;
	struct account x;
	struct slice to;
	int64_t expires = 0;
	int r = admin_mailbox(ad, &d, &x);
	if (r == 0)
		r = reach(ad, &d, &x, &to);
	if (r == 0)
		r = admin_begin(ad);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	r = invite(ad, &d, &x, to, &expires);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, x.address);
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_ok(ad, 202, json_pack("{s:o, s:o, s:I}", "address", json_text(x.address), "to", json_text(to),
					    "expires_ms", (json_int_t)expires));
}

/* --- first passwords --------------------------------------------------------------------------------- */

struct firsts {
	struct admin *ad;
	struct domain d;
	struct account *rows;	/* those that get one */
	size_t n, at, batch;
	size_t written, count;	/* of the batch, which begins with them then; of all */
	char (*passwords)[PASS_RANDOM_TEXT];
	struct slice *nowhere;	/* addresses that cannot be written to */
	size_t n_nowhere;
};

static int write_one(struct firsts *f, const struct account *x, struct slice hash, const char *password)
{
	struct admin *ad = f->ad;
	struct policy p;
	uint64_t version = 0;
	int r = policy_get(ad->e, f->d.customer, &p);
	if (r == 0)
		r = credential_set(ad->e, x->id, hash, CREDENTIAL_FIRST, ad->now_ms, &version);
	if (r < 0)
		return r;
	return notice_add(ad->e, ad->a, &(struct notice){
		.kind = NOTICE_FIRST_PASSWORD, .customer = f->d.customer, .domain = f->d.id, .account = x->id,
		.to = recovery_reach(&f->d, x), .to_name = x->person, .now_ms = ad->now_ms,
		.vars = { { .name = "password", .text = slice_str(password) },
			  { .name = "link", .text = slice_str(web_link(ad->d, ad->a, "/password")) },
			  { .name = "expires", .number = ad->now_ms + (int64_t)p.invitation_hours * HOUR_MS } } });
}

static bool wants_first(const struct account *x)
{
	return x->state == ACCOUNT_LIVE && (!x->hash.n || x->must_change);
}

/* Meanwhile it may be gone, its user may have set a password of his own, or nobody knows any more where to write. */
static bool still_wanted(struct firsts *f, const struct account *now)
{
	bool wanted = admin_has(f->ad, "domain") ? wants_first(now) : now->state == ACCOUNT_LIVE;
	return wanted && recovery_reach(&f->d, now).n;
}

static int write_batch(struct firsts *f, const Postern__HashReply *hashes)
{
	struct admin *ad = f->ad;
	int r = admin_begin(ad);
	f->written = 0;
	for (size_t i = 0; r == 0 && i < f->batch; i++) {
		struct account now;
		r = account_by_id(ad->e, ad->a, f->rows[f->at + i].id, &now);
		if (r == 0 && still_wanted(f, &now)) {
			r = write_one(f, &now, bytes_of(&hashes->hashes[i]), f->passwords[i]);
			f->rows[f->at + f->written++] = now;
		}
		r = r == ERR_NOT_FOUND ? 0 : r;
	}
	if (r < 0) {
		admin_rollback(ad);
		return r;
	}
	f->count += f->written;
	return admin_commit(ad, f->n == 1 ? f->rows[0].address : f->d.name);
}

static void next_batch(struct firsts *f);

static void finish(struct firsts *f, int err)
{
	if (f->passwords)
		explicit_bzero(f->passwords, BATCH * sizeof(*f->passwords));
	if (err < 0)
		admin_refuse(f->ad, err);
	else
		admin_ok(f->ad, 202, json_pack("{s:I, s:o}", "count", (json_int_t)f->count, "nowhere",
					       json_texts(f->nowhere, f->n_nowhere)));
}

static void on_revoked(void *ctx, int err)
{
	struct firsts *f = ctx;
	f->at += f->batch;
	next_batch(f);
}

static void on_hashes(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct firsts *f = ctx;
	const Postern__HashReply *reply = (const Postern__HashReply *)msg;
	if (fd >= 0)
		close(fd);
	if (err == 0 && reply->n_hashes != f->batch)
		err = ERR_INTERNAL;
	if (err < 0)
		err = problem_set(&f->ad->why, ERR_UNAVAILABLE, NULL, "the passwords cannot be hashed just now");
	else
		err = write_batch(f, reply);
	if (err < 0)
		finish(f, err);
	else
		store_batch(f->ad->d, POSTERN__STORE_OP__STORE_REVOKE, f->rows + f->at, f->written, NULL, on_revoked, f);
}

static void next_batch(struct firsts *f)
{
	struct admin *ad = f->ad;
	Postern__HashRequest req = POSTERN__HASH_REQUEST__INIT;
	ProtobufCBinaryData texts[BATCH];
	if (f->at == f->n) {
		finish(f, 0);
		return;
	}
	f->batch = f->n - f->at < BATCH ? f->n - f->at : BATCH;
	for (size_t i = 0; i < f->batch; i++) {
		pass_random(f->passwords[i]);
		texts[i] = data_of(slice_str(f->passwords[i]));
	}
	req.quick = true; /* nobody guesses 100 bits */
	req.passwords = texts;
	req.n_passwords = f->batch;
	room_call(ad->d->room, ROLE_AUTH, PEER_ANY, POSTERN__AUTH_OP__AUTH_HASH, &req.base, NULL, 0, HASH_MS, on_hashes,
		  f);
}

/* Of a domain: who has no password of his own yet. */
static int of_domain(struct admin *ad, struct firsts *f)
{
	struct page all = { 0 };
	struct account *rows;
	size_t n = 0;
	int r = admin_domain(ad, admin_get(ad, "domain"), &f->d);
	if (r == 0)
		r = account_list(ad->e, ad->a, f->d.id, 0, &all, &rows, &n);
	if (r < 0)
		return r;
	f->rows = ARENA_ARRAY(ad->a, struct account, n + 1);
	f->nowhere = ARENA_ARRAY(ad->a, struct slice, n + 1);
	for (size_t i = 0; i < n; i++) {
		if (!wants_first(&rows[i]))
			continue;
		if (recovery_reach(&f->d, &rows[i]).n)
			f->rows[f->n++] = rows[i];
		else
			f->nowhere[f->n_nowhere++] = rows[i].address;
	}
	return 0;
}

static int of_address(struct admin *ad, struct firsts *f)
{
	struct slice to;
	f->rows = ARENA_NEW(ad->a, struct account);
	int r = admin_mailbox(ad, &f->d, &f->rows[0]);
	f->n = 1;
	return r < 0 ? r : reach(ad, &f->d, &f->rows[0], &to);
}

void op_mailbox_first_password(struct admin *ad)
{
	struct firsts *f = ARENA_NEW(ad->a, struct firsts);
	f->ad = ad;
	f->passwords = arena_alloc(ad->a, BATCH * sizeof(*f->passwords));
	int r = 0;
	if (admin_has(ad, "address") == admin_has(ad, "domain"))
		r = problem_set(&ad->why, ERR_INVALID, "address", "say one of address and domain");
	else
		r = admin_has(ad, "address") ? of_address(ad, f) : of_domain(ad, f);
	if (r < 0)
		admin_refuse(ad, r);
	else
		next_batch(f);
}
