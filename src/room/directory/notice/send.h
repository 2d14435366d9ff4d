/* SPDX-License-Identifier: Apache-2.0 */
/* The pump: waiting notices become queued mail. */
#ifndef ROOM_DIRECTORY_NOTICE_SEND_H
#define ROOM_DIRECTORY_NOTICE_SEND_H

#include "room/directory/directory_priv.h"

void notices_start(struct directory *d);
/* Sends what waits; harmless at any time. */
void notices_kick(struct directory *d);
/* Jobs of timer.c: ctx is the struct directory. Trimming removes what notices.keep no longer covers. */
void notices_job_send(void *ctx, int64_t now_ms);
void notices_job_trim(void *ctx, int64_t now_ms);

#endif
