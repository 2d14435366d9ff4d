/* SPDX-License-Identifier: Apache-2.0 */
/* What SEARCH asks of one message's bytes: header fields, the text of its parts, its Date. */
#ifndef ROOM_IMAPD_SEARCH_CONTENT_H
#define ROOM_IMAPD_SEARCH_CONTENT_H

#include "proto/imap/search.h"
#include "proto/mail/digest.h"

enum {
	SEARCH_TEXT_MAX = 32 << 20,	/* decoded bytes of one part that are looked at */
	SEARCH_TURN = 1 << 20,		/* a good number for left */
	SEARCH_HELD_MAX = 64 << 20,	/* decoded text that all of them keep from turn to turn */
	SEARCH_SMALL = 256 << 10,	/* is looked at whatever the others keep */
};

/*
 * The work goes on in slices: set left to so many octets and ask all questions again, until none of them answers
 * IMAP_SEARCH_OPEN. What was answered once costs nothing the next time.
 */
struct search_content {
	struct slice header, body;	/* as far as they were asked for */
	const Postern__Digest *digest;	/* NULL where it is damaged */
	uint8_t *known;			/* of the owner: a byte a key, 0 at first */
	size_t left;			/* octets that may be looked at; what is indivisible passes it */
	struct search_pass {		/* of one key, over one message; the others wait */
		bool under_way, begun, loaded;
		unsigned key;
		size_t part, at;
		size_t held;
		struct buf text;	/* of the part, decoded */
	} pass;
};

enum imap_search_answer search_content_header(struct search_content *c, unsigned key, struct slice field, struct slice folded);
enum imap_search_answer search_content_text(struct search_content *c, unsigned key, bool with_header, struct slice folded);
void search_content_fini(struct search_content *c);	/* what a pass holds */
bool search_content_sent(const struct search_content *c, int64_t *ret_ms);	/* as written, its zone left out */

#endif
