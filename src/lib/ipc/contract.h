/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may be said on a channel: a table of operations with the message types of
 * request and reply and the roles that may send each. One contract a serving
 * room (src/ipc/NAME.proto with src/ipc/NAME_contract.c). A frame whose operation,
 * direction, sender or payload does not fit the table ends the channel.
 */
#ifndef LIB_IPC_CONTRACT_H
#define LIB_IPC_CONTRACT_H

#include "lib/ipc/role.h"

#include <protobuf-c/protobuf-c.h>

enum {
	IPC_NOTIFY = 1,		/* no reply; from the caller to the server */
	IPC_NOTIFY_BACK = 2,	/* no reply; from the server to the caller */
	IPC_RETRY = 4,		/* the same request twice is harmless: sent again when a crashed peer is back */
	IPC_REQUEST_FD = 8,	/* the request must carry an fd */
	IPC_REPLY_FD = 16,	/* the reply may carry an fd */
	IPC_BACK = 32,		/* a request from the server to the caller (control channel only) */
	IPC_REQUEST_MAY_FD = 64, /* the request may carry fds */
};

struct ipc_op {
	const char *name;	/* "store.deliver", for events */
	const ProtobufCMessageDescriptor *request, *reply;	/* reply NULL for notifications */
	unsigned flags;
	uint32_t callers;	/* ROLE_BIT of each role that may send it */
};

struct ipc_contract {
	const char *name;
	const struct ipc_op *ops;	/* indexed by operation; ops[0] is empty */
	size_t n_ops;
};

extern const struct ipc_contract control_contract, directory_contract, auth_contract,
	filter_contract, store_contract, session_contract, queue_contract, relay_contract,
	mover_contract;

#endif
