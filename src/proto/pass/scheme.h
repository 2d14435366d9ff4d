/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Password hashes as text: which scheme a stored or imported one is of. "{SCHEME}..." as Dovecot and LDAP write it
 * (RFC 2307), with .HEX or .B64 behind the name; or bare crypt(3) and Argon2 forms ("$6$...", "$argon2id$...").
 * Only the form is judged here; checking a password against one is auth's.
 */
#ifndef PROTO_PASS_SCHEME_H
#define PROTO_PASS_SCHEME_H

#include "base/slice.h"

enum scheme_kind {
	SCHEME_CRYPT,		/* crypt(3): $1$ $5$ $6$ $y$ $2a$ $2b$ $2y$ $7$ $gy$ */
	SCHEME_ARGON2,		/* $argon2i$, $argon2id$, $argon2d$ */
	SCHEME_PLAIN,
	SCHEME_DIGEST,		/* a bare or salted digest: MD5, SHA-1, SHA-2 */
	SCHEME_PBKDF2,		/* Dovecot's $1$salt$rounds$hex, PBKDF2-HMAC-SHA1 */
};

enum scheme_encoding { SCHEME_TEXT, SCHEME_HEX, SCHEME_BASE64 };

struct scheme {
	enum scheme_kind kind;
	enum scheme_encoding encoding;	/* of payload, for digests and plain */
	const char *digest;		/* OpenSSL's name, "SHA256" */
	size_t digest_bytes;
	bool salted;			/* the salt stands behind the digest */
	struct slice payload;		/* what is behind the name */
};

/* ERR_SYNTAX: no hash at all; ERR_UNSUPPORTED: a hash of an unknown scheme; ERR_INVALID: damaged. */
NODISCARD int scheme_parse(struct slice text, struct scheme *ret);

static inline bool scheme_known(struct slice text)
{
	struct scheme s;
	return scheme_parse(text, &s) == 0;
}

/* "{WORD}" or "$x$" at its front: nobody means that as a password. */
bool scheme_looks_hashed(struct slice text);

#endif
