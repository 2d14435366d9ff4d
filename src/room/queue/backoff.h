/* SPDX-License-Identifier: Apache-2.0 */
/* When to try again; pure functions of numbers, so that a test can read them off. */
#ifndef ROOM_QUEUE_BACKOFF_H
#define ROOM_QUEUE_BACKOFF_H

#include <stdint.h>

/* The pause before retry number step (0: the first): first, doubled each time, at most max; spread by up to an
 * eighth either way, so that mail that came together does not come back together. random: any 64 bits. */
int64_t backoff_retry_ms(int64_t first, int64_t max, unsigned step, uint64_t random);

/* The pause before the next trial of a destination that took no session failures times in a row (>= 1):
 * from half a second, doubled, at most max, spread by an eighth. */
int64_t backoff_probe_ms(int64_t max, unsigned failures, uint64_t random);

#endif
