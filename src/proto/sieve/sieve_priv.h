/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of a script, made by parse.c, given its meaning by check.c, walked by run*.c. */
#ifndef PROTO_SIEVE_PRIV_H
#define PROTO_SIEVE_PRIV_H

#include "base/err.h"
#include "base/text.h"
#include "proto/sieve/sieve.h"

struct sieve_pos {
	uint32_t line, column;
};

/* ---- lex.c ---- */

enum sieve_token_kind {
	TOKEN_END,
	TOKEN_IDENT,
	TOKEN_TAG,
	TOKEN_NUMBER,
	TOKEN_STRING,
	TOKEN_PUNCT,	/* one of ; , ( ) [ ] { } */
};

struct sieve_token {
	enum sieve_token_kind kind;
	struct sieve_pos at;
	struct slice text;	/* name without colon, content of a string, the punctuation */
	uint64_t number;
};

struct sieve_lex {
	struct slice in;
	size_t at;
	struct sieve_pos pos;
	struct arena *arena;
	struct sieve_error *why;
};

/* 0, or ERR_SYNTAX or ERR_TOO_BIG with *why. */
NODISCARD int sieve_lex_next(struct sieve_lex *l, struct sieve_token *ret);

/* Fills *e and returns err; arg (may be empty) stands for the %s, cut where it is long. */
int sieve_error_at(struct sieve_error *e, struct sieve_pos at, int err, const char *what, struct slice arg);

/* ---- the tree ---- */

struct sieve_string {
	struct slice text;
	struct sieve_pos at;
	bool variable;		/* has ${...} to expand */
};

enum sieve_arg_kind { ARG_TAG, ARG_NUMBER, ARG_STRING, ARG_LIST };

struct sieve_arg {
	struct sieve_arg *next;
	enum sieve_arg_kind kind;
	struct sieve_pos at;
	struct slice tag;
	uint64_t number;
	struct sieve_string *strings;	/* STRING: one; LIST: any number */
	size_t n;
};

enum sieve_op {
	/* commands */
	OP_REQUIRE, OP_IF, OP_ELSIF, OP_ELSE, OP_STOP, OP_KEEP, OP_FILEINTO, OP_REDIRECT, OP_DISCARD,
	OP_REJECT, OP_EREJECT, OP_VACATION, OP_SET, OP_SETFLAG, OP_ADDFLAG, OP_REMOVEFLAG, OP_INCLUDE,
	OP_RETURN, OP_GLOBAL,
	/* tests */
	OP_TRUE, OP_FALSE, OP_NOT, OP_ALLOF, OP_ANYOF, OP_ADDRESS, OP_ENVELOPE, OP_HEADER, OP_EXISTS, OP_SIZE,
	OP_STRING, OP_HASFLAG, OP_DATE, OP_CURRENTDATE, OP_BODY, OP_MAILBOXEXISTS,
};

enum sieve_tag {
	TAG_IS, TAG_CONTAINS, TAG_MATCHES, TAG_VALUE, TAG_COUNT,
	TAG_COMPARATOR,
	TAG_ALL, TAG_LOCALPART, TAG_DOMAIN, TAG_USER, TAG_DETAIL,
	TAG_OVER, TAG_UNDER,
	TAG_COPY, TAG_CREATE, TAG_FLAGS,
	TAG_DAYS, TAG_SECONDS, TAG_SUBJECT, TAG_FROM, TAG_ADDRESSES, TAG_MIME, TAG_HANDLE,
	TAG_ZONE, TAG_ORIGINALZONE, TAG_INDEX, TAG_LAST,
	TAG_RAW, TAG_CONTENT, TAG_TEXT,
	TAG_LOWER, TAG_UPPER, TAG_LOWERFIRST, TAG_UPPERFIRST, TAG_QUOTEWILDCARD, TAG_LENGTH,
	TAG_PERSONAL, TAG_GLOBAL, TAG_ONCE, TAG_OPTIONAL,
	TAG_COUNT_OF
};
#define TAG_BIT(t) (1ull << TAG_##t)

enum sieve_cap {
	CAP_FILEINTO, CAP_REJECT, CAP_EREJECT, CAP_ENVELOPE, CAP_ENCODED_CHARACTER, CAP_VACATION,
	CAP_VACATION_SECONDS, CAP_SUBADDRESS, CAP_RELATIONAL, CAP_COMPARATOR_OCTET, CAP_COMPARATOR_CASEMAP,
	CAP_COMPARATOR_NUMERIC, CAP_IMAP4FLAGS, CAP_COPY, CAP_INCLUDE, CAP_VARIABLES, CAP_BODY, CAP_DATE,
	CAP_INDEX, CAP_MAILBOX,
	CAP_NONE
};
#define CAP_BIT(c) (1u << CAP_##c)

enum sieve_tests { TESTS_NONE, TESTS_ONE, TESTS_LIST };

/* One command or test (spec.c). positional: s a string, l a list or a string, n a number; ? before an optional one. */
struct sieve_spec {
	const char *name;
	enum sieve_op op;
	bool test;
	enum sieve_cap cap;
	uint64_t tags;		/* that it takes */
	const char *positional;
	enum sieve_tests tests;
	bool block;
};

/* arg: 0 none, else as in positional. Two tags of one group exclude each other; 0: only itself. */
struct sieve_tag_spec {
	const char *name;
	char arg;
	uint8_t group;
	enum sieve_cap cap;
	const char *needs;	/* what that capability is called where it depends on the command: NULL */
};

enum { SIEVE_POSITIONAL_MAX = 3 };

enum sieve_comparator { COMPARATOR_CASEMAP, COMPARATOR_OCTET, COMPARATOR_NUMERIC };
enum sieve_match { MATCH_IS, MATCH_CONTAINS, MATCH_MATCHES, MATCH_VALUE, MATCH_COUNT };
enum sieve_relation { RELATION_GT, RELATION_GE, RELATION_LT, RELATION_LE, RELATION_EQ, RELATION_NE };
enum sieve_part { PART_ALL, PART_LOCALPART, PART_DOMAIN, PART_USER, PART_DETAIL };

struct sieve_node {
	struct sieve_node *next;
	struct sieve_pos at;
	struct slice name;
	struct sieve_arg *args;
	struct sieve_node *tests;	/* linked by next */
	struct sieve_node *block;
	bool has_block, tests_in_parentheses;
	/* from here on check.c's */
	const struct sieve_spec *spec;
	uint64_t tags;			/* which were given */
	struct sieve_arg *tag_args;	/* TAG args that have an argument: next is that argument */
	struct sieve_arg *positional[SIEVE_POSITIONAL_MAX];
	enum sieve_comparator comparator;
	enum sieve_match match;
	enum sieve_relation relation;
	enum sieve_part part;
};

struct sieve_script {
	struct sieve_node *commands;
	uint32_t caps;
	struct slice *globals;		/* names that "global" declared anywhere in it */
	size_t n_globals;
	struct sieve_include *includes;
	size_t n_includes;
	bool asks_mailboxes;
};

static inline bool sieve_tag(const struct sieve_node *n, enum sieve_tag t)
{
	return n->tags >> t & 1;
}

/* ---- parse.c, spec.c, check.c ---- */

NODISCARD int sieve_parse(struct arena *a, struct slice text, struct sieve_node **ret, struct sieve_error *why);
const struct sieve_spec *sieve_spec_find(struct slice name, bool test);
const struct sieve_tag_spec *sieve_tag_spec(enum sieve_tag t);
int sieve_tag_find(struct slice name);		/* enum sieve_tag, or -1 */
int sieve_cap_find(struct slice name);		/* enum sieve_cap, or -1 */
const char *sieve_cap_name(enum sieve_cap c);

struct sieve_check {
	struct arena *arena;
	struct sieve_script *script;
	struct sieve_error *why;
	struct map *set;		/* names of variables, in lower case, that a set had so far */
};
/* Arguments are in place; values that are known before a run are looked at (check_values.c). */
NODISCARD int sieve_check_values(struct sieve_check *c, struct sieve_node *n);
/* Escapes of encoded-character are undone, and references of variables found and looked at (check_text.c). */
NODISCARD int sieve_check_text(struct sieve_check *c, struct sieve_string *s);

/* The argument of a tag, NULL where the tag was not given. */
const struct sieve_arg *sieve_tag_arg(const struct sieve_node *n, enum sieve_tag t);

/* ---- what both sides need ---- */

bool sieve_relation_find(struct slice name, enum sieve_relation *ret);
bool sieve_date_part_known(struct slice name);
bool sieve_zone_parse(struct slice s, int *ret_minutes);	/* "+0100" */
bool sieve_is_address_header(struct slice name);
bool sieve_flag_ok(struct slice flag);
bool sieve_mailbox_ok(struct slice name);
bool sieve_address_ok(struct slice text);	/* an address with a domain, as redirect takes it (RFC 5228 2.4.2.3) */
/* Of one that is, in a: without the name in front, and without blanks around the parts (RFC 5322 3.4.1). */
struct slice sieve_address_spec(struct arena *a, struct slice text);
bool sieve_variable_name_ok(struct slice name);

/* A reference at the front of s, "${...}": its length with brackets, or 0. */
struct sieve_ref {
	struct slice space, name;	/* space: "global" or empty */
	unsigned number;		/* of a match variable; name is empty then */
	bool too_big;			/* a number past SIEVE_CAPTURES_MAX */
};
size_t sieve_ref_parse(struct slice s, struct sieve_ref *ret);

#endif
