/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One place that decides whether a packet may be: a compromised room can send
 * anything, so nothing is looked at before this said yes.
 */
#include "lib/ipc/frame_priv.h"

#include "base/err.h"

static bool fds_fit(const struct ipc_op *op, const struct frame_head *head, size_t n_fds)
{
	if (head->n_fds != n_fds)
		return false;
	switch (head->kind) {
	case FRAME_REPLY:
		return n_fds == 0 || (n_fds == 1 && head->err == 0 && (op->flags & IPC_REPLY_FD));
	default:
		if (op->flags & IPC_REQUEST_FD)
			return n_fds >= 1;
		return n_fds == 0 || (op->flags & IPC_REQUEST_MAY_FD);
	}
}

static bool direction_fits(const struct ipc_op *op, const struct frame_head *head, bool serves, enum role peer)
{
	bool back = op->flags & (IPC_NOTIFY_BACK | IPC_BACK);
	bool notice = op->flags & (IPC_NOTIFY | IPC_NOTIFY_BACK);
	switch (head->kind) {
	case FRAME_REQUEST:
		return !notice && serves != back && (op->callers & ROLE_BIT(peer)) && head->id;
	case FRAME_NOTICE:
		return notice && serves != back && (op->callers & ROLE_BIT(peer));
	case FRAME_REPLY:
		return !notice && serves == back && head->id && head->err <= 0;
	default:
		return false;
	}
}

int frame_parse(struct slice packet, size_t n_fds, const struct ipc_contract *contract, bool serves,
		enum role peer, struct frame_head *ret, struct slice *ret_payload)
{
	struct frame_head head;
	if (packet.n < sizeof(head) || packet.n > IPC_FRAME_MAX)
		return ERR_SYNTAX;
	memcpy(&head, packet.p, sizeof(head));
	if (head.magic != FRAME_MAGIC || head.zero != 0 || head.op == 0 || head.op >= contract->n_ops)
		return ERR_SYNTAX;
	const struct ipc_op *op = &contract->ops[head.op];
	if (!op->name || !direction_fits(op, &head, serves, peer) || !fds_fit(op, &head, n_fds))
		return ERR_SYNTAX;
	*ret = head;
	*ret_payload = slice_sub(packet, sizeof(head), packet.n);
	return ERR_OK;
}
