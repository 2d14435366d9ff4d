/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROOM_DIRECTORY_SCHEMA_H
#define ROOM_DIRECTORY_SCHEMA_H

#include <stddef.h>

extern const char *const directory_migrations[];
extern const size_t directory_n_migrations;

#endif
