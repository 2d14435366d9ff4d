/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of a SEARCH program; seen by search.c and search_match.c only. */
#ifndef PROTO_IMAP_SEARCH_PRIV_H
#define PROTO_IMAP_SEARCH_PRIV_H

#include "proto/imap/search.h"

enum search_kind {
	SEARCH_AND,	/* children: all of the chain */
	SEARCH_OR,	/* children: two */
	SEARCH_NOT,	/* children: one */
	SEARCH_ALL,
	SEARCH_FLAG,	/* number: bit */
	SEARCH_NO_FLAG,
	SEARCH_KEYWORD,	/* text */
	SEARCH_NEW,	/* recent and not seen */
	SEARCH_SEQ,	/* set */
	SEARCH_UID,
	SEARCH_BEFORE,	/* number: ms of that day's midnight */
	SEARCH_ON,
	SEARCH_SINCE,
	SEARCH_SENT_BEFORE,
	SEARCH_SENT_ON,
	SEARCH_SENT_SINCE,
	SEARCH_LARGER,
	SEARCH_SMALLER,
	SEARCH_YOUNGER,	/* number: seconds */
	SEARCH_OLDER,
	SEARCH_MODSEQ,
	SEARCH_HEADER,	/* field, text */
	SEARCH_BODY,	/* text */
	SEARCH_TEXT,
};

struct imap_search_key {
	enum search_kind kind;
	unsigned number_of;	/* in the program, from 0 */
	struct imap_search_key *next, *child;
	int64_t number;
	struct slice field, text;
	struct imap_seqset set;
};

#endif
