/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of accounts and aliases (M23; docs/formats/imports.md): lines as providers write them, or CSV with a header.
 * Reading a file has no side effects and knows no database; applying it is all or nothing, with an error for each
 * bad line. The text comes from outside: everything is bounded and opaque.
 */
#ifndef ROOM_DIRECTORY_IMPORT_H
#define ROOM_DIRECTORY_IMPORT_H

#include "room/directory/db/engine.h"

enum {
	IMPORT_BYTES_MAX = 64 << 20,
	IMPORT_LINE_MAX = 64 * 1024,
	IMPORT_ROWS_MAX = 200 * 1000,
	IMPORT_CELLS_MAX = 16,
	IMPORT_ERRORS_MAX = 100,	/* told in full; the others are counted */
	IMPORT_SECRET_MAX = 1024,
};

struct import_error {
	size_t line;
	struct slice text;	/* UTF-8, printable */
};

struct import_errors {
	struct import_error *rows;
	size_t n;	/* rows that are there */
	size_t total;	/* errors that were found */
	const char *language;	/* base/text.h */
};

void import_fault(struct import_errors *errors, struct arena *a, size_t line, const char *fmt, ...) PRINTF_FMT(4, 5);

struct import_account {
	size_t line;
	struct slice name;	/* as written: a local part or an address */
	struct slice secret;	/* empty: none */
	bool hashed;		/* secret is a hash of a known scheme */
	bool must_change;	/* a default password */
	bool hosted, send_any;
	struct slice person;
	struct slice language;	/* empty: the customer's */
	struct slice retention, recovery;	/* as written; empty: none of its own */
	struct slice old_logins;	/* old user names, blanks between them */
	uint64_t quota;
	/* Filled in while it is applied: */
	struct slice local, address;
	uint64_t id;
	uint32_t shard;
	int keep;		/* retention as a number */
	bool skip;		/* is here already, the same */
};

struct import_alias {
	size_t line;
	struct slice name;
	struct slice *targets;	/* as written; none with a type of banished */
	size_t n_targets;
	struct slice type;	/* CSV only; empty: by the targets */
	struct slice senders;	/* of a list: "members", "named a@example.test @example.net"; empty: anyone */
	bool hosted;
	/* Filled in while it is applied: */
	struct slice local;
	bool skip;
};

/* One line "ADDRESS:PASSWORD" or "ADDRESS:LOGIN:PASSWORD" (a move's passwords). */
struct import_login {
	size_t line;
	struct slice name, user, password;
};

/* A setting of a domain, as it is written. */
struct import_setting {
	size_t line;
	struct slice name, value;
};

/* 0, or ERR_SYNTAX with at least one error. Rows and slices live in a; text must outlive them. */
NODISCARD int import_read_accounts(struct arena *a, struct slice text, struct import_account **ret, size_t *ret_n,
				   struct import_errors *errors);
NODISCARD int import_read_aliases(struct arena *a, struct slice text, struct import_alias **ret, size_t *ret_n,
				  struct import_errors *errors);
NODISCARD int import_read_logins(struct arena *a, struct slice text, struct import_login **ret, size_t *ret_n,
				 struct import_errors *errors);

/* CSV with the header setting,value; each setting once. */
NODISCARD int import_read_settings(struct arena *a, struct slice text, struct import_setting **ret, size_t *ret_n,
				   struct import_errors *errors);

struct import_result {
	bool has_default;	/* in: rows without a password get one, no warning then */
	uint64_t lines, added, unchanged;
	struct slice *warnings;
	size_t n_warnings;
};

/* Checks every row against the domain and against each other; nothing is changed. ERR_INVALID with errors. */
NODISCARD int import_check_accounts(struct engine *e, struct arena *a, const struct domain *d,
				    struct import_account *rows, size_t n, struct import_result *ret,
				    struct import_errors *errors);
/* Plain passwords against the customer's policy; hashes cannot be judged. ERR_INVALID with errors. */
NODISCARD int import_check_policy(struct engine *e, struct arena *a, const struct domain *d,
				  const struct import_account *rows, size_t n, struct import_errors *errors);
/* Inside the caller's transaction, after the check: secrets are hashes now. Sets rows' ids. */
NODISCARD int import_apply_accounts(struct engine *e, struct arena *a, const struct domain *d,
				    struct import_account *rows, size_t n, unsigned shards, int64_t now_ms,
				    struct import_errors *errors);
/* Both in one, inside the caller's transaction, which is rolled back for a dry run or an error. */
NODISCARD int import_apply_aliases(struct engine *e, struct arena *a, const struct domain *d,
				   struct import_alias *rows, size_t n, int64_t now_ms, struct import_result *ret,
				   struct import_errors *errors);

#endif
