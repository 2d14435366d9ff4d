/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A byte stream over a non-blocking socket, in clear or under TLS, with bounded
 * buffers and deadlines. Nothing is allocated while it idles: input is read into
 * a scratch buffer of the process and only what the owner does not consume is
 * kept (a partial line); output keeps only what the kernel does not take.
 *
 * Callbacks come from the loop, never from inside a stream_ call. In any of them
 * the owner may call stream_free; nothing of the stream is touched afterwards.
 */
#ifndef LIB_IO_STREAM_H
#define LIB_IO_STREAM_H

#include "base/buf.h"

#include <uv.h>

struct stream;
struct tls_ctx;

struct stream_ops {
	/* Input is there. Returns how much of in it takes (0..in.n); the rest comes again with more. Called again
	 * at once while it takes something and bytes are left. More than in_max bytes left: on_end(ERR_TOO_BIG). */
	size_t (*on_input)(void *ctx, struct slice in);
	void (*on_drained)(void *ctx);		/* output fell under the low mark after it was above; may be NULL */
	void (*on_tls)(void *ctx);		/* the handshake is done; may be NULL */
	void (*on_connected)(void *ctx);	/* stream_connect succeeded; may be NULL */
	/* Over: 0 the peer closed in order, ERR_TIMEOUT, ERR_TOO_BIG, ERR_CLOSED, -errno. Once; then stream_free it. */
	void (*on_end)(void *ctx, int err);
};

enum {
	STREAM_IN_MAX = 65536,		/* default for unconsumed input */
	STREAM_OUT_HIGH = 262144,	/* stream_write may pass it, but stream_congested is true above */
	STREAM_OUT_LOW = 65536,
	STREAM_OUT_MAX = 8 << 20,	/* past it the stream ends with ERR_TOO_BIG: the owner ignored stream_congested */
};

/* Owns fd (connected, made non-blocking here). Reading starts at once. */
struct stream *stream_new(uv_loop_t *loop, int fd, const struct stream_ops *ops, void *ctx);

/* A client: connects to addr; on_connected or on_end. */
struct stream *stream_connect(uv_loop_t *loop, const struct sockaddr *addr, const struct stream_ops *ops, void *ctx);

void stream_free(struct stream **s);	/* closes at once, unsent output is lost; accepts NULL; leaves NULL */
void stream_set_ops(struct stream *s, const struct stream_ops *ops, void *ctx);
void stream_set_in_max(struct stream *s, size_t max);

/* From now on TLS. Input that was read in clear and not consumed is DROPPED (RFC 3207 6: nothing that was
 * sent before the handshake is believed). Output written before goes out in clear first. */
NODISCARD int stream_tls_server(struct stream *s, struct tls_ctx *ctx);
NODISCARD int stream_tls_client(struct stream *s, struct tls_ctx *ctx, const char *name);	/* name: SNI, and checked where ctx verifies */
bool stream_is_tls(const struct stream *s);
const char *stream_tls_version(const struct stream *s);	/* "TLSv1.3", or "" */
const char *stream_tls_cipher(const struct stream *s);

void stream_write(struct stream *s, struct slice bytes);	/* takes a copy of what the kernel does not take */
void stream_flush(struct stream *s);	/* writes are gathered until the loop's end of turn; this sends now */
/* While held, output stays here (below STREAM_OUT_HIGH), to leave in one piece with what follows. For a command that waits
 * for a room's answer: the replies of those before it in the same input are not sent one by one (RFC 2920 3.2). */
void stream_hold(struct stream *s, bool on);
bool stream_congested(const struct stream *s);

/* No on_input while paused; unconsumed input is offered again on resume. Pause while a command waits for a
 * room's answer: a peer that has sent everything and closed its side is told by on_end only when not paused. */
void stream_pause(struct stream *s, bool on);
void stream_close(struct stream *s);		/* after the output is sent; then on_end(0). Input is dropped meanwhile */

/* on_end(ERR_TIMEOUT) in ms from now unless set again; 0: none. In any case where output makes no progress for a minute. */
void stream_deadline(struct stream *s, unsigned ms);

struct sockaddr;
const char *stream_peer(const struct stream *s);	/* "192.0.2.1" or "2001:db8::1", without port; "" for unix */
bool stream_peer_addr(const struct stream *s, struct sockaddr_storage *ret);

#endif
