/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two clocks, read in one place. Whoever decides something by the time takes
 * it as a parameter; only the edges of a room call these. The environment
 * variable POSTERN_CLOCK_OFFSET (seconds, tests only) is added to the wall clock.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

int64_t clock_wall_ms(void);	/* since 1970-01-01 UTC; may jump */
int64_t clock_mono_ms(void);	/* since some start; never goes back */

#endif
