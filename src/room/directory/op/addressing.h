/* SPDX-License-Identifier: Apache-2.0 */
/* For domain.c: the part of a domain that addressing.h keeps. */
#ifndef ROOM_DIRECTORY_OP_ADDRESSING_H
#define ROOM_DIRECTORY_OP_ADDRESSING_H

#include "ipc/store.pb-c.h"
#include "room/directory/op/admin.h"
#include "room/directory/noun/candidate.h"

bool op_addressing_named(const struct admin *ad);	/* is one of its fields there? */
NODISCARD int op_addressing_take(struct admin *ad, const struct domain *d, struct addressing *x);
/* Inside the transaction. */
NODISCARD int op_addressing_save(struct admin *ad, const struct domain *d, struct addressing *x);
/* The area at its shard, with its size; fn behind it. */
void op_addressing_tell(struct admin *ad, const struct addressing *x, void (*fn)(void *ctx), void *ctx);
void op_addressing_json(json_t *j, const struct addressing *x, const struct candidate_sum *sum);

#endif
