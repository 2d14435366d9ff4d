/* SPDX-License-Identifier: Apache-2.0 */
/* What the readers of import files share: lines, cells, columns. */
#ifndef ROOM_DIRECTORY_IMPORT_PRIV_H
#define ROOM_DIRECTORY_IMPORT_PRIV_H

#include "room/directory/db/engine_priv.h"
#include "room/directory/import/import.h"

struct import_reader {
	struct arena *a;
	struct slice rest;
	size_t line;	/* of the line that was given last, from 1 */
	size_t rows;
	struct import_errors *errors;
};

struct import_column {
	const char *name;
	int id;		/* 0 .. IMPORT_CELLS_MAX - 1; several names may have one id */
};

struct import_csv {
	uint8_t separator;
	size_t n;
	int ids[IMPORT_CELLS_MAX];
};

NODISCARD int import_begin(struct import_reader *r, struct arena *a, struct slice text, struct import_errors *errors);
/* The next line that is not empty and no comment, trimmed. */
bool import_line(struct import_reader *r, struct slice *ret);
/* Splits; how many, or ERR_SYNTAX, ERR_TOO_BIG. cells has IMPORT_CELLS_MAX places. */
NODISCARD int import_cells(struct arena *a, struct slice line, uint8_t separator, struct slice *cells);
bool import_header(struct import_reader *r, struct slice line, const struct import_column *known, size_t n_known,
		   struct import_csv *ret);
/* A CSV row by column id; ret_by_id has IMPORT_CELLS_MAX places. false: told as an error. */
bool import_row(struct import_reader *r, struct slice line, const struct import_csv *csv, struct slice *ret_by_id);

/* Old user names of accounts' rows, logins.c. The check looks at the whole file, the other one at one row. */
NODISCARD int import_check_old_logins(struct engine *e, struct arena *a, const struct import_account *rows, size_t n,
				      struct import_errors *errors);
NODISCARD int import_apply_old_logins(struct engine *e, struct arena *a, const struct import_account *row, int64_t now_ms,
				      struct import_errors *errors);

#endif
