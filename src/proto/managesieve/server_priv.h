/* SPDX-License-Identifier: Apache-2.0 */
/* The insides of a session: server.c (states, bytes, time), parse.c (frames, arguments), reply.c, commands.c. */
#ifndef PROTO_MANAGESIEVE_PRIV_H
#define PROTO_MANAGESIEVE_PRIV_H

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"
#include "proto/managesieve/server.h"

enum ms_state {
	MS_GREETING,
	MS_CLEAR,	/* no TLS yet */
	MS_TLS,		/* the handshake is under way: input is dropped */
	MS_READY,	/* TLS, nobody is logged in */
	MS_SASL,	/* a string of SASL is to come */
	MS_LOGIN,	/* asked */
	MS_TARPIT,	/* a failed login is told late */
	MS_USER,	/* logged in */
	MS_ASKED,	/* a request is under way */
	MS_CLOSING,
	MS_COUNT
};
#define MS_BIT(state) (1u << MS_##state)

struct ms_arg {
	bool number;
	uint64_t value;
	struct slice text;
};

struct ms_command {
	struct slice verb;
	struct ms_arg args[MANAGESIEVE_ARGS_MAX];
	size_t n;
};

struct managesieve {
	struct managesieve_settings settings;
	const struct managesieve_ops *ops;
	void *ctx;
	enum ms_state state;
	unsigned errors, logins_failed;
	uint64_t skip;		/* bytes of a literal that was refused */
	bool dropping;		/* what is left of its command goes too */
	bool tls;
	struct sasl *sasl;	/* owned; NULL but in the login */
	struct arena *arena;	/* of the command */
	struct buf owner;	/* who is logged in */
	const char *language;	/* of who is; NULL: English */
};

/* server.c */
void ms_enter_state(struct managesieve *s, enum ms_state next);
void ms_close(struct managesieve *s);
void ms_forget_login(struct managesieve *s);

/* parse.c: 1 a whole command, *ret_n bytes of in; 0 more is needed; ERR_SYNTAX; ERR_TOO_BIG: *ret_n bytes of it lie before a
 * literal of *ret_literal bytes, which is over max, or with those before it over max and names. */
NODISCARD int ms_frame(struct slice in, uint64_t max, size_t *ret_n, uint64_t *ret_literal);
/* Its verb and arguments; strings in the arena or in the frame. ERR_SYNTAX. */
NODISCARD int ms_parse(struct slice frame, struct arena *a, struct ms_command *ret);
/* One string alone, as SASL sends it. */
NODISCARD int ms_parse_string(struct slice frame, struct arena *a, struct slice *ret);

/* reply.c */
void ms_put_string(struct buf *out, struct slice s);
void ms_capabilities(struct managesieve *s);
void ms_ok(struct managesieve *s, const char *text);		/* text may be "" */
void ms_ok_tag(struct managesieve *s, struct slice tag);
void ms_no(struct managesieve *s, const char *code, const char *text);	/* code: "QUOTA/MAXSIZE", or ""; counts */
void ms_bye(struct managesieve *s, const char *text);		/* says so; does not close */

/* commands.c */
void ms_command(struct managesieve *s, struct slice frame);
void ms_sasl_frame(struct managesieve *s, struct slice frame);

#endif
