/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mail filtering language Sieve without I/O: a script is compiled (all that can be wrong with it is said
 * with line and column), then run over a message, which gives a list of actions that somebody else carries out.
 *
 *   RFC 5228 (base, encoded-character, envelope, fileinto), 3894 (copy), 5173 (body), 5229 (variables),
 *   5230 (vacation), 5231 (relational), 5232 (imap4flags), 5233 (subaddress), 5260 (date, index),
 *   5429 (reject, ereject), 5490 (mailbox), 6131 (vacation-seconds), 6609 (include)
 *
 * docs/formats/sieve.md says what of it is a choice of ours. Scripts come from users: whatever they hold,
 * compiling is linear in the text, and a run ends after SIEVE_STEPS_MAX units of work.
 */
#ifndef PROTO_SIEVE_SIEVE_H
#define PROTO_SIEVE_SIEVE_H

#include "base/arena.h"
#include "base/buf.h"
#include "ipc/digest.pb-c.h"

enum {
	SIEVE_SCRIPT_MAX = 64 * 1024,	/* bytes of a script */
	SIEVE_SCRIPTS_MAX = 32,		/* of a mailbox */
	SIEVE_BYTES_MAX = 128 * 1024,	/* of all of them; with their digest they fit a frame between rooms */
	SIEVE_NAME_MAX = 128,		/* bytes of a script's name */
	SIEVE_NEST_MAX = 32,		/* blocks in blocks, tests in tests */
	SIEVE_NODES_MAX = 4000,		/* commands and tests of a script */
	SIEVE_REDIRECTS_MAX = 4,	/* of a run */
	SIEVE_ACTIONS_MAX = 32,		/* of a run */
	SIEVE_GLOBAL_SCRIPTS_MAX = 16,	/* of a domain, for its mailboxes to include */
	SIEVE_GLOBAL_BYTES_MAX = 64 * 1024,	/* of all of them */
	SIEVE_INCLUDE_DEPTH_MAX = 10,
	SIEVE_INCLUDES_MAX = 32,	/* of a run */
	SIEVE_STEPS_MAX = 10 * 1000 * 1000,	/* of a run; about a byte looked at each */
	SIEVE_VARIABLES_MAX = 256,	/* of a script; and of the global ones */
	SIEVE_VARIABLE_NAME_MAX = 64,
	SIEVE_VALUE_MAX = 8192,		/* bytes of a variable; the rest is cut off */
	SIEVE_CAPTURES_MAX = 32,	/* ${1} to ${32} */
	SIEVE_FLAGS_MAX = 64,		/* flags of an action */
	SIEVE_BODY_MAX = 1024 * 1024,	/* bytes that one body test looks at */
	SIEVE_REASON_MAX = 16 * 1024,	/* text of a reject or a vacation reply */
	SIEVE_VACATION_MIN = 60,	/* seconds between two replies to one sender */
	SIEVE_VACATION_MAX = 366 * 86400,
	SIEVE_VACATION_DEFAULT = 7 * 86400,
	SIEVE_ERROR_ARG_MAX = 96,
};

/* Where and what, for people. what is a printf format with one %s (arg) or none, a text of lang/; static storage. */
struct sieve_error {
	uint32_t line, column;	/* from 1; columns count characters. 0: the script as a whole */
	const char *what;
	char arg[SIEVE_ERROR_ARG_MAX];
};

/* "line 3, column 7: there is no command "fileintoo"", in this language (base/text.h; NULL: English). */
void sieve_error_text(const struct sieve_error *e, const char *language, struct buf *out);

/* Capability names that require may list, blank between, as ManageSieve's SIEVE tells. */
const char *sieve_capabilities(void);

/* A script's name as RFC 5804 1.6 wants it: valid UTF-8, no controls, no line separators, 1..SIEVE_NAME_MAX bytes. */
bool sieve_name_ok(struct slice name);

struct sieve_script;

/* ret lives in the arena and points into text. ERR_SYNTAX: *why tells; ERR_TOO_BIG: so does it, for a limit above. */
NODISCARD int sieve_compile(struct arena *a, struct slice text, struct sieve_script **ret, struct sieve_error *why);

/* The scripts that this one includes, in order; false at the end. at starts at 0. */
struct sieve_include {
	struct slice name;	/* empty where it is made of variables */
	bool global, optional;
};
bool sieve_next_include(const struct sieve_script *s, size_t *at, struct sieve_include *ret);

/* Does it ask which mailboxes there are (mailboxexists)? */
bool sieve_asks_mailboxes(const struct sieve_script *s);

enum sieve_kind {
	SIEVE_KEEP,
	SIEVE_FILEINTO,
	SIEVE_REDIRECT,
	SIEVE_DISCARD,
	SIEVE_REJECT,	/* refuse, or send a report (RFC 5429 2.2) */
	SIEVE_EREJECT,	/* refuse in the protocol wherever possible (2.1) */
	SIEVE_VACATION,
};

struct sieve_action {
	enum sieve_kind kind;
	struct slice mailbox;		/* FILEINTO: UTF-8, / between its levels */
	bool create;
	const struct slice *flags;	/* KEEP, FILEINTO: IMAP flags and keywords, none twice */
	size_t n_flags;
	struct slice address;		/* REDIRECT: where to; VACATION: to whom */
	struct slice reason;		/* REJECT, EREJECT, VACATION: UTF-8, CRLF line ends */
	bool automatic;			/* REJECT, EREJECT: a program or a list wrote the message (RFC 3834 2) */
	struct slice subject, from;	/* VACATION: UTF-8; from may be empty */
	bool mime;			/* VACATION: reason is a MIME entity with its header */
	uint32_t seconds;		/* VACATION: no second one to this address within that time */
	struct slice handle;		/* VACATION: bytes that name the reply, whoever gets it (RFC 5230 4.7) */
};

struct sieve_env {
	struct slice message;
	const Postern__Digest *digest;	/* of message */
	struct slice sender, recipient;	/* envelope; sender empty for <> */
	const struct slice *own;	/* the account's addresses */
	size_t n_own;
	int64_t now_ms;
	/* Minutes east of UTC at that time, where a date test names no zone. NULL: UTC. */
	int (*zone)(void *ctx, int64_t ms);
	uint8_t separator;		/* between a mailbox's name and the detail behind it; 0: there is none */
	bool junk;			/* the verdict: no vacation reply */
	unsigned max_redirects;		/* 0: SIEVE_REDIRECTS_MAX */
	/* A compiled script, or ERR_NOT_FOUND, or ERR_SYNTAX with *why. NULL: there are none. */
	int (*include)(void *ctx, bool global, struct slice name, const struct sieve_script **ret,
		       struct sieve_error *why);
	/* 1 there is such a mailbox, 0 there is none. NULL: INBOX alone. */
	int (*mailbox)(void *ctx, struct slice name);
	void *ctx;
};

struct sieve_result {
	struct sieve_action *actions;	/* in order of the script; never none: at least keep or discard */
	size_t n_actions;
	bool stopped;			/* by stop: scripts behind would not have run */
	bool failed;			/* the failing script's own actions are gone, and the message is kept */
	struct sieve_error why;		/* where failed */
	size_t failed_script;		/* which of the scripts */
	struct slice failed_within;	/* not empty: in this one, which it includes; why's place is there */
	uint64_t steps;			/* of SIEVE_STEPS_MAX */
};

/* The scripts one after the other as if they were one (a stop ends them all). ret lives in the arena and may
 * point into scripts and message. Never fails: what goes wrong is in *ret, and then the message is kept. */
void sieve_run(struct arena *a, const struct sieve_script *const *scripts, size_t n, const struct sieve_env *env,
	       struct sieve_result *ret);

/* A script behind those that ran could not be compiled: unless they stopped, the message is kept, and *ret says why. */
void sieve_keep_for_error(struct arena *a, struct sieve_result *ret, const struct sieve_error *why, size_t script);

#endif
