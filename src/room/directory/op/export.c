/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export accounts, export aliases: the CSV that the imports take back to the same state (docs/formats/imports.md).
 * Hashes of passwords leave only when the provider asks for them; each export is in the audit.
 */
#include "room/directory/op/admin.h"

#include "base/err.h"
#include "base/text.h"
#include "room/directory/noun/limits.h"
#include "room/directory/noun/list_policy.h"
#include "room/directory/db/name.h"
#include "room/directory/login/old_login.h"

enum { EXPORT_MAX = 64 << 20 };

/* RFC 4180; also what would begin a comment, and blanks that a reader would take off. */
static void cell(struct buf *out, struct slice s)
{
	bool quote = s.n && (s.p[0] == '#' || s.p[0] == ' ' || s.p[s.n - 1] == ' ');
	for (size_t i = 0; i < s.n; i++)
		quote |= s.p[i] == ',' || s.p[i] == ';' || s.p[i] == '"' || s.p[i] == '\t';
	if (!quote) {
		buf_slice(out, s);
		return;
	}
	buf_byte(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"')
			buf_byte(out, '"');
		buf_byte(out, s.p[i]);
	}
	buf_byte(out, '"');
}

static void finish(struct admin *ad, const struct domain *d, struct buf *text, size_t lines)
{
	char max[TEXT_SIZE];
	int r = buf_ok(text) ? admin_begin(ad)
			     : problem_set(&ad->why, ERR_TOO_BIG, NULL, "the export would be larger than %s",
					   text_size(EXPORT_MAX, max));
	if (r == 0)
		r = admin_commit(ad, d->name);
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_ok(ad, 200,
			 json_pack("{s:o, s:I, s:o}", "domain", json_text(d->name), "lines", (json_int_t)lines, "text",
				   json_text(buf_view(text))));
	buf_fini(text);
}

/* --- accounts --------------------------------------------------------------------------------------- */

/* Names that still count, of one account; rows are in the order of the accounts' names. */
static int old_logins(struct admin *ad, const struct account *x, struct buf *out)
{
	struct old_login *rows;
	struct page all = { 0 };
	struct buf names = BUF_INIT(64 * 1024);
	size_t n = 0;
	int r = old_login_list(ad->e, ad->a, 0, 0, x->id, ad->now_ms, &all, &rows, &n);
	for (size_t i = 0; r == 0 && i < n; i++)
		if (rows[i].state != OLD_LOGIN_ENDED)
			buf_printf(&names, "%s" SLICE_FMT, names.n ? " " : "", SLICE_ARG(rows[i].name));
	cell(out, buf_view(&names));
	buf_fini(&names);
	return r;
}

static int account_line(struct admin *ad, const struct account *x, bool passwords, struct buf *out)
{
	cell(out, x->address);
	buf_byte(out, ',');
	if (passwords)
		cell(out, x->hash);
	buf_printf(out, ",%llu,", (unsigned long long)x->quota);
	cell(out, x->person);
	buf_byte(out, ',');
	int r = old_logins(ad, x, out);
	buf_printf(out, ",%s,%s,%s," SLICE_FMT ",", x->hosted ? "yes" : "no", x->send_any ? "yes" : "no",
		   passwords && x->must_change ? "yes" : "no", SLICE_ARG(x->language));
	struct limits l = { .own_retention = RETENTION_INHERIT };
	char days[16];
	if (r == 0)
		r = limits_of(ad->e, x->id, &l);
	buf_printf(out, "%s,", l.own_retention == RETENTION_INHERIT ? "" : retention_text(l.own_retention, days));
	cell(out, x->recovery);
	buf_byte(out, '\n');
	return r;
}

void op_export_accounts(struct admin *ad)
{
	struct domain d;
	struct account *rows;
	struct page all = { 0 };
	struct buf text = BUF_INIT(EXPORT_MAX);
	bool passwords = admin_flag(ad, "passwords", false);
	size_t n = 0;
	int r = admin_domain(ad, admin_get(ad, "domain"), &d);
	if (r == 0)
		r = account_list(ad->e, ad->a, d.id, 0, &all, &rows, &n);
	buf_str(&text, "address,password,quota,name,old_login,hosted,send_any,must_change,language,retention,recovery\n");
	for (size_t i = 0; r == 0 && i < n; i++)
		r = account_line(ad, &rows[i], passwords, &text);
	if (r < 0) {
		buf_fini(&text);
		admin_refuse(ad, r);
		return;
	}
	finish(ad, &d, &text, n);
}

/* --- aliases ---------------------------------------------------------------------------------------- */

/* One that begins like a program or a file of an alias file is quoted, so that it is read as the address that it is. */
static void target(struct buf *out, struct slice s)
{
	ptrdiff_t at = slice_find_byte(s, '@', 0);
	if (at > 0 && strchr("|/:", s.p[0])) {
		buf_byte(out, '"');
		buf_slice(out, slice_sub(s, 0, (size_t)at));
		buf_byte(out, '"');
		s = slice_sub(s, (size_t)at, s.n);
	}
	buf_slice(out, s);
}

static int senders(struct admin *ad, const struct address *x, struct buf *out)
{
	struct list_policy p = { 0 };
	struct buf text = BUF_INIT(1 << 20);
	int r = x->type == ADDRESS_LIST ? list_policy_get(ad->e, ad->a, x->id, &p) : 0;
	if (x->type == ADDRESS_LIST)
		buf_str(&text, list_who_name(p.who));
	for (size_t i = 0; i < p.n_names; i++)
		buf_printf(&text, " " SLICE_FMT, SLICE_ARG(p.names[i]));
	cell(out, buf_view(&text));
	buf_byte(out, '\n');
	buf_fini(&text);
	return r;
}

static int alias_line(struct admin *ad, const struct address *x, struct buf *out)
{
	struct buf to = BUF_INIT(1 << 20);
	cell(out, name_text(ad->a, x->local, x->domain_name));
	buf_printf(out, ",%s,", address_type_name(x->type));
	for (size_t i = 0; i < x->n_targets; i++) {
		buf_str(&to, i ? ", " : "");
		target(&to, x->targets[i]);
	}
	cell(out, buf_view(&to));
	buf_fini(&to);
	buf_printf(out, ",%s,", x->hosted ? "yes" : "no");
	return senders(ad, x, out);
}

void op_export_aliases(struct admin *ad)
{
	struct domain d = { 0 };
	struct address *rows;
	struct page all = { 0 };
	struct buf text = BUF_INIT(EXPORT_MAX);
	size_t n = 0;
	int r = admin_domain(ad, admin_get(ad, "domain"), &d);
	struct address_filter filter = { .domain = d.id, .type = -1 };
	if (r == 0)
		r = address_list(ad->e, ad->a, &filter, &all, &rows, &n);
	buf_str(&text, "address,type,to,hosted,senders\n");
	for (size_t i = 0; r == 0 && i < n; i++)
		r = alias_line(ad, &rows[i], &text);
	if (r < 0) {
		buf_fini(&text);
		admin_refuse(ad, r);
		return;
	}
	finish(ad, &d, &text, n);
}
