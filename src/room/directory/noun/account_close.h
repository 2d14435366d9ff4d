/* SPDX-License-Identifier: Apache-2.0 */
/* Taking an account away without losing mail by it. */
#ifndef ROOM_DIRECTORY_ACCOUNT_CLOSE_H
#define ROOM_DIRECTORY_ACCOUNT_CLOSE_H

#include "room/directory/directory_priv.h"

/* 0: it was empty, and its shard has forgotten it: the rows are the caller's to take away, if it still finds that they may go;
 * else account_reopen. ERR_CONFLICT: it goes on as it was, with so many messages. ERR_UNAVAILABLE. */
typedef void account_closed_fn(void *ctx, int err, uint64_t messages);
void account_close_empty(struct directory *d, const struct account *x, account_closed_fn *fn, void *ctx);
/* It stays after all, empty; nothing where it is not closing any more. */
void account_reopen(struct directory *d, uint64_t id);

/* The refusal of whoever would lose mail: ERR_CONFLICT. */
int account_holds_mail(struct problem *why, const char *field, struct slice address, uint64_t messages);

#endif
