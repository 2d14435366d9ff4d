/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_SANDBOX_SANDBOX_PRIV_H
#define LIB_SANDBOX_SANDBOX_PRIV_H

#include "lib/sandbox/sandbox.h"

/* The SANDBOX_ bits decide what is allowed. -errno where the kernel has no seccomp. */
NODISCARD int seccomp_enter(unsigned what);

/* No file at all, or only those under disk. -ENOSYS, -EOPNOTSUPP where the kernel has no Landlock. */
NODISCARD int landlock_enter(unsigned what, const char *disk);
int landlock_abi(void);	/* 0: none */

#endif
