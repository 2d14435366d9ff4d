/* SPDX-License-Identifier: Apache-2.0 */
#include "room/queue/backoff.h"

#include "base/compiler.h"

enum { PROBE_FIRST_MS = 500, SHIFT_MAX = 30 };

static int64_t doubled(int64_t first, int64_t max, unsigned times)
{
	int64_t ms = first;
	if (times > SHIFT_MAX)
		times = SHIFT_MAX;
	while (times-- && ms < max)
		ms *= 2;
	return ms < max ? ms : max;
}

static int64_t spread(int64_t ms, uint64_t r)
{
	int64_t range = ms / 4;
	return range ? ms - range / 2 + (int64_t)(r % (uint64_t)(range + 1)) : ms;
}

int64_t backoff_retry_ms(int64_t first, int64_t max, unsigned step, uint64_t r)
{
	return spread(doubled(first, max, step), r);
}

int64_t backoff_probe_ms(int64_t max, unsigned failures, uint64_t r)
{
	return spread(doubled(PROBE_FIRST_MS < max ? PROBE_FIRST_MS : max, max, failures - 1), r);
}
