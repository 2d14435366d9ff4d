/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's side of an SMTP session without I/O: bytes go in, replies and questions come out. It knows the
 * order of commands, limits and error budgets; it knows nothing of sockets, directories or disks. Two faces:
 * the exchanger (STARTTLS, nobody logs in) and submission (under TLS already, AUTH before MAIL).
 *
 * A question (check_sender, route, login, commit) is answered by the call named beside it, from inside the
 * question or later; until then the session takes no input. After close() was called there is only
 * smtp_server_free. Nothing here allocates while a session idles, but a partial line at the owner's.
 */
#ifndef PROTO_SMTP_SERVER_H
#define PROTO_SMTP_SERVER_H

#include "proto/sasl/sasl.h"
#include "proto/smtp/command.h"
#include "proto/smtp/data.h"

struct smtp_server;

struct smtp_server_config {
	const char *host;		/* our name; outlives the sessions */
	bool submission;
	uint64_t max_size;		/* octets of a message */
	unsigned max_recipients;	/* accepted ones of a message; >= 100 (RFC 5321 4.5.3.1.8) */
	unsigned max_errors;		/* then 421; half of them, then each costs tarpit_ms */
	unsigned greet_ms;		/* how long the client has to be silent before 220 */
	unsigned tarpit_ms;
	unsigned idle_ms;		/* for a whole command line */
	unsigned data_ms;		/* a window of DATA or BDAT: data_window_min octets must come in it */
	unsigned data_window_min;
	unsigned data_total_ms;		/* the longest that one message may take */
};

enum {
	SMTP_OVERSHOOT = 1000,		/* RCPT past the limit before 421 */
	SMTP_JUNK_MAX = 1000,		/* commands without a message between them, then 421 */
	SMTP_DISCARD_MAX = 65536,	/* octets of an overlong line that are read on, then the end */
	SMTP_CHUNK_DROP = 4,		/* times max_size: a refused chunk is read off up to there, a larger one is the end */
	SMTP_LOGINS_MAX = 5,		/* failed logins of a session */
	SMTP_TLS_MS = 60000,
};

struct smtp_server_ops {
	void (*write)(void *ctx, struct slice bytes);
	void (*wait)(void *ctx, bool on);		/* on: keep further input until off */
	void (*timer)(void *ctx, unsigned ms);		/* the one timer anew; smtp_server_timeout. 0: none */
	void (*start_tls)(void *ctx);			/* smtp_server_tls_started; drops input that was read */
	void (*close)(void *ctx);			/* once the output is sent */

	void (*check_sender)(void *ctx, const struct smtp_mail *m);	/* smtp_server_sender */
	void (*route)(void *ctx, const struct smtp_rcpt *r);		/* smtp_server_routed */
	void (*login)(void *ctx, const struct sasl *s);			/* smtp_server_login */

	/* NULL: the body may come; else the refusal. */
	const struct smtp_status *(*body_begin)(void *ctx);
	NODISCARD int (*body)(void *ctx, struct slice bytes);		/* < 0: cannot be kept; the rest is read and refused */
	void (*commit)(void *ctx);					/* smtp_server_committed */
	void (*reset)(void *ctx);					/* the transaction is over, whatever came of it */
	void (*refused)(void *ctx, enum smtp_verb verb, const struct smtp_status *st);	/* for the log */
};

/* cfg and ops are borrowed and outlive the session. tls_offered: STARTTLS is possible. */
struct smtp_server *smtp_server_new(const struct smtp_server_config *cfg, const struct smtp_server_ops *ops,
				    void *ctx, bool tls_offered);
void smtp_server_free(struct smtp_server **s);

void smtp_server_start(struct smtp_server *s);		/* the connection stands (and TLS does, on submission) */
void smtp_server_refuse(struct smtp_server *s, const struct smtp_status *st);	/* instead of start: says it, closes */
size_t smtp_server_input(struct smtp_server *s, struct slice in);	/* how much was taken */
void smtp_server_timeout(struct smtp_server *s);
/* As soon as no message is under way; why is a 421 that outlives the session. */
void smtp_server_stop(struct smtp_server *s, const struct smtp_status *why);

void smtp_server_tls_started(struct smtp_server *s);
void smtp_server_sender(struct smtp_server *s, const struct smtp_status *refusal);	/* NULL: it may */
void smtp_server_routed(struct smtp_server *s, const struct smtp_status *refusal);	/* NULL: accepted */
void smtp_server_login(struct smtp_server *s, const struct smtp_status *refusal);	/* NULL: it is logged in */
/* From now on refusals are in this language, in ASCII, as far as lang/ has them; "": English. */
void smtp_server_language(struct smtp_server *s, const char *language);
void smtp_server_committed(struct smtp_server *s, const struct smtp_status *reply);	/* 250 or what it was refused with */

/* What the owner writes into trace lines. */
struct slice smtp_server_hello(const struct smtp_server *s);
bool smtp_server_esmtp(const struct smtp_server *s);
const struct smtp_mail *smtp_server_mail(const struct smtp_server *s);	/* of the transaction under way */
struct arena *smtp_server_arena(const struct smtp_server *s);		/* lives as long as the transaction */
bool smtp_server_idle(const struct smtp_server *s);	/* no message is being read or committed */
const char *smtp_server_state(const struct smtp_server *s);

#endif
