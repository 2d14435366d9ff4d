/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line. It knows nothing of its own about customers and mail: nouns and verbs, their
 * options, help and checks come from the operation table (proto/api), and every verb is one HTTP
 * request over the admin socket.
 *
 * Exit codes: 0 done; 1 refused or failed, with the reason on stderr; 2 wrong usage.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "proto/api/http.h"

#include "base/err.h"
#include "base/text.h"

#include <jansson.h>
#include <sys/ioctl.h>

enum { CLI_DONE = 0, CLI_REFUSED = 1, CLI_USAGE = 2 };

/* One call of the program: options that every command has are taken out of words already. */
struct cli {
	const char *dir; /* -d DIR, else POSTERN_DIR; NULL where neither is there */
	bool json, help;
	int n;
	char **words; /* behind the command's own word */
	struct arena *arena;
};

/* "postern: ..." on stderr; both return their exit code. */
int cli_refuse(const char *fmt, ...) PRINTF_FMT(1, 2);
int cli_usage(const char *fmt, ...) PRINTF_FMT(1, 2);

/* The instance's folder, or NULL with CLI_USAGE said. */
const char *cli_dir(struct cli *c);

struct cli_command {
	const char *name;
	const char *args; /* "DIR [--port-base N]" */
	const char *help;
	int (*run)(struct cli *c);
};
extern const struct cli_command cli_commands[];
extern const size_t cli_n_commands;

/* A noun: the table's operations under that name, and how their results are shown. */
struct cli_args;
struct cli_noun {
	const char *name;
	const char *help;
	/* NULL, or where it returns false: a list as a table, an object as lines. */
	bool (*show)(struct cli *c, const struct api_op *op, const json_t *result);
	/* Of its lists, NULL-ended; NULL: all that the operation names. */
	const char *const *columns;
	/* Options of the command line alone ("--watch"): pairs of option and help, NULL-ended. */
	const char *const *extra;
	/* Instead of cli_op_run; NULL: that. */
	int (*run)(struct cli *c, const struct api_op *op, struct cli_args *args);
};
extern const struct cli_noun *const cli_nouns[];
extern const size_t cli_n_nouns;
extern const struct cli_noun noun_customer, noun_domain, noun_mailbox, noun_address, noun_import,
	noun_policy, noun_password, noun_apppassword, noun_totp, noun_login, noun_lockout,
	noun_move, noun_queue, noun_store;
extern const struct cli_noun noun_sieve, noun_globalscript;
extern const struct cli_noun noun_forward, noun_autoreply;
extern const struct cli_noun noun_timer, noun_plan;
extern const struct cli_noun noun_admin, noun_token, noun_audit;
extern const struct cli_noun noun_candidate, noun_export;
extern const struct cli_noun noun_notice, noun_template;

/* args.c: words to fields. */
struct cli_args {
	struct api_fields fields;
	struct slice raw; /* the JSON body as it is; p NULL: made from the fields */
	const char *file; /* path, "-" for stdin; NULL where none is named */
	bool extra[4];    /* which of the noun's extra options were there */
};
/* A field as it is written on the command line: "--dry-run", "DOMAIN", "--password-stdin". */
void cli_spell(const struct api_op *op, const char *field, char *ret, size_t size);
int cli_args_parse(struct cli *c, const struct api_op *op, const struct cli_noun *noun,
		   struct cli_args *ret);

/* http.c: one request. Returns an exit code; CLI_DONE: *ret is the answer (NULL where it was
 * empty). */
int cli_request(struct cli *c, const struct api_op *op, const struct cli_args *args, json_t **ret);
int cli_read_file(const char *path, struct buf *out); /* "-": stdin */
bool cli_is_running(const char *dir); /* somebody holds the instance's lock */
/* Nobody starts the instance until this process ends; false where somebody holds its lock. */
bool cli_keep_stopped(const char *dir);

/* op.c */
int cli_noun_main(struct cli *c, const struct cli_noun *noun);
int cli_op_run(struct cli *c, const struct api_op *op, const struct cli_noun *noun,
	       struct cli_args *args);
int cli_ask(struct cli *c, const char *operation, json_t **ret); /* without fields */

/* show.c: values for people. Control characters never reach the terminal. */
void show_json(const json_t *v);
void show_object(const struct api_op *op, const json_t *object);
/* columns NULL: all */
void show_list(const struct api_op *op, const char *const *columns, const json_t *items);
void show_value(enum api_type type, const json_t *v, struct buf *out);
void show_bytes(uint64_t bytes, struct buf *out); /* "1.5G" */
void show_duration(int64_t ms, struct buf *out);  /* "3d 4h", "12s" */
void show_safe(struct slice text, struct buf *out);
void show_capital(const char *text, struct buf *out);	/* with a capital letter first */
const char *word_said(const char *word);	/* "running" in the caller's language; others as they are */
void show_fault(struct slice text, struct buf *out);	/* of a store */
/* With its lines and TABs, and nothing else that a terminal would do. */
void show_text(struct slice text);
/* A file's bytes, as they are; on a terminal as show_text. */
void show_file(const json_t *text);
bool show_converted(struct cli *c, const struct api_op *op, const json_t *result);	/* address.c */

/* table.c */
struct table;
struct table *table_new(size_t columns);
void table_free(struct table **t);
/* Row by row; the first row is the heading. */
void table_cell(struct table *t, const char *text, bool right);
void table_print(const struct table *t);
size_t text_width(const char *text);	/* in columns */
struct winsize cli_terminal(void);	/* of standard output; 24 lines of 80 columns where it is none */

/* help.c */
void help_all(void);
void help_noun(const struct cli_noun *noun);
void help_op(const struct cli_noun *noun, const struct api_op *op);
void help_command(const struct cli_command *command);
void help_man(struct buf *out); /* postern(1) */

/* Commands, a file each. */
int cli_init(struct cli *c);
int cli_run(struct cli *c);
int cli_stop(struct cli *c);
int cli_status(struct cli *c);
int cli_reload(struct cli *c);
int cli_doctor(struct cli *c);
int cli_check(struct cli *c);
int cli_conf(struct cli *c);
int cli_bulk(struct cli *c);
int cli_help(struct cli *c);

#endif
