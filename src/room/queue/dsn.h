/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of delivery status notifications (RFC 3461, 3464, 6522, 6533). What other servers said comes in as
 * bytes that nobody trusts: it is cut, stripped of control bytes and folded, so that no line of it becomes a
 * header or a MIME boundary (S13).
 */
#ifndef ROOM_QUEUE_DSN_H
#define ROOM_QUEUE_DSN_H

#include "base/buf.h"

enum dsn_action { DSN_FAILED, DSN_DELAYED, DSN_RELAYED, DSN_DELIVERED, DSN_EXPANDED };

struct dsn_rcpt {
	struct slice address;
	struct slice orcpt;	/* "rfc822;xtext" or empty */
	struct slice enhanced;	/* "5.1.1" */
	unsigned code;		/* 0: no server answered */
	struct slice text, server;
};

struct dsn {
	enum dsn_action action;
	const char *host;	/* of this machine */
	struct slice sender;	/* to whom it goes; never empty */
	bool ours;		/* a user here: told in every language */
	struct slice envid;	/* xtext, or empty */
	int64_t arrival_ms, now_ms, until_ms;
	const char *boundary;	/* hex digits, random: of Message-ID, too */
	const struct dsn_rcpt *rcpts;
	size_t n_rcpts;
	struct slice original;	/* the message, or its header */
	bool headers_only;
};

/* Into out, CRLF line ends; out bounds it. */
void dsn_write(struct buf *out, const struct dsn *d);

#endif
