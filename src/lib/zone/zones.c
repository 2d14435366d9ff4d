/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/zone/zones.h"

#include "base/map.h"

#include <fcntl.h>
#include <ftw.h>

enum { FILE_BYTES_MAX = 64 * 1024, OPEN_MAX_FDS = 8 };

#define FOLDER "/usr/share/zoneinfo"

static struct map *table;

static bool wanted(const char *name)
{
	static const char *const leave_out[] = { "posix/", "right/", "posixrules", "localtime" };
	for (size_t i = 0; i < ARRAY_SIZE(leave_out); i++) {
		if (strncmp(name, leave_out[i], strlen(leave_out[i])) == 0)
			return false;
	}
	return strlen(name) <= ZONE_NAME_MAX;
}

/* The file's bytes belong to the table from here on. */
static void take_file(const char *path, const char *name)
{
	uint8_t *bytes = malloc(FILE_BYTES_MAX);
	struct zone *z = calloc(1, sizeof(*z));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bug_if(!bytes || !z);
	ssize_t n = fd < 0 ? -1 : read(fd, bytes, FILE_BYTES_MAX);
	if (fd >= 0)
		close(fd);
	uint8_t *fit = n > 0 ? realloc(bytes, (size_t)n) : NULL;
	bytes = fit ? fit : bytes;
	if (n <= 0 || zone_parse(slice_of(bytes, (size_t)n), z) < 0 || map_get(table, slice_str(name))) {
		free(bytes);
		free(z);
		return;
	}
	map_put(table, slice_str(name), z);
}

static int on_file(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	const char *name = path + strlen(FOLDER) + 1;
	if ((kind == FTW_F || kind == FTW_SL) && st->st_size <= FILE_BYTES_MAX && wanted(name))
		take_file(path, name);
	return 0;
}

unsigned zones_load(void)
{
	if (!table) {
		table = map_new();
		IGNORE(nftw(FOLDER, on_file, OPEN_MAX_FDS, FTW_PHYS), "what is not there is not known");
	}
	return (unsigned)map_count(table);
}

const struct zone *zones_find(struct slice name)
{
	static const struct zone utc = { .types = { (const uint8_t *)"\0\0\0\0\0\0", 6 } };
	const struct zone *z = table ? map_get(table, name) : NULL;
	return z || !slice_eq(name, SLICE("UTC")) ? z : &utc;
}

int zones_minutes(struct slice name, int64_t ms)
{
	const struct zone *z = zones_find(name);
	return z ? zone_minutes(z, ms) : 0;
}
