/* SPDX-License-Identifier: Apache-2.0 */
/* SEARCH programs: parsed, resolved, asked about a message with and without content. A decided answer stays. */
#include "base/err.h"
#include "proto/imap/search.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool keyword(void *ctx, struct slice name)
{
	return name.n % 2;
}

static enum imap_search_answer header(void *ctx, unsigned key, struct slice field, struct slice folded)
{
	return (field.n + folded.n) % 2;
}

static enum imap_search_answer text(void *ctx, unsigned key, bool with_header, struct slice folded)
{
	return (folded.n + with_header) % 2;
}

static bool sent(void *ctx, int64_t *ret)
{
	*ret = 1000000000000;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct imap_scan s = { .in = slice_of(data, size), .arena = a };
	struct imap_search search;

	if (imap_search_scan(&s, &search) == 0 && !search.bad_charset) {
		struct imap_search_msg m = { .seq = 3, .uid = 30, .flags = 5, .date_ms = 1000000000000, .size = 1000,
					     .modseq = 7, .now_ms = 1700000000000, .keyword = keyword };
		imap_search_resolve(&search, 10, 100);
		enum imap_search_answer first = imap_search_match(&search, &m);
		m.header = header;
		m.text = text;
		m.sent_ms = sent;
		enum imap_search_answer second = imap_search_match(&search, &m);
		bug_if(second == IMAP_SEARCH_OPEN);
		bug_if(first != IMAP_SEARCH_OPEN && first != second);
	}
	arena_free(&a);
	return 0;
}
