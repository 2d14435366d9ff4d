/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import accounts, import aliases. A file is read, judged, and applied in one transaction, or not at all. Plain
 * passwords of a bulk import are hashed by auth with a cheap scheme, in batches, a few at a time; the first login
 * of each account puts them into Argon2id.
 */
#include "room/directory/op/admin.h"
#include "room/directory/work/area.h"

#include "base/err.h"
#include "ipc/auth.pb-c.h"
#include "ipc/store.pb-c.h"
#include "room/directory/noun/policy.h"

enum { HASH_BATCH = 64, HASH_FLYING = 4, HASH_MS = 60 * 1000 };

struct importing {
	struct admin *ad;
	struct domain d;
	struct import_account *rows;
	size_t n;
	struct import_result result;
	struct import_errors errors;
	size_t next; /* row to look at for a plain password */
	unsigned flying;
	int err;
	struct account *made;
	size_t n_made;
};

static json_t *result_json(const struct domain *d, const struct import_result *r, bool dry)
{
	return json_pack("{s:o, s:I, s:I, s:I, s:I, s:b, s:o}", "domain", json_text(d->name),
			 "lines", (json_int_t)r->lines, "added", (json_int_t)r->added, "unchanged",
			 (json_int_t)r->unchanged, "changed", (json_int_t)0, "dry_run", dry,
			 "warnings", json_texts(r->warnings, r->n_warnings));
}

/* --- accounts --------------------------------------------------------------------------------------- */

static void undo_all(struct importing *m)
{
	int r = engine_begin(m->ad->e);
	for (size_t i = 0; r == 0 && i < m->n_made; i++)
		r = account_retire(m->ad->e, m->made[i].id);
	if (r < 0)
		engine_rollback(m->ad->e);
	else
		IGNORE(engine_commit(m->ad->e), "completed or removed at the next start");
}

static int complete_all(struct importing *m)
{
	int r = engine_begin(m->ad->e);
	for (size_t i = 0; r == 0 && i < m->n_made; i++) {
		r = account_complete(m->ad->e, m->made[i].id);
		r = r == ERR_NOT_FOUND ? 0 : r;
	}
	if (r < 0) {
		engine_rollback(m->ad->e);
		return r;
	}
	return engine_commit(m->ad->e);
}

static void on_stored(void *ctx, int err)
{
	struct importing *m = ctx;
	if (err < 0) {
		undo_all(m);
		admin_refuse(m->ad, problem_set(&m->ad->why, ERR_UNAVAILABLE, NULL,
						"the store does not answer, nothing was changed"));
		return;
	}
	int r = complete_all(m);
	area_sync(m->ad->d, m->d.id, NULL, NULL);	/* mail of candidates follows */
	if (r < 0)
		admin_refuse(m->ad, r);
	else
		admin_ok(m->ad, 201, result_json(&m->d, &m->result, false));
}

static void gather_made(struct importing *m)
{
	m->made = ARENA_ARRAY(m->ad->a, struct account, m->n + 1);
	for (size_t i = 0; i < m->n; i++) {
		const struct import_account *row = &m->rows[i];
		if (row->skip)
			continue;
		m->made[m->n_made++] = (struct account){
			.id = row->id,
			.shard = row->shard,
			.quota = row->quota,
			.address = row->address,
		};
	}
}

static void apply(struct importing *m)
{
	struct admin *ad = m->ad;
	int r = admin_begin(ad);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	r = import_apply_accounts(ad->e, ad->a, &m->d, m->rows, m->n, ad->d->room->shards,
				  ad->now_ms, &m->errors);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, m->d.name);
	if (m->errors.total) {
		admin_refuse_lines(ad, "file", &m->errors);
		return;
	}
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	gather_made(m);
	store_batch(ad->d, POSTERN__STORE_OP__STORE_ACCOUNT_PUT, m->made, m->n_made, NULL,
		    on_stored, m);
}

struct batch {
	struct importing *m;
	struct import_account *rows[HASH_BATCH];
	size_t n;
};

static void hash_on(struct importing *m);

static void on_hashed(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct batch *b = ctx;
	struct importing *m = b->m;
	const Postern__HashReply *reply = (const Postern__HashReply *)msg;
	if (fd >= 0)
		close(fd);
	if (err == 0 && reply->n_hashes != b->n)
		err = ERR_INTERNAL;
	for (size_t i = 0; err == 0 && i < b->n; i++)
		b->rows[i]->secret = arena_dup(m->ad->a, bytes_of(&reply->hashes[i]));
	if (err < 0 && !m->err)
		m->err = err;
	m->flying--;
	hash_on(m);
}

static bool send_batch(struct importing *m)
{
	struct batch *b = ARENA_NEW(m->ad->a, struct batch);
	ProtobufCBinaryData passwords[HASH_BATCH];
	Postern__HashRequest req = POSTERN__HASH_REQUEST__INIT;
	b->m = m;
	for (; m->next < m->n && b->n < HASH_BATCH; m->next++) {
		struct import_account *row = &m->rows[m->next];
		if (row->skip || row->hashed || !row->secret.n)
			continue;
		passwords[b->n] = data_of(row->secret);
		b->rows[b->n++] = row;
	}
	if (!b->n)
		return false;
	req.quick = true;
	req.n_passwords = b->n;
	req.passwords = passwords;
	m->flying++;
	room_call(m->ad->d->room, ROLE_AUTH, PEER_ANY, POSTERN__AUTH_OP__AUTH_HASH, &req.base, NULL,
		  0, HASH_MS, on_hashed, b);
	return true;
}

static void hash_on(struct importing *m)
{
	while (!m->err && m->flying < HASH_FLYING && send_batch(m))
		;
	if (m->flying)
		return;
	if (m->err)
		admin_refuse(
			m->ad,
			problem_set(
				&m->ad->why, ERR_UNAVAILABLE, NULL,
				"the passwords cannot be hashed just now, nothing was changed"));
	else
		apply(m);
}

/* --- the default password ----------------------------------------------------------------------------- */

static void on_default_hash(struct admin *ad, struct slice hash)
{
	struct importing *m = ad->ctx;
	for (size_t i = 0; i < m->n; i++) {
		if (m->rows[i].skip || m->rows[i].secret.n)
			continue;
		m->rows[i].secret = hash;
		m->rows[i].hashed = m->rows[i].must_change = true;
	}
	hash_on(m);
}

/* One hash for all of them: what it says is known to all of them anyway. */
static void begin(struct importing *m)
{
	struct admin *ad = m->ad;
	ad->ctx = m;
	if (admin_has(ad, "default_password"))
		admin_hash(ad, admin_get(ad, "default_password"), on_default_hash);
	else
		hash_on(m);
}

/* What only the provider, or a customer's admin, may set one by one, they alone may import. */
static bool may_host(const struct admin *ad)
{
	return principal_rank(&ad->who) <= RANK_CUSTOMER_ADMIN;
}

static int check_columns(struct importing *m)
{
	struct admin *ad = m->ad;
	for (size_t i = 0; i < m->n; i++) {
		if (m->rows[i].send_any && principal_rank(&ad->who) != RANK_PROVIDER)
			import_fault(&m->errors, ad->a, m->rows[i].line, "send_any is for the provider to give");
		if (m->rows[i].hosted && !may_host(ad))
			import_fault(&m->errors, ad->a, m->rows[i].line, "hosted is for an admin of the customer to give");
	}
	return m->errors.total ? ERR_INVALID : 0;
}

void op_import_accounts(struct admin *ad)
{
	struct importing *m = ARENA_NEW(ad->a, struct importing);
	m->ad = ad;
	m->errors.language = ad->why.language;
	int r = admin_domain(ad, admin_get(ad, "domain"), &m->d);
	if (r == 0)
		r = admin_map_file(ad, "file");
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	if (admin_has(ad, "default_password"))
		r = password_check(ad->e, m->d.customer, "default_password", admin_get(ad, "default_password"), &ad->why);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	m->result.has_default = admin_has(ad, "default_password");
	/* Each check looks at the rows that the ones before have left: whoever mends a file wants to hear all of it. */
	r = import_read_accounts(ad->a, ad->file, &m->rows, &m->n, &m->errors);
	if (r == 0 || m->n)
		r = import_check_accounts(ad->e, ad->a, &m->d, m->rows, m->n, &m->result,
					  &m->errors);
	if (r == 0 || r == ERR_INVALID)
		r = check_columns(m);
	if ((r == 0 || r == ERR_INVALID) && admin_flag(ad, "check_policy", false))
		r = import_check_policy(ad->e, ad->a, &m->d, m->rows, m->n, &m->errors);
	if (m->errors.total)
		admin_refuse_lines(ad, "file", &m->errors);
	else if (r < 0)
		admin_refuse(ad, r);
	else if (admin_flag(ad, "dry_run", false))
		admin_ok(ad, 200, result_json(&m->d, &m->result, true));
	else
		begin(m);
}

/* --- aliases ---------------------------------------------------------------------------------------- */

static int apply_aliases(struct admin *ad, const struct domain *d, struct import_alias *rows,
			 size_t n, bool dry, struct import_result *result,
			 struct import_errors *errors)
{
	int r = admin_begin(ad);
	if (r < 0)
		return r;
	r = import_apply_aliases(ad->e, ad->a, d, rows, n, ad->now_ms, result, errors);
	if (r < 0 || dry) {
		admin_rollback(ad);
		return r;
	}
	r = admin_commit(ad, d->name);
	if (r == 0)
		area_sync(ad->d, d->id, NULL, NULL);
	return r;
}

void op_import_aliases(struct admin *ad)
{
	struct domain d;
	struct import_alias *rows = NULL;
	struct import_result result = { 0 };
	struct import_errors errors = { .language = ad->why.language };
	bool dry = admin_flag(ad, "dry_run", false);
	size_t n = 0;
	int r = admin_domain(ad, admin_get(ad, "domain"), &d);
	if (r == 0)
		r = admin_map_file(ad, "file");
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	r = import_read_aliases(ad->a, ad->file, &rows, &n, &errors);
	for (size_t i = 0; i < n; i++)
		if (rows[i].hosted && !may_host(ad))
			import_fault(&errors, ad->a, rows[i].line, "hosted is for an admin of the customer to give");
	if (r == 0 || n)
		r = apply_aliases(ad, &d, rows, n, dry, &result, &errors);
	if (errors.total)
		admin_refuse_lines(ad, "file", &errors);
	else if (r < 0)
		admin_refuse(ad, r);
	else
		admin_ok(ad, dry ? 200 : 201, result_json(&d, &result, dry));
}
