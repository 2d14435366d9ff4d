/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the clocks of a place show: the bytes of a file of the time zone database (RFC 8536, TZif version 2 and later),
 * read where they lie. Offsets are minutes east of UTC.
 */
#ifndef BASE_ZONE_H
#define BASE_ZONE_H

#include "base/slice.h"

struct zone {
	struct slice times, kinds, types;	/* transitions (8 bytes each), their types, and 6 bytes a type */
	struct slice rule;			/* POSIX TZ for what comes behind the last transition; may be empty */
};

/* ret points into tzif. ERR_SYNTAX where the bytes are no such file. */
NODISCARD int zone_parse(struct slice tzif, struct zone *ret);

/* At ms since 1970-01-01 UTC. Any zone that was parsed gives something between -26 and +26 hours. */
int zone_minutes(const struct zone *z, int64_t ms);

/* The moment that the clock of the place shows local_ms (counted as if it were UTC). An hour that comes twice means
 * its first time; one that is left out, the moment when the clock is set on. */
int64_t zone_to_utc(const struct zone *z, int64_t local_ms);

#endif
