/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens here by the wall clock. A job is a function of its own file and one row in timer.c; it is called
 * with the room's clock, begins and ends its own transactions, and is harmless to repeat. Jobs that ran are
 * remembered in the database, but for those of less than an hour.
 */
#ifndef ROOM_DIRECTORY_TIMER_H
#define ROOM_DIRECTORY_TIMER_H

#include "lib/room/timers.h"
#include "room/directory/directory_priv.h"

void timer_init(struct directory *d);
void timer_tick(struct directory *d, int64_t now_ms);

#endif
