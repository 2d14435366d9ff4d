/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes of the kernel; never fails once the machine has booted, aborts otherwise. */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

void rng_bytes(void *p, size_t n);
uint64_t rng_u64(void);

#endif
