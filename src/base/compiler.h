/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names for compiler features, so that the rest of the tree is plain C17 and a
 * newer compiler needs a change here only (gcc 12.2 and clang 14 are the floor).
 */
#ifndef BASE_COMPILER_H
#define BASE_COMPILER_H

#include "base/banned.h"

#define NODISCARD __attribute__((warn_unused_result))
#define NORETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))
#define PRINTF_FMT(f, a) __attribute__((format(printf, f, a)))

/* Runs fn(&variable) when the variable leaves its scope; fn takes T ** and accepts NULL. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* Hands ownership of *p on and leaves NULL, so that CLEANUP has nothing to do. */
#define TAKE(p)                                                                                    \
	({                                                                                         \
		__typeof__(p) take_tmp_ = (p);                                                     \
		(p) = NULL;                                                                        \
		take_tmp_;                                                                         \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Says in the code that a result is ignored, and why: IGNORE(close(fd), "read only"); */
#define IGNORE(expr, why)                                                                          \
	do {                                                                                       \
		if (expr) {                                                                        \
		}                                                                                  \
	} while (0)

#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

/* A broken invariant of ours: prints where, aborts; the supervisor starts the room again.
 * Never for anything that a peer, a user, a disk or a database can cause. */
#define bug_if(cond)                                                                               \
	do {                                                                                       \
		if (__builtin_expect(!!(cond), 0))                                                 \
			bug_at(__FILE__, __LINE__, #cond);                                         \
	} while (0)
NORETURN void bug_at(const char *file, int line, const char *what);

#endif
