/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sender rewriting for mail that is passed on (M. Wong and Shevek, "The Sender Rewriting Scheme", 2003/2004): the
 * envelope sender becomes an address of the domain that passes it on, so that SPF holds at the target, and a bounce
 * finds its way back through it.
 *
 *   ann@a.test              by b.test ->  SRS0=mac=tt=a.test=ann@b.test
 *   SRS0=m=tt=a.test=ann@b.test  by c.test ->  SRS1=mac=b.test==m=tt=a.test=ann@c.test
 *   SRS1=m=b.test==...@c.test    by d.test ->  SRS1=mac=b.test==...@d.test         (never longer by a hop)
 *
 * mac: 40 bits of a keyed hash over all that follows, in lower case (mail servers may change the case), as 8
 * letters of base32. tt: the day, modulo 1024, as two of these; good for SRS_DAYS. The separator behind SRS0 and SRS1
 * may be "=", "+" or "-" in what comes in; we write "=". The secret of today signs, those of before still open.
 */
#ifndef PROTO_MAIL_SRS_H
#define PROTO_MAIL_SRS_H

#include "base/arena.h"

enum { SRS_SECRET = 16, SRS_SECRETS_MAX = 4, SRS_DAYS = 21 };

struct srs_secrets {
	uint8_t key[SRS_SECRETS_MAX][SRS_SECRET];	/* newest first */
	size_t n;
};

/* Does this local part begin as one of ours would? Says nothing about whether it is one. */
bool srs_is(struct slice local);

/* sender: an addr-spec in normal form, not empty; domain: who passes it on. ERR_TOO_BIG: no address can be so long;
 * ERR_INVALID: it cannot be rewritten (a quoted local part, a literal domain, no domain), or there is no secret. */
NODISCARD int srs_forward(struct arena *a, const struct srs_secrets *s, struct slice sender, struct slice domain,
			  int64_t now_ms, struct slice *ret);

/* The way back, one hop: what stood before it was rewritten. ERR_SYNTAX: not of that form; ERR_DENIED: no secret of ours
 * made it; ERR_TIMEOUT: too old. */
NODISCARD int srs_reverse(struct arena *a, const struct srs_secrets *s, struct slice local, int64_t now_ms,
			  struct slice *ret);

#endif
