/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's side of an SMTP session, without I/O (RFC 5321, with STARTTLS, PIPELINING, SIZE, 8BITMIME,
 * SMTPUTF8, DSN and enhanced status codes): it eats what the server says, fills an output buffer, and says
 * what to do next. One transaction at a time, as many a session as one likes.
 *
 *   smtp_client_new -> feed ... WAIT          bytes of the server are needed
 *                          ... TLS            send out, drop unread input, handshake, smtp_client_tls_done
 *                          ... READY          smtp_client_send, or smtp_client_quit
 *                          ... BODY           smtp_client_body for each chunk, then smtp_client_body_end
 *                          ... RESULT         smtp_client_results; smtp_client_next
 *                          ... CLOSED         smtp_client_failure says why; close the connection
 *
 * After every call the owner sends and clears smtp_client_out. Whatever a server answers, each recipient
 * gets one result, and what is not understood is LATER, never FAILED or DELIVERED.
 */
#ifndef PROTO_SMTP_CLIENT_H
#define PROTO_SMTP_CLIENT_H

#include "base/buf.h"

struct smtp_client;

enum smtp_client_tls {	/* the values of RelayTls in directory.proto */
	SMTP_TLS_OPPORTUNISTIC,
	SMTP_TLS_NONE,
	SMTP_TLS_REQUIRED,
	SMTP_TLS_VERIFIED,	/* as REQUIRED here; the handshake's owner verifies */
};

enum smtp_client_step {
	SMTP_CLIENT_WAIT,
	SMTP_CLIENT_TLS,
	SMTP_CLIENT_READY,
	SMTP_CLIENT_BODY,
	SMTP_CLIENT_RESULT,
	SMTP_CLIENT_CLOSED,
};

enum smtp_outcome { SMTP_DELIVERED, SMTP_LATER, SMTP_FAILED };	/* as AttemptOutcome in relay.proto */

enum {
	SMTP_CLIENT_RCPTS_MAX = 1000,
	SMTP_CLIENT_ADDRESS_MAX = 1000,
	SMTP_CLIENT_TEXT_MAX = 512,	/* of a server's text that a result keeps */
	SMTP_CLIENT_CHUNK = 65536,	/* the largest chunk that smtp_client_body takes */
};

enum { SMTP_NOTIFY_NEVER = 1, SMTP_NOTIFY_SUCCESS = 2, SMTP_NOTIFY_FAILURE = 4, SMTP_NOTIFY_DELAY = 8 };

struct smtp_client_rcpt {
	struct slice address;	/* without <> */
	unsigned notify;	/* 0: not asked */
	struct slice orcpt;	/* "rfc822;xtext" as it was given, or empty */
};

struct smtp_client_mail {	/* borrowed until RESULT or CLOSED */
	struct slice sender;	/* empty: the null sender */
	const struct smtp_client_rcpt *rcpts;
	size_t n_rcpts;		/* 1..SMTP_CLIENT_RCPTS_MAX */
	struct slice envid;	/* xtext as it was given, or empty */
	bool ret_headers;
	bool smtputf8, body_8bit;
	uint64_t size;
};

struct smtp_result {
	enum smtp_outcome outcome;
	uint16_t code;		/* 0: the server said nothing */
	char enhanced[12];	/* "2.1.5"; never empty */
	struct slice text;	/* lives until the next transaction */
	bool dsn_passed_on;
};

struct smtp_client *smtp_client_new(const char *ehlo_name, enum smtp_client_tls tls);
void smtp_client_free(struct smtp_client **c);	/* accepts NULL; leaves NULL */

/* Eats from in; call again with the rest while *ret_used > 0 and the step is WAIT. */
enum smtp_client_step smtp_client_feed(struct smtp_client *c, struct slice in, size_t *ret_used);
enum smtp_client_step smtp_client_step(const struct smtp_client *c);
struct buf *smtp_client_out(struct smtp_client *c);

void smtp_client_tls_done(struct smtp_client *c);	/* EHLO follows; nothing of the plain session is believed */
void smtp_client_send(struct smtp_client *c, const struct smtp_client_mail *mail);	/* at READY */
void smtp_client_body(struct smtp_client *c, struct slice chunk);			/* at BODY */
void smtp_client_body_end(struct smtp_client *c);
const struct smtp_result *smtp_client_results(const struct smtp_client *c, size_t *ret_n);
void smtp_client_next(struct smtp_client *c);		/* from RESULT to READY, or CLOSED where the server went away */
void smtp_client_quit(struct smtp_client *c);		/* at READY; the answer leads to CLOSED */

/* The connection is lost, or a deadline passed: undecided recipients get LATER with this text; CLOSED, or RESULT first. */
void smtp_client_lost(struct smtp_client *c, const char *text);

/* Why a session ended outside a transaction; text lives as long as c. */
const struct smtp_result *smtp_client_failure(const struct smtp_client *c);

struct slice smtp_client_greeting(const struct smtp_client *c);	/* the name in the server's greeting, or empty */
bool smtp_client_injected(const struct smtp_client *c);	/* plain text stood behind STARTTLS's reply; it was dropped */
bool smtp_client_body_sent(const struct smtp_client *c); /* the final dot is in out, the answer is not here */

/* May stand between < and > in a command: bounded, no control bytes, no bare < or >, UTF-8 where utf8, else ASCII. */
bool smtp_client_address_ok(struct slice address, bool utf8);

#endif
