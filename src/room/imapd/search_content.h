/* SPDX-License-Identifier: Apache-2.0 */
/* What SEARCH asks of one message's bytes: header fields, the text of its parts, its Date. */
#ifndef ROOM_IMAPD_SEARCH_CONTENT_H
#define ROOM_IMAPD_SEARCH_CONTENT_H

#include "proto/imap/search.h"
#include "proto/mail/digest.h"

enum { SEARCH_TEXT_MAX = 32 << 20 };	/* decoded bytes of one part that are looked at */

struct search_content {
	struct slice header, body;	/* as far as they were asked for */
	const Postern__Digest *digest;	/* NULL where it is damaged */
};

bool search_content_header(const struct search_content *c, struct slice field, struct slice folded);
bool search_content_text(const struct search_content *c, bool with_header, struct slice folded);
bool search_content_sent(const struct search_content *c, int64_t *ret_ms);	/* as written, its zone left out */

#endif
