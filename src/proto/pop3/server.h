/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's side of a POP3 session without I/O (RFC 1939; CAPA and response codes: 2449, 3206; SASL: 5034).
 * TLS is on from the first octet, so STLS is not offered. Messages are numbered as they were at login; deletions
 * happen at QUIT and nowhere else: a connection that breaks or times out deletes nothing.
 *
 * A question (login, fetch, expunge) is answered by the call named beside it, from inside the question or
 * later; until then, and while a long response goes out, the session takes no input.
 */
#ifndef PROTO_POP3_SERVER_H
#define PROTO_POP3_SERVER_H

#include "proto/sasl/sasl.h"

struct pop3_server;

enum {
	POP3_LINE_MAX = 512,		/* RFC 2449 4 asks for 255 */
	POP3_ERRORS_MAX = 20,		/* refused commands of a session */
	POP3_LOGINS_MAX = 5,		/* failed logins of a session */
	POP3_TARPIT_MS = 1000,		/* before the answer to one */
	POP3_SEND_CHUNK = 32768,
	POP3_TOLD_MAX = 400,		/* octets of a text of pop3_server_told */
};

struct pop3_message {
	uint32_t uid;
	bool deleted;
	uint64_t size;
};

struct pop3_server_ops {
	void (*write)(void *ctx, struct slice bytes);
	bool (*congested)(void *ctx);		/* too much waits to be sent; pop3_server_continue later */
	void (*wait)(void *ctx, bool on);	/* on: keep further input until off */
	void (*timer)(void *ctx, unsigned ms);	/* the one timer anew; pop3_server_timeout. 0: none */
	void (*close)(void *ctx);		/* once the output is sent */
	void (*login)(void *ctx, const struct sasl *s);		/* pop3_server_opened, pop3_server_refused, pop3_server_told */
	void (*fetch)(void *ctx, uint32_t uid, bool body);	/* pop3_server_fetched */
	void (*release)(void *ctx);				/* of what was fetched */
	void (*expunge)(void *ctx, const uint32_t *uids, size_t n);	/* pop3_server_expunged */
};

struct pop3_server *pop3_server_new(unsigned idle_ms, const struct pop3_server_ops *ops, void *ctx);
void pop3_server_free(struct pop3_server **s);

void pop3_server_start(struct pop3_server *s);
size_t pop3_server_input(struct pop3_server *s, struct slice in);
void pop3_server_continue(struct pop3_server *s);	/* the output drained */
void pop3_server_timeout(struct pop3_server *s);
void pop3_server_goodbye(struct pop3_server *s, const char *text);	/* "[SYS/TEMP] ..."; deletes nothing */

/* The maildrop, in order; messages is taken over (heap, may be NULL for none). */
void pop3_server_opened(struct pop3_server *s, uint32_t uidvalidity, struct pop3_message *messages, size_t n);
enum pop3_refusal { POP3_WRONG_LOGIN, POP3_IN_USE, POP3_NOT_NOW, POP3_TOLD };
void pop3_server_refused(struct pop3_server *s, enum pop3_refusal why);
/* Before opened or refused: from now on refusals are in this language, in ASCII; "": English. */
void pop3_server_language(struct pop3_server *s, const char *language);
/* The password was right, and this text says why it is not enough (one line, cut at POP3_TOLD_MAX). */
void pop3_server_told(struct pop3_server *s, const char *text);

/* The message (or its header, where body was false); lives until release. err < 0: it is gone, or cannot be had. */
void pop3_server_fetched(struct pop3_server *s, int err, struct slice message);
void pop3_server_expunged(struct pop3_server *s, int err);

bool pop3_server_busy(const struct pop3_server *s);	/* a question is open, or a response goes out */

#endif
