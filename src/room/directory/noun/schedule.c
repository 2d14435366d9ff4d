/* SPDX-License-Identifier: Apache-2.0 */
#include "room/directory/noun/schedule.h"

#include "base/err.h"
#include "room/directory/db/engine_priv.h"

/* A day that is not set comes behind every day. */
#define PLACE "ifnull(schedule.place, 1000)"
#define DAY "ifnull(nullif(schedule.day, ''), '9999-99-99')"

int schedule_get(struct engine *e, struct arena *a, uint64_t domain, struct schedule *ret)
{
	struct sql_stmt *s = sql_prepare(e->db, "SELECT place, day, note FROM schedule WHERE domain = ?1");
	sql_bind_int(s, 1, (int64_t)domain);
	int r = sql_step(s);
	*ret = (struct schedule){ .place = PLACE_USUAL };
	if (r == 1)
		*ret = (struct schedule){ (uint64_t)sql_int(s, 0), column_dup(a, s, 1), column_dup(a, s, 2) };
	sql_done(s);
	return r < 0 ? r : 0;
}

int schedule_put(struct engine *e, uint64_t domain, const struct schedule *x, int64_t now_ms)
{
	int r = sql_run(e->db,
			"INSERT INTO schedule (domain, place, day, note, changed) VALUES (?1, ?2, ?3, ?4, ?5)"
			" ON CONFLICT (domain) DO UPDATE SET place = excluded.place, day = excluded.day,"
			" note = excluded.note, changed = excluded.changed",
			"iitti", (int64_t)domain, (int64_t)x->place, x->day.p ? x->day : SLICE(""),
			x->note.p ? x->note : SLICE(""), now_ms);
	return r < 0 ? r : 0;
}

/* "PLACE DAY NAME", as schedule_cursor wrote it; what is none begins at the front. */
static void read_cursor(struct slice after, int64_t *ret_place, struct slice *ret_day, struct slice *ret_name)
{
	ptrdiff_t one = slice_find_byte(after, ' ', 0), two = one < 0 ? -1 : slice_find_byte(after, ' ', (size_t)one + 1);
	uint64_t place = 0;
	*ret_place = 0;
	*ret_day = *ret_name = SLICE("");
	if (two < 0 || slice_u64(slice_sub(after, 0, (size_t)one), PLACE_LAST, &place) < 0)
		return;
	*ret_place = (int64_t)place;
	*ret_day = slice_sub(after, (size_t)one + 1, (size_t)two);
	*ret_name = slice_sub(after, (size_t)two + 1, after.n);
}

struct slice schedule_cursor(struct arena *a, const struct planned *last)
{
	struct slice day = last->x.day.n ? last->x.day : SLICE("9999-99-99");
	return slice_str(arena_printf(a, "%llu " SLICE_FMT " " SLICE_FMT, (unsigned long long)last->x.place,
				      SLICE_ARG(day), SLICE_ARG(last->d.name)));
}

int schedule_list(struct engine *e, struct arena *a, uint64_t customer, const struct page *page,
		  struct planned **ret, size_t *ret_n)
{
	static const char text[] =
		"SELECT domain.id, " PLACE ", ifnull(schedule.day, ''), ifnull(schedule.note, ''), customer.name"
		" FROM domain JOIN customer ON customer.id = domain.customer"
		" LEFT JOIN schedule ON schedule.domain = domain.id"
		" WHERE (?1 = 0 OR domain.customer = ?1) AND " SEEN("?2", "domain.id", "domain.customer")
		" AND (" PLACE ", " DAY ", domain.name) > (?3, ?4, ?5) AND " HOLDS("?7", "domain.name")
		" ORDER BY " PLACE ", " DAY ", domain.name LIMIT ?6";
	struct planned *rows = NULL;
	size_t n = 0;
	int64_t place;
	struct slice day, name;
	int r;
	read_cursor(page->after, &place, &day, &name);
	struct sql_stmt *s = sql_prepare(e->db, text);
	sql_bind_int(s, 1, (int64_t)customer);
	sql_bind_int(s, 2, page->viewer);
	sql_bind_int(s, 3, place);
	sql_bind_text(s, 4, day);
	sql_bind_text(s, 5, name);
	sql_bind_int(s, 6, page_limit(page));
	sql_bind_blob(s, 7, page->text);
	while ((r = sql_step(s)) == 1) {
		struct planned *p = ROWS_MORE(a, &rows, &n);
		*p = (struct planned){ .d.id = (uint64_t)sql_int(s, 0), .x.place = (uint64_t)sql_int(s, 1) };
		p->x.day = column_dup(a, s, 2);
		p->x.note = column_dup(a, s, 3);
		p->customer = column_dup(a, s, 4);
	}
	sql_done(s);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = domain_by_id(e, a, rows[i].d.id, &rows[i].d);
	if (r < 0)
		return r;
	*ret = rows;
	*ret_n = n;
	return 0;
}

int schedule_phase(struct domain *d, enum phase phase, struct problem *why)
{
	bool here = phase == PHASE_HOSTED || phase == PHASE_DONE;
	if (here != d->hosted)
		return problem_set(why, ERR_CONFLICT, "phase",
				   here ? "the domain is not hosted here yet: domain switch does that" :
					  "the domain is hosted here already");
	d->phase = phase;
	return 0;
}
