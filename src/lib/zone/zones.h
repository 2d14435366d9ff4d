/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The time zones of the machine (package tzdata), read once, before a room's sandbox, because they are files. A
 * process-wide table; rooms have one thread. A machine without them knows UTC alone.
 */
#ifndef LIB_ZONE_ZONES_H
#define LIB_ZONE_ZONES_H

#include "base/zone.h"

enum { ZONE_NAME_MAX = 64 };

unsigned zones_load(void);	/* how many there are; more calls do nothing */

/* "Europe/Berlin", as it is written there; NULL where it is not known. "UTC" is always known. */
const struct zone *zones_find(struct slice name);

/* Minutes east of UTC; 0 where the name is not known. */
int zones_minutes(struct slice name, int64_t ms);

#endif
