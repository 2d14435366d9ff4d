/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU time of a resolve alone, without the way to the room: resolve_load FOLDER TIMES < ADDRESSES, where FOLDER holds the
 * directory.db of a stopped instance (or a copy), and ADDRESSES is an address a line. Under valgrind --tool=callgrind it
 * says what a resolve executes; the rest is subtracted by a run with TIMES 0.
 */
#include "base/err.h"
#include "room/directory/db/engine.h"
#include "room/directory/route/route.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { NAMES_MAX = 1000000 };

static double cpu_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static size_t read_names(struct arena *a, struct slice *names)
{
	char line[512];
	size_t n = 0;
	while (n < NAMES_MAX && fgets(line, sizeof(line), stdin))
		names[n++] = arena_dup(a, slice_of(line, strcspn(line, "\n")));
	return n;
}

static bool resolves(struct engine *e, struct slice name)
{
	struct arena *a = arena_new();
	struct route_ask ask = { .address = name, .now_ms = 1 };
	struct route route;
	route_resolve(e, a, &ask, &route);
	arena_free(&a);
	return route.n_targets > 0;
}

int main(int argc, char **argv)
{
	struct arena *a = arena_new();
	struct slice *names = ARENA_ARRAY(a, struct slice, NAMES_MAX);
	struct engine *e;
	uint64_t times;
	if (argc != 3 || slice_u64(slice_str(argv[2]), UINT32_MAX, &times) < 0) {
		fprintf(stderr, "resolve_load FOLDER TIMES < ADDRESSES\n");
		return 2;
	}
	size_t n = read_names(a, names), good = 0;
	if (chdir(argv[1]) < 0 || engine_open("directory.db", &e) < 0)
		return 1;
	double start = cpu_us();
	for (uint64_t i = 0; n && i < times; i++)
		good += resolves(e, names[i % n]);
	if (times)
		printf("%.2f us each, %zu of %llu lead somewhere\n", (cpu_us() - start) / (double)times, good,
		       (unsigned long long)times);
	engine_close(&e);
	arena_free(&a);
	return 0;
}
