/* SPDX-License-Identifier: Apache-2.0 */
/* The instance itself: shards, rooms, configuration. */
#include "proto/api/ops.h"

/* clang-format off */
static const struct api_result check_is[] = {
	{ "accounts", API_U64, "accounts" },
	{ "mailboxes", API_U64, "folders" },
	{ "messages", API_U64, "messages" },
	{ "blobs", API_U64, "stored bodies" },
	{ "size_bytes", API_BYTES, "bytes of stored bodies" },
	{ "faults", API_U64, "what does not agree" },
	{ "texts", API_LIST, "the first faults in words" },
};
static const struct api_result compact_is[] = {
	{ "segments_before", API_U64, "segments before" },
	{ "segments_after", API_U64, "segments after" },
	{ "before_bytes", API_BYTES, "bytes before" },
	{ "after_bytes", API_BYTES, "bytes after" },
};
static const struct api_param status_params[] = {
	{ "trials", API_BOOL, .help = "have every room try what its sandbox must refuse" },
};
static const struct api_result status_is[] = {
	{ "version", API_STR, "version that runs" },
	{ "started_ms", API_TIME, "when it was started" },
	{ "rooms", API_OBJECTS, "each room: role, index, pid, state, rss_bytes, pss_bytes, restarts, started_ms, counters, trials" },
	{ "customers", API_U64, "customers" },
	{ "domains", API_U64, "domains" },
	{ "mailboxes", API_U64, "mailboxes" },
	{ "queued", API_U64, "messages in the queue" },
};
static const struct api_result overview_is[] = {
	{ "customers", API_U64, "customers" },
	{ "domains", API_U64, "domains" },
	{ "mailboxes", API_U64, "mailboxes" },
};

static const struct api_result reload_is[] = {
	{ "waiting", API_LIST, "changed options that wait for the next start" },
};

static const struct api_op ops[] = {
	{ "store.check", "POST", ROOT "/store/check", API_DIRECTORY, .help = "compares indexes, counters and segments of all shards", OUT(check_is) },
	{ "store.compact", "POST", ROOT "/store/compact", API_DIRECTORY, .help = "gives space of deleted mail back to the disk", OUT(compact_is) },
	{ "overview", "GET", ROOT "/overview", API_DIRECTORY, .help = "counts customers, domains and mailboxes", OUT(overview_is) },
	{ "status", "GET", ROOT "/status", API_SUPERVISOR, .help = "shows rooms, memory, restarts, queue and accounts", IN(status_params), OUT(status_is) },
	{ "reload", "POST", ROOT "/reload", API_SUPERVISOR, .help = "reads configuration and certificate again", OUT(reload_is) },
};
/* clang-format on */
API_GROUP(instance);
