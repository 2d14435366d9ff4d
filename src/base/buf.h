/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing run of bytes with a maximum that it cannot be made without.
 * Appending past the maximum sticks: the buffer keeps what it had, over becomes
 * true, every later append is refused, and the caller asks buf_ok() once at the
 * end. Running out of memory aborts; a peer cannot cause it past the maximum.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/slice.h"

struct buf {
	uint8_t *p;	/* owned; not NUL-terminated */
	size_t n;	/* bytes in use */
	size_t cap;	/* bytes allocated */
	size_t max;	/* never more than this in use */
	bool over;	/* an append was refused */
};

#define BUF_INIT(maximum) ((struct buf){ .max = (maximum) })

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);		/* frees; usable again with the same max */
void buf_clear(struct buf *b);		/* empties, keeps the memory, forgets over */
void buf_append(struct buf *b, const void *p, size_t n);
void buf_slice(struct buf *b, struct slice s);
void buf_str(struct buf *b, const char *s);
void buf_byte(struct buf *b, uint8_t c);
void buf_u64(struct buf *b, uint64_t v);	/* decimal */
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_FMT(2, 3);

/* Room for n more bytes at the end, or NULL (over is set then); buf_added() says how many were used. */
uint8_t *buf_reserve(struct buf *b, size_t n);
void buf_added(struct buf *b, size_t n);

/* Takes n bytes off the front; n <= b->n. Gives the memory back when it empties a large buffer. */
void buf_consume(struct buf *b, size_t n);

static inline bool buf_ok(const struct buf *b)
{
	return !b->over;
}

static inline struct slice buf_view(const struct buf *b)
{
	return slice_of(b->p, b->n);
}

/* The bytes with a NUL behind them (not counted); valid until the next change. */
const char *buf_cstr(struct buf *b);

#endif
