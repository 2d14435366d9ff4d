/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One addr-spec as it travels in SMTP and lives in the directory (RFC 5321 4.1.2, 6531 3.3):
 * parsed strictly, kept in one normal form, no memory of its own. For address lists of message
 * headers, where everything goes, see address_list.h.
 *
 *   Joe."X"@Exämple.TEST  ->  local "Joe.X", domain "xn--exmple-cua.test", text
 * "Joe.X@xn--exmple-cua.test"
 *
 * Normal form: the local part keeps its case; a quoted one loses quotes and backslashes that it
 * does not need. The domain is lower case, an A-label, without a trailing dot (one is refused); or
 * an address literal
 * "[192.0.2.1]", "[IPv6:2001:db8::1]". Two addresses are the same mailbox where their addr_key are
 * equal.
 */
#ifndef PROTO_MAIL_ADDRESS_H
#define PROTO_MAIL_ADDRESS_H

#include "base/slice.h"

enum {
	ADDR_LOCAL_MAX = 128, /* RFC 5321 asks for 64 at least; VERP and SRS senders pass it */
	ADDR_DOMAIN_MAX = 253,
	ADDR_TEXT_MAX = ADDR_LOCAL_MAX + 1 + ADDR_DOMAIN_MAX,
};

enum {
	ADDR_UTF8 =
		1, /* non-ASCII is allowed (SMTPUTF8 was given, or it is our own administration) */
	ADDR_BARE = 2, /* a local part alone is allowed ("postmaster"); the domain is empty then */
};

struct addr {
	uint8_t text[ADDR_TEXT_MAX];
	uint16_t n;       /* bytes of text */
	uint16_t local_n; /* of them, the local part */
	bool literal;     /* the domain is an address literal */
	bool utf8;        /* the local part is not ASCII: only an SMTPUTF8 peer can take it */
};

/* s: the bytes between < and >, without them. ERR_SYNTAX: no addr-spec (control bytes, NUL, a
 * source route, two @, bad UTF-8, bidi controls, comments, blanks); ERR_TOO_BIG: a limit above;
 * ERR_UNSUPPORTED: would be right with ADDR_UTF8. *ret untouched on failure. */
NODISCARD int addr_parse(struct slice s, unsigned flags, struct addr *ret);

/* Only the domain: normal form as in an address, at most ADDR_DOMAIN_MAX bytes; no literals. At
 * least one label. Returns the length that it wrote to ret, or an error as addr_parse. */
NODISCARD int domain_parse(struct slice s, unsigned flags, char ret[ADDR_DOMAIN_MAX + 1]);

/* The form to compare and look up by: ASCII lower case, UTF-8 case folded and NFC. ERR_TOO_BIG
 * where folding makes it longer than fits. key may be a itself. */
NODISCARD int addr_key(const struct addr *a, struct addr *key);

/* The local part without quotes and backslashes, into ret (at most ADDR_LOCAL_MAX bytes); its
 * length. */
size_t addr_local_raw(const struct addr *a, uint8_t ret[ADDR_LOCAL_MAX]);

static inline struct slice addr_text(const struct addr *a)
{
	return slice_of(a->text, a->n);
}

static inline struct slice addr_local(const struct addr *a)
{
	return slice_of(a->text, a->local_n);
}

static inline struct slice addr_domain(const struct addr *a)
{
	return a->n > a->local_n ? slice_of(a->text + a->local_n + 1, (size_t)a->n - a->local_n - 1)
				 : slice_of(a->text, 0);
}

#endif
