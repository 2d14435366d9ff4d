/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations of Postern's administration, one table: the HTTP API, its OpenAPI document, the command
 * line with its help, and the checks in httpd and in the owning room all come from it.
 *
 * An operation's arguments are fields: a name of the table and a value as text (numbers in decimal, booleans
 * "true" or "false", sizes "2G" or bytes in decimal). A parameter that is `many` is the same field several
 * times. API_FILE travels beside the fields, as a file descriptor.
 *
 * What an operation gives back is a JSON object with the members of `results`; a list operation gives
 * {"items": [such objects], "next": "cursor" or null}, and `after` = that cursor asks for the next page.
 * Times are milliseconds since 1970 in members that end in _ms, bytes in members that end in _bytes.
 * Failures are problem+json (RFC 9457): {"title", "status", "detail", "field"}.
 */
#ifndef PROTO_API_API_H
#define PROTO_API_API_H

#include "base/arena.h"
#include "base/buf.h"

enum api_type {
	API_STR,	/* UTF-8 without control characters; min..max bytes */
	API_TEXT,	/* UTF-8 with lines: no control characters but line ends and TAB; min..max bytes */
	API_NAME,	/* a name of ours: a-z 0-9 . _ -, min..max bytes */
	API_DOMAIN,	/* example.test; A-labels or UTF-8 */
	API_ADDRESS,	/* local@domain */
	API_TARGET,	/* an address, or @domain */
	API_HOSTPORT,	/* HOST, HOST:PORT, [v6]:PORT */
	API_SOURCE,	/* imap://HOST[:PORT], imaps://, pop3:// or pop3s:// */
	API_SIZE,	/* bytes; K M G T P behind it are powers of 1024 */
	API_U64,	/* min..max */
	API_DAY,	/* 2026-12-24, a day that there is */
	API_BOOL,
	API_CHOICE,	/* one of choices */
	API_SECRET,	/* min..max bytes; never in errors, events or a query */
	API_FILE,	/* a file's bytes; at most max */
	API_TIME,	/* results only: milliseconds since 1970 */
	API_BYTES,	/* results only: a count of bytes */
	API_LIMIT,	/* results only: a count of bytes, 0 for no limit */
	API_LIST,	/* results only: texts */
	API_OBJECTS,	/* results only: objects */
	API_REVISION,	/* results only: of an item; for programs, not in tables for people */
};

/* Who may give a field at least; whoever may not is refused, not ignored. */
enum api_by { API_BY_ALL, API_BY_ADMIN, API_BY_CUSTOMER, API_BY_PROVIDER };

enum api_owner { API_DIRECTORY, API_QUEUE, API_SUPERVISOR, API_AUTH };

/* Types of problems (RFC 9457 3.1.1): the password was right, and a code of the second factor is missing or wrong; anything
 * else. */
#define API_SECOND_FACTOR "urn:postern:second-factor"
#define API_PROBLEM "about:blank"

struct api_param {
	const char *name;	/* "dry_run"; the option is --dry-run */
	enum api_type type;
	bool required;
	bool positional;	/* on the command line without a name, in the order of the table */
	bool many;		/* may come several times */
	enum api_by by;
	uint64_t min, max;
	const char *const *choices;	/* NULL-terminated */
	const char *help;
};

struct api_result {
	const char *name;
	enum api_type type;
	const char *help;
	bool nullable;
};

struct api_op {
	const char *name;	/* "domain.switch": noun and verb of the command line */
	const char *method;	/* "GET", "POST", "PUT", "PATCH", "DELETE" */
	const char *path;	/* "/api/v1/domains/{domain}/switch" */
	enum api_owner owner;
	bool list;		/* gives a page of items */
	bool open;		/* nobody has to say who he is */
	unsigned short good[2];	/* statuses of success; none here: 201 of an add, else 200 */
	const char *help;
	const struct api_param *params;
	size_t n_params;
	const struct api_result *results;
	size_t n_results;
};

/* All operations, by place; NULL behind the last. */
const struct api_op *api_op_at(size_t i);

enum {
	API_FIELDS_MAX = 4096,		/* fields of a request, every member of a list counted */
	API_PATH_MAX = 2048,		/* bytes of a request's path */
	API_FILE_MAX = 256 << 20,	/* bytes of an uploaded file */
};

const struct api_op *api_op_find(struct slice name);	/* NULL where there is none */
const struct api_param *api_param_find(const struct api_op *op, struct slice name);
const struct api_param *api_op_file(const struct api_op *op);	/* its API_FILE parameter, or NULL */
bool api_op_has(const struct api_op *op, const char *param);	/* "dry_run" */

/* What an operation is about has a revision: an ETag in its answers, and If-Match holds against it. NULL: it has none. The
 * fields of the key name it; all but the first may be absent. */
enum { API_KEY_MAX = 3 };
struct api_revised {
	const char *kind;
	const char *key[API_KEY_MAX];
};
const struct api_revised *api_revised(const struct api_op *op);

struct api_field {
	struct slice name;
	struct slice value;
};

enum { API_IN_PATH_MAX = 4 };
struct api_match {
	const struct api_op *op;
	struct api_field fields[API_IN_PATH_MAX];	/* what stood in the path, percent-decoded; in the arena */
	size_t n_fields;
	char allow[64];		/* after ERR_UNSUPPORTED: the methods that this path has */
};

/* The operation of a request line; path without query. ERR_NOT_FOUND: no such path; ERR_UNSUPPORTED: not with this
 * method; ERR_SYNTAX: bad percent escapes, NULs or broken UTF-8; ERR_TOO_BIG: over API_PATH_MAX. */
NODISCARD int api_match(struct slice method, struct slice path, struct arena *a, struct api_match *ret);

struct api_error {
	char field[64];		/* "" where it belongs to none */
	char value[96];		/* cut; "" for secrets */
	char rule[320];		/* what was expected: "a size such as 500M or 2G" */
};

/* Rules are told in the language of text_current().
 *
 * Every field known, of its type, not twice unless `many`, required ones there. ERR_INVALID with *ret_error filled. */
NODISCARD int api_check(const struct api_op *op, const struct api_field *fields, size_t n, bool has_file,
			struct api_error *ret_error);

/* "quota: expected a size such as 500M or 2G, got \"lots\"". */
void api_error_text(const struct api_error *error, struct buf *out);

/* What a parameter takes, in words: for help, errors and the OpenAPI document. */
void api_param_rule(const struct api_param *param, struct buf *out);

/* The first value of a field; an empty slice with p NULL where it is absent. */
struct slice api_get(const struct api_field *fields, size_t n, const char *name);

/* Readers of checked values. */
NODISCARD int api_size(struct slice value, uint64_t *ret);	/* ERR_SYNTAX, ERR_TOO_BIG */
NODISCARD int api_bool(struct slice value, bool *ret);
NODISCARD int api_day(struct slice value);	/* "2026-12-24", a day that there is; else ERR_SYNTAX */
/* HOST:PORT or [v6]:PORT; fallback port where none is named (0: it must be). Host in the arena, without brackets. */
NODISCARD int api_hostport(struct slice value, uint16_t fallback, struct arena *a, struct slice *ret_host,
			   uint16_t *ret_port);
/* imap://HOST[:PORT] and its kin; host in the arena. */
struct api_source {
	struct slice host;
	uint16_t port;
	bool pop3;
	bool tls;	/* the scheme was imaps or pop3s */
};
NODISCARD int api_source(struct slice value, struct arena *a, struct api_source *ret);

#endif
