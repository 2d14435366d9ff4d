/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three files: accounts ("joe joes-password"), aliases ("sales: mary, jane"), logins of the old server
 * ("joe@example.test:password"). A line that cannot be read is an error of its own; reading goes on, so that one
 * run names all of them.
 */
#include "room/directory/import/priv.h"

#include "base/err.h"
#include "proto/api/api.h"
#include "proto/pass/scheme.h"

enum { COL_ADDRESS, COL_PASSWORD, COL_QUOTA, COL_PERSON, COL_TO, COL_TYPE, COL_OLD_LOGIN, COL_HOSTED, COL_SEND_ANY,
       COL_MUST_CHANGE, COL_SENDERS, COL_LANGUAGE, COL_RETENTION, COL_RECOVERY };

static const struct import_column account_columns[] = {
	{ "address", COL_ADDRESS },   { "email", COL_ADDRESS }, { "user", COL_ADDRESS },
	{ "username", COL_ADDRESS },  { "login", COL_ADDRESS }, { "mailbox", COL_ADDRESS },
	{ "password", COL_PASSWORD }, { "hash", COL_PASSWORD }, { "quota", COL_QUOTA },
	{ "name", COL_PERSON },       { "old_login", COL_OLD_LOGIN },
	{ "old_user", COL_OLD_LOGIN }, { "old_username", COL_OLD_LOGIN },
	{ "hosted", COL_HOSTED },     { "send_any", COL_SEND_ANY }, { "must_change", COL_MUST_CHANGE },
	{ "language", COL_LANGUAGE }, { "retention", COL_RETENTION }, { "recovery", COL_RECOVERY },
};

static const struct import_column alias_columns[] = {
	{ "address", COL_ADDRESS }, { "alias", COL_ADDRESS }, { "name", COL_ADDRESS },
	{ "to", COL_TO },           { "targets", COL_TO },    { "type", COL_TYPE },
	{ "hosted", COL_HOSTED },   { "senders", COL_SENDERS },
};

static int result_of(const struct import_errors *errors)
{
	return errors->total ? ERR_SYNTAX : 0;
}

static struct slice word(struct slice line, struct slice *ret_rest)
{
	size_t i = 0;
	while (i < line.n && line.p[i] != ' ' && line.p[i] != '\t')
		i++;
	*ret_rest = slice_trim(slice_sub(line, i, line.n));
	return slice_sub(line, 0, i);
}

static bool account_secret(struct import_reader *r, struct slice secret, struct import_account *row)
{
	struct scheme scheme;
	row->secret = secret;
	row->hashed = scheme_parse(secret, &scheme) == 0;
	if (row->hashed && scheme.kind == SCHEME_PLAIN) { /* never kept as it is */
		row->secret = scheme.payload;
		row->hashed = false;
		return true;
	}
	if (secret.n > IMPORT_SECRET_MAX)
		import_fault(r->errors, r->a, r->line, "the password is longer than %d bytes",
			     IMPORT_SECRET_MAX);
	else if (!row->hashed && scheme_looks_hashed(secret))
		import_fault(r->errors, r->a, r->line,
			     "the password looks like a hash, but its scheme is not known "
			     "or it is damaged");
	else
		return true;
	return false;
}

/* "yes", "no" or nothing, as an export writes it. */
static bool take_flag(struct import_reader *r, const char *column, struct slice in, bool *ret)
{
	if (in.n && !slice_eq_ci(in, SLICE("yes")) && !slice_eq_ci(in, SLICE("no"))) {
		import_fault(r->errors, r->a, r->line, "%s: \"" SLICE_FMT "\" is neither yes nor no", column,
			     SLICE_ARG(in));
		return false;
	}
	*ret = slice_eq_ci(in, SLICE("yes"));
	return true;
}

static bool account_csv(struct import_reader *r, struct slice line, const struct import_csv *csv,
			struct import_account *row)
{
	struct slice cell[IMPORT_CELLS_MAX] = { 0 };
	if (!import_row(r, line, csv, cell))
		return false;
	row->name = cell[COL_ADDRESS];
	row->person = cell[COL_PERSON];
	row->language = cell[COL_LANGUAGE];
	row->retention = cell[COL_RETENTION];
	row->recovery = cell[COL_RECOVERY];
	row->old_logins = cell[COL_OLD_LOGIN];
	if (!take_flag(r, "hosted", cell[COL_HOSTED], &row->hosted) ||
	    !take_flag(r, "send_any", cell[COL_SEND_ANY], &row->send_any) ||
	    !take_flag(r, "must_change", cell[COL_MUST_CHANGE], &row->must_change))
		return false;
	if (cell[COL_QUOTA].n && api_size(cell[COL_QUOTA], &row->quota) < 0) {
		import_fault(r->errors, r->a, r->line,
			     "the quota \"" SLICE_FMT "\" is not a size such as 500M or 2G",
			     SLICE_ARG(cell[COL_QUOTA]));
		return false;
	}
	return account_secret(r, cell[COL_PASSWORD], row);
}

static bool account_line(struct import_reader *r, struct slice line, struct import_account *row)
{
	struct slice secret;
	row->name = word(line, &secret);
	return account_secret(r, secret, row);
}

int import_read_accounts(struct arena *a, struct slice text, struct import_account **ret,
			 size_t *ret_n, struct import_errors *errors)
{
	struct import_reader r;
	struct import_csv csv = { 0 };
	struct slice line;
	struct import_account *rows = NULL;
	size_t n = 0;
	int err = import_begin(&r, a, text, errors);
	if (err < 0)
		return err;
	while (import_line(&r, &line)) {
		struct import_account row = { .line = r.line };
		if (r.rows == 1 &&
		    import_header(&r, line, account_columns, ARRAY_SIZE(account_columns), &csv))
			continue;
		bool ok = csv.n ? account_csv(&r, line, &csv, &row) : account_line(&r, line, &row);
		if (ok && !row.name.n)
			import_fault(errors, a, r.line, "there is no name in the line");
		else if (ok)
			*ROWS_MORE(a, &rows, &n) = row;
	}
	*ret = rows;
	*ret_n = n;
	return result_of(errors);
}

/* "a b"@example.test is an address as others are. */
static bool quoted_address(struct slice s)
{
	return s.n && s.p[0] == '"' && slice_find(s, SLICE("\"@"), 1) > 0;
}

/* The comma that ends a target: none inside quotation marks. */
static size_t target_end(struct slice list, size_t at)
{
	bool quoted = false;
	for (; at < list.n && (quoted || list.p[at] != ','); at++) {
		if (list.p[at] == '\\' && quoted)
			at++;
		else if (list.p[at] == '"')
			quoted = !quoted;
	}
	return at < list.n ? at : list.n;
}

static bool target_sane(struct import_reader *r, struct slice target)
{
	if (!target.n)
		import_fault(r->errors, r->a, r->line,
			     "there is an empty place in the list of targets");
	else if (strchr("|/:\"\\", target.p[0]) && !quoted_address(target))
		import_fault(r->errors, r->a, r->line,
			     "\"" SLICE_FMT "\": programs, files and includes are no targets",
			     SLICE_ARG(target));
	else
		return true;
	return false;
}

static bool alias_targets(struct import_reader *r, struct slice list, struct import_alias *row)
{
	size_t at = 0;
	while (at < list.n) {
		size_t end = target_end(list, at);
		struct slice target = slice_trim(slice_sub(list, at, end));
		if (!target_sane(r, target))
			return false;
		if (row->n_targets == ADDRESS_TARGETS_MAX) {
			import_fault(r->errors, r->a, r->line, "more than %d targets",
				     ADDRESS_TARGETS_MAX);
			return false;
		}
		*ROWS_MORE(r->a, &row->targets, &row->n_targets) = target;
		at = end + 1;
	}
	return true;
}

static bool alias_csv(struct import_reader *r, struct slice line, const struct import_csv *csv,
		      struct import_alias *row)
{
	struct slice cell[IMPORT_CELLS_MAX] = { 0 };
	if (!import_row(r, line, csv, cell))
		return false;
	row->name = cell[COL_ADDRESS];
	row->type = cell[COL_TYPE];
	row->senders = cell[COL_SENDERS];
	if (!take_flag(r, "hosted", cell[COL_HOSTED], &row->hosted))
		return false;
	return alias_targets(r, cell[COL_TO], row);
}

static bool alias_line(struct import_reader *r, struct slice line, struct import_alias *row)
{
	ptrdiff_t colon = slice_find_byte(line, ':', 0);
	if (colon < 0) {
		import_fault(r->errors, r->a, r->line,
			     "expected \"name: target, target\", but there is no colon");
		return false;
	}
	row->name = slice_trim(slice_sub(line, 0, (size_t)colon));
	return alias_targets(r, slice_trim(slice_sub(line, (size_t)colon + 1, line.n)), row);
}

int import_read_aliases(struct arena *a, struct slice text, struct import_alias **ret,
			size_t *ret_n, struct import_errors *errors)
{
	struct import_reader r;
	struct import_csv csv = { 0 };
	struct slice line;
	struct import_alias *rows = NULL;
	size_t n = 0;
	int err = import_begin(&r, a, text, errors);
	if (err < 0)
		return err;
	while (import_line(&r, &line)) {
		struct import_alias row = { .line = r.line };
		if (r.rows == 1 &&
		    import_header(&r, line, alias_columns, ARRAY_SIZE(alias_columns), &csv))
			continue;
		bool ok = csv.n ? alias_csv(&r, line, &csv, &row) : alias_line(&r, line, &row);
		if (ok && !row.name.n)
			import_fault(errors, a, r.line, "there is no name in front of the colon");
		else if (ok)
			*ROWS_MORE(a, &rows, &n) = row;
	}
	*ret = rows;
	*ret_n = n;
	return result_of(errors);
}

/* "joe@example.test:password", "joe:custo1:password". Everything behind the last named colon is the password. */
static bool login_line(struct import_reader *r, struct slice line, struct import_login *row)
{
	ptrdiff_t first = slice_find_byte(line, ':', 0);
	ptrdiff_t second = first < 0 ? -1 : slice_find_byte(line, ':', (size_t)first + 1);
	if (first < 0) {
		row->name = word(line, &row->password);
	} else {
		row->name = slice_trim(slice_sub(line, 0, (size_t)first));
		if (second >= 0)
			row->user = slice_trim(slice_sub(line, (size_t)first + 1, (size_t)second));
		row->password = slice_trim(
			slice_sub(line, (size_t)(second < 0 ? first : second) + 1, line.n));
	}
	if (row->name.n && row->password.n && row->password.n <= IMPORT_SECRET_MAX)
		return true;
	import_fault(r->errors, r->a, r->line,
		     "expected \"address:password\" or \"address:login:password\"");
	return false;
}

int import_read_logins(struct arena *a, struct slice text, struct import_login **ret, size_t *ret_n,
		       struct import_errors *errors)
{
	struct import_reader r;
	struct slice line;
	struct import_login *rows = NULL;
	size_t n = 0;
	int err = import_begin(&r, a, text, errors);
	if (err < 0)
		return err;
	while (import_line(&r, &line)) {
		struct import_login row = { .line = r.line };
		if (login_line(&r, line, &row))
			*ROWS_MORE(a, &rows, &n) = row;
	}
	*ret = rows;
	*ret_n = n;
	return result_of(errors);
}

static bool is_twice(const struct import_setting *rows, size_t n, struct slice name)
{
	for (size_t i = 0; i < n; i++)
		if (slice_eq(rows[i].name, name))
			return true;
	return false;
}

int import_read_settings(struct arena *a, struct slice text, struct import_setting **ret, size_t *ret_n,
			 struct import_errors *errors)
{
	static const struct import_column columns[] = { { "setting", COL_ADDRESS }, { "value", COL_TO } };
	enum { SETTINGS_MAX = 100 };
	struct import_reader r;
	struct import_csv csv = { 0 };
	struct slice line;
	struct import_setting *rows = NULL;
	size_t n = 0;
	int err = import_begin(&r, a, text, errors);
	if (err < 0)
		return err;
	while (import_line(&r, &line)) {
		struct slice cell[IMPORT_CELLS_MAX] = { 0 };
		if (r.rows == 1 && import_header(&r, line, columns, ARRAY_SIZE(columns), &csv))
			continue;
		if (!csv.n) {
			import_fault(errors, a, r.line, "the first row is not setting,value");
			break;
		}
		if (n == SETTINGS_MAX) {
			import_fault(errors, a, r.line, "more than %d settings", SETTINGS_MAX);
			break;
		}
		if (!import_row(&r, line, &csv, cell))
			continue;
		if (is_twice(rows, n, cell[COL_ADDRESS]))
			import_fault(errors, a, r.line, "the setting " SLICE_FMT " is there twice", SLICE_ARG(cell[COL_ADDRESS]));
		else
			*ROWS_MORE(a, &rows, &n) = (struct import_setting){ r.line, cell[COL_ADDRESS], cell[COL_TO] };
	}
	*ret = rows;
	*ret_n = n;
	return result_of(errors);
}
