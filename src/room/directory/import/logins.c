/* SPDX-License-Identifier: Apache-2.0 */
/* The old user names that a file of accounts brings: one column, blanks or commas between several. */
#include "room/directory/import/priv.h"

#include "base/err.h"
#include "base/map.h"
#include "room/directory/login/old_login.h"

static bool is_between(uint8_t c)
{
	return c == ' ' || c == '\t' || c == ',';
}

/* The next word of *rest; false at its end. */
static bool next_name(struct slice *rest, struct slice *ret)
{
	size_t i = 0, end;
	while (i < rest->n && is_between(rest->p[i]))
		i++;
	for (end = i; end < rest->n && !is_between(rest->p[end]);)
		end++;
	*ret = slice_sub(*rest, i, end);
	*rest = slice_sub(*rest, end, rest->n);
	return ret->n > 0;
}

static int check_row(struct engine *e, struct arena *a, struct map *seen, const struct import_account *row,
		     struct import_errors *errors)
{
	struct slice rest = row->old_logins, word, name;
	while (next_name(&rest, &word)) {
		struct problem why = { .language = errors->language };
		int r = old_login_check(e, a, row->id, word, &why);
		if (r < 0 && !why.err)
			return r;
		if (r < 0) {
			import_fault(errors, a, row->line, "%s", why.text);
			continue;
		}
		IGNORE(old_login_name(a, word, &name), "it was checked");
		const struct import_account *other = map_get(seen, name);
		if (other && other != row)
			import_fault(errors, a, row->line, "the old user name " SLICE_FMT " is in line %zu already",
				     SLICE_ARG(name), other->line);
		else
			map_put(seen, name, (void *)(uintptr_t)row);
	}
	return 0;
}

int import_check_old_logins(struct engine *e, struct arena *a, const struct import_account *rows, size_t n,
			    struct import_errors *errors)
{
	struct map *seen = map_new();
	int r = 0;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = check_row(e, a, seen, &rows[i], errors);
	map_free(&seen);
	return r;
}

int import_apply_old_logins(struct engine *e, struct arena *a, const struct import_account *row, int64_t now_ms,
			    struct import_errors *errors)
{
	struct slice rest = row->old_logins, word;
	while (next_name(&rest, &word)) {
		struct problem why = { .language = errors->language };
		int r = old_login_add(e, a, row->id, word, now_ms, &why);
		if (r < 0 && !why.err)
			return r;
		if (r < 0)
			import_fault(errors, a, row->line, "%s", why.text);
	}
	return 0;
}
