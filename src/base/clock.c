/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include "base/err.h"
#include "base/slice.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

/* Mapped once and read at every call, so that a test moves all rooms at the same moment. */
static const volatile int64_t *map_offset(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	void *p = MAP_FAILED;
	if (lseek(fd, 0, SEEK_END) >= (off_t)sizeof(int64_t))
		p = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	return p == MAP_FAILED ? NULL : p;
}

static int64_t offset_ms(void)
{
	static const volatile int64_t *mapped;
	static int64_t offset = -1;
	if (offset < 0) {
		uint64_t s = 0;
		const char *env = getenv("POSTERN_CLOCK_OFFSET"), *path = getenv("POSTERN_CLOCK_FILE");
		if (!env || slice_u64(slice_str(env), UINT64_C(1) << 40, &s) < 0)
			s = 0;
		offset = (int64_t)s * 1000;
		mapped = path ? map_offset(path) : NULL;
	}
	return offset + (mapped ? *mapped : 0);
}

static int64_t read_ms(clockid_t id)
{
	struct timespec ts;
	bug_if(clock_gettime(id, &ts) < 0);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void clock_setup(void)
{
	(void)offset_ms();
}

int64_t clock_wall_ms(void)
{
	return read_ms(CLOCK_REALTIME) + offset_ms();
}

int64_t clock_mono_ms(void)
{
	return read_ms(CLOCK_MONOTONIC);
}
