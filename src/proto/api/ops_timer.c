/* SPDX-License-Identifier: Apache-2.0 */
/* What happens by the clock. */
#include "proto/api/ops.h"

/* clang-format off */
static const struct api_param timer_run[] = {
	{ "name", API_NAME, .min = 1, .max = 64, .positional = true, .help = "this job, whether it is due or not; without a name all that are due" },
};
static const struct api_result timer_is[] = {
	{ "name", API_NAME, "the job" },
	{ "room", API_NAME, "where it runs" },
	{ "every_s", API_U64, "its period in seconds, 0 for each time the room looks" },
	{ "last_ms", API_TIME, "when it ran last; the earliest of several shards" },
	{ "next_ms", API_TIME, "when it is due again" },
	{ "help", API_STR, "what it does" },
};

static const struct api_op ops[] = {
	{ "timer.list", "GET", ROOT "/timers", API_DIRECTORY, .help = "lists what happens by the clock", .list = true, OUT(timer_is) },
	{ "timer.run", "POST", ROOT "/timers/run", API_DIRECTORY, .help = "begins what is due now, and lists it", .list = true, IN(timer_run), OUT(timer_is) },
};
/* clang-format on */
API_GROUP(timer);
