/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes back, for people: sizes and times in words, lists as tables, objects as lines with their longer texts below.
 * Texts may come out of mail (senders, other servers' replies) or from another customer's user (scripts, replies), so control
 * characters are shown, never sent to the terminal: not even in JSON.
 */
#include "cli/cli.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/text.h"

#include <utf8proc.h>

enum { CELL_MAX = 4096 };

/* C0, DEL and C1 move cursors and start sequences; line separators and turns of direction show what is not there. */
static bool is_control(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069);
}

/* blank: these are written as one; keep: this goes out as it is. */
static void put_safe(struct slice s, const char *blank, uint32_t keep, struct buf *out)
{
	while (s.n) {
		uint32_t cp = 0;
		size_t n = utf8_decode(s, &cp);
		if (n && (!is_control(cp) || cp == keep))
			buf_append(out, s.p, n);
		else if (n && cp && cp < 0x80 && strchr(blank, (int)cp))
			buf_byte(out, ' ');
		else
			for (size_t i = 0; i < (n ? n : 1); i++)
				buf_printf(out, "\\x%02x", s.p[i]);
		s = slice_sub(s, n ? n : 1, s.n);
	}
}

void show_safe(struct slice s, struct buf *out)
{
	put_safe(s, "\n\t", 0, out);
}

/* What stands for itself in JSON and is a word of a sentence or a picture here. */
static const char *const words[] = {
	/* copies */ N_("waiting"), N_("running"), N_("done"), N_("failed"), N_("stopped"), N_("none"),
	/* ranks */ N_("provider"), N_("customer"), N_("domain"),
	/* types of addresses */ N_("mailbox"), N_("alias"), N_("list"), N_("redirect"), N_("banished"), N_("candidate"),
	/* rooms and their trials */ N_("down"), N_("starting"), N_("ready"), N_("stopping"), N_("gone"), N_("open"),
	N_("create"), N_("connect"), N_("listen"), N_("unix-socket"), N_("fork"), N_("setuid"), N_("signal"),
	/* the doctor's */ N_("ok"), N_("note"), N_("wrong"), N_("instance"), N_("configuration"), N_("certificate"),
	N_("ports"), N_("dns"), N_("clock"), N_("disk"), N_("limits"), N_("memory"), N_("sandbox"),
};

void show_capital(const char *text, struct buf *out)
{
	uint32_t cp = 0;
	size_t n = utf8_decode(slice_str(text), &cp);
	if (n)
		utf8_encode(out, (uint32_t)utf8proc_toupper((utf8proc_int32_t)cp));
	buf_str(out, text + n);
}

const char *word_said(const char *word)
{
	for (size_t i = 0; word && i < ARRAY_SIZE(words); i++)
		if (!strcmp(words[i], word))
			return T_(words[i]);
	return word ? word : "";
}

/* Stores say faults in English, with numbers behind: "damaged record: header checksum (3, 4096)". */
void show_fault(struct slice text, struct buf *out)
{
	ptrdiff_t colon = slice_find(text, SLICE(": "), 0), numbers = -1;
	for (size_t i = text.n; i > 1 && numbers < 0 && text.p[text.n - 1] == ')'; i--)
		if (text.p[i - 1] == '(' && text.p[i - 2] == ' ')
			numbers = (ptrdiff_t)i - 2;
	size_t end = colon >= 0 ? (size_t)colon : numbers >= 0 ? (size_t)numbers : text.n;
	char *what = slice_dup_str(slice_sub(text, 0, end));
	bug_if(!what);
	show_safe(slice_str(T_(what)), out);
	free(what);
	struct slice rest = slice_sub(text, end, text.n);
	if (colon >= 0) {
		buf_str(out, ": ");
		show_fault(slice_sub(rest, 2, rest.n), out);
	} else {
		show_safe(rest, out);
	}
}

/* The buffer is emptied line by line: a text may be longer than any. */
void show_text(struct slice text)
{
	while (text.n) {
		struct buf line = BUF_INIT(4 * text.n + 1);
		ptrdiff_t end = slice_find_byte(text, '\n', 0);
		struct slice one = slice_sub(text, 0, end < 0 ? text.n : (size_t)end);
		if (one.n && one.p[one.n - 1] == '\r')
			one.n--;
		put_safe(one, "", '\t', &line);
		puts(buf_cstr(&line));
		buf_fini(&line);
		text = slice_sub(text, end < 0 ? text.n : (size_t)end + 1, text.n);
	}
}

void show_file(const json_t *text)
{
	struct slice s = slice_of(json_string_value(text), json_string_length(text));
	if (isatty(STDOUT_FILENO))
		show_text(s);
	else
		fwrite(s.p, 1, s.n, stdout);
}

void show_bytes(uint64_t bytes, struct buf *out)
{
	static const char units[] = "KMGTPE";
	double v = (double)bytes;
	int unit = -1;
	while (v >= 1024 && units[unit + 1]) {
		v /= 1024;
		unit++;
	}
	if (unit < 0)
		buf_printf(out, "%ju", (uintmax_t)bytes);
	else
		buf_printf(out, v < 10 ? "%.1f%c" : "%.0f%c", v, units[unit]);
}

void show_duration(int64_t ms, struct buf *out)
{
	int64_t s = ms / 1000;
	if (s < 0)
		s = 0;
	if (s < 60)
		buf_printf(out, "%jds", (intmax_t)s);
	else if (s < 3600)
		buf_printf(out, "%jdm %jds", (intmax_t)(s / 60), (intmax_t)(s % 60));
	else if (s < 86400)
		buf_printf(out, "%jdh %jdm", (intmax_t)(s / 3600), (intmax_t)(s / 60 % 60));
	else
		buf_printf(out, "%jdd %jdh", (intmax_t)(s / 86400), (intmax_t)(s / 3600 % 24));
}

static void show_time(json_int_t ms, struct buf *out)
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;
	char text[32];
	if (ms <= 0 || !localtime_r(&t, &tm) ||
	    !strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm))
		return;
	buf_str(out, text);
}

static void show_texts(const json_t *list, struct buf *out)
{
	size_t i;
	json_t *v;
	json_array_foreach(list, i, v) {
		if (i)
			buf_str(out, ", ");
		show_value(API_STR, v, out);
	}
}

void show_value(enum api_type type, const json_t *v, struct buf *out)
{
	if (json_is_string(v)) {
		show_safe(slice_of(json_string_value(v), json_string_length(v)), out);
	} else if (json_is_boolean(v)) {
		buf_str(out, T_(json_is_true(v) ? "yes" : "no"));
	} else if (json_is_integer(v) && type == API_TIME) {
		show_time(json_integer_value(v), out);
	} else if (json_is_integer(v) && type == API_LIMIT && json_integer_value(v) == 0) {
		buf_str(out, T_("none"));
	} else if (json_is_integer(v) && (type == API_BYTES || type == API_LIMIT)) {
		show_bytes((uint64_t)json_integer_value(v), out);
	} else if (json_is_integer(v)) {
		buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	} else if (json_is_real(v)) {
		buf_printf(out, "%.1f", json_real_value(v));
	} else if (json_is_array(v)) {
		show_texts(v, out);
	}
}

void show_json(const json_t *v)
{
	char *text = json_dumps(v, JSON_INDENT(2) | JSON_ENCODE_ANY);
	struct slice s = slice_str(text ? text : "null");
	while (s.n) {
		uint32_t cp = 0;
		size_t n = utf8_decode(s, &cp), plain = n ? n : 1;
		if (n > 1 || cp == 0x7f) {	/* jansson escapes what is below the blank; the line ends are its own */
			if (is_control(cp))
				printf("\\u%04x", cp);
			else
				fwrite(s.p, 1, n, stdout);
		} else {
			while (plain < s.n && s.p[plain] < 0x7f)
				plain++;
			fwrite(s.p, 1, plain, stdout);
		}
		s = slice_sub(s, n > 1 || cp == 0x7f ? n : plain, s.n);
	}
	putchar('\n');
	free(text);
}

/* "used_bytes" is "used:", "has_password" "has password:", and what the catalogue makes of that. */
static void label(const struct api_result *r, struct buf *out)
{
	size_t n = strlen(r->name);
	if ((r->type == API_BYTES || r->type == API_LIMIT) && n > 6 &&
	    !strcmp(r->name + n - 6, "_bytes"))
		n -= 6;
	if (r->type == API_TIME && n > 3)
		n -= 3;
	for (size_t i = 0; i < n; i++)
		buf_byte(out, r->name[i] == '_' ? ' ' : (uint8_t)r->name[i]);
	buf_byte(out, ':');
	const char *said = T_(buf_cstr(out));
	if (said != buf_cstr(out)) {
		buf_clear(out);
		buf_str(out, said);
	}
}

/* The same above a column: in capitals, without the colon. */
static void heading(const struct api_result *r, struct buf *out)
{
	struct buf name = BUF_INIT(CELL_MAX);
	label(r, &name);
	struct slice rest = slice_sub(buf_view(&name), 0, name.n - 1);
	while (rest.n) {
		uint32_t cp;
		size_t n = utf8_decode(rest, &cp);
		utf8_encode(out, n ? (uint32_t)utf8proc_toupper((utf8proc_int32_t)cp) : rest.p[0]);
		rest = slice_sub(rest, n ? n : 1, rest.n);
	}
	buf_fini(&name);
}

static bool is_number(enum api_type type)
{
	return type == API_U64 || type == API_BYTES || type == API_LIMIT;
}

static void show_texts_below(const struct api_op *op, const json_t *object)
{
	for (size_t i = 0; i < op->n_results; i++) {
		const json_t *v = json_object_get(object, op->results[i].name);
		if (op->results[i].type != API_TEXT || !json_string_length(v))
			continue;
		struct buf name = BUF_INIT(CELL_MAX);
		label(&op->results[i], &name);
		printf("\n%s\n\n", buf_cstr(&name));
		buf_fini(&name);
		show_text(slice_of(json_string_value(v), json_string_length(v)));
	}
}

/* Of this very object, the members that the table names and that are there; what has lines comes below. */
void show_object(const struct api_op *op, const json_t *object)
{
	struct table *t = table_new(2);
	struct buf text = BUF_INIT(CELL_MAX * 16);
	for (size_t i = 0; i < op->n_results; i++) {
		const struct api_result *r = &op->results[i];
		json_t *v = json_object_get(object, r->name);
		if (!v || json_is_null(v) || r->type == API_OBJECTS || r->type == API_TEXT ||
		    (json_is_array(v) && !json_array_size(v)))
			continue;
		buf_clear(&text);
		label(r, &text);
		table_cell(t, buf_cstr(&text), false);
		buf_clear(&text);
		show_value(r->type, v, &text);
		table_cell(t, buf_cstr(&text), false);
	}
	table_print(t);
	buf_fini(&text);
	table_free(&t);
	show_texts_below(op, object);
}

/* Wanted, and at least one item has it. */
static bool column_used(const struct api_result *r, const char *const *wanted, const json_t *items)
{
	size_t i;
	json_t *item;
	while (wanted && *wanted && strcmp(*wanted, r->name))
		wanted++;
	if (r->type == API_OBJECTS || r->type == API_REVISION || (wanted && !*wanted))
		return false;
	json_array_foreach(items, i, item) {
		json_t *v = json_object_get(item, r->name);
		if (v && !json_is_null(v) && !(json_is_string(v) && !json_string_length(v)) &&
		    !(json_is_array(v) && !json_array_size(v)))
			return true;
	}
	return false;
}

void show_list(const struct api_op *op, const char *const *wanted, const json_t *items)
{
	const struct api_result *columns[32];
	size_t n = 0, i;
	json_t *item;
	struct buf text = BUF_INIT(CELL_MAX * 16);
	if (json_array_size(items) == 0) {
		puts(T_("none"));
		return;
	}
	for (i = 0; i < op->n_results && n < ARRAY_SIZE(columns); i++) {
		if (column_used(&op->results[i], wanted, items))
			columns[n++] = &op->results[i];
	}
	struct table *t = table_new(n ? n : 1);
	for (i = 0; i < n; i++) {
		buf_clear(&text);
		heading(columns[i], &text);
		table_cell(t, buf_cstr(&text), is_number(columns[i]->type));
	}
	json_array_foreach(items, i, item) {
		for (size_t k = 0; k < n; k++) {
			buf_clear(&text);
			show_value(columns[k]->type, json_object_get(item, columns[k]->name),
				   &text);
			table_cell(t, buf_cstr(&text), is_number(columns[k]->type));
		}
	}
	table_print(t);
	buf_fini(&text);
	table_free(&t);
}
