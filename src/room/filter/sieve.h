/* SPDX-License-Identifier: Apache-2.0 */
/* Rules over a message: the request (sieve.c) and the reply that vacation sends (vacation.c). */
#ifndef ROOM_FILTER_SIEVE_H
#define ROOM_FILTER_SIEVE_H

#include "ipc/filter.pb-c.h"
#include "lib/ipc/ipc.h"
#include "proto/sieve/sieve.h"

void on_sieve(struct ipc_call *call, void *ctx);

/* message, once_key, once_seconds and the address that answers; a is a SIEVE_VACATION. All in the arena. */
void vacation_fill(struct arena *arena, const struct sieve_env *env, const char *host, const struct sieve_action *a,
		   Postern__SieveAction *out);

#endif
