/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sieve scripts of mailboxes (docs/formats/sieve.md). One of an account's is active or none is. What is here compiles:
 * the parser is pure (proto/sieve) and its input bounded; running a script over mail is filter's.
 */
#ifndef ROOM_DIRECTORY_SCRIPT_H
#define ROOM_DIRECTORY_SCRIPT_H

#include "proto/sieve/sieve.h"
#include "room/directory/db/engine.h"

struct script {
	struct slice name, text;	/* text: where it was asked for */
	uint64_t size;
	bool active;
	bool global;			/* its domain's, not the mailbox's */
	int64_t changed_ms;
	int64_t failed_ms;		/* when it last failed over a message; 0: not since it was put */
	struct sieve_error failure;	/* how */
	struct slice failed_within;	/* not empty: in this one that it includes */
};

/* By name, without their texts. */
NODISCARD int script_list(struct engine *e, struct arena *a, uint64_t account, struct script **ret, size_t *ret_n);
NODISCARD int script_get(struct engine *e, struct arena *a, uint64_t account, struct slice name, struct script *ret);
/* Does it compile? ERR_SYNTAX or ERR_TOO_BIG with line and column in *why. */
NODISCARD int script_check(struct arena *a, struct slice text, struct problem *why);
/* Checked, within the account's limits (SIEVE_SCRIPTS_MAX, SIEVE_BYTES_MAX: ERR_QUOTA); takes the place of one of that
 * name. dry: only whether it could be. */
NODISCARD int script_put(struct engine *e, struct arena *a, uint64_t account, struct slice name, struct slice text,
			 bool dry, int64_t now_ms, struct problem *why);
/* This one and no other; an empty name: none. */
NODISCARD int script_activate(struct engine *e, uint64_t account, struct slice name, struct problem *why);
NODISCARD int script_rename(struct engine *e, uint64_t account, struct slice name, struct slice to, int64_t now_ms,
			    struct problem *why);
/* ERR_CONFLICT: it is the active one. */
NODISCARD int script_remove(struct engine *e, uint64_t account, struct slice name, struct problem *why);

enum { SCRIPT_FAILED_MS = 60 * 1000 };	/* a failure is noted so often */

/* It failed over a message: noted, where it still has this version (changed_ms) and none was noted just now.
 * *ret_first: its owner has not been told of this version. Inside a transaction; script_failure_due says whether one
 * is worth it. */
NODISCARD int script_failure_due(struct engine *e, uint64_t account, struct slice name, int64_t version, int64_t now_ms,
				 bool *ret);
NODISCARD int script_failed(struct engine *e, uint64_t account, struct slice name, int64_t version,
			    const struct sieve_error *why, struct slice within, int64_t now_ms, bool *ret_first);
/* "in the included script "x": line 3, column 7: ..." */
void script_failure_text(const struct sieve_error *why, struct slice within, const char *language, struct buf *out);

/* Scripts of a domain, which those of its mailboxes include by :global. As above; SIEVE_GLOBAL_SCRIPTS_MAX,
 * SIEVE_GLOBAL_BYTES_MAX. */
NODISCARD int global_script_list(struct engine *e, struct arena *a, uint64_t domain, struct script **ret, size_t *ret_n);
NODISCARD int global_script_get(struct engine *e, struct arena *a, uint64_t domain, struct slice name,
				struct script *ret);
NODISCARD int global_script_put(struct engine *e, struct arena *a, uint64_t domain, struct slice name,
				struct slice text, bool dry, int64_t now_ms, struct problem *why);
NODISCARD int global_script_remove(struct engine *e, uint64_t domain, struct slice name, struct problem *why);

/* What runs over a message for this account: the first `run` of the scripts, the others are there to be included. */
struct rules {
	struct script *scripts;
	size_t n, run;
	bool mailboxes;	/* one of them asks which there are */
	struct slice zone;	/* of dates; empty: UTC */
};
NODISCARD int rules_of(struct engine *e, struct arena *a, uint64_t account, struct rules *ret);
/* May they refuse in the session? Whether the word "ereject" stands in a script that may run: true too often, never too
 * seldom (RouteTarget.alone). */
NODISCARD int rules_refuse(struct engine *e, uint64_t account, uint64_t domain, bool *ret);

#endif
