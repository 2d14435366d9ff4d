/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/ipc/memfd.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum {
	SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE,
	COPY_MAX = 64 << 10,	/* up to here a copy costs less than a mapping, its page faults and its end */
};

int memfd_new(const char *name, int *ret_fd)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return ERR_OK;
}

int memfd_write(int fd, struct slice s)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == ENOSPC ? ERR_FULL : -errno;
		s = slice_sub(s, (size_t)n, s.n);
	}
	return ERR_OK;
}

int memfd_seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS, SEALS) < 0 ? -errno : ERR_OK;
}

int memfd_of(const char *name, struct slice s, int *ret_fd)
{
	return memfd_join(name, slice_of(NULL, 0), s, ret_fd);
}

int memfd_join(const char *name, struct slice front, struct slice rest, int *ret_fd)
{
	int fd, err = memfd_new(name, &fd);
	if (err < 0)
		return err;
	if (front.n)
		err = memfd_write(fd, front);
	if (err == 0)
		err = memfd_write(fd, rest);
	if (err == 0)
		err = memfd_seal(fd);
	if (err < 0) {
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return ERR_OK;
}

int memfd_check(int fd, uint64_t max, uint64_t *ret_size)
{
	struct stat st;
	/* Only a memfd answers F_GET_SEALS, so a plain file or a device is refused here too. */
	int seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & (F_SEAL_SHRINK | F_SEAL_WRITE | F_SEAL_GROW)) !=
				 (F_SEAL_SHRINK | F_SEAL_WRITE | F_SEAL_GROW))
		return ERR_INVALID;
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size > max)
		return ERR_TOO_BIG;
	*ret_size = (uint64_t)st.st_size;
	return ERR_OK;
}

static int copy(int fd, size_t size, struct slice *ret)
{
	uint8_t *p = malloc(size);
	bug_if(!p);
	for (size_t have = 0; have < size;) {
		ssize_t n = pread(fd, p + have, size - have, (off_t)have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {	/* sealed at this size, and in memory: a bug of ours or of the kernel */
			free(p);
			return ERR_INTERNAL;
		}
		have += (size_t)n;
	}
	*ret = slice_of(p, size);
	return ERR_OK;
}

int memfd_map(int fd, uint64_t max, struct slice *ret)
{
	uint64_t size = 0;
	int err = memfd_check(fd, max, &size);
	if (err < 0)
		return err;
	void *p = NULL;
	if (size && size <= COPY_MAX)
		return copy(fd, size, ret);
	if (size) {
		p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p == MAP_FAILED)
			return -errno;
	}
	*ret = slice_of(p, size);
	return ERR_OK;
}

void memfd_unmap(struct slice *s)
{
	if (s->n > COPY_MAX)
		munmap((void *)s->p, s->n);
	else if (s->n)
		free((void *)s->p);
	*s = slice_of(NULL, 0);
}
