/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses and domains in their one normal form, by which they are stored, compared and routed.
 * Local part: unquoted, NFC, case folded. Domain: lower-case A-labels, no final dot. Whatever has no
 * normal form is refused here, so everything behind it (rights, routes, SQL) sees one spelling only.
 */
#ifndef ROOM_DIRECTORY_NAME_H
#define ROOM_DIRECTORY_NAME_H

#include "base/arena.h"
#include "base/buf.h"

enum {
	NAME_LOCAL_MAX = 64,	/* RFC 5321 4.5.3.1.1, octets as written (unquoted) */
	NAME_DOMAIN_MAX = 253,
	NAME_TEXT_MAX = 320,		/* of a whole address, quotes and all */
};

struct name {
	struct slice local;	/* normal form; may hold any printable character, '@' and blanks too */
	struct slice domain;	/* normal form; of a literal the text with its brackets */
	bool literal;		/* domain is an address literal */
};

/* One addr-spec (RFC 5321 Mailbox, RFC 6531). ERR_SYNTAX, ERR_TOO_BIG. The slices live in a. */
NODISCARD int name_parse(struct arena *a, struct slice in, struct name *ret);

/* A local part as it stands in a file of ours: bare or quoted. */
NODISCARD int name_local(struct arena *a, struct slice in, struct slice *ret);

/* A domain name, Unicode or A-labels (RFC 5891). */
NODISCARD int name_domain(struct arena *a, struct slice in, struct slice *ret);

/* local@domain, quoted where it must be: the text that parses back. */
void name_format(struct buf *out, struct slice local, struct slice domain);
struct slice name_text(struct arena *a, struct slice local, struct slice domain);

/* "joe+shop" -> "joe"; false where there is no detail or nothing in front of it. separator 0: there are no details. */
bool name_base(struct slice local, uint8_t separator, struct slice *ret);

/* The sender picked a route of his own (percent hack, bang path, an '@' inside): never handed to another server. */
bool name_routes(struct slice local);

#endif
