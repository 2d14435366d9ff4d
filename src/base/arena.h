/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory with one lifetime (a connection, a command, a message): allocate as you
 * go, free all at once. Cleanups run in reverse order of their registration, so
 * that fds and references share the lifetime. Zeroed memory; running out aborts;
 * whatever a peer sizes is checked against a named limit before it comes here.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/slice.h"

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena **a);	/* accepts NULL; leaves NULL */
void arena_reset(struct arena *a);	/* as after arena_new; keeps the first block */

void *arena_alloc(struct arena *a, size_t n);	/* zeroed, aligned for any type */
#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, count) ((type *)arena_calloc((a), (count), sizeof(type)))
void *arena_calloc(struct arena *a, size_t count, size_t size);

struct slice arena_dup(struct arena *a, struct slice s);	/* with a NUL behind it */
char *arena_str(struct arena *a, struct slice s);		/* NUL-terminated; NULs inside kept */
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_FMT(2, 3);

/* Calls fn(ctx) at reset or free. */
void arena_on_free(struct arena *a, void (*fn)(void *), void *ctx);

/* Bytes that were handed out since the start or the last reset. */
size_t arena_used(const struct arena *a);

#endif
