/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepts on a listening socket that was handed over, a bounded number a turn. Out of fds it
 * sleeps 100 ms instead of spinning. limit counts per /32 or /64 address over all listeners of
 * the process that share a limiter; addresses in an exempt network are not counted.
 */
#ifndef LIB_IO_LISTENER_H
#define LIB_IO_LISTENER_H

#include "base/slice.h"

#include <uv.h>

struct listener;
struct conn_limiter;

struct conn_limiter *conn_limiter_new(unsigned per_address, const char *exempt_networks); /* "127.0.0.0/8 ::1/128" */
void conn_limiter_free(struct conn_limiter **l);
void conn_limiter_set(struct conn_limiter *l, unsigned per_address, const char *exempt_networks); /* keeps its counts */
bool conn_limiter_enter(struct conn_limiter *l, const struct sockaddr_storage *addr);	/* false: over the limit */
void conn_limiter_leave(struct conn_limiter *l, const struct sockaddr_storage *addr);
bool conn_limiter_exempt(const struct conn_limiter *l, const struct sockaddr_storage *addr);

/* on_conn owns fd (non-blocking, close-on-exec). */
struct listener *listener_new(uv_loop_t *loop, int fd,
			      void (*on_conn)(void *ctx, int fd, const struct sockaddr_storage *peer), void *ctx);
void listener_free(struct listener **l);

/* "192.0.2.1", "2001:db8::1"; "" for a unix socket. ret holds at least 46 bytes. */
void addr_text(const struct sockaddr_storage *addr, char ret[46]);

#endif
