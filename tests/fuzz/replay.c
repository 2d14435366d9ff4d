/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target without libFuzzer: every seed file as it is, every prefix of the small ones, and a
 * bounded number of mutations from a fixed generator, so that a failure repeats.
 * Usage: fuzz_NAME SEED-DIR [MUTATIONS]
 */
#include "base/slice.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEED_MAX = 1 << 20, PREFIX_MAX = 512 };

static uint64_t state = 0x9e3779b97f4a7c15u;

static uint64_t next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void run_copy(const uint8_t *p, size_t n)
{
	/* An exact heap copy, so that reading one byte past the end is seen. */
	uint8_t *copy = malloc(n ? n : 1);
	bug_if(!copy);
	if (n)
		memcpy(copy, p, n);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

static void mutate(const uint8_t *seed, size_t n)
{
	uint8_t *p = malloc(n + 64);
	bug_if(!p);
	memcpy(p, seed, n);
	for (uint64_t k = 1 + next() % 4; k; k--) {
		size_t at = n ? next() % n : 0;
		switch (next() % 4) {
		case 0:
			if (n)
				p[at] = (uint8_t)next();
			break;
		case 1:
			if (n)
				p[at] ^= (uint8_t)(1u << next() % 8);
			break;
		case 2: /* insert */
			if (n < SEED_MAX) {
				memmove(p + at + 1, p + at, n - at);
				p[at] = "\r\n \"(){}\\<>@;:.*%&+="[next() % 21];
				n++;
			}
			break;
		default: /* cut a run out */
			if (n) {
				size_t len = next() % (n - at) % 16;
				memmove(p + at, p + at + len, n - at - len);
				n -= len;
			}
		}
	}
	run_copy(p, n);
	free(p);
}

int main(int argc, char **argv)
{
	uint64_t mutations = 0;
	if (argc < 2 || (argc > 2 && slice_u64(slice_str(argv[2]), UINT64_MAX, &mutations) < 0))
		return 2;
	DIR *dir = opendir(argv[1]);
	if (!dir) {
		perror(argv[1]);
		return 1;
	}
	uint8_t *seed = malloc(SEED_MAX);
	bug_if(!seed);
	size_t seeds = 0;
	for (struct dirent *e; (e = readdir(dir));) {
		int fd = openat(dirfd(dir), e->d_name, O_RDONLY);
		struct stat st;
		if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
			if (fd >= 0)
				close(fd);
			continue;
		}
		ssize_t n = read(fd, seed, SEED_MAX);
		close(fd);
		if (n < 0)
			continue;
		seeds++;
		run_copy(seed, (size_t)n);
		for (size_t cut = 0; cut < (size_t)n && cut < PREFIX_MAX; cut++)
			run_copy(seed, cut);
		for (uint64_t m = 0; m < mutations; m++)
			mutate(seed, (size_t)n);
	}
	closedir(dir);
	free(seed);
	printf("%zu seeds\n", seeds);
	return seeds ? 0 : 1;
}
