/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SEARCH programs (RFC 3501 6.4.4, RFC 4731 ESEARCH, RFC 7162 3.1.5 MODSEQ, RFC 5032 WITHIN): parsed into a
 * tree, asked about one message at a time. What a message has only at a price (its header, its text) is asked
 * for only where the cheap criteria leave the answer open: imap_search_match then says IMAP_SEARCH_OPEN. Who answers for the
 * content may say OPEN too, at the end of its share of a turn: the program is asked again in a later one, and asks the same.
 */
#ifndef PROTO_IMAP_SEARCH_H
#define PROTO_IMAP_SEARCH_H

#include "proto/imap/scan.h"
#include "proto/imap/seqset.h"

enum {
	IMAP_SEARCH_DEPTH = 50,		/* of nested NOT, OR and parentheses */
	IMAP_SEARCH_KEYS = 2000,	/* of one program */
	IMAP_SEARCH_TEXTS = 32,		/* of those, BODY and TEXT: each costs a pass over each message */
	IMAP_SEARCH_SETS_MAX = 60000,	/* ranges of all sequence sets */
};

enum { IMAP_RECENT = 1 << 8 };	/* among the flags that a program is asked about */

enum imap_search_return {
	IMAP_RETURN_MIN = 1,
	IMAP_RETURN_MAX = 2,
	IMAP_RETURN_ALL = 4,
	IMAP_RETURN_COUNT = 8,
};

/* What a program may need of a message beside its entry in the view. */
enum imap_search_need {
	IMAP_NEED_HEADER = 1,
	IMAP_NEED_SENT = 2,	/* the Date field */
	IMAP_NEED_BODY = 4,
};

struct imap_search_key;

struct imap_search {
	struct imap_search_key *root;	/* arena */
	bool extended;			/* RETURN (...) was there: answer with ESEARCH */
	unsigned returns;		/* enum imap_search_return; never 0 where extended */
	unsigned needs;			/* enum imap_search_need */
	unsigned n_keys;
	bool has_modseq;
	bool bad_charset;		/* BADCHARSET is the answer; the rest is not filled in */
};

/* Behind "SEARCH ", to the end. The arena owns what it holds. ERR_SYNTAX; ERR_TOO_BIG past a limit. */
NODISCARD int imap_search_scan(struct imap_scan *s, struct imap_search *ret);

/* Sets are resolved against the mailbox as it is when the command starts. */
void imap_search_resolve(struct imap_search *search, uint32_t n_messages, uint32_t highest_uid);

enum imap_search_answer { IMAP_SEARCH_NO, IMAP_SEARCH_YES, IMAP_SEARCH_OPEN };

/* A message as the program sees it. The functions are NULL until its content is there. key: a number below n_keys, always the
 * same for the same question. */
struct imap_search_msg {
	uint32_t seq, uid;
	unsigned flags;
	int64_t date_ms;
	uint64_t size, modseq;
	int64_t now_ms;
	bool (*keyword)(void *ctx, struct slice name);
	enum imap_search_answer (*header)(void *ctx, unsigned key, struct slice field, struct slice folded);	/* folded "": is it there */
	bool (*sent_ms)(void *ctx, int64_t *ret);	/* as written there, without its zone */
	enum imap_search_answer (*text)(void *ctx, unsigned key, bool with_header, struct slice folded);
	void *ctx;
};
enum imap_search_answer imap_search_match(const struct imap_search *search, const struct imap_search_msg *m);

/* Text as it is compared: UTF-8 case folded (utf8proc), NFKC; bytes that are no UTF-8 as they are. */
struct slice imap_search_fold(struct arena *a, struct slice utf8);

#endif
