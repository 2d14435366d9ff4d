/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>

enum { ARENA_FIRST = 1024, ARENA_LARGEST_BLOCK = 65536 };

struct block {
	struct block *next;
	size_t size, used;
	alignas(max_align_t) uint8_t data[];
};

struct cleanup {
	struct cleanup *next;
	void (*fn)(void *);
	void *ctx;
};

struct arena {
	struct block *blocks; /* the newest first; only it has room */
	struct cleanup *cleanups;
	size_t used, next_size;
};

static struct block *block_new(size_t size)
{
	struct block *b = malloc(sizeof(*b) + size);
	bug_if(!b);
	b->next = NULL;
	b->size = size;
	b->used = 0;
	return b;
}

struct arena *arena_new(void)
{
	struct arena *a = calloc(1, sizeof(*a));
	bug_if(!a);
	a->next_size = ARENA_FIRST;
	return a;
}

static void run_cleanups(struct arena *a)
{
	/* The nodes live in the arena itself, which is why this comes before the blocks go. */
	while (a->cleanups) {
		struct cleanup *c = a->cleanups;
		a->cleanups = c->next;
		c->fn(c->ctx);
	}
}

void arena_reset(struct arena *a)
{
	run_cleanups(a);
	while (a->blocks && a->blocks->next) {
		struct block *b = a->blocks;
		a->blocks = b->next;
		free(b);
	}
	if (a->blocks)
		a->blocks->used = 0;
	a->used = 0;
	a->next_size = ARENA_FIRST;
}

void arena_free(struct arena **ap)
{
	if (!*ap)
		return;
	struct arena *a = TAKE(*ap);
	arena_reset(a);
	free(a->blocks);
	free(a);
}

void *arena_alloc(struct arena *a, size_t n)
{
	size_t room = (n + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	bug_if(room < n);
	if (!a->blocks || a->blocks->size - a->blocks->used < room) {
		size_t size = room > a->next_size ? room : a->next_size;
		struct block *b = block_new(size);
		b->next = a->blocks;
		a->blocks = b;
		if (a->next_size < ARENA_LARGEST_BLOCK)
			a->next_size *= 2;
	}
	void *p = a->blocks->data + a->blocks->used;
	a->blocks->used += room;
	a->used += room;
	memset(p, 0, n);
	return p;
}

void *arena_calloc(struct arena *a, size_t count, size_t size)
{
	size_t n;
	bug_if(__builtin_mul_overflow(count, size, &n));
	return arena_alloc(a, n);
}

struct slice arena_dup(struct arena *a, struct slice s)
{
	uint8_t *p = arena_alloc(a, s.n + 1);
	if (s.n)
		memcpy(p, s.p, s.n);
	return slice_of(p, s.n);
}

char *arena_str(struct arena *a, struct slice s)
{
	return (char *)arena_dup(a, s).p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	bug_if(n < 0);
	char *p = arena_alloc(a, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}

void arena_on_free(struct arena *a, void (*fn)(void *), void *ctx)
{
	struct cleanup *c = ARENA_NEW(a, struct cleanup);
	c->fn = fn;
	c->ctx = ctx;
	c->next = a->cleanups;
	a->cleanups = c;
}

size_t arena_used(const struct arena *a)
{
	return a->used;
}
