/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What filter says of a message: a table of checks, run in order over its digest and bytes. The
 * first one that refuses or puts off ends the run; "junk" stays where a later check would accept. A
 * check that needs no more than these facts is one function and one line of the table.
 */
#ifndef ROOM_FILTER_VERDICT_H
#define ROOM_FILTER_VERDICT_H

#include "base/buf.h"
#include "ipc/digest.pb-c.h"
#include "ipc/filter.pb-c.h"

enum { VERDICT_REPORT_MAX = 8 * 1024 };

struct verdict_input {
	const Postern__JudgeRequest *request;
	const Postern__Digest *digest;
	struct slice message;
	uint64_t max_hops; /* smtp.max_hops */
};

struct verdict {
	Postern__Verdict verdict;
	unsigned code;               /* the reply where it is REFUSE or LATER */
	const char *enhanced, *text; /* literals */
	const char *check;           /* which check said so; NULL where none did */
	struct buf report;           /* header lines, CRLF-ended, at most VERDICT_REPORT_MAX */
};

struct verdict_check {
	const char *name; /* for events */
	void (*run)(const struct verdict_input *in, struct verdict *v);
};

extern const struct verdict_check verdict_checks[];
extern const size_t verdict_n_checks;

void verdict_init(struct verdict *v); /* ACCEPT */
void verdict_fini(struct verdict *v);
void verdict_run(const struct verdict_input *in, struct verdict *v);

/* The checks, one file each. */
void check_loop(const struct verdict_input *in, struct verdict *v);
void check_author(const struct verdict_input *in, struct verdict *v);
void check_gtube(const struct verdict_input *in, struct verdict *v);

#endif
