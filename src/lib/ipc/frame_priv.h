/* SPDX-License-Identifier: Apache-2.0 */
/* The frame's head on the wire, and its check; docs/formats/frames.md. */
#ifndef LIB_IPC_FRAME_PRIV_H
#define LIB_IPC_FRAME_PRIV_H

#include "lib/ipc/ipc.h"

#define FRAME_MAGIC 0x31467350u /* "PsF1" */

enum frame_kind { FRAME_REQUEST = 1, FRAME_REPLY = 2, FRAME_NOTICE = 3 };

struct frame_head {
	uint32_t magic;
	uint16_t op;
	uint8_t kind;
	uint8_t n_fds;
	uint64_t id;
	int32_t err;
	uint32_t zero;
};
_Static_assert(sizeof(struct frame_head) == 24, "the head has no padding");

/* Takes a packet apart for the end that serves (or not) contract, from a peer of that role. ERR_SYNTAX
 * where anything is off: size, magic, kind, operation, direction, sender, number of fds. */
NODISCARD int frame_parse(struct slice packet, size_t n_fds, const struct ipc_contract *contract, bool serves,
			  enum role peer, struct frame_head *ret, struct slice *ret_payload);

#endif
