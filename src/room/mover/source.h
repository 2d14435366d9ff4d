/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection to an old server, logged in and ready for commands. It reads only: nothing that this room sends
 * changes a message, a flag or a folder there (EXAMINE, BODY.PEEK).
 *
 *   connect -> [TLS] -> greeting -> CAPABILITY -> [STARTTLS -> TLS -> CAPABILITY] -> login -> CAPABILITY -> ready
 *
 * A server that logs us in by itself (PREAUTH), or that takes STARTTLS away, is refused (THREATS I08); a password
 * goes over plain text only where the source was set to TLS "none". Referrals are never followed.
 */
#ifndef ROOM_MOVER_SOURCE_H
#define ROOM_MOVER_SOURCE_H

#include "lib/dns/resolve.h"
#include "proto/imap/client.h"

#include "ipc/directory.pb-c.h"

struct source;
struct tls_ctx;

/* Borrowed by the source for its life. */
enum { SOURCE_SILENCE_MS = 120000 };

struct source_config {
	uv_loop_t *loop;
	struct resolver *resolver;
	struct tls_ctx *tls_any, *tls_name;	/* without and with a check of the certificate */
	const char *host;
	uint16_t port;
	Postern__SourceTls tls;
	bool verify;
	struct slice user, password, master_user;
	uint64_t body_max;
	unsigned silence_ms;	/* how long it may say nothing; 0: as long as a copy waits */
};

static inline unsigned source_silence_ms(const struct source_config *c)
{
	return c->silence_ms ? c->silence_ms : SOURCE_SILENCE_MS;
}

enum source_fault {
	SOURCE_LOST,		/* the connection, or no answer: another try may help */
	SOURCE_REFUSED,		/* login, TLS, or something that another try will not change */
};

struct source_ops {
	void (*on_ready)(void *ctx);
	void (*on_response)(void *ctx, const struct imapc_response *r);		/* untagged */
	void (*on_done)(void *ctx, int what, const struct imapc_response *r);	/* tagged answer of source_send */
	void (*on_failed)(void *ctx, enum source_fault fault, const char *text);	/* once; then source_free */
	struct imapc_body_ops body;
};

/* config, ops and ctx outlive it. Nothing is called back from inside source_new or source_send. */
struct source *source_new(const struct source_config *config, const struct source_ops *ops, void *ctx);
void source_free(struct source **s);	/* may be called in a callback; accepts NULL; leaves NULL */

bool source_can(const struct source *s, const char *capability);

/* A command: begin, imapc_put..., send. what >= 0 comes back with its tagged answer. Commands may be sent before
 * earlier ones are answered, at most SOURCE_PIPELINE_MAX. A command that cannot be written (a name with CR, LF or
 * NUL) is not sent: ERR_INVALID. */
enum { SOURCE_PIPELINE_MAX = 64 };
void source_begin(struct source *s, struct imapc_command *c);
NODISCARD int source_send(struct source *s, struct imapc_command *c, int what);	/* c is done with */
size_t source_pending(const struct source *s);

/* No more responses until it is off again. */
void source_pause(struct source *s, bool on);

#endif
