/* SPDX-License-Identifier: Apache-2.0 */
/* For the files of the engine only: its struct, and how they gather rows. */
#ifndef ROOM_DIRECTORY_ENGINE_PRIV_H
#define ROOM_DIRECTORY_ENGINE_PRIV_H

#include "base/map.h"
#include "lib/sql/sql.h"
#include "room/directory/db/engine.h"
#include "room/directory/db/name.h"

struct seal;
struct standings;

struct engine {
	struct sql *db;
	uint64_t version;
	void (*on_notice)(void *ctx);	/* notice.h */
	void *on_notice_ctx;
	bool noticed;		/* this transaction added a notice */
	const struct seal *seal;
	const char *language;	/* of whom nothing else says it (language.h); NULL: English */
	char *alternate_base;	/* normal form; NULL: none (other_name.h) */
	struct standings *standings;	/* standing.c */
	struct map *refused;	/* domain id and local part -> when the old server refused it */
};

void recipient_clear(struct engine *e);
void standing_clear(struct engine *e);

/* A growing array of rows in an arena: the new element, zeroed. *rows moves. */
void *rows_more(struct arena *a, void **rows, size_t *n, size_t size);
#define ROWS_MORE(a, rows, n) ((__typeof__(*(rows)))rows_more((a), (void **)(rows), (n), sizeof(**(rows))))

/*
 * For every list: true where the viewer (a bound number, struct page) may see a row of this domain and customer.
 * Columns may be NULL or "0" where a row has none.
 */
#define SEEN(viewer, domain, customer) \
	"(" viewer " = 0 OR EXISTS (SELECT 1 FROM office AS seen WHERE seen.holder = " viewer \
	" AND (seen.rank = 0 OR seen.customer = " customer " OR seen.domain = " domain ")))"

/* For every list: true where the page's text (a bound blob, struct page) is in a row's name, or there is none. */
#define HOLDS(text, name) "(length(" text ") = 0 OR holds(" name ", " text "))"

/* For LIMIT: -1 is all. */
static inline int64_t page_limit(const struct page *page)
{
	return page->limit ? (int64_t)page->limit : -1;
}

/* A column as a slice in the arena, NUL behind it. */
static inline struct slice column_dup(struct arena *a, struct sql_stmt *s, int column)
{
	return arena_dup(a, sql_blob(s, column));
}

#endif
