/* SPDX-License-Identifier: Apache-2.0 */
/* The insides of a session, for server.c (states, bytes, time) and commands.c. */
#ifndef PROTO_POP3_SERVER_PRIV_H
#define PROTO_POP3_SERVER_PRIV_H

#include "proto/pop3/server.h"
#include "proto/pop3/stuff.h"

enum pop3_state {
	POP3_ST_GREETING,
	POP3_ST_AUTHORIZATION,
	POP3_ST_SASL,		/* a line of SASL is to come */
	POP3_ST_LOGIN,		/* asked */
	POP3_ST_TARPIT,		/* a failed login is told late */
	POP3_ST_TRANSACTION,
	POP3_ST_FETCH,		/* asked */
	POP3_ST_SENDING,	/* a long response goes out */
	POP3_ST_UPDATE,		/* asked: the deletions */
	POP3_ST_CLOSING,
	POP3_ST_COUNT
};
#define POP3_BIT(state) (1u << POP3_ST_##state)

enum pop3_job { POP3_JOB_NONE, POP3_JOB_LIST, POP3_JOB_UIDL, POP3_JOB_MESSAGE };

struct pop3_server {
	unsigned idle_ms;
	const struct pop3_server_ops *ops;
	void *ctx;
	enum pop3_state state;
	unsigned errors, logins_failed;
	bool user_given;
	struct sasl *sasl;		/* owned; NULL but in the login */
	enum pop3_refusal refusal;	/* what TARPIT will say */
	const char *language;	/* of who is logged in; NULL: English */
	char told[POP3_TOLD_MAX + 8];	/* of POP3_TOLD */
	struct pop3_message *messages;	/* owned */
	size_t n_messages;
	uint32_t uidvalidity;
	enum pop3_job job;
	size_t job_at;			/* message of a list, octet of a message */
	uint64_t top_lines;
	struct slice message;		/* the owner's */
	struct pop3_stuff stuff;
};

/* server.c */
void pop3_enter_state(struct pop3_server *s, enum pop3_state next);
void pop3_ok(struct pop3_server *s, const char *text);
void pop3_err(struct pop3_server *s, const char *text);		/* counts; may end the session */
void pop3_close(struct pop3_server *s);
void pop3_begin_job(struct pop3_server *s, enum pop3_job job);
void pop3_forget_login(struct pop3_server *s);

/* commands.c */
void pop3_command_line(struct pop3_server *s, struct slice line);
void pop3_sasl_line(struct pop3_server *s, struct slice line);

#endif
