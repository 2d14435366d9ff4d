/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines and CSV cells. UTF-8 with or without a byte order mark, LF or CRLF. CSV as RFC 4180, ',' or ';' between the
 * cells, but no line ends inside them: an error must be able to name its line.
 */
#include "room/directory/import/priv.h"

#include "base/codec.h"
#include "base/err.h"
#include "base/text.h"

#include <stdarg.h>

void import_fault(struct import_errors *errors, struct arena *a, size_t line, const char *fmt, ...)
{
	char text[512];
	va_list args;
	errors->total++;
	if (errors->n >= IMPORT_ERRORS_MAX)
		return;
	va_start(args, fmt);
	IGNORE(vsnprintf(text, sizeof(text), text_in(errors->language, fmt), args) < 0, "our own formats");
	va_end(args);
	struct buf clean = BUF_INIT(4 * sizeof(text));
	struct slice rest = slice_str(text);
	while (rest.n) {
		uint32_t cp = 0;
		size_t n = utf8_decode(rest, &cp);
		if (n && cp >= 32 && cp != 127)
			buf_slice(&clean, slice_sub(rest, 0, n));
		else
			buf_byte(&clean, '?');
		rest = slice_sub(rest, n ? n : 1, rest.n);
	}
	struct import_error *row = ROWS_MORE(a, &errors->rows, &errors->n);
	row->line = line;
	row->text = arena_dup(a, buf_view(&clean));
	buf_fini(&clean);
}

int import_begin(struct import_reader *r, struct arena *a, struct slice text,
		 struct import_errors *errors)
{
	char max[TEXT_SIZE];
	*r = (struct import_reader){ .a = a, .rest = text, .errors = errors };
	if (text.n > IMPORT_BYTES_MAX) {
		import_fault(errors, a, 0, "the file is larger than %s", text_size(IMPORT_BYTES_MAX, max));
		return ERR_TOO_BIG;
	}
	if (slice_starts(text, SLICE("\xff\xfe")) || slice_starts(text, SLICE("\xfe\xff"))) {
		import_fault(errors, a, 1, "the file is UTF-16: save it as UTF-8");
		return ERR_SYNTAX;
	}
	if (slice_starts(text, SLICE("\xef\xbb\xbf")))
		r->rest = slice_sub(text, 3, text.n);
	return 0;
}

static bool line_ok(struct import_reader *r, struct slice line)
{
	char max[TEXT_SIZE];
	if (line.n > IMPORT_LINE_MAX)
		import_fault(r->errors, r->a, r->line, "the line is longer than %s",
			     text_size(IMPORT_LINE_MAX, max));
	else if (slice_find_byte(line, 0, 0) >= 0)
		import_fault(r->errors, r->a, r->line, "there is a NUL byte in the line");
	else if (!utf8_valid(line))
		import_fault(r->errors, r->a, r->line, "the line is not valid UTF-8");
	else
		return true;
	return false;
}

bool import_line(struct import_reader *r, struct slice *ret)
{
	while (r->rest.n) {
		ptrdiff_t end = slice_find_byte(r->rest, '\n', 0);
		size_t n = end < 0 ? r->rest.n : (size_t)end;
		struct slice line = slice_trim(slice_sub(r->rest, 0, n));
		r->rest = slice_sub(r->rest, end < 0 ? n : n + 1, r->rest.n);
		r->line++;
		if (!line.n || line.p[0] == '#' || !line_ok(r, line))
			continue;
		if (++r->rows > IMPORT_ROWS_MAX) {
			import_fault(r->errors, r->a, r->line, "the file has more than %d rows",
				     IMPORT_ROWS_MAX);
			return false;
		}
		*ret = line;
		return true;
	}
	return false;
}

/* One cell; moves *at behind it and its separator. */
static int take_cell(struct arena *a, struct slice line, uint8_t separator, size_t *at,
		     struct slice *ret)
{
	size_t i = *at;
	if (i < line.n && line.p[i] == '"') {
		uint8_t *out = arena_alloc(a, line.n - i);
		size_t n = 0;
		for (i++; i < line.n; i++) {
			if (line.p[i] != '"')
				out[n++] = line.p[i];
			else if (i + 1 < line.n && line.p[i + 1] == '"')
				out[n++] = line.p[i++];
			else
				break;
		}
		if (i >= line.n || (i + 1 < line.n && line.p[i + 1] != separator))
			return ERR_SYNTAX;
		*ret = slice_of(out, n);
		*at = i + 2;
		return 0;
	}
	ptrdiff_t end = slice_find_byte(line, separator, i);
	*ret = slice_trim(slice_sub(line, i, end < 0 ? line.n : (size_t)end));
	*at = end < 0 ? line.n + 1 : (size_t)end + 1;
	return 0;
}

int import_cells(struct arena *a, struct slice line, uint8_t separator, struct slice *cells)
{
	size_t at = 0;
	int n = 0;
	while (at <= line.n) {
		if (n == IMPORT_CELLS_MAX)
			return ERR_TOO_BIG;
		int r = take_cell(a, line, separator, &at, &cells[n++]);
		if (r < 0)
			return r;
	}
	return n;
}

static int column_of(const struct import_column *known, size_t n, struct slice cell)
{
	for (size_t i = 0; i < n; i++)
		if (slice_eq_ci(cell, slice_str(known[i].name)))
			return known[i].id;
	return -1;
}

/* A header, but for a column that nobody knows: the first of that kind. */
static void unknown_column(struct import_reader *r, const struct slice *cells, int n, const struct import_column *known,
			   size_t n_known)
{
	struct buf names = BUF_INIT(1024);
	for (size_t i = 0; i < n_known; i++)
		buf_printf(&names, "%s%s", i ? ", " : "", known[i].name);
	for (int i = 0; i < n; i++) {
		if (column_of(known, n_known, cells[i]) >= 0)
			continue;
		import_fault(r->errors, r->a, r->line, "there is no column \"" SLICE_FMT "\"; there are %s",
			     SLICE_ARG(cells[i]), buf_cstr(&names));
		break;
	}
	buf_fini(&names);
}

/* A header is a line with a separator whose cells are all known column names. One that begins with such a name and has others
 * too is meant as one, and its mistake is told. */
bool import_header(struct import_reader *r, struct slice line, const struct import_column *known,
		   size_t n_known, struct import_csv *ret)
{
	static const char separators[] = ",;";
	for (size_t k = 0; k < 2; k++) {
		struct slice cells[IMPORT_CELLS_MAX];
		struct import_csv csv = { .separator = (uint8_t)separators[k] };
		int n = import_cells(r->a, line, csv.separator, cells), unknown = 0;
		if (n <= 1 || column_of(known, n_known, cells[0]) < 0)
			continue;
		for (int i = 0; i < n; i++) {
			csv.ids[i] = column_of(known, n_known, cells[i]);
			unknown += csv.ids[i] < 0;
			if (csv.ids[i] < 0)
				csv.ids[i] = IMPORT_CELLS_MAX - 1;	/* which nobody reads */
		}
		if (unknown)
			unknown_column(r, cells, n, known, n_known);
		csv.n = (size_t)n;
		*ret = csv;
		return true;
	}
	return false;
}

bool import_row(struct import_reader *r, struct slice line, const struct import_csv *csv,
		struct slice *ret_by_id)
{
	struct slice cells[IMPORT_CELLS_MAX];
	int n = import_cells(r->a, line, csv->separator, cells);
	if (n < 0) {
		import_fault(r->errors, r->a, r->line,
			     "a quotation mark is not closed, or something stands behind it");
		return false;
	}
	if ((size_t)n != csv->n) {
		import_fault(r->errors, r->a, r->line,
			     n == 1 ? "%d cell, but the header has %zu" : "%d cells, but the header has %zu", n, csv->n);
		return false;
	}
	for (int i = 0; i < n; i++)
		ret_by_id[csv->ids[i]] = cells[i];
	return true;
}
