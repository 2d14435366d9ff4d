/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"

#include "base/compiler.h"

#include <errno.h>
#include <sys/random.h>

void rng_bytes(void *p, size_t n)
{
	uint8_t *at = p;
	while (n) {
		ssize_t got = getrandom(at, n, 0);
		if (got < 0 && errno == EINTR)
			continue;
		bug_if(got <= 0);
		at += got;
		n -= (size_t)got;
	}
}

uint64_t rng_u64(void)
{
	uint64_t v;
	rng_bytes(&v, sizeof(v));
	return v;
}
