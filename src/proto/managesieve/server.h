/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's side of a ManageSieve session without I/O (RFC 5804). It begins in clear and takes no password until
 * STARTTLS was done; whatever was read in clear behind STARTTLS is dropped. SASL PLAIN is all there is.
 *
 * A question (login, request) is answered by the call named beside it, from inside the question or later; until
 * then the session takes no input.
 */
#ifndef PROTO_MANAGESIEVE_SERVER_H
#define PROTO_MANAGESIEVE_SERVER_H

#include "proto/sasl/sasl.h"

struct managesieve;

enum {
	MANAGESIEVE_LINE_MAX = SASL_LINE_MAX + 512,	/* bytes of a command without its literals */
	MANAGESIEVE_LITERAL_MAX = 64 * 1024,		/* of a script, once logged in */
	MANAGESIEVE_LITERAL_CLEAR_MAX = SASL_LINE_MAX,	/* before */
	MANAGESIEVE_NAMES_MAX = 2048,			/* of the others of a command: names */
	MANAGESIEVE_SKIP_MAX = 1024 * 1024,		/* a larger literal is refused and read past; past this the session ends */
	MANAGESIEVE_INPUT_MAX = MANAGESIEVE_LINE_MAX + MANAGESIEVE_LITERAL_MAX + 4096,	/* what the owner keeps for it */
	MANAGESIEVE_ERRORS_MAX = 20,	/* refused commands in a row */
	MANAGESIEVE_LOGINS_MAX = 5,	/* failed logins of a session */
	MANAGESIEVE_TARPIT_MS = 1000,	/* before the answer to one */
	MANAGESIEVE_ARGS_MAX = 3,
	MANAGESIEVE_LOGIN_MS = 60 * 1000,	/* until somebody has logged in */
};

enum managesieve_kind {
	MANAGESIEVE_LIST,	/* managesieve_item for each, then the answer */
	MANAGESIEVE_GET,	/* managesieve_script, then the answer */
	MANAGESIEVE_PUT,
	MANAGESIEVE_CHECK,
	MANAGESIEVE_HAVESPACE,
	MANAGESIEVE_ACTIVATE,	/* name empty: none is active */
	MANAGESIEVE_DELETE,
	MANAGESIEVE_RENAME,
};

/* Its slices live as long as the call that brings it. */
struct managesieve_request {
	enum managesieve_kind kind;
	struct slice name, new_name;
	struct slice text;	/* PUT, CHECK */
	uint64_t size;		/* HAVESPACE */
};

struct managesieve_ops {
	void (*write)(void *ctx, struct slice bytes);
	bool (*congested)(void *ctx);		/* too much waits to be sent; input is offered again when it drained */
	void (*wait)(void *ctx, bool on);	/* on: keep further input until off */
	void (*timer)(void *ctx, unsigned ms);	/* the one timer anew; managesieve_timeout. 0: none */
	void (*close)(void *ctx);		/* once the output is sent */
	void (*starttls)(void *ctx);		/* managesieve_tls once the handshake is done */
	void (*login)(void *ctx, const struct sasl *s);	/* managesieve_opened, managesieve_refused */
	void (*request)(void *ctx, const struct managesieve_request *r);	/* managesieve_answer */
	void (*logout)(void *ctx);		/* what the login gave is given back */
};

struct managesieve_settings {
	unsigned idle_ms;
	const char *extensions;		/* for the capability SIEVE */
	unsigned max_redirects;
	bool has_tls;			/* there is a certificate: STARTTLS is offered */
};

struct managesieve *managesieve_new(const struct managesieve_settings *settings, const struct managesieve_ops *ops,
				    void *ctx);
void managesieve_free(struct managesieve **s);

void managesieve_start(struct managesieve *s);		/* greets */
size_t managesieve_input(struct managesieve *s, struct slice in);
void managesieve_tls(struct managesieve *s);
void managesieve_timeout(struct managesieve *s);
void managesieve_goodbye(struct managesieve *s, const char *text);

/* language: of the owner's refusals, NULL or one of text.h. */
void managesieve_opened(struct managesieve *s, struct slice owner, const char *language);
/* wrong: name or password, told late and counted; else why they cannot be used (text, for the user), or not now (NULL). */
void managesieve_refused(struct managesieve *s, bool wrong, const char *text);

enum managesieve_code {
	MANAGESIEVE_NO_CODE, MANAGESIEVE_QUOTA_MAXSCRIPTS, MANAGESIEVE_QUOTA_MAXSIZE, MANAGESIEVE_NONEXISTENT,
	MANAGESIEVE_ALREADYEXISTS, MANAGESIEVE_IS_ACTIVE, MANAGESIEVE_TRYLATER,
};
void managesieve_item(struct managesieve *s, struct slice name, bool active);
void managesieve_script(struct managesieve *s, struct slice text);
void managesieve_answer(struct managesieve *s, bool ok, enum managesieve_code code, const char *text);

bool managesieve_busy(const struct managesieve *s);	/* a question is open */

#endif
