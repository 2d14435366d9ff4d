/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROOM_FILTER_PRIV_H
#define ROOM_FILTER_PRIV_H

#include "lib/room/room.h"

enum { FILTER_MESSAGE_MAX = 150 * 1024 * 1024 };

struct filter {
	int64_t judged, refused, limited, scripts;
};

#endif
