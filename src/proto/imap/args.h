/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arguments of commands that have a grammar of their own. Each function reads from behind "VERB SP" to the
 * end of the command and fills its struct, or says ERR_SYNTAX. Names are as on the wire (name.h reads them).
 */
#ifndef PROTO_IMAP_ARGS_H
#define PROTO_IMAP_ARGS_H

#include "proto/imap/scan.h"
#include "proto/imap/seqset.h"

/* SELECT, EXAMINE: mailbox [SP "(CONDSTORE)"] (RFC 7162 3.1.8). */
struct imap_select_args {
	struct slice mailbox;
	bool condstore;
};
NODISCARD int imap_select_args_scan(struct imap_scan *s, struct imap_select_args *ret);

/* STORE (RFC 3501 6.4.6, RFC 7162 3.1.3). */
enum imap_store_how { IMAP_STORE_REPLACE, IMAP_STORE_ADD, IMAP_STORE_REMOVE };
struct imap_store_args {
	struct slice set;	/* as written */
	enum imap_store_how how;
	bool silent;
	struct imap_flags flags;
	bool conditional;
	uint64_t unchanged_since;
};
NODISCARD int imap_store_args_scan(struct imap_scan *s, struct imap_store_args *ret);

/* The attributes of STATUS (RFC 3501 6.3.10, RFC 7162 3.1.7, RFC 8438, RFC 9208 4.1.4). */
enum imap_status_item {
	IMAP_STATUS_MESSAGES = 1,
	IMAP_STATUS_RECENT = 2,
	IMAP_STATUS_UIDNEXT = 4,
	IMAP_STATUS_UIDVALIDITY = 8,
	IMAP_STATUS_UNSEEN = 16,
	IMAP_STATUS_HIGHESTMODSEQ = 32,
	IMAP_STATUS_SIZE = 64,
	IMAP_STATUS_DELETED = 128,
	IMAP_STATUS_DELETED_STORAGE = 256,
};
struct imap_status_args {
	struct slice mailbox;
	unsigned items;
};
NODISCARD int imap_status_args_scan(struct imap_scan *s, struct imap_status_args *ret);

/* LIST (RFC 3501 6.3.8, RFC 5258, RFC 5819, RFC 6154) and LSUB. */
enum imap_list_option {
	IMAP_LIST_SUBSCRIBED = 1,
	IMAP_LIST_REMOTE = 2,
	IMAP_LIST_RECURSIVEMATCH = 4,
	IMAP_LIST_SPECIAL_USE = 8,
	IMAP_LIST_CHILDREN = 16,
};
enum { IMAP_LIST_PATTERNS = 20 };
struct imap_list_args {
	bool extended;		/* some part of the extended form was there */
	unsigned select, returns;	/* enum imap_list_option */
	unsigned status;	/* RETURN (STATUS (...)) */
	struct slice reference;
	struct slice patterns[IMAP_LIST_PATTERNS];
	size_t n_patterns;
};
NODISCARD int imap_list_args_scan(struct imap_scan *s, struct imap_list_args *ret);

/* special_use bits of session.proto: 1 \All 2 \Archive 4 \Drafts 8 \Flagged 16 \Junk 32 \Sent 64 \Trash */
const char *imap_special_use_name(unsigned bit);	/* "\\Sent"; NULL past the last */
unsigned imap_special_use_bit(struct slice name);	/* 0: none of them */

/* CREATE mailbox [SP "(USE (" ... "))"] (RFC 6154 3). unknown_use: some attribute is none that we know. */
struct imap_create_args {
	struct slice mailbox;
	unsigned special_use;
	bool unknown_use;
};
NODISCARD int imap_create_args_scan(struct imap_scan *s, struct imap_create_args *ret);

/* What stands before APPEND's message (RFC 3501 6.3.11, RFC 6855 4). */
struct imap_append_args {
	struct slice mailbox;
	struct imap_flags flags;
	bool has_date;
	int64_t date_ms;
	bool utf8;		/* "UTF8 (~{n}" */
};
/* 1: the literal that the command ends with is the message; 0: it is an argument before it (a mailbox name).
 * ERR_SYNTAX: neither. */
NODISCARD int imap_append_args_scan(struct imap_scan *s, struct imap_append_args *ret);

#endif
