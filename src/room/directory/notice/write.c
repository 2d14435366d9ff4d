/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates are checked when they are stored and again when they are used: what an older version let in, or what a
 * changed table of variables no longer knows, gives way to the built-in text and never to a broken message (H20).
 */
#include "room/directory/notice/write.h"

#include "base/codec.h"
#include "base/err.h"
#include "base/event.h"
#include "base/text.h"
#include "proto/mail/template.h"
#include "room/directory/db/engine_priv.h"
#include "room/directory/notice/texts.h"

/* --- which texts ----------------------------------------------------------------------------------------- */

static const struct notice_language *language_of(struct slice code)
{
	for (size_t i = 0; i < notice_n_languages; i++)
		if (slice_eq(code, slice_str(notice_languages[i].code)))
			return &notice_languages[i];
	return &notice_languages[0];
}

static void built_in(enum notice_kind kind, struct slice language, struct notice_template *ret)
{
	const char *code = language_of(language)->code;
	for (size_t i = 0; i < notice_n_texts; i++) {
		const struct notice_text *t = &notice_texts[i];
		if (strcmp(t->language, code) || strcmp(t->kind, notice_kinds[kind].name))
			continue;
		*ret = (struct notice_template){ .subject = slice_str(t->subject), .text = slice_str(t->text),
						 .html = SLICE(""), .source = TEMPLATE_BUILT_IN,
						 .language = slice_str(t->language) };
		return;
	}
	bug_if(true);	/* tools/notices2c sees to it that no language lacks one */
}

static int stored(struct engine *e, struct arena *a, enum notice_kind kind, uint64_t customer, struct slice language,
		  struct notice_template *ret)
{
	struct sql_stmt *s = sql_prepare(e->db,
					 "SELECT subject, text, html, customer, changed FROM template WHERE kind = ?1"
					 " AND language = ?2 AND customer IN (0, ?3) ORDER BY customer DESC LIMIT 1");
	sql_bind_text(s, 1, slice_str(notice_kinds[kind].name));
	sql_bind_text(s, 2, language);
	sql_bind_int(s, 3, (int64_t)customer);
	int r = sql_step(s);
	if (r == 1)
		*ret = (struct notice_template){ .subject = column_dup(a, s, 0), .text = column_dup(a, s, 1),
						 .html = column_dup(a, s, 2),
						 .source = sql_int(s, 3) ? TEMPLATE_CUSTOMER : TEMPLATE_PROVIDER,
						 .language = arena_dup(a, language), .changed_ms = sql_int(s, 4) };
	sql_done(s);
	return r == 1 ? 0 : r == 0 ? ERR_NOT_FOUND : r;
}

int notice_template(struct engine *e, struct arena *a, enum notice_kind kind, uint64_t customer, struct slice language,
		    struct notice_template *ret)
{
	int r = stored(e, a, kind, customer, language, ret);
	if (r == ERR_NOT_FOUND)
		built_in(kind, language, ret);
	return r == ERR_NOT_FOUND ? 0 : r;
}

/* --- checks ---------------------------------------------------------------------------------------------- */

static const struct notice_var_def *find_var(enum notice_kind kind, struct slice name)
{
	for (size_t i = 0; i < NOTICE_COMMON; i++)
		if (slice_eq(name, slice_str(notice_common[i].name)))
			return &notice_common[i];
	const struct notice_var_def *defs = notice_kinds[kind].vars;
	for (size_t i = 0; i < NOTICE_VARS_MAX && defs[i].name; i++)
		if (slice_eq(name, slice_str(defs[i].name)))
			return &defs[i];
	return NULL;
}

struct slice notice_variables(struct arena *a, enum notice_kind kind)
{
	struct buf out = BUF_INIT(1024);
	const struct notice_var_def *defs = notice_kinds[kind].vars;
	for (size_t i = 0; i < NOTICE_COMMON; i++)
		buf_printf(&out, "%s%s", i ? ", " : "", notice_common[i].name);
	for (size_t i = 0; i < NOTICE_VARS_MAX && defs[i].name; i++)
		buf_printf(&out, ", %s", defs[i].name);
	struct slice s = arena_dup(a, buf_view(&out));
	buf_fini(&out);
	return s;
}

static int check_one(struct arena *a, enum notice_kind kind, const char *field, struct slice tpl, size_t max,
		     enum template_form form, struct problem *why)
{
	struct slice name;
	size_t at = 0;
	char size[TEXT_SIZE], most[TEXT_SIZE];
	if (tpl.n > max)
		return problem_set(why, ERR_TOO_BIG, field, "%s, at most %s are possible", text_size(tpl.n, size),
				   text_size(max, most));
	if (template_check(tpl, form) < 0)
		return problem_set(why, ERR_INVALID, field, "it is not UTF-8, or holds control characters");
	while (template_next(tpl, &at, &name)) {
		const struct notice_var_def *v = find_var(kind, name);
		if (!v)
			return problem_set(why, ERR_INVALID, field,
					   "there is no variable {" SLICE_FMT "} in this notice; there are: %s",
					   SLICE_ARG(name), (const char *)notice_variables(a, kind).p);
		if (v->type == NOTICE_SECRET && form == TEMPLATE_LINE)
			return problem_set(why, ERR_INVALID, field, "{" SLICE_FMT "} is secret and cannot be in a subject",
					   SLICE_ARG(name));
	}
	return 0;
}

int notice_template_check(struct arena *a, enum notice_kind kind, const struct notice_template *t, struct problem *why)
{
	if (!slice_trim(t->subject).n)
		return problem_set(why, ERR_INVALID, "subject", "it is empty");
	if (!slice_trim(t->text).n)
		return problem_set(why, ERR_INVALID, "text", "it is empty");
	int r = check_one(a, kind, "subject", t->subject, SUBJECT_MAX, TEMPLATE_LINE, why);
	if (r == 0)
		r = check_one(a, kind, "text", t->text, TEXT_BYTES_MAX, TEMPLATE_TEXT, why);
	if (r == 0)
		r = check_one(a, kind, "html", t->html, HTML_BYTES_MAX, TEMPLATE_HTML, why);
	return r;
}

/* --- values ---------------------------------------------------------------------------------------------- */

static struct slice time_text(struct arena *a, const struct notice_language *l, int64_t ms)
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;
	struct buf out = BUF_INIT(256);
	if (!gmtime_r(&t, &tm))
		return SLICE("");
	for (const char *f = l->date; *f; f++) {
		if (*f != '%')
			buf_byte(&out, (uint8_t)*f);
		else if (*++f == 'Y')
			buf_printf(&out, "%04d", tm.tm_year + 1900);
		else
			buf_printf(&out, "%02d", *f == 'm' ? tm.tm_mon + 1 : *f == 'd' ? tm.tm_mday
						 : *f == 'H' ? tm.tm_hour : tm.tm_min);
	}
	struct slice s = arena_dup(a, buf_view(&out));
	buf_fini(&out);
	return s;
}

static struct slice bytes_text(struct arena *a, const struct notice_language *l, int64_t bytes)
{
	static const char *const units[] = { "B", "KB", "MB", "GB", "TB", "PB" };
	int64_t tenths = bytes < INT64_MAX / 10 ? bytes * 10 : bytes;
	size_t unit = 0;
	for (; tenths >= 10240 && unit + 1 < ARRAY_SIZE(units); unit++)
		tenths /= 1024;
	bool whole = unit == 0 || tenths >= 1000 || tenths % 10 == 0;
	const char *text = whole ? arena_printf(a, "%lld %s", (long long)(tenths / 10), units[unit])
				 : arena_printf(a, "%lld%s%lld %s", (long long)(tenths / 10), l->decimal,
						(long long)(tenths % 10), units[unit]);
	return slice_str(text);
}

static struct slice shown(struct arena *a, const struct notice_language *l, const struct notice_var_def *def,
			  struct slice value)
{
	uint64_t number = 0;
	if (def->type < NOTICE_TIME)
		return value;
	IGNORE(slice_u64(value, INT64_MAX, &number), "0 then");
	if (def->type == NOTICE_TIME)
		return time_text(a, l, (int64_t)number);
	return def->type == NOTICE_BYTES ? bytes_text(a, l, (int64_t)number) : value;
}

struct values {
	struct template_value v[NOTICE_COMMON + NOTICE_VARS_MAX];
	size_t n;
};

static void put(struct values *to, const char *name, struct slice value)
{
	to->v[to->n++] = (struct template_value){ name, value };
}

static int common_values(struct engine *e, struct arena *a, const struct notice_row *row, const char *host,
			 struct values *to)
{
	struct account account = { .address = row->to };
	struct customer customer = { .name = SLICE("") };
	struct domain domain = { .name = SLICE("") };
	int r[] = {
		row->account ? account_by_id(e, a, row->account, &account) : 0,
		row->customer ? customer_by_id(e, a, row->customer, &customer) : 0,
		row->domain ? domain_by_id(e, a, row->domain, &domain) : 0,
	};
	/* What is gone meanwhile is left out; the notice still goes. */
	for (size_t i = 0; i < ARRAY_SIZE(r); i++)
		if (r[i] < 0 && r[i] != ERR_NOT_FOUND)
			return r[i];
	struct slice person = account.person.n ? account.person : row->to_name;
	put(to, "address", account.address);
	put(to, "person", person.n ? person : account.address);
	put(to, "customer", customer.name);
	put(to, "domain", domain.name);
	put(to, "host", slice_str(host));
	return 0;
}

static int all_values(struct engine *e, struct arena *a, const struct notice_row *row, const struct seal *seal,
		      const char *host, struct values *to)
{
	const struct notice_language *l = language_of(row->language);
	const struct notice_var_def *defs = notice_kinds[row->kind].vars;
	struct notice_row secrets = { 0 };
	int r = common_values(e, a, row, host, to);
	if (r == 0 && seal && row->sealed.n)
		r = seal_get(seal, a, row->operation, row->sealed, &secrets.words);
	if (r < 0)
		return r;
	for (size_t i = 0; i < NOTICE_VARS_MAX && defs[i].name; i++) {
		bool open = defs[i].type == NOTICE_SECRET && secrets.words.n;
		put(to, defs[i].name, shown(a, l, &defs[i], notice_value(open ? &secrets : row, defs[i].name)));
	}
	return 0;
}

/* --- messages -------------------------------------------------------------------------------------------- */

static struct slice render(struct arena *a, struct slice tpl, const struct values *v, enum template_form form)
{
	struct buf out = BUF_INIT(MESSAGE_BYTES_MAX);
	template_render(&out, tpl, v->v, v->n, form);
	struct slice s = arena_dup(a, buf_view(&out));
	if (out.p)
		explicit_bzero(out.p, out.cap);
	buf_fini(&out);
	return s;
}

static struct slice html_of(struct arena *a, struct slice text)
{
	struct buf out = BUF_INIT(4 * MESSAGE_BYTES_MAX);
	template_html_of_text(&out, text);
	struct slice s = arena_dup(a, buf_view(&out));
	if (out.p)
		explicit_bzero(out.p, out.cap);
	buf_fini(&out);
	return s;
}

int notice_write_with(struct engine *e, struct arena *a, const struct notice_row *row, const struct seal *seal,
		      const char *host, const struct notice_template *t, struct notice_mail *ret)
{
	struct values v = { .n = 0 };
	struct notice_mail m;
	int r = all_values(e, a, row, seal, host, &v);
	if (r == 0)
		r = notice_sender(e, a, row->customer, row->domain, host, &m.from, &m.from_name);
	if (r < 0)
		return r;
	m.subject = render(a, t->subject, &v, TEMPLATE_LINE);
	m.text = render(a, t->text, &v, TEMPLATE_TEXT);
	m.html = t->html.n ? render(a, t->html, &v, TEMPLATE_HTML) : html_of(a, m.text);
	*ret = m;
	return 0;
}

int notice_write(struct engine *e, struct arena *a, const struct notice_row *row, const struct seal *seal,
		 const char *host, struct notice_mail *ret)
{
	struct notice_template t;
	int r = notice_template(e, a, row->kind, row->customer, row->language, &t);
	if (r == 0 && notice_template_check(a, row->kind, &t, NULL) < 0) {
		ev(EV_WARN, "directory.notice.template-bad", KS("kind", notice_kinds[row->kind].name),
		   KI("customer", row->customer), KSL("language", row->language));
		built_in(row->kind, row->language, &t);
	}
	return r < 0 ? r : notice_write_with(e, a, row, seal, host, &t, ret);
}

void notice_compose(struct buf *out, struct arena *a, const struct notice_row *row, const struct notice_mail *m,
		    const char *host)
{
	struct buf id = BUF_INIT(64);
	hex_encode(&id, row->operation);
	struct compose c = {
		.from_name = m->from_name, .from = m->from, .to_name = row->to_name, .to = row->to,
		.subject = m->subject, .date_ms = row->made_ms, .id = buf_cstr(&id), .host = host,
		.auto_submitted = "auto-generated", .language = language_of(row->language)->code,
		.text = m->text, .html = m->html,
	};
	compose_write(out, &c);
	buf_fini(&id);
}

struct notice_row notice_sample(struct arena *a, enum notice_kind kind, uint64_t customer, uint64_t domain,
				struct slice language, int64_t now_ms)
{
	const struct notice_var_def *defs = notice_kinds[kind].vars;
	struct buf words = BUF_INIT(8192);
	for (size_t i = 0; i < NOTICE_VARS_MAX && defs[i].name; i++) {
		buf_str(&words, defs[i].name);
		buf_byte(&words, 0);
		buf_str(&words, defs[i].sample);
		buf_byte(&words, 0);
	}
	struct notice_row row = {
		.kind = kind, .customer = customer, .domain = domain, .language = language, .made_ms = now_ms,
		.operation = SLICE("preview"), .to = slice_str(notice_common[0].sample),
		.to_name = slice_str(notice_common[1].sample), .words = arena_dup(a, buf_view(&words)),
	};
	buf_fini(&words);
	return row;
}
