/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests: a disk whose power fails. Everything written since a file's last sync is remembered, sector by sector, as it
 * was before; when the power fails, each such sector, each length and each new name is kept or lost at random, as a
 * disk and a kernel may. What is remembered lives in shared memory, so that it outlives the process that wrote.
 * A removed file counts as removed at once.
 */
#ifndef ROOM_STORE_POWER_H
#define ROOM_STORE_POWER_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SECTOR = 512, POWER_SECTORS = 40000, POWER_FILES = 200 };

struct power_sector {
	ino_t ino;
	off_t at;
	uint8_t old[SECTOR];
};
struct power_file {
	ino_t ino;
	char path[100];
	bool fresh;		/* its name is not on the disk yet */
	bool resized;
	off_t size;		/* at the last sync */
};
struct power {
	bool on;
	size_t n_sectors, n_files;
	struct power_file files[POWER_FILES];
	struct power_sector sectors[POWER_SECTORS];
};
static struct power *power;

static struct power_file *power_file(int fd)
{
	struct stat st;
	char link[40], path[200];

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return NULL;
	for (size_t i = 0; i < power->n_files; i++)
		if (power->files[i].ino == st.st_ino)
			return &power->files[i];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0 || n >= 100 || power->n_files == POWER_FILES)
		abort();
	path[n] = 0;
	struct power_file *f = &power->files[power->n_files++];
	/* Whatever was there when the power came on was added by power_on. */
	*f = (struct power_file){ .ino = st.st_ino, .fresh = true, .size = st.st_size };
	memcpy(f->path, path, (size_t)n + 1);
	return f;
}

static bool power_has(ino_t ino, off_t at)
{
	for (size_t i = power->n_sectors; i-- > 0;)
		if (power->sectors[i].ino == ino && power->sectors[i].at == at)
			return true;
	return false;
}

static void power_remember(int fd, const struct power_file *f, off_t from, off_t to)
{
	for (off_t at = from - from % SECTOR; at < to; at += SECTOR) {
		if (power_has(f->ino, at))
			continue;
		if (power->n_sectors == POWER_SECTORS)
			abort();
		struct power_sector *s = &power->sectors[power->n_sectors++];
		memset(s, 0, sizeof(*s));
		s->ino = f->ino;
		s->at = at;
		if (pread(fd, s->old, SECTOR, at) < 0)
			abort();
	}
}

static void power_write(int fd, off_t at, size_t n)
{
	struct power_file *f = power && power->on ? power_file(fd) : NULL;
	struct stat st;

	if (!f || fstat(fd, &st) < 0)
		return;
	power_remember(fd, f, at, at + (off_t)n);
	f->resized |= at + (off_t)n > st.st_size;
}

static void power_truncate(int fd, off_t size)
{
	struct power_file *f = power && power->on ? power_file(fd) : NULL;
	struct stat st;

	if (!f || fstat(fd, &st) < 0)
		return;
	power_remember(fd, f, size, st.st_size);
	f->resized |= size != st.st_size;
}

static void power_sync(int fd)
{
	struct stat st;
	size_t n = 0;

	if (!power || !power->on || fstat(fd, &st) < 0)
		return;
	if (S_ISDIR(st.st_mode)) {
		char link[40], dir[200];
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		ssize_t len = readlink(link, dir, sizeof(dir) - 1);
		for (size_t i = 0; len > 0 && i < power->n_files; i++) {
			const char *path = power->files[i].path;
			if (strncmp(path, dir, (size_t)len) == 0 && strrchr(path, '/') == path + len)
				power->files[i].fresh = false;
		}
		return;
	}
	struct power_file *f = power_file(fd);
	for (size_t i = 0; i < power->n_sectors; i++)
		if (power->sectors[i].ino != f->ino)
			power->sectors[n++] = power->sectors[i];
	power->n_sectors = n;
	f->resized = false;
	f->size = st.st_size;
}

static void power_unlink(int dir, const char *name)
{
	struct stat st;
	size_t n = 0;

	if (!power || !power->on || fstatat(dir, name, &st, 0) < 0)
		return;
	for (size_t i = 0; i < power->n_sectors; i++)
		if (power->sectors[i].ino != st.st_ino)
			power->sectors[n++] = power->sectors[i];
	power->n_sectors = n;
	for (size_t i = 0; i < power->n_files; i++)
		if (power->files[i].ino == st.st_ino)
			power->files[i--] = power->files[--power->n_files];
}

static void power_add_dir(const char *path)
{
	DIR *d = opendir(path);

	for (struct dirent *e; d && (e = readdir(d));) {
		int fd = openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC);
		struct stat st;
		if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
			power_file(fd)->fresh = false;
		if (fd >= 0)
			close(fd);
	}
	if (d)
		closedir(d);
}

/* From here on; what is in the folder and in segments/ is on the disk. */
static inline void power_on(void)
{
	if (!power)
		power = mmap(NULL, sizeof(*power), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (power == MAP_FAILED)
		abort();
	power->n_sectors = power->n_files = 0;
	power->on = true;
	power_add_dir(".");
	power_add_dir("segments");
}

/* Lose: how many of 4 unsynced things are lost. Returns how many were. */
static inline size_t power_fails(unsigned (*pick)(unsigned n), unsigned lose)
{
	size_t lost = 0;

	power->on = false;
	for (size_t i = 0; i < power->n_files; i++) {
		struct power_file *f = &power->files[i];
		if (f->fresh && pick(4) < lose) {
			unlink(f->path);
			lost++;
			continue;
		}
		int fd = open(f->path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		for (size_t k = 0; k < power->n_sectors; k++) {
			const struct power_sector *s = &power->sectors[k];
			if (s->ino != f->ino || pick(4) >= lose)
				continue;
			struct stat st;
			fstat(fd, &st);
			size_t n = s->at >= st.st_size ? 0 : st.st_size - s->at < SECTOR ? (size_t)(st.st_size - s->at) : SECTOR;
			lost += syscall(SYS_pwrite64, fd, s->old, n, s->at) > 0;
		}
		if (f->resized && pick(4) < lose)
			lost += syscall(SYS_ftruncate, fd, f->size) == 0;
		close(fd);
	}
	return lost;
}

#endif
