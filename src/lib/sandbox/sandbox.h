/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A room gives its power away before a peer's first byte: uid and gid (when
 * root) ahead of opening anything, then in one call: no new privileges, rlimits, Landlock (no file, or only its own
 * folder; no TCP bind or connect where the kernel can), seccomp (an allow-list;
 * what is not in it fails with EPERM, and executing or tracing kills).
 */
#ifndef LIB_SANDBOX_SANDBOX_H
#define LIB_SANDBOX_SANDBOX_H

#include "base/slice.h"

enum {
	SANDBOX_ACCEPT = 1,	/* accept on sockets it was handed; never bind or listen */
	SANDBOX_CONNECT = 2,	/* socket + connect over IPv4, IPv6 (and DNS over UDP) */
	SANDBOX_DISK = 4,	/* files below its working directory */
};

struct sandbox_policy {
	unsigned allow;
	unsigned nofile;	/* RLIMIT_NOFILE, 0: as it is */
	size_t memory;		/* RLIMIT_AS bytes, 0: as it is; not set in sanitizer builds */
};

/* As root: becomes user, for good. Not root, or user NULL or "": nothing. ERR_NOT_FOUND, ERR_INVALID (uid 0), errno.
 * Before the room opens its databases, so that their files are that user's. */
NODISCARD int sandbox_drop_user(const char *user);

/* The rest. disk: the folder for SANDBOX_DISK. Missing kernel features are told by
 * an event, and fail only where a kernel this old cannot refuse execve (seccomp absent). */
NODISCARD int sandbox_enter(const struct sandbox_policy *policy, const char *disk);

/* Tries what may be refused (open, create outside, connect, bind, listen, execve in a child-free way, ptrace) and
 * says the errno of each, 0 where it was let through. For tests and `postern doctor`. */
struct sandbox_trial {
	const char *what;
	int err;
};
size_t sandbox_try(struct sandbox_trial *ret, size_t max);

/* What this kernel offers, in words: "landlock abi 4", "seccomp". */
const char *sandbox_features(void);

#endif
