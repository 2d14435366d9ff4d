/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Message bodies between rooms: an anonymous file, written once, sealed (no
 * write, no grow, no shrink), read by mmap or pread on the other side. A receiver
 * calls memfd_check before it maps: an unsealed one could change or shrink under it.
 */
#ifndef LIB_IPC_MEMFD_H
#define LIB_IPC_MEMFD_H

#include "base/slice.h"

NODISCARD int memfd_new(const char *name, int *ret_fd);		/* close-on-exec, sealable, empty */
NODISCARD int memfd_write(int fd, struct slice s);		/* appends all; ERR_FULL, errno */
NODISCARD int memfd_seal(int fd);
NODISCARD int memfd_of(const char *name, struct slice s, int *ret_fd);
/* Both, one behind the other. */
NODISCARD int memfd_join(const char *name, struct slice front, struct slice rest, int *ret_fd);	/* new, written, sealed */

/* ERR_INVALID where it is no sealed memfd, ERR_TOO_BIG past max; else its size. */
NODISCARD int memfd_check(int fd, uint64_t max, uint64_t *ret_size);

/* Checked and mapped, or copied where it is small; not to be written to. memfd_unmap when done, with the slice as it was
 * given. An empty one gives an empty slice. */
NODISCARD int memfd_map(int fd, uint64_t max, struct slice *ret);
void memfd_unmap(struct slice *s);

#endif
