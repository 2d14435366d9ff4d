/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "lib/room/room.h"
#include "run/supervisor.h"

static int room(const char *name, const char *number)
{
	enum role role;
	uint64_t index;
	if (role_by_name(slice_str(name), &role) < 0 || slice_u64(slice_str(number), 1000, &index) < 0)
		return 2;
	return room_main(role, (unsigned)index);
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "room") == 0)
		return room(argv[2], argv[3]);
	if (argc == 3 && strcmp(argv[1], "run") == 0)
		return supervisor_main(argv[2]);
	puts("postern " POSTERN_VERSION);
	return 0;
}
