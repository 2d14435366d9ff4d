/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export settings, import settings: what domain set can set, as a file. An import is a domain.set with the file's rows as its
 * fields: checked, permitted, done and written down as that, so that nobody sets by a file what he may not set by hand.
 */
#include "room/directory/op/admin.h"

#include "base/err.h"

enum { SETTINGS_MAX = 64 * 1024 };

/* Settings, and the members of a domain's JSON where they are called something else. */
static const struct {
	const char *field, *member;
} settings[] = {
	{ "server", "server" }, { "server_tls", "server_tls" }, { "recipients", "recipients" }, { "when_down", "when_down" },
	{ "banished", "banished" }, { "subaddress", "subaddress" }, { "catch_all", "catch_all" }, { "multidrop", "multidrop" },
	{ "candidates", "candidates" }, { "candidate_days", "candidate_days" }, { "candidate_size", "candidate_size_bytes" },
	{ "candidate_max", "candidate_max" }, { "over_quota", "over_quota" }, { "retention", "retention" },
};

/* Only what the one who asks may bring back. */
static bool may_set(const struct admin *ad, const char *field)
{
	const struct api_param *p = api_param_find(api_op_find(SLICE("domain.set")), slice_str(field));
	return p && (p->by != API_BY_PROVIDER || principal_rank(&ad->who) == RANK_PROVIDER);
}

static size_t write_rows(struct admin *ad, const struct domain *d, struct buf *text)
{
	json_t *j = domain_json(ad, d);
	size_t n = 0;
	buf_str(text, "setting,value\n");
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		const json_t *v = json_object_get(j, settings[i].member);
		const char *word = json_string_value(v);
		if (!v || !may_set(ad, settings[i].field))
			continue;
		if (json_is_integer(v))
			buf_printf(text, "%s,%lld\n", settings[i].field, (long long)json_integer_value(v));
		else if (word && *word)
			buf_printf(text, "%s,%s\n", settings[i].field, word);
		else if (!strcmp(settings[i].field, "catch_all"))
			buf_str(text, "catch_all,none\n");
		else
			continue;
		n++;
	}
	json_decref(j);
	return n;
}

void op_export_settings(struct admin *ad)
{
	struct domain d;
	struct buf text = BUF_INIT(SETTINGS_MAX);
	int r = admin_domain(ad, admin_get(ad, "domain"), &d);
	size_t n = r == 0 ? write_rows(ad, &d, &text) : 0;
	if (r == 0)
		r = admin_begin(ad);
	if (r == 0)
		r = admin_commit(ad, d.name);
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_ok(ad, 200, json_pack("{s:o, s:I, s:o}", "domain", json_text(d.name), "lines", (json_int_t)n, "text",
					    json_text(buf_view(&text))));
	buf_fini(&text);
}

static bool is_setting(struct slice name)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		if (slice_eq(name, slice_str(settings[i].field)))
			return true;
	return false;
}

/* Each row by itself, so that all wrong ones are told at once. */
static void judge(struct admin *ad, const struct import_setting *row, struct import_errors *errors)
{
	struct api_field fields[] = { { row->name, row->value }, { SLICE("domain"), admin_get(ad, "domain") } };
	struct api_error error;
	if (!is_setting(row->name)) {
		import_fault(errors, ad->a, row->line, "there is no setting " SLICE_FMT, SLICE_ARG(row->name));
		return;
	}
	if (api_check(api_op_find(SLICE("domain.set")), fields, ARRAY_SIZE(fields), false, &error) == 0)
		return;
	struct buf text = BUF_INIT(1024);
	api_error_text(&error, &text);
	import_fault(errors, ad->a, row->line, "%s", buf_cstr(&text));
	buf_fini(&text);
}

/* A domain.set of these rows. What it refuses is told by its line. */
static int become(struct admin *ad, const struct import_setting *rows, size_t n)
{
	const struct api_op *op = api_op_find(SLICE("domain.set"));
	struct api_field *fields = ARENA_ARRAY(ad->a, struct api_field, n + 2);
	size_t *lines = ARENA_ARRAY(ad->a, size_t, n + 2);
	size_t k = 0;
	for (size_t i = 0; i < n; i++) {
		/* The file goes before the answer does, which still looks at the fields. */
		lines[k] = rows[i].line;
		fields[k++] = (struct api_field){ arena_dup(ad->a, rows[i].name), arena_dup(ad->a, rows[i].value) };
	}
	lines[k] = lines[k + 1] = 0;
	fields[k++] = (struct api_field){ SLICE("domain"), admin_get(ad, "domain") };
	if (admin_flag(ad, "dry_run", false))
		fields[k++] = (struct api_field){ SLICE("dry_run"), SLICE("true") };
	int r = rights_decide(ad->e, ad->a, &ad->who, op, fields, k, &ad->owner, &ad->why);
	if (r < 0)
		return r;
	ad->op = op;
	ad->fields = fields;
	ad->n_fields = k;
	ad->lines = lines;
	return 0;
}

void op_import_settings(struct admin *ad)
{
	struct import_setting *rows;
	struct import_errors errors = { .language = ad->why.language };
	size_t n = 0;
	int r = admin_map_file(ad, "file");
	if (r == 0)
		r = import_read_settings(ad->a, ad->file, &rows, &n, &errors);
	for (size_t i = 0; i < n; i++)
		judge(ad, &rows[i], &errors);
	if (r == 0 && !errors.total)
		r = become(ad, rows, n);
	if (errors.total)
		admin_refuse_lines(ad, "file", &errors);
	else if (r < 0)
		admin_refuse(ad, r);
	else
		op_domain_set(ad);
}
