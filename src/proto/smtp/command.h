/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One SMTP command line taken apart: RFC 5321 4.1, with the parameters of SIZE (1870), 8BITMIME (6152),
 * SMTPUTF8 (6531, 6533), DSN (3461), AUTH (4954), CHUNKING (3030). Strict in what could be read in two
 * ways (control bytes, NUL, paths without <>, a parameter twice), lenient in blanks around them.
 *
 * Slices of the result point into the line or into the arena; both must outlive it.
 */
#ifndef PROTO_SMTP_COMMAND_H
#define PROTO_SMTP_COMMAND_H

#include "base/arena.h"
#include "proto/smtp/reply.h"

enum {
	SMTP_LINE_MAX = 4096,		/* octets of a command line with its CRLF */
	SMTP_AUTH_LINE_MAX = 12288,	/* the same for AUTH and the lines of its exchange (RFC 4954 4) */
	SMTP_HELLO_MAX = 255,
	SMTP_ENVID_MAX = 100,		/* RFC 3461 4.4, decoded too */
	SMTP_ORCPT_MAX = 500,		/* RFC 3461 4.2 */
	SMTP_PARAMS_MAX = 16,		/* parameters of one command */
};

enum smtp_verb {
	SMTP_VERB_UNKNOWN,
	SMTP_VERB_EHLO,
	SMTP_VERB_HELO,
	SMTP_VERB_MAIL,
	SMTP_VERB_RCPT,
	SMTP_VERB_DATA,
	SMTP_VERB_BDAT,
	SMTP_VERB_RSET,
	SMTP_VERB_NOOP,
	SMTP_VERB_QUIT,
	SMTP_VERB_VRFY,
	SMTP_VERB_EXPN,
	SMTP_VERB_HELP,
	SMTP_VERB_STARTTLS,
	SMTP_VERB_AUTH,
	SMTP_VERB_HTTP,		/* GET, POST, ...: a browser that was led here */
	SMTP_VERB_COUNT
};

enum smtp_body { SMTP_BODY_NONE, SMTP_BODY_7BIT, SMTP_BODY_8BITMIME };
enum smtp_ret { SMTP_RET_NONE, SMTP_RET_FULL, SMTP_RET_HDRS };

/* Bits as in QueueRecipient.notify; 0: not given. */
enum smtp_notify { SMTP_NOTIFY_NEVER = 1, SMTP_NOTIFY_SUCCESS = 2, SMTP_NOTIFY_FAILURE = 4, SMTP_NOTIFY_DELAY = 8 };

struct smtp_path {
	struct slice address;	/* normal form (proto/mail/address.h), without <> and route; empty: "<>" */
	struct slice original;	/* the same as it was written */
	bool utf8;		/* has bytes above ASCII: wants SMTPUTF8 */
};

struct smtp_mail {
	struct smtp_path path;
	bool has_size;
	uint64_t size;
	enum smtp_body body;
	bool smtputf8;
	enum smtp_ret ret;
	struct slice envid;	/* as it came (xtext), checked; empty: none */
	bool has_auth;
	struct slice auth;	/* decoded; "<>" where unknown */
};

struct smtp_rcpt {
	struct smtp_path path;	/* "postmaster" may lack its domain, no other address */
	unsigned notify;
	struct slice orcpt;	/* "rfc822;xtext" as it came, checked; empty: none */
};

struct smtp_command {
	enum smtp_verb verb;
	struct slice arg;	/* what follows the verb, trimmed: EHLO's name, VRFY's string */
	struct smtp_mail mail;
	struct smtp_rcpt rcpt;
	struct { uint64_t size; bool last; } bdat;
	struct { struct slice mechanism; bool has_initial; struct slice initial; } auth;
};

/* The verb of a line, also of the first part of one. */
enum smtp_verb smtp_verb_of(struct slice line);
const char *smtp_verb_name(enum smtp_verb verb);

/* line without its CRLF. ERR_SYNTAX (the verb is in ret->verb all the same) with the reply in *ret_refusal. */
NODISCARD int smtp_command_parse(struct slice line, struct arena *a, struct smtp_command *ret,
				 const struct smtp_status **ret_refusal);

#endif
