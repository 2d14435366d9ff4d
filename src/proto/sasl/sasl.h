/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's side of SASL PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login), for SMTP, IMAP and POP3: base64 lines in,
 * challenges out, and at the end a login and a password. Nothing is verified here. Secrets are wiped by
 * sasl_wipe; the caller wipes the line that it read.
 */
#ifndef PROTO_SASL_SASL_H
#define PROTO_SASL_SASL_H

#include "base/buf.h"

enum {
	SASL_LINE_MAX = 12288,		/* octets of one base64 line (RFC 4954 4) */
	SASL_LOGIN_MAX = 320,
	SASL_PASSWORD_MAX = 1024,
};

enum sasl_mechanism { SASL_PLAIN, SASL_LOGIN };

struct sasl {
	enum sasl_mechanism mechanism;
	unsigned step;
	uint8_t login[SASL_LOGIN_MAX], authzid[SASL_LOGIN_MAX], password[SASL_PASSWORD_MAX];
	size_t login_n, authzid_n, password_n;
};

NODISCARD int sasl_mechanism(struct slice name, enum sasl_mechanism *ret);	/* ERR_UNSUPPORTED */
void sasl_init(struct sasl *s, enum sasl_mechanism mechanism);

/* Without an initial response: the first challenge, base64, appended. */
void sasl_begin(struct sasl *s, struct buf *ret_challenge);

/* A line of the client, without CRLF; initial: it came with the command, where "=" means an empty one.
 * 1 done: login, password, authzid (empty: as login) are there; 0: *ret_challenge was appended to, send it;
 * ERR_CLOSED: the client cancelled with "*"; ERR_SYNTAX, ERR_TOO_BIG: refuse, the exchange is over. */
NODISCARD int sasl_step(struct sasl *s, struct slice line, bool initial, struct buf *ret_challenge);
void sasl_wipe(struct sasl *s);

static inline struct slice sasl_login(const struct sasl *s)
{
	return slice_of(s->login, s->login_n);
}

static inline struct slice sasl_authzid(const struct sasl *s)
{
	return slice_of(s->authzid, s->authzid_n);
}

static inline struct slice sasl_password(const struct sasl *s)
{
	return slice_of(s->password, s->password_n);
}

#endif
