/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two clocks, read in one place. Whoever decides something by the time takes it as a parameter; only the
 * edges of a room call these.
 *
 * Two environment variables, for tests only, move the wall clock: POSTERN_CLOCK_OFFSET is a number of seconds;
 * POSTERN_CLOCK_FILE names a file of eight bytes, milliseconds as int64_t, that whoever runs the test may write
 * at any time.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

void clock_setup(void);		/* reads the two variables; before a sandbox closes, and never needed elsewhere */
int64_t clock_wall_ms(void);	/* since 1970-01-01 UTC; may jump */
int64_t clock_mono_ms(void);	/* since some start; never goes back */

/* Rooms tell each other 0 for a date that nobody gave: the epoch itself is told as its second millisecond. */
static inline int64_t clock_given(int64_t ms)
{
	return ms ? ms : 1;
}

#endif
