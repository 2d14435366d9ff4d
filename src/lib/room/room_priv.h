/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_ROOM_ROOM_PRIV_H
#define LIB_ROOM_ROOM_PRIV_H

#include "base/list.h"
#include "lib/room/room.h"

enum { PEERS_MAX = 64 };

struct peers;

/* The channels to serving rooms, and the calls that are on their way over them. */
struct peers *peers_new(uv_loop_t *loop);
void peers_free(struct peers **p); /* without channels and calls; the memory once the loop has turned */
void peers_add(struct peers *p, struct ipc_chan *chan);		/* takes the place of a dead one */
void peers_gone(struct peers *p, struct ipc_chan *chan);
struct peer_call *peers_call(struct peers *p, enum role role, unsigned index, const struct ipc_contract *contract,
			     uint16_t op, const ProtobufCMessage *req, const int *fds, size_t n_fds,
			     unsigned deadline_ms, ipc_reply_fn *fn, void *ctx);
struct ipc_chan *peers_find(struct peers *p, enum role role, unsigned index);
size_t peers_waiting(const struct peers *p);

/* The contract that a role serves; NULL for those that serve none. */
const struct ipc_contract *contract_of(enum role role);

#endif
