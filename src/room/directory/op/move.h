/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROOM_DIRECTORY_OP_MOVE_H
#define ROOM_DIRECTORY_OP_MOVE_H

#include "room/directory/op/admin.h"

/* Answers with how far the domain's copy is. */
void move_give(struct admin *ad, unsigned status, const struct domain *d);

#endif
