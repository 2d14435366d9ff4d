/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include "base/err.h"
#include "base/slice.h"

static int64_t offset_ms(void)
{
	static int64_t offset = -1;
	if (offset < 0) {
		uint64_t s = 0;
		const char *env = getenv("POSTERN_CLOCK_OFFSET");
		if (!env || slice_u64(slice_str(env), UINT64_C(1) << 40, &s) < 0)
			s = 0;
		offset = (int64_t)s * 1000;
	}
	return offset;
}

static int64_t read_ms(clockid_t id)
{
	struct timespec ts;
	bug_if(clock_gettime(id, &ts) < 0);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t clock_wall_ms(void)
{
	return read_ms(CLOCK_REALTIME) + offset_ms();
}

int64_t clock_mono_ms(void)
{
	return read_ms(CLOCK_MONOTONIC);
}
