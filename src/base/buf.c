/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdarg.h>

enum { BUF_SHRINK_ABOVE = 16384 };

void buf_init(struct buf *b, size_t max)
{
	*b = BUF_INIT(max);
}

void buf_fini(struct buf *b)
{
	free(b->p);
	*b = BUF_INIT(b->max);
}

void buf_clear(struct buf *b)
{
	b->n = 0;
	b->over = false;
}

uint8_t *buf_reserve(struct buf *b, size_t n)
{
	if (b->over || n > b->max - b->n) {
		b->over = true;
		return NULL;
	}
	/* One spare byte always, for buf_cstr and for printf's NUL. */
	if (b->cap - b->n < n + 1) {
		size_t want = b->cap ? b->cap * 2 : 64;
		while (want - b->n < n + 1)
			want *= 2;
		if (want > b->max + 1)
			want = b->max + 1;
		uint8_t *p = realloc(b->p, want);
		bug_if(!p);
		b->p = p;
		b->cap = want;
	}
	return b->p + b->n;
}

void buf_added(struct buf *b, size_t n)
{
	bug_if(n > b->cap - b->n);
	b->n += n;
}

void buf_append(struct buf *b, const void *p, size_t n)
{
	if (n == 0)
		return;
	uint8_t *to = buf_reserve(b, n);
	if (!to)
		return;
	memcpy(to, p, n);
	b->n += n;
}

void buf_slice(struct buf *b, struct slice s)
{
	buf_append(b, s.p, s.n);
}

void buf_str(struct buf *b, const char *s)
{
	buf_append(b, s, strlen(s));
}

void buf_byte(struct buf *b, uint8_t c)
{
	buf_append(b, &c, 1);
}

void buf_u64(struct buf *b, uint64_t v)
{
	char digits[20];
	size_t at = sizeof(digits);
	do
		digits[--at] = (char)('0' + v % 10);
	while (v /= 10);
	buf_append(b, digits + at, sizeof(digits) - at);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	bug_if(n < 0);
	uint8_t *to = buf_reserve(b, (size_t)n);
	if (!to)
		return;
	va_start(ap, fmt);
	vsnprintf((char *)to, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->n += (size_t)n;
}

void buf_consume(struct buf *b, size_t n)
{
	bug_if(n > b->n);
	b->n -= n;
	if (b->n) {
		memmove(b->p, b->p + n, b->n);
		return;
	}
	if (b->cap > BUF_SHRINK_ABOVE) {
		free(b->p);
		b->p = NULL;
		b->cap = 0;
	}
}

const char *buf_cstr(struct buf *b)
{
	if (!b->p) {
		b->p = malloc(1);
		bug_if(!b->p);
		b->cap = 1;
	}
	b->p[b->n] = 0;
	return (const char *)b->p;
}
