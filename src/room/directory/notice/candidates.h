/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROOM_DIRECTORY_NOTICE_CANDIDATES_H
#define ROOM_DIRECTORY_NOTICE_CANDIDATES_H

#include "room/directory/db/engine.h"

/* Job by time: a domain's admins hear of new candidates. In a transaction of its own. */
void candidates_tell(struct engine *e, int64_t now_ms);

#endif
