/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Import files against the database: every row is judged, errors name line and reason, and only a file without an
 * error changes anything. Names are compared in their normal form, so case twins are found.
 */
#include "room/directory/import/priv.h"

#include "base/err.h"
#include "base/text.h"
#include "base/map.h"
#include "room/directory/notice/language.h"
#include "room/directory/noun/limits.h"
#include "room/directory/noun/list_policy.h"
#include "room/directory/noun/policy.h"

/* The local part that a row is about; a full address must be of this domain. */
static int row_local(struct arena *a, const struct domain *d, struct slice in, size_t line,
		     struct import_errors *errors, struct slice *ret)
{
	struct slice text;
	struct name name;
	if (address_target(a, d, in, &text) < 0 || name_parse(a, text, &name) < 0) {
		import_fault(errors, a, line, "\"" SLICE_FMT "\" is not a name or an address",
			     SLICE_ARG(in));
		return ERR_INVALID;
	}
	if (!slice_eq(name.domain, d->name)) {
		import_fault(errors, a, line, SLICE_FMT " is not in the domain " SLICE_FMT,
			     SLICE_ARG(text), SLICE_ARG(d->name));
		return ERR_INVALID;
	}
	*ret = name.local;
	return 0;
}

/* Notes the name; false where an earlier line has it. */
static bool first_of_name(struct map *names, struct arena *a, struct slice local, size_t line,
			  struct import_errors *errors)
{
	size_t *at = map_get(names, local);
	if (at) {
		import_fault(errors, a, line, SLICE_FMT " is in line %zu already", SLICE_ARG(local),
			     *at);
		return false;
	}
	at = ARENA_NEW(a, size_t);
	*at = line;
	map_put(names, local, at);
	return true;
}

static bool check_retention(struct arena *a, struct import_account *row, struct import_errors *errors)
{
	row->keep = RETENTION_INHERIT;
	if (row->retention.n && retention_parse(row->retention, &row->keep) < 0)
		import_fault(errors, a, row->line, "retention: \"" SLICE_FMT "\" is no number of days from 1 to %d, on, off or default",
			     SLICE_ARG(row->retention), RETENTION_DAYS_MAX);
	else if (row->keep != RETENTION_INHERIT && !row->quota)
		import_fault(errors, a, row->line, "retention: only a mailbox with a quota may have one of its own");
	else
		return true;
	return false;
}

static bool check_recovery(struct arena *a, const struct domain *d, struct import_account *row, struct import_errors *errors)
{
	struct name name;
	if (!row->recovery.n)
		return true;
	if (name_parse(a, row->recovery, &name) < 0 || name.literal) {
		import_fault(errors, a, row->line, "recovery: \"" SLICE_FMT "\" is not an address", SLICE_ARG(row->recovery));
		return false;
	}
	row->recovery = name_text(a, name.local, name.domain);
	if (!slice_eq(row->recovery, name_text(a, row->local, d->name)))
		return true;
	import_fault(errors, a, row->line, "recovery: " SLICE_FMT " is the mailbox itself", SLICE_ARG(row->recovery));
	return false;
}

static int check_account(struct engine *e, struct arena *a, const struct domain *d,
			 struct import_account *row, struct import_result *result,
			 struct import_errors *errors)
{
	struct address there;
	struct account account;
	struct problem why = { .language = errors->language };
	if (language_take(row->language, &row->language, &why) < 0) {
		import_fault(errors, a, row->line, "%s", why.text);
		return 0;
	}
	if (!check_retention(a, row, errors) || !check_recovery(a, d, row, errors))
		return 0;
	int r = address_get(e, a, d->id, row->local, &there);
	if (r == ERR_NOT_FOUND) {
		result->added++;
		return 0;
	}
	if (r < 0)
		return r;
	if (there.type == ADDRESS_MAILBOX) {
		r = account_by_id(e, a, there.account, &account);
		if (r < 0)
			return r;
		if (!row->secret.n || (row->hashed && slice_eq(row->secret, account.hash))) {
			row->skip = true;
			row->id = account.id;
			result->unchanged++;
			return 0;
		}
	}
	import_fault(errors, a, row->line, SLICE_FMT "@" SLICE_FMT " exists already (%s)",
		     SLICE_ARG(row->local), SLICE_ARG(d->name), address_type_word(there.type, errors->language));
	return 0;
}

static void warn(struct arena *a, struct import_result *result, size_t line, const char *text)
{
	if (result->n_warnings < IMPORT_ERRORS_MAX)
		*ROWS_MORE(a, &result->warnings, &result->n_warnings) =
			slice_str(arena_printf(a, "%s%s", arena_printf(a, text_in(text_current(), "line %zu: "), line),
					       text_in(text_current(), text)));
}

int import_check_accounts(struct engine *e, struct arena *a, const struct domain *d,
			  struct import_account *rows, size_t n, struct import_result *ret,
			  struct import_errors *errors)
{
	struct map *names = map_new();
	uint64_t quota = 0;
	int r = 0;
	ret->lines = n;
	for (size_t i = 0; r >= 0 && i < n; i++) {
		if (row_local(a, d, rows[i].name, rows[i].line, errors, &rows[i].local) < 0 ||
		    !first_of_name(names, a, rows[i].local, rows[i].line, errors))
			continue;
		r = check_account(e, a, d, &rows[i], ret, errors);
		if (!rows[i].secret.n && !rows[i].skip && !ret->has_default)
			warn(a, ret, rows[i].line,
			     "no password: nobody can log in until one is set");
		if (__builtin_add_overflow(quota, rows[i].skip ? 0 : rows[i].quota, &quota))
			quota = INT64_MAX;
	}
	map_free(&names);
	if (r >= 0)
		r = import_check_old_logins(e, a, rows, n, errors);
	struct problem why = { .language = errors->language };
	if (r >= 0 && customer_check_pool(e, a, d->customer, 0, quota, &why) < 0)
		import_fault(errors, a, 0, "%s", why.text);
	return r < 0 ? r : errors->total ? ERR_INVALID : 0;
}

int import_check_policy(struct engine *e, struct arena *a, const struct domain *d,
			const struct import_account *rows, size_t n, struct import_errors *errors)
{
	for (size_t i = 0; i < n; i++) {
		struct problem why = { .language = errors->language };
		if (rows[i].skip || rows[i].hashed || !rows[i].secret.n)
			continue;
		int r = password_check(e, d->customer, "password", rows[i].secret, &why);
		if (r < 0 && !why.err)
			return r;
		if (r < 0)
			import_fault(errors, a, rows[i].line, "%s", why.text);
	}
	return errors->total ? ERR_INVALID : 0;
}

int import_apply_accounts(struct engine *e, struct arena *a, const struct domain *d,
			  struct import_account *rows, size_t n, unsigned shards, int64_t now_ms,
			  struct import_errors *errors)
{
	for (size_t i = 0; i < n; i++) {
		struct problem why = { .language = errors->language };
		struct account account = {
			.quota = rows[i].quota,
			.hash = rows[i].secret,
			.must_change = rows[i].must_change,
			.person = rows[i].person,
			.language = rows[i].language,
			.hosted = rows[i].hosted,
			.send_any = rows[i].send_any,
			.pool_checked = true,
			.shard = shards > 1 ? (uint32_t)(i % shards) : 0,
		};
		if (rows[i].skip) {
			int old = import_apply_old_logins(e, a, &rows[i], now_ms, errors);
			if (old < 0)
				return old;
			continue;
		}
		int r = account_add(e, a, d, rows[i].local, &account, now_ms, &why);
		if (r == 0 && rows[i].keep != RETENTION_INHERIT)
			r = limits_set_retention(e, account.id, rows[i].keep);
		if (r == 0 && rows[i].recovery.n)
			r = account_set_recovery(e, account.id, rows[i].recovery);
		if (r < 0 && !why.err)
			return r;
		if (r < 0)
			import_fault(errors, a, rows[i].line, "%s", why.text);
		rows[i].id = account.id;
		rows[i].shard = account.shard;
		rows[i].address = account.address;
		if (r == 0)
			r = import_apply_old_logins(e, a, &rows[i], now_ms, errors);
		if (r < 0 && !why.err)
			return r;
	}
	return errors->total ? ERR_INVALID : 0;
}

static bool same_targets(const struct address *there, struct slice *targets, size_t n)
{
	bool same = there->n_targets == n;
	for (size_t i = 0; same && i < n; i++)
		same = slice_eq(there->targets[i], targets[i]);
	return same;
}

/* The full addresses that a row leads to. */
static bool row_targets(struct arena *a, const struct domain *d, struct import_alias *row,
			struct import_errors *errors)
{
	struct slice *out = NULL;
	size_t n = 0;
	for (size_t i = 0; i < row->n_targets; i++) {
		struct slice t;
		bool twice = false;
		if (address_target(a, d, row->targets[i], &t) < 0) {
			import_fault(errors, a, row->line,
				     "\"" SLICE_FMT "\" is not a name or an address",
				     SLICE_ARG(row->targets[i]));
			return false;
		}
		for (size_t j = 0; j < n; j++)
			twice |= slice_eq(out[j], t);
		if (!twice)
			*ROWS_MORE(a, &out, &n) = t;
	}
	row->targets = out;
	row->n_targets = n;
	return true;
}

/* A target of a domain of this customer must be somebody: in the database, or another row of this file. */
static int targets_exist(struct engine *e, struct arena *a, const struct domain *d,
			 const struct map *names, const struct import_alias *row,
			 struct import_errors *errors)
{
	for (size_t i = 0; i < row->n_targets; i++) {
		struct name name;
		struct domain other;
		struct address x;
		if (name_parse(a, row->targets[i], &name) < 0)
			continue;
		bool here = slice_eq(name.domain, d->name);
		if (here && map_get(names, name.local))
			continue;
		int r = domain_get(e, a, name.domain, &other);
		if (r == 0 && other.customer != d->customer)
			continue; /* what another customer has here is elsewhere, too */
		if (r == 0)
			r = address_get(e, a, other.id, name.local, &x);
		else if (r == ERR_NOT_FOUND)
			continue; /* elsewhere */
		if (r == ERR_NOT_FOUND)
			import_fault(errors, a, row->line, "there is no address " SLICE_FMT,
				     SLICE_ARG(row->targets[i]));
		else if (r < 0)
			return r;
	}
	return 0;
}

static int row_type(struct engine *e, struct arena *a, const struct domain *d, const struct import_alias *row,
		    struct import_errors *errors, enum address_type *ret)
{
	if (!row->type.n) {
		*ret = address_type_of(e, a, d, row->targets, row->n_targets);
		return 0;
	}
	if (address_type_by_name(row->type, ret) < 0 || *ret == ADDRESS_MAILBOX ||
	    *ret == ADDRESS_CANDIDATE) {
		import_fault(errors, a, row->line,
			     "the type \"" SLICE_FMT
			     "\" is not one of alias, list, redirect, banished",
			     SLICE_ARG(row->type));
		return ERR_INVALID;
	}
	return 0;
}

/* The end of a word; blanks inside quotation marks are none of it. */
static size_t word_end(struct slice s)
{
	bool quoted = false;
	size_t i = 0;
	for (; i < s.n && (quoted || s.p[i] != ' '); i++) {
		if (s.p[i] == '\\' && quoted)
			i++;
		else if (s.p[i] == '"')
			quoted = !quoted;
	}
	return i < s.n ? i : s.n;
}

/* "members", "named a@example.test @example.net". */
static int apply_senders(struct engine *e, struct arena *a, const struct import_alias *row, const struct address *x,
			 struct import_errors *errors)
{
	struct list_policy p = { 0 };
	struct problem why = { .language = errors->language };
	struct slice rest = row->senders;
	for (bool first = true; rest.n; first = false) {
		size_t end = word_end(rest);
		struct slice word = slice_sub(rest, 0, end);
		rest = slice_trim(slice_sub(rest, end, rest.n));
		if (first && list_who_by_name(word, &p.who) < 0) {
			import_fault(errors, a, row->line, "senders: \"" SLICE_FMT "\" is not one of anyone, members, domain, named",
				     SLICE_ARG(word));
			return 0;
		}
		if (!first)
			*ROWS_MORE(a, &p.names, &p.n_names) = word;
	}
	int r = list_policy_check(e, a, x, &p, &why);
	if (r < 0 && why.err) {
		import_fault(errors, a, row->line, "%s", why.text);
		return 0;
	}
	return r < 0 ? r : list_policy_put(e, x->id, &p);
}

static int add_alias(struct engine *e, struct arena *a, const struct domain *d,
		     struct import_alias *row, int64_t now_ms, struct import_result *result,
		     struct import_errors *errors)
{
	struct address there,
		x = { .local = row->local, .hosted = row->hosted, .targets = row->targets,
		      .n_targets = row->n_targets };
	struct problem why = { .language = errors->language };
	if (row_type(e, a, d, row, errors, &x.type) < 0)
		return 0;
	int r = address_get(e, a, d->id, row->local, &there);
	if (r == 0 && there.type == x.type && same_targets(&there, x.targets, x.n_targets)) {
		result->unchanged++;
		return 0;
	}
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	r = address_add(e, a, d, &x, now_ms, &why);
	if (r < 0 && !why.err)
		return r;
	if (r < 0)
		import_fault(errors, a, row->line, "%s", why.text);
	else
		result->added++;
	return r == 0 && row->senders.n ? apply_senders(e, a, row, &x, errors) : 0;
}

int import_apply_aliases(struct engine *e, struct arena *a, const struct domain *d,
			 struct import_alias *rows, size_t n, int64_t now_ms,
			 struct import_result *ret, struct import_errors *errors)
{
	struct map *names = map_new();
	bool whole = !errors->total;
	int r = 0;
	ret->lines = n;
	for (size_t i = 0; i < n; i++) {
		rows[i].skip =
			row_local(a, d, rows[i].name, rows[i].line, errors, &rows[i].local) < 0 ||
			!first_of_name(names, a, rows[i].local, rows[i].line, errors) ||
			!row_targets(a, d, &rows[i], errors);
	}
	for (size_t i = 0; r >= 0 && i < n; i++) {
		if (rows[i].skip)
			continue;
		size_t before = errors->total;
		/* A target may be what a line that cannot be read was to be. */
		if (whole)
			r = targets_exist(e, a, d, names, &rows[i], errors);
		if (r >= 0 && errors->total == before)
			r = add_alias(e, a, d, &rows[i], now_ms, ret, errors);
	}
	map_free(&names);
	return r < 0 ? r : errors->total ? ERR_INVALID : 0;
}
