/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of IMAP's grammar (RFC 3501 9), read off one whole command by a cursor. The command is
 * what reader.h collected: its line ends are gone but for the CRLF between a literal's "{n}" and its
 * bytes. Every call returns 0 and moves, or ERR_SYNTAX and stays where it was. Slices point into the
 * command, or into the arena where escapes had to be taken out; both outlive the scan.
 */
#ifndef PROTO_IMAP_SCAN_H
#define PROTO_IMAP_SCAN_H

#include "base/arena.h"

struct imap_scan {
	struct slice in;
	size_t at;
	struct arena *arena;
	bool utf8;	/* UTF8=ACCEPT is on: quoted strings may hold UTF-8 (RFC 6855 3) */
};

bool imap_scan_end(const struct imap_scan *s);
bool imap_scan_is(const struct imap_scan *s, char c);	/* is c next? */
NODISCARD int imap_scan_char(struct imap_scan *s, char c);
NODISCARD int imap_scan_sp(struct imap_scan *s);	/* exactly one space */

NODISCARD int imap_scan_tag(struct imap_scan *s, struct slice *ret);
NODISCARD int imap_scan_atom(struct imap_scan *s, struct slice *ret);
NODISCARD int imap_scan_astring(struct imap_scan *s, struct slice *ret);
NODISCARD int imap_scan_string(struct imap_scan *s, struct slice *ret);		/* quoted or literal */
NODISCARD int imap_scan_nstring(struct imap_scan *s, struct slice *ret, bool *ret_nil);
NODISCARD int imap_scan_list_mailbox(struct imap_scan *s, struct slice *ret);	/* a LIST pattern */
NODISCARD int imap_scan_flag(struct imap_scan *s, struct slice *ret);		/* with its backslash */
NODISCARD int imap_scan_number(struct imap_scan *s, uint64_t max, uint64_t *ret);

/* Letters, digits, '.', '-', '_': the name of a FETCH attribute, a SEARCH key, a parameter. */
NODISCARD int imap_scan_word(struct imap_scan *s, struct slice *ret);
/* As imap_scan_word, but only where it is this one, case folded. */
NODISCARD int imap_scan_keyword(struct imap_scan *s, const char *word);
/* Characters that may stand in a sequence set: digits ':' '*' ','. */
NODISCARD int imap_scan_set(struct imap_scan *s, struct slice *ret);

/* 1-Feb-1994, quoted or not: milliseconds of its midnight, UTC. */
NODISCARD int imap_scan_date(struct imap_scan *s, int64_t *ret_ms);
/* " 1-Feb-1994 21:52:25 -0800" in quotes: the moment. */
NODISCARD int imap_scan_date_time(struct imap_scan *s, int64_t *ret_ms);

bool imap_is_atom_char(uint8_t c);
bool imap_is_astring_char(uint8_t c);

/* System flags as bits (session.proto): 1 \Seen 2 \Answered 4 \Flagged 8 \Deleted 16 \Draft. */
enum imap_flag {
	IMAP_SEEN = 1,
	IMAP_ANSWERED = 2,
	IMAP_FLAGGED = 4,
	IMAP_DELETED = 8,
	IMAP_DRAFT = 16,
	IMAP_ALL_FLAGS = 31,
};

enum { IMAP_KEYWORDS_MAX = 64, IMAP_KEYWORD_MAX = 100 };
struct imap_flags {
	unsigned flags;
	struct slice *keywords;	/* arena */
	size_t n_keywords;
};
/* "(\Seen $Forwarded)"; without the parentheses too where bare (STORE). \Recent is read and dropped. */
NODISCARD int imap_scan_flags(struct imap_scan *s, bool bare, struct imap_flags *ret);

/* Days since 1970-01-01 of a date of the proleptic Gregorian calendar. */
int64_t imap_days(int64_t year, unsigned month, unsigned day);

#endif
