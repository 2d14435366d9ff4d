/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a zone file: offsets stay in their range, and local times find a moment. */
#include "base/zone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int64_t times[] = { INT64_MIN, -62135596800000, -1, 0, 1795319400000, 4102444800000, 253402300799000,
					 INT64_MAX };
	struct zone z;
	if (zone_parse(slice_of(data, size), &z) < 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		int m = zone_minutes(&z, times[i]);
		bug_if(m < -26 * 60 || m > 26 * 60);
	}
	IGNORE(zone_to_utc(&z, 1795319400000) == 0, "any moment will do");
	return 0;
}
