/* SPDX-License-Identifier: Apache-2.0 */
/*
 * postern.conf: what belongs to the machine. Lines "name = value", '#' comments, blank lines; a name twice is
 * an error. One table (conf_options.c) says each option's name, type, unit, default, bounds, reload class and
 * help; parser, `postern conf dump`, the man page and the test of completeness come from it.
 * An error names file, line and what was expected, in the language of text_current(), as do rules and the dump.
 */
#ifndef LIB_CONF_CONF_H
#define LIB_CONF_CONF_H

#include "base/buf.h"

struct conf;

/* error: filled with "postern.conf:7: smtp.max_recipients: expected a number from 100 to 10000, got \"many\"". */
NODISCARD int conf_parse(struct slice text, const char *file, struct conf **ret, struct buf *error);
struct conf *conf_defaults(void);
void conf_free(struct conf **c);

/* The same, read from a file; errors of reading are told in error too. */
NODISCARD int conf_load(const char *path, struct conf **ret, struct buf *error);

/* One option; for init. ERR_NOT_FOUND, ERR_INVALID with what was expected. */
NODISCARD int conf_set(struct conf *c, const char *name, const char *value, struct buf *error);

/* The name must be in the table: a wrong one aborts. */
uint64_t conf_u64(const struct conf *c, const char *name);	/* numbers; sizes in bytes; durations in ms */
bool conf_bool(const struct conf *c, const char *name);
const char *conf_str(const struct conf *c, const char *name);	/* never NULL; every type as it stands in the file */

void conf_dump(const struct conf *c, struct buf *out);	/* every option with its value and help, parses back */
void conf_man(struct buf *out);				/* postern.conf(5) */

enum {
	CONF_FILE_MAX = 1 << 20,
	CONF_LINE_MAX = 4096,
	CONF_ADDRESSES_MAX = 16,	/* words of a list */
	CONF_HOST_MAX = 253,
};

enum conf_type {
	CONF_U64,
	CONF_SIZE,	/* 100M */
	CONF_DURATION,	/* 500ms 30s 5m 4h 5d; 0 */
	CONF_BOOL,
	CONF_STR,
	CONF_ADDRESS,	/* "127.0.0.1:2025", "[::1]:25"; several with spaces between; empty for none */
	CONF_CHOICE,
	CONF_NETWORKS,	/* "127.0.0.0/8 ::1/128", or empty */
	CONF_SERVERS,	/* "127.0.0.1:5353 192.0.2.53", or empty */
	CONF_HOSTS,	/* "panel.example.test old.example.test", or empty */
	CONF_HOST,	/* "mail.example.test"; or empty, where min is 0 */
	CONF_URL,	/* "https://mail.example.test:2443", or empty */
};
enum conf_reload { CONF_RELOAD, CONF_RESTART };
struct conf_option {
	const char *name;
	enum conf_type type;
	const char *fallback;	/* as it would stand in the file */
	uint64_t min, max;	/* numbers; lengths of strings */
	enum conf_reload reload;
	const char *help;
	const char *const *choices;	/* of CONF_CHOICE, NULL-terminated */
};
extern const struct conf_option conf_options[];
extern const size_t conf_n_options;

/* What an option takes, in words: "a number from 100 to 10000". */
void conf_option_rule(const struct conf_option *option, struct buf *out);

/* The next address of a CONF_ADDRESS value; *at begins as the value. 1 and *ret, or 0 at the end. */
struct sockaddr_storage;
int conf_address_next(const char **at, struct sockaddr_storage *ret);

#endif
