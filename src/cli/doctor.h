/* SPDX-License-Identifier: Apache-2.0 */
/* What `postern doctor` finds: one line a check, in words. */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include "cli/cli.h"
#include "lib/conf/conf.h"

enum finding { FINDING_OK, FINDING_NOTE, FINDING_WRONG };

struct doctor {
	const char *dir;
	const struct conf *conf;
	bool running; /* the instance runs: its ports are its own */
	json_t *checks;
	bool wrong;
};

void doctor_say(struct doctor *d, const char *check, enum finding finding, const char *fmt, ...)
	PRINTF_FMT(4, 5);

/* doctor_machine.c */
void doctor_clock(struct doctor *d);
void doctor_disk(struct doctor *d);
void doctor_limits(struct doctor *d);
void doctor_memory(struct doctor *d);
void doctor_sandbox(struct doctor *d);

#endif
