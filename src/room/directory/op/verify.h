/* SPDX-License-Identifier: Apache-2.0 */
/* Somebody shows a password beside what he asks for. */
#ifndef ROOM_DIRECTORY_OP_VERIFY_H
#define ROOM_DIRECTORY_OP_VERIFY_H

#include "room/directory/login/person.h"
#include "room/directory/login/second.h"
#include "room/directory/op/admin.h"

/* Is the field "password" that of this person? It counts like a login; a wrong one is refused here, with a right one fn
 * goes on, later. Nobody (holder 0) takes as long, as whom he named himself. The password alone makes no network known
 * of who has a second factor. */
typedef void admin_verified_fn(struct admin *ad);
void admin_verify(struct admin *ad, const struct person *p, struct slice named, admin_verified_fn *fn);

/* Refuses with the problem that is set, held back as the refusal of a login is (limiter.h). */
void admin_refuse_late(struct admin *ad, int err, unsigned delay_ms);

/* Refusals of a second factor. field: how the operation calls it. */
NODISCARD int admin_second_wanted(struct admin *ad, const char *field);
NODISCARD int admin_second_wrong(struct admin *ad, const char *field);

#endif
