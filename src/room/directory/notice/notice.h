/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages that Postern itself sends to people. Whoever changes something that people are told of calls notice_add inside
 * the transaction of that change: the row is there if and only if the change is. The pump (send.c) makes mail
 * of it by the customer's template and hands it to the queue under an operation id of the row's, so that a
 * crash on either side sends it neither never nor twice. Rows stay as a log of what was sent to whom. Links and
 * passwords are sealed while a row waits and erased when it was sent; the log shows "***".
 *
 * A kind, its variables and what they are: kinds.c. Its texts: lang/notices.*.
 */
#ifndef ROOM_DIRECTORY_NOTICE_H
#define ROOM_DIRECTORY_NOTICE_H

#include "room/directory/db/engine.h"
#include "room/directory/login/seal.h"

enum notice_kind {
	NOTICE_TEST,
	NOTICE_OLD_LOGIN,
	NOTICE_QUOTA_80,
	NOTICE_QUOTA_95,
	NOTICE_INVITATION,
	NOTICE_RESET,
	NOTICE_FIRST_PASSWORD,
	NOTICE_DEFAULT_PASSWORD,
	NOTICE_PASSWORD_CHANGED,
	NOTICE_FORWARD_CHANGED,
	NOTICE_CANDIDATES,
	NOTICE_ANNOUNCE,
	NOTICE_WARNING,
	NOTICE_SCRIPT_FAILED,
	NOTICE_TOTP_ON,
	NOTICE_TOTP_OFF,
	NOTICE_TOTP_RECOVERY,
	NOTICE_TOTP_GUESSED,
	NOTICE_POOL_80,
	NOTICE_POOL_95,
	NOTICE_KINDS,
};

enum { NOTICE_VARS_MAX = 8, NOTICE_COMMON = 5 };

enum notice_var_type {
	NOTICE_WORDS,	/* .text */
	NOTICE_SECRET,	/* .text; not in subjects, not in the log */
	NOTICE_TIME,	/* .number: milliseconds since 1970 */
	NOTICE_BYTES,	/* .number */
	NOTICE_COUNT,	/* .number */
};

struct notice_var_def {
	const char *name;
	enum notice_var_type type;
	const char *help, *sample;	/* sample: of a preview; numbers in decimal */
};

struct notice_kind_def {
	const char *name, *help;
	struct notice_var_def vars[NOTICE_VARS_MAX];	/* name NULL ends it */
};
extern const struct notice_kind_def notice_kinds[NOTICE_KINDS];
/* Variables that every kind has: address, person, customer, domain, host. */
extern const struct notice_var_def notice_common[NOTICE_COMMON];
/* -1 where there is no such kind. */
int notice_kind_by_name(struct slice name);

struct notice_var {
	const char *name;	/* one of the kind's */
	struct slice text;
	int64_t number;
};

struct notice {
	enum notice_kind kind;
	uint64_t customer;	/* whose templates, language and sender; 0: that of the domain or the account */
	uint64_t domain;	/* whose address it is sent from; 0: the account's, else the customer's first */
	uint64_t account;	/* the mailbox that it is about; 0: none */
	struct slice to;	/* an address; empty: nobody is told, and that is no error */
	struct slice to_name;	/* may be empty */
	struct slice language;	/* empty: the account's, else the customer's (language.h) */
	int64_t now_ms;
	struct notice_var vars[NOTICE_VARS_MAX];
};

/* In which language a notice about this mailbox is. */
NODISCARD int notice_language_of(struct engine *e, struct arena *a, uint64_t account, struct slice *ret);

/* Inside a transaction. ERR_INVALID where to is no address. */
NODISCARD int notice_add(struct engine *e, struct arena *a, const struct notice *n);

/* Called once behind a commit that added notices; the room's. */
typedef void notice_hook_fn(void *ctx);
void engine_on_notice(struct engine *e, notice_hook_fn *fn, void *ctx);
/* What seals the secrets of waiting rows; outlives the engine. Without it a notice with a secret is ERR_UNAVAILABLE. */
void engine_use_seal(struct engine *e, const struct seal *seal);

enum notice_state { NOTICE_WAITING = 0, NOTICE_SENT = 1, NOTICE_FAILED = 2 };

struct notice_row {
	uint64_t id, customer, domain, account;
	struct slice operation;	/* 16 bytes */
	enum notice_kind kind;
	struct slice to, to_name, language;
	enum notice_state state;
	int64_t made_ms, sent_ms;
	uint64_t queue_id;
	struct slice from, subject, error;	/* of a sent one; of a failed one */
	struct slice words;	/* pairs of name and value, each with a NUL behind it; secrets masked */
	struct slice sealed;	/* the secret ones */
};

/* Waiting rows behind after, oldest first. */
NODISCARD int notice_waiting(struct engine *e, struct arena *a, uint64_t after, size_t limit, struct notice_row **ret,
			     size_t *ret_n);
NODISCARD int notice_get(struct engine *e, struct arena *a, uint64_t id, struct notice_row *ret);

struct notice_filter {
	uint64_t customer;	/* 0: all */
	uint64_t domain;
	struct slice to;	/* empty: all */
	int kind;		/* -1: all */
	int state;		/* -1: all */
	uint64_t before;	/* an id; 0: from the newest */
	size_t limit;
	int64_t viewer;		/* as in struct page */
	struct slice text;	/* as there: in the address, name or subject */
};
/* Newest first. */
NODISCARD int notice_log(struct engine *e, struct arena *a, const struct notice_filter *f, struct notice_row **ret,
			 size_t *ret_n);

/* Its secrets go. In a transaction of their own or the caller's. */
NODISCARD int notice_sent(struct engine *e, uint64_t id, uint64_t queue_id, struct slice from, struct slice subject,
			  int64_t now_ms);
NODISCARD int notice_failed(struct engine *e, uint64_t id, struct slice error, int64_t now_ms);
NODISCARD int notice_trim(struct engine *e, int64_t before_ms, size_t limit, uint64_t *ret);

/* A variable's value of a row, as text; secrets only where sealed could be opened. Empty where it has none. */
struct slice notice_value(const struct notice_row *row, const char *name);

#endif
