/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table: a name without a dot is a label below the provider's domain, one with a dot an alias domain. Threats: a name
 * that leads to two domains (a name is given once, and never where a domain has it), circles (an alias leads to a
 * domain, never to an alias), a customer that takes a name below the provider's domain.
 */
#include "room/directory/noun/other_name.h"

#include "base/err.h"
#include "room/directory/db/engine_priv.h"

enum { LABEL_MAX = 63, LABEL_CUT = 56 };

void engine_set_alternate_base(struct engine *e, struct slice base)
{
	struct arena *a = arena_new();
	struct slice name;
	free(e->alternate_base);
	e->alternate_base = NULL;
	standing_clear(e);
	if (base.n && name_domain(a, base, &name) == 0)
		e->alternate_base = slice_dup_str(name);
	arena_free(&a);
}

static struct slice base_of(const struct engine *e)
{
	return e->alternate_base ? slice_str(e->alternate_base) : (struct slice){ 0 };
}

/* "mydomainzz" of "mydomainzz.provider.example"; false where it is no name of one label below the base. */
static bool below_base(const struct engine *e, struct slice name, struct slice *ret)
{
	struct slice base = base_of(e);
	if (!base.n || name.n < base.n + 2 || name.p[name.n - base.n - 1] != '.' ||
	    !slice_eq(slice_sub(name, name.n - base.n, name.n), base))
		return false;
	*ret = slice_sub(name, 0, name.n - base.n - 1);
	return true;
}

int other_name_find(struct engine *e, struct slice name, uint64_t *ret)
{
	struct slice label;
	int64_t id;
	static const char find[] = "SELECT domain FROM other_name WHERE name = ?1";
	if (slice_find_byte(name, '.', 0) < 0)
		return ERR_NOT_FOUND;
	int r = sql_get(e->db, &id, find, "t", name);
	if (r == ERR_NOT_FOUND && below_base(e, name, &label) && slice_find_byte(label, '.', 0) < 0)
		r = sql_get(e->db, &id, find, "t", label);
	if (r == 0)
		*ret = (uint64_t)id;
	return r;
}

int other_name_is_alternate(struct engine *e, struct arena *a, struct slice name)
{
	struct slice normal, label;
	uint64_t id;
	if (name_domain(a, name, &normal) < 0 || !below_base(e, normal, &label) || slice_find_byte(label, '.', 0) >= 0)
		return ERR_NOT_FOUND;
	return other_name_find(e, normal, &id);
}

/* The letters of the name without its dots; no two hyphens in a row, so that it never looks like an A-label. */
static size_t label_of(struct slice name, uint8_t out[LABEL_CUT])
{
	size_t n = 0;
	for (size_t i = 0; i < name.n && n < LABEL_CUT; i++) {
		uint8_t c = name.p[i];
		if (c == '.' || (c == '-' && (!n || out[n - 1] == '-')))
			continue;
		out[n++] = c;
	}
	while (n && out[n - 1] == '-')
		n--;
	return n;
}

static int give(struct engine *e, struct arena *a, uint64_t domain, struct slice name)
{
	uint8_t text[LABEL_CUT];
	struct slice label = slice_of(text, label_of(name, text)), next = label;
	for (unsigned i = 2;; i++) {
		int r = sql_run(e->db, "INSERT INTO other_name (name, domain) VALUES (?1, ?2)", "ti", next,
				(int64_t)domain);
		if (r != ERR_EXISTS)
			return r < 0 ? r : 0;
		next = slice_str(arena_printf(a, SLICE_FMT "-%u", SLICE_ARG(label), i));
	}
}

int other_name_give(struct engine *e, struct arena *a, const struct domain *d)
{
	return give(e, a, d->id, d->name);
}

int other_name_fill(struct engine *e)
{
	struct arena *a = arena_new();
	struct domain *rows = NULL;
	size_t n = 0;
	struct sql_stmt *s = sql_prepare(e->db, "SELECT id, name FROM domain WHERE NOT EXISTS (SELECT 1 FROM other_name"
						" WHERE domain = domain.id AND instr(name, '.') = 0) ORDER BY id");
	int r;
	while ((r = sql_step(s)) == 1)
		*ROWS_MORE(a, &rows, &n) =
			(struct domain){ .id = (uint64_t)sql_int(s, 0), .name = column_dup(a, s, 1) };
	sql_done(s);
	if (r == 0 && n)
		r = engine_begin(e);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = other_name_give(e, a, &rows[i]);
	if (n && r == 0)
		r = engine_commit(e);
	else if (n)
		engine_rollback(e);
	arena_free(&a);
	return r;
}

int other_name_free(struct engine *e, struct arena *a, struct slice name, struct problem *why)
{
	struct domain d;
	struct slice label;
	uint64_t id;
	int r = other_name_find(e, name, &id);
	if (r == 0)
		r = domain_by_id(e, a, id, &d);
	if (r == 0)
		return problem_set(why, ERR_EXISTS, "domain", SLICE_FMT " is another name of " SLICE_FMT " already",
				   SLICE_ARG(name), SLICE_ARG(d.name));
	if (r != ERR_NOT_FOUND)
		return r;
	if (below_base(e, name, &label))
		return problem_set(why, ERR_CONFLICT, "domain",
				   "names below " SLICE_FMT " are alternate names of domains: " SLICE_FMT " cannot be one of its own",
				   SLICE_ARG(base_of(e)), SLICE_ARG(name));
	return 0;
}

int other_name_alternate(struct engine *e, struct arena *a, uint64_t domain, struct slice *ret)
{
	struct slice label = { 0 };
	struct sql_stmt *s = sql_prepare(
		e->db, "SELECT name FROM other_name WHERE domain = ?1 AND instr(name, '.') = 0");
	sql_bind_int(s, 1, (int64_t)domain);
	int r = sql_step(s);
	if (r == 1)
		label = column_dup(a, s, 0);
	sql_done(s);
	if (r < 0)
		return r;
	*ret = (struct slice){ 0 };
	if (label.n && base_of(e).n)
		*ret = slice_str(arena_printf(a, SLICE_FMT "." SLICE_FMT, SLICE_ARG(label), SLICE_ARG(base_of(e))));
	return 0;
}

int alias_domain_list(struct engine *e, struct arena *a, uint64_t domain, struct slice **ret, size_t *ret_n)
{
	struct slice *rows = NULL;
	size_t n = 0;
	struct sql_stmt *s = sql_prepare(
		e->db, "SELECT name FROM other_name WHERE domain = ?1 AND instr(name, '.') > 0 ORDER BY name");
	sql_bind_int(s, 1, (int64_t)domain);
	int r;
	while ((r = sql_step(s)) == 1)
		*ROWS_MORE(a, &rows, &n) = column_dup(a, s, 0);
	sql_done(s);
	if (r < 0)
		return r;
	*ret = rows;
	*ret_n = n;
	return 0;
}

static int find_real(struct engine *e, struct arena *a, struct slice of, struct domain *ret, struct problem *why)
{
	struct slice name;
	int r = name_domain(a, of, &name);
	if (r < 0)
		return problem_set(why, ERR_INVALID, "alias_of", "\"" SLICE_FMT "\" is not a domain name", SLICE_ARG(of));
	r = domain_get(e, a, name, ret);
	if (r == ERR_NOT_FOUND)
		return problem_set(why, ERR_INVALID, "alias_of", "there is no domain " SLICE_FMT, SLICE_ARG(name));
	if (r == 0 && !slice_eq(name, ret->name))
		return problem_set(why, ERR_INVALID, "alias_of",
				   SLICE_FMT " is only another name itself: name " SLICE_FMT, SLICE_ARG(name),
				   SLICE_ARG(ret->name));
	return r;
}

int alias_domain_add(struct engine *e, struct arena *a, struct slice name, struct slice of, struct domain *ret,
		     struct problem *why)
{
	struct domain there;
	struct slice normal;
	int r = find_real(e, a, of, ret, why);
	if (r < 0)
		return r;
	if (name_domain(a, name, &normal) < 0 || slice_find_byte(normal, '.', 0) < 0)
		return problem_set(why, ERR_INVALID, "domain",
				   "\"" SLICE_FMT "\" is not a domain name of at least two labels", SLICE_ARG(name));
	r = domain_get(e, a, normal, &there);
	if (r == 0 && slice_eq(there.name, normal))
		return problem_set(why, ERR_EXISTS, "domain", "the domain " SLICE_FMT " exists already", SLICE_ARG(normal));
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	r = other_name_free(e, a, normal, why);
	if (r < 0)
		return r;
	r = sql_run(e->db, "INSERT INTO other_name (name, domain) VALUES (?1, ?2)", "ti", normal, (int64_t)ret->id);
	return r < 0 ? r : 0;
}

int alias_domain_remove(struct engine *e, struct slice name)
{
	int r = sql_run(e->db, "DELETE FROM other_name WHERE name = ?1 AND instr(name, '.') > 0", "t", name);
	return r < 0 ? r : r == 0 ? ERR_NOT_FOUND : 0;
}
