/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine under an instance is like: clock, disk, limits, memory, what the kernel can lock
 * away. */
#include "cli/doctor.h"

#include "base/clock.h"
#include "base/err.h"
#include "lib/sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/timex.h>

enum {
	PATH_SPACE = 4096,
	SYNCS = 20,
	SYNC_SUSPECT_US = 15, /* no disk is that fast: something only pretends to write */
	SYNC_SLOW_US = 50 * 1000,
	SYNC_WRONG_US = 1000 * 1000,
	FILES_WANTED = 65536,
	FILES_NEEDED = 4096,
};

#define MIB (1024ull * 1024)
static const int64_t year_2026_ms = 1767225600000;

void doctor_clock(struct doctor *d)
{
	struct timex t = { 0 };
	int state = adjtimex(&t);
	if (clock_wall_ms() < year_2026_ms)
		doctor_say(d, "clock", FINDING_WRONG,
			   "the clock shows a time before this program was written");
	else if (state < 0)
		doctor_say(d, "clock", FINDING_NOTE,
			   "the kernel does not say whether the clock is synchronised");
	else if (state == TIME_ERROR || (t.status & STA_UNSYNC))
		doctor_say(d, "clock", FINDING_NOTE,
			   "the clock is not synchronised: run chrony or systemd-timesyncd");
	else
		doctor_say(d, "clock", FINDING_OK,
			   "the clock is synchronised, error at most %ld ms", t.maxerror / 1000);
}

static int64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

/* The median time of a write that must be on the disk; an unnamed file, so nothing is left behind.
 */
static int time_syncs(const char *dir, int64_t *ret_us)
{
	char path[PATH_SPACE];
	uint8_t block[4096] = { 0 };
	int64_t times[SYNCS];
	int err = 0;
	snprintf(path, sizeof(path), "%s/data", dir);
	int fd = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < SYNCS && err == 0; i++) {
		int64_t start = now_us();
		if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block) || fdatasync(fd) < 0)
			err = errno ? -errno : ERR_FULL;
		times[i] = now_us() - start;
	}
	close(fd);
	if (err < 0)
		return err;
	qsort(times, SYNCS, sizeof(times[0]), by_value);
	*ret_us = times[SYNCS / 2];
	return 0;
}

static void check_sync(struct doctor *d)
{
	int64_t us = 0;
	int err = time_syncs(d->dir, &us);
	if (err == -EACCES || err == -EPERM)
		doctor_say(d, "disk", FINDING_NOTE,
			   "no right to write to %s/data: the disk was not tried", d->dir);
	else if (err == -EOPNOTSUPP)
		doctor_say(d, "disk", FINDING_NOTE,
			   "the file system below %s has no unnamed files: syncs were not timed",
			   d->dir);
	else if (err < 0)
		doctor_say(d, "disk", FINDING_WRONG, "writing below %s/data fails: %s", d->dir,
			   err_said(err));
	else if (us < SYNC_SUSPECT_US)
		doctor_say(d, "disk", FINDING_NOTE,
			   "a sync takes %jd us, faster than any disk: does it lose what it said "
			   "it wrote?",
			   (intmax_t)us);
	else
		doctor_say(d, "disk",
			   us > SYNC_WRONG_US  ? FINDING_WRONG
			   : us > SYNC_SLOW_US ? FINDING_NOTE
					       : FINDING_OK,
			   us > SYNC_SLOW_US
				   ? "a sync takes %jd.%jd ms, which is slow: every accepted message waits for one"
				   : "a sync takes %jd.%jd ms",
			   (intmax_t)(us / 1000), (intmax_t)(us / 100 % 10));
}

void doctor_disk(struct doctor *d)
{
	struct statvfs s;
	struct buf text = BUF_INIT(64);
	check_sync(d);
	if (statvfs(d->dir, &s) < 0) {
		doctor_say(d, "disk", FINDING_WRONG, "%s: %s", d->dir, err_said(-errno));
		return;
	}
	uint64_t free_bytes = (uint64_t)s.f_bavail * s.f_frsize,
		 all = (uint64_t)s.f_blocks * s.f_frsize;
	show_bytes(free_bytes, &text);
	doctor_say(d, "disk",
		   free_bytes < 100 * MIB  ? FINDING_WRONG
		   : free_bytes < all / 20 ? FINDING_NOTE
					   : FINDING_OK,
		   "%sB are free", buf_cstr(&text));
	if (s.f_files && s.f_favail < 10000)
		doctor_say(d, "disk", FINDING_NOTE,
			   s.f_favail == 1 ? "only %ju more file fits" : "only %ju more files fit",
			   (uintmax_t)s.f_favail);
	buf_fini(&text);
}

void doctor_limits(struct doctor *d)
{
	struct rlimit l;
	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return;
	doctor_say(d, "limits",
		   l.rlim_max < FILES_NEEDED   ? FINDING_WRONG
		   : l.rlim_max < FILES_WANTED ? FINDING_NOTE
					       : FINDING_OK,
		   l.rlim_max < FILES_WANTED
			   ? "a process may open %ju files: that bounds the connections (LimitNOFILE=)"
			   : "a process may open %ju files",
		   (uintmax_t)l.rlim_max);
}

static uint64_t meminfo(const char *name)
{
	char line[256];
	uint64_t kib = 0;
	FILE *f = fopen("/proc/meminfo", "re");
	while (f && fgets(line, sizeof(line), f)) {
		struct slice s = slice_str(line);
		if (!slice_starts(s, slice_str(name)))
			continue;
		s = slice_trim(slice_sub(s, strlen(name) + 1, s.n));
		ptrdiff_t end = slice_find_byte(s, ' ', 0);
		IGNORE(slice_u64(slice_sub(s, 0, end < 0 ? s.n : (size_t)end), UINT64_MAX >> 10,
				 &kib),
		       "0: unknown");
		break;
	}
	if (f)
		fclose(f);
	return kib << 10;
}

void doctor_memory(struct doctor *d)
{
	uint64_t available = meminfo("MemAvailable");
	struct buf text = BUF_INIT(64);
	if (!available)
		return;
	show_bytes(available, &text);
	doctor_say(d, "memory",
		   available < 128 * MIB   ? FINDING_WRONG
		   : available < 512 * MIB ? FINDING_NOTE
					   : FINDING_OK,
		   "%sB are available", buf_cstr(&text));
	buf_fini(&text);
}

void doctor_sandbox(struct doctor *d)
{
	const char *features = sandbox_features();
	bool seccomp = strstr(features, "seccomp") != NULL,
	     landlock = strstr(features, "landlock") != NULL;
	if (!*features)
		doctor_say(d, "sandbox", FINDING_WRONG, "the kernel offers nothing to lock a room in");
	else
		doctor_say(d, "sandbox",
			   !seccomp    ? FINDING_WRONG
			   : !landlock ? FINDING_NOTE
				       : FINDING_OK,
			   seccomp && !landlock
				   ? "the kernel offers %s; without Landlock rooms see files that they do not need"
				   : "the kernel offers %s",
			   features);
}
