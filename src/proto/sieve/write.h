/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scripts that settings make: forwarding and an autoresponder, written so that people can read them, and so that they
 * compile whatever the settings hold.
 */
#ifndef PROTO_SIEVE_WRITE_H
#define PROTO_SIEVE_WRITE_H

#include "base/buf.h"

/* "a \"b\"": a string with what it needs escaped; line ends become CRLF. */
void sieve_write_string(struct buf *out, struct slice s);
/* text:, its lines with dots doubled, and the final dot. */
void sieve_write_text(struct buf *out, struct slice s);

struct sieve_moment {
	bool set;
	int64_t ms;
	int zone_minutes;	/* in which it is written */
};

struct sieve_settings {
	const struct slice *forward;	/* addresses, SIEVE_REDIRECTS_MAX at most */
	size_t n_forward;
	bool forward_keep;		/* the mailbox keeps a copy, and later scripts run */
	bool reply;
	struct sieve_moment from, until;	/* until is not in it any more */
	struct slice subject;		/* empty: of the message, with "Auto: " */
	struct slice text;
	struct slice sender;		/* "Joe <joe@example.test>"; empty: the account's address */
	unsigned days;			/* 0: the default */
	const struct slice *addresses;	/* more that the account answers for */
	size_t n_addresses;
};

/* Nothing where neither is set. */
void sieve_write_settings(struct buf *out, const struct sieve_settings *s);

#endif
