/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A revision is a hash over all columns of an object's rows: a column that is added later counts by itself, and so does a
 * change that no operation made. What changes without being a setting (use, counts) is in no row here.
 */
#include "room/directory/rights/revision.h"

#include "base/codec.h"
#include "base/err.h"
#include "room/directory/db/engine_priv.h"
#include "room/directory/login/old_login.h"
#include "room/directory/notice/language.h"
#include "room/directory/noun/staff.h"

#include <openssl/evp.h>

/* What the rows are bound to: ?1, ?2, ?3. */
struct named {
	int64_t id;
	struct slice text[API_KEY_MAX - 1];
};
typedef int find_fn(struct engine *e, struct arena *a, const struct slice *key, struct named *ret);

static int find_customer(struct engine *e, struct arena *a, const struct slice *key, struct named *ret)
{
	struct customer c;
	int r = customer_get(e, a, key[0], &c);
	if (r == 0)
		ret->id = (int64_t)c.id;
	return r;
}

static int find_domain(struct engine *e, struct arena *a, const struct slice *key, struct named *ret)
{
	struct slice normal;
	struct domain d;
	int r = name_domain(a, key[0], &normal) < 0 ? ERR_NOT_FOUND : domain_get(e, a, normal, &d);
	if (r == 0)
		ret->id = (int64_t)d.id;
	ret->text[0] = key[1];
	return r;
}

static int find_address(struct engine *e, struct arena *a, const struct slice *key, struct named *ret)
{
	struct name name;
	struct domain d;
	struct address x;
	int r = name_parse(a, key[0], &name) < 0 || name.literal ? ERR_NOT_FOUND : domain_get(e, a, name.domain, &d);
	if (r == 0)
		r = address_get(e, a, d.id, name.local, &x);
	if (r == 0)
		ret->id = (int64_t)x.id;
	ret->text[0] = key[1];
	return r;
}

/* A candidate is an address of no table but its own. */
static int find_candidate(struct engine *e, struct arena *a, const struct slice *key, struct named *ret)
{
	struct name name;
	struct domain d;
	int r = name_parse(a, key[0], &name) < 0 || name.literal ? ERR_NOT_FOUND : domain_get(e, a, name.domain, &d);
	if (r < 0)
		return r;
	ret->id = (int64_t)d.id;
	ret->text[0] = name.local;
	return 0;
}

static int find_old_login(struct engine *e, struct arena *a, const struct slice *key, struct named *ret)
{
	int r = find_address(e, a, key, ret);
	return r < 0 ? r : old_login_name(a, key[1], &ret->text[0]) < 0 ? ERR_NOT_FOUND : 0;
}

static int find_login(struct engine *e, struct arena *a, const struct slice *key, struct named *ret)
{
	struct slice login;
	struct staff s;
	int r = staff_login(a, key[0], &login) < 0 ? ERR_NOT_FOUND : staff_get(e, a, login, &s);
	if (r == 0)
		ret->id = holder_staff(s.id);
	if (r != ERR_NOT_FOUND)
		return r;
	int64_t id;
	r = sql_get(e->db, &id, "SELECT id FROM account WHERE address = ?1 AND state <> 2", "b", login);
	if (r == 0)
		ret->id = -id;
	return r;
}

static int find_token(struct engine *e, struct arena *a, const struct slice *key, struct named *ret)
{
	uint64_t id = 0;
	if (slice_u64(key[0], INT64_MAX, &id) < 0)
		return ERR_NOT_FOUND;
	ret->id = (int64_t)id;
	return 0;
}

static int find_sender(struct engine *e, struct arena *a, const struct slice *key, struct named *ret)
{
	int r = find_customer(e, a, key, ret);
	if (r == 0 && key[1].n && name_domain(a, key[1], &ret->text[0]) < 0)
		return ERR_NOT_FOUND;
	return r;
}

/* Without a customer: the provider's. */
static int find_template(struct engine *e, struct arena *a, const struct slice *key, struct named *ret)
{
	struct customer c = { .language = SLICE("") };
	int r = key[1].n ? customer_get(e, a, key[1], &c) : 0;
	ret->id = (int64_t)c.id;
	ret->text[0] = key[0];
	ret->text[1] = key[2];
	return r < 0 || key[2].n ? r : language_of(e, a, c.language, 0, &ret->text[1]);
}

#define OF_MAILBOX(table) " FROM " table " JOIN address ON address.account = " table ".account WHERE address.id = ?1"

/* No row of the first: there is no such thing. */
static const struct {
	const char *kind;
	find_fn *find;
	const char *rows[5];
} kinds[] = {
	{ "customer", find_customer, { "SELECT * FROM customer WHERE id = ?1", "SELECT fixed, retention FROM customer_limits WHERE customer = ?1" } },
	{ "policy", find_customer, { "SELECT id FROM customer WHERE id = ?1", "SELECT * FROM policy WHERE customer = ?1" } },
	{ "domain", find_domain, { "SELECT * FROM domain WHERE id = ?1", "SELECT * FROM addressing WHERE domain = ?1",
	    "SELECT * FROM domain_limits WHERE domain = ?1", "SELECT name FROM other_name WHERE domain = ?1 ORDER BY name" } },
	{ "globalscript", find_domain, { "SELECT name, text, changed FROM global_script WHERE domain = ?1 AND name = ?2" } },
	{ "plan", find_domain, { "SELECT id, phase FROM domain WHERE id = ?1", "SELECT * FROM schedule WHERE domain = ?1" } },
	{ "move", find_domain,
	  { "SELECT id, host, port, tls, verify, master_user, ended, started, pop3 FROM plan WHERE domain = ?1" } },
	{ "forward", find_address, { "SELECT id FROM address WHERE id = ?1",
	    "SELECT zone, targets, keep, forward_start, forward_end" OF_MAILBOX("responder") } },
	{ "autoreply", find_address, { "SELECT id FROM address WHERE id = ?1",
	    "SELECT zone, subject, text, days, reply_start, reply_end" OF_MAILBOX("responder") } },
	{ "mailbox", find_address, { "SELECT * FROM address WHERE id = ?1",
	    "SELECT account.* FROM account JOIN address ON address.account = account.id WHERE address.id = ?1",
	    "SELECT kind, version, must_change" OF_MAILBOX("credential") " ORDER BY kind",
	    "SELECT retention" OF_MAILBOX("account_limits") } },
	{ "login", find_old_login,
	  { "SELECT login.name, login.account, state, deadline, login.created" OF_MAILBOX("login") " AND login.name = ?2" } },
	{ "apppassword", find_address,
	  { "SELECT name, protocols, hash, version, app_password.created" OF_MAILBOX("app_password")
	    " AND name = CAST(?2 AS TEXT)" } },
	/* Without a name: the active one. */
	{ "sieve", find_address, { "SELECT name, text, active, changed" OF_MAILBOX("script")
	    " AND (name = ?2 OR (length(?2) = 0 AND active = 1))" } },
	{ "address", find_address, { "SELECT * FROM address WHERE id = ?1", "SELECT * FROM target WHERE address = ?1 ORDER BY place",
	    "SELECT * FROM list_policy WHERE address = ?1", "SELECT * FROM list_sender WHERE address = ?1 ORDER BY name" } },
	/* Its mail is what it is: who removes it has seen all of it. */
	{ "candidate", find_candidate, { "SELECT * FROM candidate WHERE domain = ?1 AND local = ?2" } },
	{ "admin", find_login, { "SELECT id, login, person, version, recovery, language FROM staff WHERE id = ?1 UNION ALL"
	    " SELECT id, address, person, 0, recovery, language FROM account WHERE id = -?1",
	    "SELECT * FROM office WHERE holder = ?1 ORDER BY id" } },
	{ "totp", find_login, { "SELECT ?1", "SELECT secret, made, since FROM totp WHERE holder = ?1",
	    "SELECT hash FROM totp_recovery WHERE holder = ?1 ORDER BY hash" } },
	{ "token", find_token, { "SELECT id, holder, name, scopes, read_only, expires FROM token WHERE id = ?1 AND kind = 1" } },
	{ "sender", find_sender, { "SELECT id FROM customer WHERE id = ?1",
	    "SELECT domain, address, name FROM notice_sender WHERE customer = ?1 AND domain IN (0, ifnull("
	    "(SELECT id FROM domain WHERE name = CAST(?2 AS TEXT)), 0)) ORDER BY domain" } },
	/* Whichever of them is in force. */
	{ "template", find_template, { "SELECT ?1, ?2, ?3", "SELECT * FROM template WHERE customer IN (0, ?1)"
	    " AND kind = CAST(?2 AS TEXT) AND language = CAST(?3 AS TEXT) ORDER BY customer" } },
};

/* Every column with its length before it, so that none runs into the next. How many rows there were. */
static int hash_rows(struct engine *e, const char *rows, const struct named *x, EVP_MD_CTX *md)
{
	struct sql_stmt *s = sql_prepare(e->db, rows);
	int r, n = 0;
	sql_bind_int(s, 1, x->id);
	for (int i = 0; i < API_KEY_MAX - 1; i++)
		if (strstr(rows, i ? "?3" : "?2"))
			sql_bind_blob(s, 2 + i, x->text[i].p ? x->text[i] : SLICE(""));
	for (; (r = sql_step(s)) == 1; n++) {
		for (size_t k = 0; k < sql_width(s); k++) {
			struct slice v = sql_blob(s, (int)k);
			uint64_t size = v.n;
			bug_if(EVP_DigestUpdate(md, &size, sizeof(size)) != 1 || EVP_DigestUpdate(md, v.p, v.n) != 1);
		}
	}
	sql_done(s);
	return r < 0 ? r : n;
}

static int hash_all(struct engine *e, const char *const *rows, const struct named *x, EVP_MD_CTX *md)
{
	int r = hash_rows(e, rows[0], x, md);
	if (r == 0)
		return ERR_NOT_FOUND;
	for (size_t i = 1; r >= 0 && rows[i]; i++)
		r = hash_rows(e, rows[i], x, md);
	return r < 0 ? r : 0;
}

int revision_of(struct engine *e, struct arena *a, const char *kind, const struct slice key[API_KEY_MAX],
		struct slice *ret)
{
	uint8_t hash[EVP_MAX_MD_SIZE];
	struct buf text = BUF_INIT(REVISION_BYTES);
	struct named x = { 0 };
	size_t k = 0;
	while (k < ARRAY_SIZE(kinds) && strcmp(kind, kinds[k].kind) != 0)
		k++;
	if (k == ARRAY_SIZE(kinds))
		return ERR_UNSUPPORTED;
	int r = kinds[k].find(e, a, key, &x);
	if (r < 0)
		return r;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bug_if(!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1);
	r = hash_all(e, kinds[k].rows, &x, md);
	bug_if(EVP_DigestFinal_ex(md, hash, NULL) != 1);
	EVP_MD_CTX_free(md);
	if (r < 0)
		return r;
	hex_encode(&text, slice_of(hash, REVISION_BYTES / 2));
	*ret = arena_dup(a, buf_view(&text));
	buf_fini(&text);
	return 0;
}

bool revision_matches(struct slice list, struct slice revision)
{
	if (slice_eq(slice_trim(list), SLICE("*")))
		return true;
	for (size_t at = 0; at < list.n;) {
		ptrdiff_t comma = slice_find_byte(list, ',', at);
		size_t end = comma < 0 ? list.n : (size_t)comma;
		struct slice tag = slice_trim(slice_sub(list, at, end));
		/* Weak tags ("W/...") never match here, RFC 9110 8.8.3.2. */
		if (tag.n == revision.n + 2 && tag.p[0] == '"' && tag.p[tag.n - 1] == '"' &&
		    slice_eq(slice_sub(tag, 1, tag.n - 1), revision))
			return true;
		at = end + 1;
	}
	return false;
}
