/* SPDX-License-Identifier: Apache-2.0 */
/* Tables for a terminal: columns as wide as their widest cell, two spaces between, nothing behind
 * the last. */
#include "cli/cli.h"

#include "base/codec.h"

#include <sys/ioctl.h>
#include <utf8proc.h>

struct table {
	size_t columns, n, cap;
	struct cell {
		char *text;
		size_t width;
		bool right;
	} * cells;
};

struct winsize cli_terminal(void)
{
	struct winsize w = { 0 };
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0 || w.ws_row < 4 || w.ws_col < 20)
		w = (struct winsize){ .ws_row = 24, .ws_col = 80 };
	return w;
}

size_t text_width(const char *text)
{
	struct slice s = slice_str(text);
	size_t width = 0;
	while (s.n) {
		uint32_t cp;
		size_t n = utf8_decode(s, &cp);
		int w = n ? utf8proc_charwidth((utf8proc_int32_t)cp) : 1;
		width += w > 0 ? (size_t)w : 0;
		s = slice_sub(s, n ? n : 1, s.n);
	}
	return width;
}

struct table *table_new(size_t columns)
{
	struct table *t = calloc(1, sizeof(*t));
	bug_if(!t || !columns);
	t->columns = columns;
	return t;
}

void table_free(struct table **t)
{
	if (!*t)
		return;
	for (size_t i = 0; i < (*t)->n; i++)
		free((*t)->cells[i].text);
	free((*t)->cells);
	free(*t);
	*t = NULL;
}

void table_cell(struct table *t, const char *text, bool right)
{
	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 64;
		t->cells = realloc(t->cells, t->cap * sizeof(*t->cells));
		bug_if(!t->cells);
	}
	struct cell *c = &t->cells[t->n++];
	c->text = strdup(*text ? text : "-");
	bug_if(!c->text);
	c->width = text_width(c->text);
	c->right = right;
}

static size_t column_width(const struct table *t, size_t column)
{
	size_t widest = 0;
	for (size_t i = column; i < t->n; i += t->columns) {
		if (t->cells[i].width > widest)
			widest = t->cells[i].width;
	}
	return widest;
}

static void print_cell(const struct cell *c, size_t width, bool last)
{
	int pad = (int)(width - c->width);
	if (c->right)
		printf("%*s%s", pad, "", c->text);
	else
		printf("%s%*s", c->text, last ? 0 : pad, "");
	fputs(last ? "\n" : "  ", stdout);
}

void table_print(const struct table *t)
{
	size_t *widths = calloc(t->columns, sizeof(*widths));
	bug_if(!widths);
	for (size_t i = 0; i < t->columns; i++)
		widths[i] = column_width(t, i);
	for (size_t i = 0; i < t->n; i++)
		print_cell(&t->cells[i], widths[i % t->columns], i % t->columns == t->columns - 1);
	free(widths);
}
