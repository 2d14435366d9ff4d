/* SPDX-License-Identifier: Apache-2.0 */
/* What a FETCH asks for (RFC 3501 6.4.5, RFC 7162 3.1.4). */
#ifndef PROTO_IMAP_FETCH_ARGS_H
#define PROTO_IMAP_FETCH_ARGS_H

#include "proto/imap/scan.h"

enum imap_fetch_item {
	IMAP_FETCH_UID = 1,
	IMAP_FETCH_FLAGS = 2,
	IMAP_FETCH_INTERNALDATE = 4,
	IMAP_FETCH_SIZE = 8,
	IMAP_FETCH_ENVELOPE = 16,
	IMAP_FETCH_BODY = 32,		/* BODY without a section */
	IMAP_FETCH_BODYSTRUCTURE = 64,
	IMAP_FETCH_MODSEQ = 128,
};

enum imap_section_kind {
	IMAP_SECTION_ALL,		/* BODY[], BODY[1.2] */
	IMAP_SECTION_HEADER,
	IMAP_SECTION_FIELDS,
	IMAP_SECTION_FIELDS_NOT,
	IMAP_SECTION_TEXT,
	IMAP_SECTION_MIME,
};

enum { IMAP_SECTION_PARTS = 32, IMAP_FIELDS_MAX = 100, IMAP_SECTIONS_MAX = 64 };

struct imap_section {
	enum imap_section_kind kind;
	uint32_t path[IMAP_SECTION_PARTS];
	unsigned n_path;
	struct slice *fields;	/* arena; header names as asked for */
	size_t n_fields;
	bool partial;
	uint64_t from, count;	/* <from.count> */
	const char *as;		/* RFC822, RFC822.HEADER, RFC822.TEXT: the name it is answered with; else NULL */
};

struct imap_fetch_args {
	unsigned items;
	struct imap_section *sections;	/* arena */
	size_t n_sections;
	bool sets_seen;		/* some section is no PEEK */
	bool has_changed_since;
	uint64_t changed_since;
};

/* What stands behind the sequence set: a macro, one attribute or a list, then modifiers. To the end. */
NODISCARD int imap_fetch_args_scan(struct imap_scan *s, struct imap_fetch_args *ret);

/* "BODY[1.HEADER.FIELDS (FROM)]<0>", as a response names it. */
struct buf;
void imap_section_write(struct buf *out, const struct imap_section *s);

#endif
