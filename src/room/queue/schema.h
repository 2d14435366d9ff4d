/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROOM_QUEUE_SCHEMA_H
#define ROOM_QUEUE_SCHEMA_H

#include <stddef.h>

extern const char *const queue_migrations[];
extern const size_t queue_n_migrations;

#endif
