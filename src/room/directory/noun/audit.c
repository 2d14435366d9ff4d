/* SPDX-License-Identifier: Apache-2.0 */
/* The log's rows. Who looks after a customer or a domain sees what was done there, by whomever. */
#include "room/directory/noun/audit.h"

#include "base/err.h"
#include "room/directory/db/engine_priv.h"

static const char list_sql[] =
	"SELECT id, at, actor, remote, operation, object, detail, status, customer, domain FROM audit"
	" WHERE id < ?1 AND at >= ?2 AND (?3 = 0 OR customer = ?3) AND (?4 = 0 OR domain = ?4)"
	" AND (length(?5) = 0 OR actor = ?5) AND (?6 = '' OR operation = ?6 OR substr(operation, 1, length(?6) + 1) = ?6 || '.')"
	" AND (length(?7) = 0 OR object = ?7) AND " SEEN("?8", "audit.domain", "audit.customer")
	" AND (" HOLDS("?10", "object") " OR holds(actor, ?10) OR holds(detail, ?10))"
	" ORDER BY id DESC LIMIT ?9";

int audit_list(struct engine *e, struct arena *a, const struct audit_filter *f, const struct page *page,
	       struct audit_row **ret, size_t *ret_n)
{
	struct audit_row *rows = NULL;
	size_t n = 0;
	uint64_t before = INT64_MAX;
	if (page->after.n && slice_u64(page->after, INT64_MAX, &before) < 0)
		before = INT64_MAX;
	struct sql_stmt *s = sql_prepare(e->db, list_sql);
	sql_bind_int(s, 1, (int64_t)before);
	sql_bind_int(s, 2, f->since_ms);
	sql_bind_int(s, 3, (int64_t)f->customer);
	sql_bind_int(s, 4, (int64_t)f->domain);
	sql_bind_blob(s, 5, f->actor);
	sql_bind_text(s, 6, f->operation);
	sql_bind_blob(s, 7, f->object);
	sql_bind_int(s, 8, page->viewer);
	sql_bind_int(s, 9, page_limit(page));
	sql_bind_blob(s, 10, page->text);
	int r;
	while ((r = sql_step(s)) == 1)
		*ROWS_MORE(a, &rows, &n) = (struct audit_row){
			.id = (uint64_t)sql_int(s, 0),
			.row = {
				.at_ms = sql_int(s, 1),
				.actor = column_dup(a, s, 2),
				.remote = column_dup(a, s, 3),
				.operation = column_dup(a, s, 4),
				.object = column_dup(a, s, 5),
				.detail = column_dup(a, s, 6),
				.status = (unsigned)sql_int(s, 7),
				.customer = (uint64_t)sql_int(s, 8),
				.domain = (uint64_t)sql_int(s, 9),
			},
		};
	sql_done(s);
	if (r < 0)
		return r;
	*ret = rows;
	*ret_n = n;
	return 0;
}
