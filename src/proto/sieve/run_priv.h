/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run from the inside. Errors stick: whoever finds one puts it into runner.err, and every loop ends when it sees
 * that. What a run looks at or makes is charged; past SIEVE_STEPS_MAX the run fails.
 */
#ifndef PROTO_SIEVE_RUN_PRIV_H
#define PROTO_SIEVE_RUN_PRIV_H

#include "proto/sieve/sieve_priv.h"

struct sieve_variable {
	struct slice name, value;
};

struct sieve_variables {
	struct sieve_variable *v;	/* SIEVE_VARIABLES_MAX of them, once one is set */
	size_t n;
};

/* One script being run: its variables and what the last :matches gave. */
struct sieve_scope {
	const struct sieve_script *script;
	struct sieve_scope *outer;	/* whose include runs it */
	struct slice name;		/* by which that named it; empty: nobody did */
	bool global;
	struct sieve_variables variables;
	struct slice captures[SIEVE_CAPTURES_MAX + 1];
	size_t n_captures;
};

struct sieve_flags {
	struct slice v[SIEVE_FLAGS_MAX];
	size_t n;
};

enum { SIEVE_RUNS_KEPT = SIEVE_INCLUDES_MAX };

struct sieve_runner {
	struct arena *arena;	/* lives as long as the result */
	struct arena *scratch;	/* reset before each command */
	const struct sieve_env *env;
	struct sieve_scope *scope;
	struct sieve_variables globals;
	struct sieve_flags flags;	/* the internal variable of RFC 5232 */
	struct sieve_action actions[SIEVE_ACTIONS_MAX];
	size_t n_actions;
	bool keep;			/* the implicit keep is still due */
	bool rejected;
	bool vacation;			/* this script has sent one */
	bool replied;			/* one of the scripts has */
	unsigned redirects, includes, depth;
	struct {
		struct slice name;
		bool global;
	} seen[SIEVE_RUNS_KEPT];	/* included scripts, for :once */
	uint64_t steps;
	int err;			/* 0, or < 0: why says */
	struct sieve_error why;
	struct slice within;		/* with it: the included script that it is in */
};

enum sieve_flow { FLOW_ON, FLOW_STOP, FLOW_RETURN };

/* run.c */
void sieve_fail(struct sieve_runner *r, struct sieve_pos at, const char *what, struct slice arg);
bool sieve_charge(struct sieve_runner *r, uint64_t steps);	/* false: the run has failed */
enum sieve_flow sieve_run_block(struct sieve_runner *r, const struct sieve_node *n);

/* vars.c: text with its variables in place, in scratch or the script; lists likewise. */
struct slice sieve_text(struct sieve_runner *r, const struct sieve_string *s);
struct slice *sieve_texts(struct sieve_runner *r, const struct sieve_string *s, size_t n);
struct slice sieve_variable_get(struct sieve_runner *r, struct slice name);
void sieve_variable_set(struct sieve_runner *r, struct sieve_pos at, struct slice name, struct slice value);
void sieve_do_set(struct sieve_runner *r, const struct sieve_node *n);

/* match.c: values of a test one after the other against its keys. */
struct sieve_matcher {
	struct sieve_runner *r;
	const struct sieve_node *n;
	struct slice *keys;
	size_t n_keys;
	uint64_t count;
	bool no_captures;
};
void sieve_matcher_init(struct sieve_matcher *m, struct sieve_runner *r, const struct sieve_node *n,
			const struct sieve_arg *keys);
bool sieve_matcher_value(struct sieve_matcher *m, struct slice value);	/* true: it matched, no more is needed */
bool sieve_matcher_end(struct sieve_matcher *m);	/* after the last value; true where the count matched */

/* run_test*.c */
bool sieve_test(struct sieve_runner *r, const struct sieve_node *n);
bool sieve_test_date(struct sieve_runner *r, const struct sieve_node *n);
bool sieve_test_body(struct sieve_runner *r, const struct sieve_node *n);
bool sieve_test_hasflag(struct sieve_runner *r, const struct sieve_node *n);
struct slice sieve_header_text(struct sieve_runner *r, struct slice value);	/* decoded, trimmed; in scratch */
struct slice sieve_header(const struct sieve_runner *r);

/* The fields of that name, raw, in order; :index and :last of the test are obeyed. In scratch. */
struct sieve_fields {
	struct slice *values;
	size_t n;
};
struct sieve_fields sieve_fields(struct sieve_runner *r, const struct sieve_node *n, struct slice name);

/* run_flags.c */
void sieve_do_flags(struct sieve_runner *r, const struct sieve_node *n);
void sieve_take_flags(struct sieve_runner *r, const struct sieve_node *n, struct sieve_action *a);

/* run_action.c, run_vacation.c */
struct sieve_action *sieve_add_action(struct sieve_runner *r, struct sieve_pos at, enum sieve_kind kind);
void sieve_do_action(struct sieve_runner *r, const struct sieve_node *n);
void sieve_do_vacation(struct sieve_runner *r, const struct sieve_node *n);
bool sieve_is_automatic(struct sieve_runner *r);	/* a program or a list wrote it */
struct slice sieve_address_key(struct arena *a, struct slice address);	/* to compare mail addresses by */

/* date.c: a part of a date, appended; false where the name is none. */
bool sieve_date_part(struct slice name, int64_t ms, int zone_minutes, struct buf *out);

#endif
