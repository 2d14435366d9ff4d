/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A revision is a hash over all columns of an object's rows: a column that is added later counts by itself, and so does a
 * change that no operation made. What changes without being a setting (use, counts) is in no row here.
 */
#include "room/directory/rights/revision.h"

#include "base/codec.h"
#include "base/err.h"
#include "room/directory/db/engine_priv.h"
#include "room/directory/noun/staff.h"

#include <openssl/evp.h>

typedef int find_fn(struct engine *e, struct arena *a, struct slice value, int64_t *ret);

static int find_customer(struct engine *e, struct arena *a, struct slice value, int64_t *ret)
{
	struct customer c;
	int r = customer_get(e, a, value, &c);
	if (r == 0)
		*ret = (int64_t)c.id;
	return r;
}

static int find_domain(struct engine *e, struct arena *a, struct slice value, int64_t *ret)
{
	struct slice normal;
	struct domain d;
	int r = name_domain(a, value, &normal) < 0 ? ERR_NOT_FOUND : domain_get(e, a, normal, &d);
	if (r == 0)
		*ret = (int64_t)d.id;
	return r;
}

static int find_address(struct engine *e, struct arena *a, struct slice value, int64_t *ret)
{
	struct name name;
	struct domain d;
	struct address x;
	int r = name_parse(a, value, &name) < 0 || name.literal ? ERR_NOT_FOUND : domain_get(e, a, name.domain, &d);
	if (r == 0)
		r = address_get(e, a, d.id, name.local, &x);
	if (r == 0)
		*ret = (int64_t)x.id;
	return r;
}

static int find_login(struct engine *e, struct arena *a, struct slice value, int64_t *ret)
{
	struct slice login;
	struct staff s;
	int r = staff_login(a, value, &login) < 0 ? ERR_NOT_FOUND : staff_get(e, a, login, &s);
	if (r == 0)
		*ret = holder_staff(s.id);
	if (r != ERR_NOT_FOUND)
		return r;
	int64_t id;
	r = sql_get(e->db, &id, "SELECT id FROM account WHERE address = ?1 AND state <> 2", "b", login);
	if (r == 0)
		*ret = -id;
	return r;
}

static const struct {
	const char *noun, *field;
	find_fn *find;
	const char *rows[5];
} kinds[] = {
	{ "customer", "customer", find_customer, { "SELECT * FROM customer WHERE id = ?1", "SELECT fixed, retention FROM customer_limits WHERE customer = ?1" } },
	{ "policy", "customer", find_customer, { "SELECT * FROM policy WHERE customer = ?1" } },
	{ "domain", "domain", find_domain, { "SELECT * FROM domain WHERE id = ?1", "SELECT * FROM addressing WHERE domain = ?1",
	    "SELECT * FROM domain_limits WHERE domain = ?1", "SELECT name FROM other_name WHERE domain = ?1 ORDER BY name" } },
	{ "plan", "domain", find_domain, { "SELECT id, phase FROM domain WHERE id = ?1", "SELECT * FROM schedule WHERE domain = ?1" } },
	{ "forward",
	  "address",
	  find_address,
	  { "SELECT id FROM address WHERE id = ?1",
	    "SELECT zone, targets, keep, forward_start, forward_end FROM responder"
	    " JOIN address ON address.account = responder.account WHERE address.id = ?1" } },
	{ "autoreply",
	  "address",
	  find_address,
	  { "SELECT id FROM address WHERE id = ?1",
	    "SELECT zone, subject, text, days, reply_start, reply_end FROM responder"
	    " JOIN address ON address.account = responder.account WHERE address.id = ?1" } },
	{ "mailbox",
	  "address",
	  find_address,
	  { "SELECT * FROM address WHERE id = ?1",
	    "SELECT account.* FROM account JOIN address ON address.account = account.id WHERE address.id = ?1",
	    "SELECT kind, version, must_change FROM credential JOIN address ON address.account = credential.account"
	    " WHERE address.id = ?1 ORDER BY kind",
	    "SELECT retention FROM account_limits JOIN address ON address.account = account_limits.account"
	    " WHERE address.id = ?1" } },
	{ "address",
	  "address",
	  find_address,
	  { "SELECT * FROM address WHERE id = ?1", "SELECT * FROM target WHERE address = ?1 ORDER BY place",
	    "SELECT * FROM list_policy WHERE address = ?1", "SELECT * FROM list_sender WHERE address = ?1 ORDER BY name" } },
	{ "admin",
	  "login",
	  find_login,
	  { "SELECT id, login, person, version, recovery, language FROM staff WHERE id = ?1",
	    "SELECT * FROM office WHERE holder = ?1 ORDER BY id" } },
};

const char *revision_field(struct slice noun)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (slice_eq(noun, slice_str(kinds[i].noun)))
			return kinds[i].field;
	}
	return NULL;
}

/* Every column with its length before it, so that none runs into the next. */
static int hash_rows(struct engine *e, const char *const *rows, int64_t id, EVP_MD_CTX *md)
{
	int r = 0;
	for (size_t i = 0; r >= 0 && rows[i]; i++) {
		struct sql_stmt *s = sql_prepare(e->db, rows[i]);
		sql_bind_int(s, 1, id);
		while ((r = sql_step(s)) == 1) {
			for (size_t k = 0; k < sql_width(s); k++) {
				struct slice v = sql_blob(s, (int)k);
				uint64_t n = v.n;
				bug_if(EVP_DigestUpdate(md, &n, sizeof(n)) != 1 || EVP_DigestUpdate(md, v.p, v.n) != 1);
			}
		}
		sql_done(s);
	}
	return r;
}

int revision_of(struct engine *e, struct arena *a, struct slice noun, struct slice value, struct slice *ret)
{
	uint8_t hash[EVP_MAX_MD_SIZE];
	struct buf text = BUF_INIT(REVISION_BYTES);
	size_t k = 0;
	int64_t id = 0;
	while (k < ARRAY_SIZE(kinds) && !slice_eq(noun, slice_str(kinds[k].noun)))
		k++;
	if (k == ARRAY_SIZE(kinds))
		return ERR_UNSUPPORTED;
	int r = kinds[k].find(e, a, value, &id);
	if (r < 0)
		return r;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bug_if(!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1);
	r = hash_rows(e, kinds[k].rows, id, md);
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
