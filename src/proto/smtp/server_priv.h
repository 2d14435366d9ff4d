/* SPDX-License-Identifier: Apache-2.0 */
/* The insides of a session, for server.c (states, bytes, time) and server_commands.c (what commands do). */
#ifndef PROTO_SMTP_SERVER_PRIV_H
#define PROTO_SMTP_SERVER_PRIV_H

#include "proto/smtp/server.h"

enum smtp_state {
	SMTP_ST_GREETING,	/* before 220 */
	SMTP_ST_FRESH,		/* no EHLO yet */
	SMTP_ST_READY,		/* no transaction */
	SMTP_ST_SENDER,		/* asked: may it send so */
	SMTP_ST_MAIL,		/* a sender, no recipient */
	SMTP_ST_ROUTE,		/* asked: where does the recipient's mail go */
	SMTP_ST_RCPT,		/* at least one recipient */
	SMTP_ST_CHUNKS,		/* between two chunks of a message */
	SMTP_ST_DATA,
	SMTP_ST_BDAT,		/* inside a chunk */
	SMTP_ST_COMMIT,		/* asked: keep the message */
	SMTP_ST_AUTH,		/* a line of SASL is to come */
	SMTP_ST_LOGIN,		/* asked: is the password right */
	SMTP_ST_TLS,		/* the handshake runs */
	SMTP_ST_TARPIT,		/* a refusal is held back; then resume */
	SMTP_ST_CLOSING,
	SMTP_ST_COUNT
};

#define SMTP_BIT(state) (1u << SMTP_ST_##state)
#define SMTP_COMMAND_STATES                                                                        \
	(SMTP_BIT(FRESH) | SMTP_BIT(READY) | SMTP_BIT(MAIL) | SMTP_BIT(RCPT) | SMTP_BIT(CHUNKS))

struct smtp_server {
	const struct smtp_server_config *cfg;
	const struct smtp_server_ops *ops;
	void *ctx;
	enum smtp_state state;
	enum smtp_state resume;		/* TARPIT: the state behind it; BDAT: the one it came from */
	bool tls, tls_offered, esmtp, logged_in;
	const char *language;	/* of who is logged in; NULL: English */
	const struct smtp_status *stopping;	/* NULL, or what to say as soon as it may end */
	bool more;			/* input was waiting behind the command at hand */
	bool discarding;		/* inside an overlong line */
	bool body_failed;		/* the owner could not keep a piece */
	bool chunk_last;
	uint8_t hello[SMTP_HELLO_MAX];
	size_t hello_n;
	unsigned errors, junk, logins_failed, overshoot, recipients;
	size_t discarded;
	uint64_t chunk_left, chunk_size;
	const struct smtp_status *chunk_refusal;
	uint64_t window_octets;		/* of a message, since the timer was set */
	unsigned windows;		/* that passed for this message */
	struct smtp_data data;
	struct smtp_mail mail;
	struct arena *arena;		/* the transaction's */
	struct sasl *sasl;		/* owned, in AUTH and LOGIN */
	struct buf held;		/* the reply that TARPIT holds back */
};

/* server.c */
void smtp_enter_state(struct smtp_server *s, enum smtp_state next);	/* the same state again: its time starts anew */
void smtp_say(struct smtp_server *s, const struct smtp_status *st);
void smtp_refuse(struct smtp_server *s, enum smtp_verb verb, const struct smtp_status *st); /* says and counts; last act of a command */
void smtp_goodbye(struct smtp_server *s, const struct smtp_status *st);	/* says, closes */
void smtp_end_transaction(struct smtp_server *s);			/* forgets it; the state is the caller's */

/* server_commands.c */
void smtp_command_line(struct smtp_server *s, struct slice line);
void smtp_auth_line(struct smtp_server *s, struct slice line);

/* server_body.c */
size_t smtp_body_data(struct smtp_server *s, struct slice in);
size_t smtp_body_chunk(struct smtp_server *s, struct slice in);
void smtp_begin_data(struct smtp_server *s);
void smtp_begin_chunk(struct smtp_server *s, uint64_t size, bool last);

#endif
