/* SPDX-License-Identifier: Apache-2.0 */
/* See args.h. One function a grammar rule; lists are bounded by the enums of the header. */
#include "proto/imap/args.h"

#include "base/err.h"

int imap_select_args_scan(struct imap_scan *s, struct imap_select_args *ret)
{
	struct imap_select_args a = { 0 };

	if (imap_scan_astring(s, &a.mailbox) < 0)
		return ERR_SYNTAX;
	if (!imap_scan_end(s)) {
		if (imap_scan_sp(s) < 0 || imap_scan_char(s, '(') < 0 ||
		    imap_scan_keyword(s, "CONDSTORE") < 0 || imap_scan_char(s, ')') < 0)
			return ERR_SYNTAX;
		a.condstore = true;
	}
	if (!imap_scan_end(s))
		return ERR_SYNTAX;
	*ret = a;
	return 0;
}

/* "(" "UNCHANGEDSINCE" SP number ")" SP */
static int scan_unchanged_since(struct imap_scan *s, struct imap_store_args *a)
{
	if (imap_scan_char(s, '(') < 0)
		return 0;
	a->conditional = true;
	if (imap_scan_keyword(s, "UNCHANGEDSINCE") < 0 || imap_scan_sp(s) < 0 ||
	    imap_scan_number(s, INT64_MAX, &a->unchanged_since) < 0 || imap_scan_char(s, ')') < 0)
		return ERR_SYNTAX;
	return imap_scan_sp(s);
}

int imap_store_args_scan(struct imap_scan *s, struct imap_store_args *ret)
{
	struct imap_store_args a = { 0 };
	struct slice word;

	if (imap_scan_set(s, &a.set) < 0 || imap_scan_sp(s) < 0 || scan_unchanged_since(s, &a) < 0)
		return ERR_SYNTAX;
	if (imap_scan_char(s, '+') == 0)
		a.how = IMAP_STORE_ADD;
	else if (imap_scan_char(s, '-') == 0)
		a.how = IMAP_STORE_REMOVE;
	if (imap_scan_word(s, &word) < 0)
		return ERR_SYNTAX;
	a.silent = slice_eq_ci(word, SLICE("FLAGS.SILENT"));
	if (!a.silent && !slice_eq_ci(word, SLICE("FLAGS")))
		return ERR_SYNTAX;
	if (imap_scan_sp(s) < 0 || imap_scan_flags(s, true, &a.flags) < 0 || !imap_scan_end(s))
		return ERR_SYNTAX;
	*ret = a;
	return 0;
}

static int scan_status_items(struct imap_scan *s, unsigned *ret)
{
	static const char *const names[] = { "MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY",
					     "UNSEEN", "HIGHESTMODSEQ", "SIZE", "DELETED", "DELETED-STORAGE" };
	unsigned items = 0;

	if (imap_scan_char(s, '(') < 0)
		return ERR_SYNTAX;
	do {
		struct slice word;
		size_t i = 0;
		if (imap_scan_word(s, &word) < 0)
			return ERR_SYNTAX;
		while (i < ARRAY_SIZE(names) && !slice_eq_ci(word, slice_str(names[i])))
			i++;
		if (i == ARRAY_SIZE(names))
			return ERR_SYNTAX;
		items |= 1u << i;
	} while (imap_scan_sp(s) == 0);
	*ret = items;
	return imap_scan_char(s, ')');
}

int imap_status_args_scan(struct imap_scan *s, struct imap_status_args *ret)
{
	struct imap_status_args a = { 0 };

	if (imap_scan_astring(s, &a.mailbox) < 0 || imap_scan_sp(s) < 0 ||
	    scan_status_items(s, &a.items) < 0 || !imap_scan_end(s))
		return ERR_SYNTAX;
	*ret = a;
	return 0;
}

static int list_option(struct slice word, unsigned allowed, unsigned *options)
{
	static const char *const names[] = { "SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE",
					     "CHILDREN" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if ((allowed & 1u << i) && slice_eq_ci(word, slice_str(names[i]))) {
			*options |= 1u << i;
			return 0;
		}
	}
	return ERR_SYNTAX;
}

/* "(" [option *(SP option)] ")"; status: STATUS (...) may be among them. */
static int scan_list_options(struct imap_scan *s, unsigned allowed, unsigned *options, unsigned *status)
{
	bool first = true;

	if (imap_scan_char(s, '(') < 0)
		return ERR_SYNTAX;
	while (imap_scan_char(s, ')') < 0) {
		struct slice word;
		if ((!first && imap_scan_sp(s) < 0) || imap_scan_word(s, &word) < 0)
			return ERR_SYNTAX;
		first = false;
		if (status && slice_eq_ci(word, SLICE("STATUS"))) {
			if (imap_scan_sp(s) < 0 || scan_status_items(s, status) < 0)
				return ERR_SYNTAX;
		} else if (list_option(word, allowed, options) < 0) {
			return ERR_SYNTAX;
		}
	}
	return 0;
}

static int scan_patterns(struct imap_scan *s, struct imap_list_args *a)
{
	if (imap_scan_char(s, '(') < 0) {
		a->n_patterns = 1;
		return imap_scan_list_mailbox(s, &a->patterns[0]);
	}
	a->extended = true;
	do {
		if (a->n_patterns == IMAP_LIST_PATTERNS ||
		    imap_scan_list_mailbox(s, &a->patterns[a->n_patterns]) < 0)
			return ERR_SYNTAX;
		a->n_patterns++;
	} while (imap_scan_sp(s) == 0);
	return imap_scan_char(s, ')');
}

int imap_list_args_scan(struct imap_scan *s, struct imap_list_args *ret)
{
	struct imap_list_args a = { 0 };

	if (imap_scan_is(s, '(')) {
		a.extended = true;
		if (scan_list_options(s, 15, &a.select, NULL) < 0 || imap_scan_sp(s) < 0)
			return ERR_SYNTAX;
		/* RFC 5258 3.1: RECURSIVEMATCH goes with another selection option. */
		if ((a.select & IMAP_LIST_RECURSIVEMATCH) && !(a.select & (IMAP_LIST_SUBSCRIBED | IMAP_LIST_SPECIAL_USE)))
			return ERR_SYNTAX;
	}
	if (imap_scan_astring(s, &a.reference) < 0 || imap_scan_sp(s) < 0 || scan_patterns(s, &a) < 0)
		return ERR_SYNTAX;
	if (!imap_scan_end(s)) {
		a.extended = true;
		if (imap_scan_sp(s) < 0 || imap_scan_keyword(s, "RETURN") < 0 || imap_scan_sp(s) < 0 ||
		    scan_list_options(s, IMAP_LIST_SUBSCRIBED | IMAP_LIST_SPECIAL_USE | IMAP_LIST_CHILDREN,
				      &a.returns, &a.status) < 0 ||
		    !imap_scan_end(s))
			return ERR_SYNTAX;
	}
	*ret = a;
	return 0;
}

static const char *const special_uses[] = { "\\All", "\\Archive", "\\Drafts", "\\Flagged",
					    "\\Junk", "\\Sent", "\\Trash" };

const char *imap_special_use_name(unsigned bit)
{
	return bit < ARRAY_SIZE(special_uses) ? special_uses[bit] : NULL;
}

unsigned imap_special_use_bit(struct slice name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(special_uses); i++) {
		if (slice_eq_ci(name, slice_str(special_uses[i])))
			return 1u << i;
	}
	return 0;
}

/* SP "(" "USE" SP "(" [use-attr *(SP use-attr)] ")" ")" */
static int scan_use(struct imap_scan *s, struct imap_create_args *a)
{
	bool first = true;

	if (imap_scan_sp(s) < 0 || imap_scan_char(s, '(') < 0 || imap_scan_keyword(s, "USE") < 0 ||
	    imap_scan_sp(s) < 0 || imap_scan_char(s, '(') < 0)
		return ERR_SYNTAX;
	while (imap_scan_char(s, ')') < 0) {
		struct slice name;
		if ((!first && imap_scan_sp(s) < 0) || imap_scan_flag(s, &name) < 0)
			return ERR_SYNTAX;
		first = false;
		unsigned bit = imap_special_use_bit(name);
		a->special_use |= bit;
		a->unknown_use |= !bit;
	}
	return imap_scan_char(s, ')');
}

int imap_create_args_scan(struct imap_scan *s, struct imap_create_args *ret)
{
	struct imap_create_args a = { 0 };

	if (imap_scan_astring(s, &a.mailbox) < 0)
		return ERR_SYNTAX;
	if (!imap_scan_end(s) && scan_use(s, &a) < 0)
		return ERR_SYNTAX;
	if (!imap_scan_end(s))
		return ERR_SYNTAX;
	*ret = a;
	return 0;
}

/* Is what is left a literal's mark, CRLF included, and nothing behind it? */
static bool at_final_literal(const struct imap_scan *s)
{
	struct imap_scan t = *s;
	uint64_t n;

	if (imap_scan_char(&t, '{') < 0 || imap_scan_number(&t, UINT32_MAX, &n) < 0)
		return false;
	IGNORE(imap_scan_char(&t, '+'), "either kind");
	return imap_scan_char(&t, '}') == 0 && imap_scan_end(&t);
}

static int scan_append_options(struct imap_scan *s, struct imap_append_args *a)
{
	if (imap_scan_is(s, '(')) {
		if (imap_scan_flags(s, false, &a->flags) < 0 || imap_scan_sp(s) < 0)
			return ERR_SYNTAX;
	}
	if (imap_scan_is(s, '"')) {
		if (imap_scan_date_time(s, &a->date_ms) < 0 || imap_scan_sp(s) < 0)
			return ERR_SYNTAX;
		a->has_date = true;
	}
	if (imap_scan_keyword(s, "UTF8") == 0) {
		if (imap_scan_sp(s) < 0 || imap_scan_char(s, '(') < 0 || !imap_scan_is(s, '~'))
			return ERR_SYNTAX;
		a->utf8 = true;
	}
	if (imap_scan_char(s, '~') == 0 && !a->utf8)
		return ERR_SYNTAX;
	return at_final_literal(s) ? 1 : ERR_SYNTAX;
}

int imap_append_args_scan(struct imap_scan *s, struct imap_append_args *ret)
{
	struct imap_append_args a = { 0 };
	int err;

	if (at_final_literal(s))
		return 0;
	if (imap_scan_astring(s, &a.mailbox) < 0 || imap_scan_sp(s) < 0)
		return ERR_SYNTAX;
	if ((err = scan_append_options(s, &a)) <= 0)
		return ERR_SYNTAX;
	*ret = a;
	return 1;
}
