/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/mail/template.h"

#include "base/codec.h"
#include "base/err.h"

enum { NAME_MAX_BYTES = 32 };

static bool is_name_byte(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || c == '_' || ascii_is_digit(c);
}

/* The variable that begins at at; its length with the braces, 0 where there is none. */
static size_t variable_at(struct slice tpl, size_t at)
{
	size_t end = at + 1;
	while (end < tpl.n && end - at <= NAME_MAX_BYTES && is_name_byte(tpl.p[end]))
		end++;
	return end < tpl.n && tpl.p[end] == '}' && end > at + 1 ? end + 1 - at : 0;
}

bool template_next(struct slice tpl, size_t *at, struct slice *ret_name)
{
	for (size_t i = *at; i < tpl.n; i++) {
		size_t n = tpl.p[i] == '{' ? variable_at(tpl, i) : 0;
		if (!n)
			continue;
		*ret_name = slice_sub(tpl, i + 1, i + n - 1);
		*at = i + n;
		return true;
	}
	return false;
}

int template_check(struct slice tpl, enum template_form form)
{
	bool lines = form != TEMPLATE_LINE;
	for (size_t i = 0; i < tpl.n; i++) {
		uint8_t c = tpl.p[i];
		if ((c < 0x20 && !(lines && (c == '\n' || c == '\r' || c == '\t'))) || c == 0x7f)
			return ERR_SYNTAX;
	}
	return utf8_valid(tpl) ? 0 : ERR_SYNTAX;
}

/* Everything that could end a text or an attribute, quoted or not; line ends are seen as such. */
static void put_html(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		if (c == '\n')
			buf_str(out, "<br>\n");
		else if (c && strchr("&<>\"'`=", c))
			buf_printf(out, "&#%u;", c);
		else if (c >= 0x20 || c == '\t')
			buf_byte(out, c);
	}
}

static void put_line(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		buf_byte(out, s.p[i] < 0x20 || s.p[i] == 0x7f ? ' ' : s.p[i]);
}

static const struct template_value *find(const struct template_value *values, size_t n, struct slice name)
{
	for (size_t i = 0; i < n; i++)
		if (slice_eq(name, slice_str(values[i].name)))
			return &values[i];
	return NULL;
}

void template_render(struct buf *out, struct slice tpl, const struct template_value *values, size_t n,
		     enum template_form form)
{
	size_t from = 0, at = 0;
	struct slice name;
	while (template_next(tpl, &at, &name)) {
		const struct template_value *v = find(values, n, name);
		if (!v)
			continue;
		buf_slice(out, slice_sub(tpl, from, at - name.n - 2));
		from = at;
		if (form == TEMPLATE_HTML)
			put_html(out, v->value);
		else if (form == TEMPLATE_LINE)
			put_line(out, v->value);
		else
			buf_slice(out, v->value);
	}
	buf_slice(out, slice_sub(tpl, from, tpl.n));
}

static size_t link_length(struct slice s)
{
	size_t n = 0;
	if (!slice_starts(s, SLICE("https://")))
		return 0;
	while (n < s.n && s.p[n] > 0x20 && s.p[n] < 0x7f && !strchr("<>\"'`", s.p[n]))
		n++;
	while (n && strchr(".,;:!?)", s.p[n - 1]))
		n--;	/* ends the sentence */
	return n;
}

static void put_paragraph(struct buf *out, struct slice s)
{
	buf_str(out, "<p>");
	while (s.n) {
		size_t n = link_length(s);
		if (n) {
			struct slice link = slice_sub(s, 0, n);
			buf_str(out, "<a href=\"");
			put_html(out, link);
			buf_str(out, "\">");
			put_html(out, link);
			buf_str(out, "</a>");
		} else {
			n = 1;
			put_html(out, slice_sub(s, 0, 1));
		}
		s = slice_sub(s, n, s.n);
	}
	buf_str(out, "</p>\n");
}

void template_html_of_text(struct buf *out, struct slice text)
{
	buf_str(out, "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><body>\n");
	while (text.n) {
		ptrdiff_t end = slice_find(text, SLICE("\n\n"), 0);
		struct slice one = slice_trim(slice_sub(text, 0, end < 0 ? text.n : (size_t)end));
		if (one.n)
			put_paragraph(out, one);
		text = slice_sub(text, end < 0 ? text.n : (size_t)end + 2, text.n);
	}
	buf_str(out, "</body></html>\n");
}
