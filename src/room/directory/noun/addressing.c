/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of addressing.h as rows. An area is an account of no domain: no list shows it, nobody logs in to it. */
#include "room/directory/noun/addressing.h"

#include "base/err.h"
#include "room/directory/db/engine_priv.h"

#define COLUMNS \
	"SELECT domain, separator, catch_all, candidates, days, bytes, max, area, multidrop FROM addressing "

static void read_row(struct arena *a, struct sql_stmt *s, struct addressing *x)
{
	*x = (struct addressing){
		.domain = (uint64_t)sql_int(s, 0),
		.separator = (uint8_t)sql_int(s, 1),
		.catch_all = column_dup(a, s, 2),
		.candidates = sql_int(s, 3),
		.days = (unsigned)sql_int(s, 4),
		.bytes = (uint64_t)sql_int(s, 5),
		.max = (unsigned)sql_int(s, 6),
		.area = (uint64_t)sql_int(s, 7),
		.multidrop = sql_int(s, 8),
	};
}

static int read_one(struct arena *a, struct sql_stmt *s, struct addressing *ret)
{
	int r = sql_step(s);
	if (r == 1)
		read_row(a, s, ret);
	sql_done(s);
	return r == 1 ? 0 : r == 0 ? ERR_NOT_FOUND : r;
}

int addressing_get(struct engine *e, struct arena *a, uint64_t domain, struct addressing *ret)
{
	struct addressing x = {
		.domain = domain,
		.separator = '+',
		.days = CANDIDATE_DAYS,
		.bytes = CANDIDATE_BYTES,
		.max = CANDIDATES_MAX,
	};
	struct sql_stmt *s = sql_prepare(e->db, COLUMNS "WHERE domain = ?1");
	sql_bind_int(s, 1, (int64_t)domain);
	int r = read_one(a, s, &x);
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	*ret = x;
	return 0;
}

int addressing_of_area(struct engine *e, struct arena *a, uint64_t account, struct addressing *ret)
{
	struct sql_stmt *s = sql_prepare(e->db, COLUMNS "WHERE area = ?1 AND area <> 0");
	sql_bind_int(s, 1, (int64_t)account);
	return read_one(a, s, ret);
}

int addressing_areas(struct engine *e, struct arena *a, struct addressing **ret, size_t *ret_n)
{
	struct addressing *rows = NULL;
	size_t n = 0;
	struct sql_stmt *s = sql_prepare(e->db, COLUMNS "WHERE area <> 0 ORDER BY domain");
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

int addressing_put(struct engine *e, const struct addressing *x)
{
	static const char put[] =
		"INSERT INTO addressing (domain, separator, catch_all, candidates, days, bytes, max, area, multidrop)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (domain) DO UPDATE SET"
		" separator = ?2, catch_all = ?3, candidates = ?4, days = ?5, bytes = ?6, max = ?7, area = ?8,"
		" multidrop = ?9";
	int r = sql_run(e->db, put, "iibiiiiii", (int64_t)x->domain, (int64_t)x->separator,
			x->catch_all, (int64_t)x->candidates, (int64_t)x->days, (int64_t)x->bytes,
			(int64_t)x->max, (int64_t)x->area, (int64_t)x->multidrop);
	return r < 0 ? r : 0;
}

int addressing_make_area(struct engine *e, struct arena *a, const struct domain *d,
			 struct addressing *x, uint32_t shard, int64_t now_ms)
{
	struct slice name = slice_str(arena_printf(a, "@" SLICE_FMT, SLICE_ARG(d->name)));
	static const char row[] = "INSERT INTO account (domain, shard, state, quota, address, "
				  "person, send_any, created)"
				  " VALUES (0, ?1, 0, ?2, ?3, '', 0, ?4)";
	int r = sql_run(e->db, row, "iibi", (int64_t)shard, (int64_t)x->bytes, name, now_ms);
	if (r < 0)
		return r;
	x->area = (uint64_t)sql_last_id(e->db);
	return addressing_put(e, x);
}
