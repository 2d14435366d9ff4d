/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection to an old server's POP3, logged in and ready for commands (RFC 1939, 2449, 2595, 5034). Like source.h,
 * for a server that has no IMAP: one maildrop, no folders, no flags, no dates. It never sends DELE; QUIT is not
 * sent either, so nothing can change there.
 *
 *   connect -> [TLS] -> greeting -> CAPA -> [STLS -> TLS -> CAPA] -> login -> CAPA -> ready
 *
 * A password goes over plain text only where the source was set to TLS "none"; STLS that is not offered where it
 * was asked for ends the try (THREATS I08).
 */
#ifndef ROOM_MOVER_DROP_H
#define ROOM_MOVER_DROP_H

#include "proto/pop3/client.h"
#include "room/mover/source.h"

struct drop;

struct drop_ops {
	void (*on_ready)(void *ctx);
	void (*on_line)(void *ctx, int what, struct slice line);	/* of a listing */
	NODISCARD int (*on_bytes)(void *ctx, int what, struct slice bytes);	/* of a message; < 0: no memory for it */
	void (*on_done)(void *ctx, int what, bool ok, struct slice text);
	void (*on_failed)(void *ctx, enum source_fault fault, const char *text);	/* once; then drop_free */
};

/* config, ops and ctx outlive it. Nothing is called back from inside drop_new or drop_ask. */
struct drop *drop_new(const struct source_config *config, const struct drop_ops *ops, void *ctx);
void drop_free(struct drop **d);	/* may be called in a callback; accepts NULL; leaves NULL */

/* A command ("RETR 12"), answered by on_done with what (>= 0). Where the server does not take several at once they
 * wait here; more than DROP_WAITING_MAX: ERR_FULL. */
enum { DROP_WAITING_MAX = 1024, DROP_COMMAND_MAX = 32, DROP_FLIGHT_MAX = 32 };
NODISCARD int drop_ask(struct drop *d, enum pop3c_want want, int what, const char *fmt, ...) PRINTF_FMT(4, 5);

void drop_pause(struct drop *d, bool on);	/* no more responses until it is off again */

#endif
