/* SPDX-License-Identifier: Apache-2.0 */
/* Insides of the SMTP client that its two files share. */
#ifndef PROTO_SMTP_CLIENT_PRIV_H
#define PROTO_SMTP_CLIENT_PRIV_H

#include "base/buf.h"

struct smtp_client_mail;
struct smtp_client_rcpt;

enum smtp_cap {
	CAP_PIPELINING = 1,
	CAP_SIZE = 2,
	CAP_8BITMIME = 4,
	CAP_SMTPUTF8 = 8,
	CAP_DSN = 16,
	CAP_STARTTLS = 32,
};

struct smtp_caps {
	unsigned has;		/* enum smtp_cap */
	uint64_t size;		/* 0: no limit was named */
};

/* The text of an EHLO reply, lines joined by '\n'. */
void smtp_caps_parse(struct slice text, struct smtp_caps *ret);

void smtp_write_mail(struct buf *out, const struct smtp_client_mail *mail, const struct smtp_caps *caps);
void smtp_write_rcpt(struct buf *out, const struct smtp_client_rcpt *rcpt, const struct smtp_caps *caps);

#endif
