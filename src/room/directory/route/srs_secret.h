/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The secrets that rewritten senders are signed with (proto/mail/srs.h): a new one every SRS_TURN_DAYS, and those of before
 * as long as an address of theirs may come back.
 */
#ifndef ROOM_DIRECTORY_SRS_SECRET_H
#define ROOM_DIRECTORY_SRS_SECRET_H

#include "proto/mail/srs.h"
#include "room/directory/db/engine.h"

enum { SRS_TURN_DAYS = 30 };

/* A first one where there is none, a new one where it is time, and away with what is too old. */
NODISCARD int srs_secrets_turn(struct engine *e, int64_t now_ms);
NODISCARD int srs_secrets_get(struct engine *e, struct srs_secrets *ret);

#endif
