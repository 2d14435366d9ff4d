/* SPDX-License-Identifier: Apache-2.0 */
/* Threats: local parts as paths or mailbox names (all but a few characters are written as %XX), floods of invented
 * addresses (a number and a size for each domain; the shard holds to both). */
#include "room/directory/noun/candidate.h"

#include "base/err.h"
#include "room/directory/db/engine_priv.h"

enum { FOLDER_MAX = 1000 };

#define COLUMNS \
	"SELECT candidate.domain, candidate.local, generation, messages, bytes, first, last, address.type" \
	" FROM candidate LEFT JOIN address ON address.domain = candidate.domain" \
	" AND address.local = candidate.local "

static bool plain(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || ascii_is_digit(c) || c == '.' || c == '-' || c == '_' || c == '+';
}

struct slice candidate_folder(struct arena *a, uint64_t generation, struct slice local)
{
	struct buf out = BUF_INIT(FOLDER_MAX);
	buf_printf(&out, "%llu=", (unsigned long long)generation);
	for (size_t i = 0; i < local.n; i++) {
		if (plain(local.p[i]))
			buf_byte(&out, local.p[i]);
		else
			buf_printf(&out, "%%%02X", local.p[i]);
	}
	struct slice s = arena_dup(a, buf_view(&out));
	buf_fini(&out);
	return s;
}

static int unhex(uint8_t c)
{
	return ascii_is_digit(c) ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int candidate_of_folder(struct arena *a, struct slice folder, uint64_t *ret_generation,
			struct slice *ret_local)
{
	ptrdiff_t equals = slice_find_byte(folder, '=', 0);
	uint64_t generation;
	if (equals <= 0 || slice_u64(slice_sub(folder, 0, (size_t)equals), INT64_MAX, &generation) < 0)
		return ERR_SYNTAX;
	struct slice in = slice_sub(folder, (size_t)equals + 1, folder.n);
	uint8_t *out = arena_alloc(a, in.n + 1);
	size_t n = 0;
	for (size_t i = 0; i < in.n; i++, n++) {
		int hi = in.n - i > 2 ? unhex(in.p[i + 1]) : -1, lo = in.n - i > 2 ? unhex(in.p[i + 2]) : -1;
		if (in.p[i] != '%') {
			out[n] = in.p[i];
			continue;
		}
		if (hi < 0 || lo < 0)
			return ERR_SYNTAX;
		out[n] = (uint8_t)(hi << 4 | lo);
		i += 2;
	}
	if (!n)
		return ERR_SYNTAX;
	*ret_generation = generation;
	*ret_local = slice_of(out, n);
	return 0;
}

static void read_row(struct arena *a, struct sql_stmt *s, struct candidate *c)
{
	*c = (struct candidate){
		.domain = (uint64_t)sql_int(s, 0),
		.local = column_dup(a, s, 1),
		.generation = (uint64_t)sql_int(s, 2),
		.messages = (uint64_t)sql_int(s, 3),
		.bytes = (uint64_t)sql_int(s, 4),
		.first_ms = sql_int(s, 5),
		.last_ms = sql_int(s, 6),
		.type = slice_str(sql_is_null(s, 7)
					  ? "candidate"
					  : address_type_name((enum address_type)sql_int(s, 7))),
	};
}

int candidate_get(struct engine *e, struct arena *a, uint64_t domain, struct slice local,
		  struct candidate *ret)
{
	struct candidate c = { .domain = domain, .local = local, .type = SLICE("candidate") };
	struct sql_stmt *s =
		sql_prepare(e->db, COLUMNS "WHERE candidate.domain = ?1 AND candidate.local = ?2");
	sql_bind_int(s, 1, (int64_t)domain);
	sql_bind_blob(s, 2, local);
	int r = sql_step(s);
	if (r == 1)
		read_row(a, s, &c);
	sql_done(s);
	if (r < 0)
		return r;
	*ret = c;
	return 0;
}

int candidate_list(struct engine *e, struct arena *a, uint64_t domain, const struct page *page,
		   struct candidate **ret, size_t *ret_n)
{
	struct candidate *rows = NULL;
	size_t n = 0;
	struct name after = { 0 };
	if (page->after.n && name_parse(a, page->after, &after) < 0)
		after = (struct name){ 0 };
	struct sql_stmt *s = sql_prepare(
		e->db, COLUMNS "WHERE candidate.domain = ?1 AND messages > 0 AND candidate.local > ?2 AND "
			       HOLDS("?4", "candidate.local") " ORDER BY candidate.local LIMIT ?3");
	sql_bind_int(s, 1, (int64_t)domain);
	sql_bind_blob(s, 2, after.local);
	sql_bind_int(s, 3, page_limit(page));
	sql_bind_blob(s, 4, page->text);
	int r;
	while ((r = sql_step(s)) == 1)
		read_row(a, s, ROWS_MORE(a, &rows, &n));
	sql_done(s);
	if (r < 0)
		return r;
	*ret = rows;
	*ret_n = n;
	return 0;
}

int candidate_sums(struct engine *e, uint64_t domain, struct candidate_sum *ret)
{
	struct sql_stmt *s =
		sql_prepare(e->db, "SELECT count(*), coalesce(sum(messages), 0), coalesce(sum(bytes), 0)"
				   " FROM candidate WHERE domain = ?1 AND messages > 0");
	sql_bind_int(s, 1, (int64_t)domain);
	int r = sql_step(s);
	if (r == 1)
		*ret = (struct candidate_sum){ (uint64_t)sql_int(s, 0), (uint64_t)sql_int(s, 1),
					       (uint64_t)sql_int(s, 2) };
	sql_done(s);
	return r == 1 ? 0 : r < 0 ? r : ERR_INTERNAL;
}

static int put(struct engine *e, const struct candidate *c)
{
	static const char text[] =
		"INSERT INTO candidate (domain, local, generation, messages, bytes, first, last)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (domain, local) DO UPDATE SET"
		" generation = ?3, messages = ?4, bytes = ?5, first = ?6, last = ?7";
	int r = sql_run(e->db, text, "ibiiiii", (int64_t)c->domain, c->local, (int64_t)c->generation,
			(int64_t)c->messages, (int64_t)c->bytes, c->first_ms, c->last_ms);
	return r < 0 ? r : 0;
}

static bool same(const struct candidate *x, const struct candidate *y)
{
	return x->messages == y->messages && x->bytes == y->bytes && x->first_ms == y->first_ms &&
	       x->last_ms == y->last_ms;
}

/* Folders that are there: rows come up to date; an older generation's folder is one that is being closed. */
static int take(struct engine *e, struct arena *a, struct candidate *c, struct map *seen, bool *changed)
{
	struct candidate was;
	int r = candidate_get(e, a, c->domain, c->local, &was);
	if (r < 0 || was.generation != c->generation)
		return r;
	map_put(seen, c->local, seen);
	if (same(c, &was))
		return 0;
	*changed = true;
	return put(e, c);
}

int candidate_refresh(struct engine *e, struct arena *a, uint64_t domain,
		      const struct candidate *rows, size_t n, bool *ret_changed)
{
	struct map *seen = map_new();
	struct candidate *have = NULL;
	size_t n_have = 0;
	struct page all = { 0 };
	bool changed = false;
	int r = 0;
	for (size_t i = 0; r >= 0 && i < n; i++) {
		struct candidate c = rows[i];
		r = take(e, a, &c, seen, &changed);
	}
	if (r >= 0)
		r = candidate_list(e, a, domain, &all, &have, &n_have);
	for (size_t i = 0; r >= 0 && i < n_have; i++) {
		if (map_get(seen, have[i].local))
			continue;
		have[i].messages = have[i].bytes = 0;
		changed = true;
		r = put(e, &have[i]);
	}
	/* Rows without mail are only kept for their generation. */
	if (r >= 0 && changed)
		r = sql_run(e->db,
			    "DELETE FROM candidate WHERE domain = ?1 AND messages = 0 AND generation = 0",
			    "i", (int64_t)domain);
	map_free(&seen);
	if (r < 0)
		return r;
	*ret_changed = changed;
	return 0;
}

int candidate_next(struct engine *e, struct arena *a, const struct candidate *c,
		   struct slice *ret_folder)
{
	struct candidate next = { .domain = c->domain, .local = c->local, .generation = c->generation + 1 };
	*ret_folder = candidate_folder(a, c->generation, c->local);
	return put(e, &next);
}

int candidate_route(struct engine *e, struct arena *a, const struct addressing *x,
		    struct slice local, struct account *ret_area, struct slice *ret_folder)
{
	struct candidate c;
	struct candidate_sum sum;
	if (!x->candidates || !x->area)
		return ERR_NOT_FOUND;
	int r = account_by_id(e, a, x->area, ret_area);
	if (r == 0 && ret_area->state != ACCOUNT_LIVE)
		r = ret_area->state == ACCOUNT_MADE || ret_area->state == ACCOUNT_CLOSING ? ERR_UNAVAILABLE : ERR_NOT_FOUND;
	if (r == 0)
		r = candidate_get(e, a, x->domain, local, &c);
	if (r == 0)
		r = candidate_sums(e, x->domain, &sum);
	if (r < 0)
		return r;
	if (!c.messages && sum.candidates >= x->max)
		return ERR_NOT_FOUND;
	if (sum.bytes >= x->bytes)
		return ERR_QUOTA;
	*ret_folder = candidate_folder(a, c.generation, local);
	return 0;
}
