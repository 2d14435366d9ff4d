/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mailbox names: from the wire (modified UTF-7, or UTF-8 after ENABLE UTF8=ACCEPT) to what the store knows
 * (UTF-8 in normal form C, '/' between levels, INBOX in upper case) and back. Two spellings of one name give
 * one name (RFC 3501 5.1, RFC 6855 3, RFC 5198).
 */
#ifndef PROTO_IMAP_NAME_H
#define PROTO_IMAP_NAME_H

#include "base/arena.h"
#include "base/buf.h"

enum {
	IMAP_NAME_MAX = 1000,	/* bytes of UTF-8 */
	IMAP_NAME_LEVELS = 40,
};

/* ERR_INVALID: no name that a mailbox could have (bad encoding, control characters, too long, empty level). */
NODISCARD int imap_name_read(struct arena *a, struct slice wire, bool utf8, struct slice *ret);
/* As imap_name_read, for a name that comes as UTF-8 already. */
NODISCARD int imap_name_normalise(struct arena *a, struct slice utf8, struct slice *ret);

/* A LIST pattern: as a name is read, but without the rules for levels. */
NODISCARD int imap_name_pattern(struct arena *a, struct slice wire, bool utf8, struct slice *ret);

/* May a mailbox of this (normalised) name be made? No wildcards, no '~' or '#' in front, no "." or ".." level. */
bool imap_name_creatable(struct slice name);

/* As an astring for a response, quoted or as a literal. */
void imap_name_write(struct buf *out, struct slice name, bool utf8);

#endif
