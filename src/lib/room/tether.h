/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The channel of a session at the account's shard, held by a room that asks nothing over it (submission, ManageSieve): it tells
 * when the login is over. Whoever lets go of it ends the session there.
 */
#ifndef LIB_ROOM_TETHER_H
#define LIB_ROOM_TETHER_H

#include <uv.h>

struct tether;

/* Owns fd. over is called once, from the loop: access was revoked, or the shard is gone. Inside it the tether may be freed. */
struct tether *tether_new(uv_loop_t *loop, int fd, void (*over)(void *ctx), void *ctx);
void tether_free(struct tether **t);	/* accepts NULL */

#endif
