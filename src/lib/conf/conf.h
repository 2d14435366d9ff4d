/* SPDX-License-Identifier: Apache-2.0 */
/*
 * postern.conf: what belongs to the machine. Lines "name = value", '#' comments, blank lines; a name twice is
 * an error. One table (conf_options.c) says each option's name, type, unit, default, bounds, reload class and
 * help; parser, `postern conf dump`, the man page and the test of completeness come from it.
 * An error names file, line and what was expected.
 */
#ifndef LIB_CONF_CONF_H
#define LIB_CONF_CONF_H

#include "base/buf.h"

struct conf;

/* error: filled with "postern.conf:7: smtp.max_recipients: expected a number from 100 to 10000, got \"many\"". */
NODISCARD int conf_parse(struct slice text, const char *file, struct conf **ret, struct buf *error);
struct conf *conf_defaults(void);
void conf_free(struct conf **c);

/* The name must be in the table: a wrong one aborts. */
uint64_t conf_u64(const struct conf *c, const char *name);	/* numbers; sizes in bytes; durations in ms */
bool conf_bool(const struct conf *c, const char *name);
const char *conf_str(const struct conf *c, const char *name);	/* never NULL */

void conf_dump(const struct conf *c, struct buf *out);	/* every option with its value and help, parses back */

enum conf_type { CONF_U64, CONF_SIZE, CONF_DURATION, CONF_BOOL, CONF_STR, CONF_ADDRESS /* "127.0.0.1:2025", "[::1]:25" */ };
enum conf_reload { CONF_RELOAD, CONF_RESTART };
struct conf_option {
	const char *name;
	enum conf_type type;
	const char *fallback;	/* as it would stand in the file */
	uint64_t min, max;	/* numbers; lengths of strings */
	enum conf_reload reload;
	const char *help;
};
extern const struct conf_option conf_options[];
extern const size_t conf_n_options;

#endif
