/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logins. A credential's version is a number that never comes again: auth's cache of positive checks and every
 * grant name it, so nothing of an old password outlives the change (M2). Putting the same password into a newer
 * hash is no change: the version stays.
 */
#include "room/directory/noun/addressing.h"
#include "room/directory/db/engine_priv.h"

#include "base/err.h"
#include "room/directory/login/old_login.h"

int credential_set(struct engine *e, uint64_t account, struct slice hash, int must_change,
		   int64_t now_ms, uint64_t *ret_version)
{
	uint64_t version = 0;
	int r = engine_next(e, &version);
	if (r < 0)
		return r;
	static const char put[] = "INSERT INTO credential (account, kind, hash, version, "
				  "must_change, changed) VALUES (?1, 0, ?2, ?3, ?4, ?5)"
				  " ON CONFLICT (account, kind) DO UPDATE SET hash = "
				  "excluded.hash, version = excluded.version,"
				  " must_change = excluded.must_change, changed = excluded.changed";
	r = sql_run(e->db, put, "ibiii", (int64_t)account, hash, (int64_t)version,
		    (int64_t)must_change, now_ms);
	if (r < 0)
		return r;
	*ret_version = version;
	return 0;
}

int credential_rehash(struct engine *e, uint64_t account, uint64_t version, struct slice hash)
{
	int r = sql_run(
		e->db,
		"UPDATE credential SET hash = ?3 WHERE account = ?1 AND kind = 0 AND version = ?2",
		"iib", (int64_t)account, (int64_t)version, hash);
	return r < 0 ? r : r == 0 ? ERR_CONFLICT : 0;
}

/* The one mailbox that an address stands for: itself, or an alias of it. */
static int mailbox_of(struct engine *e, struct arena *a, const struct name *name, uint64_t *ret)
{
	struct name at = *name;
	for (int hop = 0; hop < 2; hop++) {
		struct domain d;
		struct address x;
		int r = domain_get(e, a, at.domain, &d);
		if (r == 0)
			r = address_get(e, a, d.id, at.local, &x);
		if (r < 0)
			return r;
		if (x.type == ADDRESS_MAILBOX) {
			*ret = x.account;
			return 0;
		}
		if (x.type != ADDRESS_ALIAS || x.n_targets != 1 ||
		    name_parse(a, x.targets[0], &at) < 0)
			return ERR_NOT_FOUND;
	}
	return ERR_NOT_FOUND;
}

int credential_find(struct engine *e, struct arena *a, struct slice login, int64_t now_ms,
		    struct account *ret)
{
	struct name name;
	struct account x;
	uint64_t id = 0;
	int r = ERR_NOT_FOUND;
	if (name_parse(a, login, &name) == 0 && !name.literal)
		r = mailbox_of(e, a, &name, &id);
	if (r == ERR_NOT_FOUND)
		r = old_login_find(e, a, login, now_ms, &id);
	if (r == 0)
		r = account_by_id(e, a, id, &x);
	if (r < 0)
		return r;
	if (x.state != ACCOUNT_LIVE)
		return x.state == ACCOUNT_MADE || x.state == ACCOUNT_CLOSING ? ERR_UNAVAILABLE : ERR_NOT_FOUND;
	*ret = x;
	return 0;
}

static int same_customer(struct engine *e, struct arena *a, const struct account *x,
			 struct slice domain, bool *ret)
{
	struct domain own, other;
	int r = domain_by_id(e, a, x->domain, &own);
	if (r == 0)
		r = domain_get(e, a, domain, &other);
	if (r == 0)
		*ret = own.customer == other.customer;
	return r == ERR_NOT_FOUND ? 0 : r;
}

static bool has_base(struct engine *e, struct arena *a, const struct name *name, struct slice *ret)
{
	struct domain d;
	struct addressing x;
	return domain_get(e, a, name->domain, &d) == 0 && addressing_get(e, a, d.id, &x) == 0 &&
	       name_base(name->local, x.separator, ret);
}

int sender_allowed(struct engine *e, struct arena *a, uint64_t account, struct slice address,
		   bool *ret)
{
	struct name name;
	struct account x;
	uint64_t id = 0;
	bool allowed = false;
	int r = account_by_id(e, a, account, &x);
	if (r < 0)
		return r;
	if (address.n == 0) {
		*ret = true;
		return 0;
	}
	if (name_parse(a, address, &name) == 0 && !name.literal) {
		struct name base = name;
		r = mailbox_of(e, a, &name, &id);
		if (r == ERR_NOT_FOUND && has_base(e, a, &name, &base.local))
			r = mailbox_of(e, a, &base, &id);
		allowed = r == 0 && id == account;
		if (!allowed && x.send_any && (r == 0 || r == ERR_NOT_FOUND))
			r = same_customer(e, a, &x, name.domain, &allowed);
	}
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	*ret = allowed;
	return 0;
}
