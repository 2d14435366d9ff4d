/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A channel between two rooms: one SOCK_SEQPACKET socket, one packet a frame
 *
 *   u32 magic "PsF1" | u16 op | u8 kind | u8 n_fds | u64 id | i32 err | u32 zero | protobuf
 *
 * (little endian; docs/formats/frames.md). At most IPC_FRAME_MAX bytes and
 * IPC_FDS_MAX fds; larger things travel in a sealed memfd. Requests of one side
 * are numbered by it; replies may come in any order. Everything is called back on
 * the loop; nothing is called back from inside ipc_call.
 */
#ifndef LIB_IPC_IPC_H
#define LIB_IPC_IPC_H

#include "base/arena.h"
#include "lib/ipc/contract.h"

#include <uv.h>

enum {
	IPC_FRAME_MAX = 192 * 1024,
	IPC_FDS_MAX = 2,
	IPC_OUT_MAX = 16 * 1024 * 1024,	/* frames that wait for a slow peer; past it the channel ends */
	IPC_PENDING_MAX = 4096,		/* requests of a peer that are not answered yet; past it we stop reading */
};

struct ipc_chan;

/* A request that a peer sent. Valid until it is answered, which must happen exactly once. */
struct ipc_call {
	struct ipc_chan *chan;
	uint16_t op;
	enum role peer;			/* who asks */
	unsigned peer_index;
	const ProtobufCMessage *req;	/* freed with the call */
	int fds[IPC_FDS_MAX];		/* -1 where absent; closed with the call unless taken (set to -1) */
	struct arena *arena;		/* for the handler's own use until the answer */
	uint64_t id;
};

/* Answers and frees the call. fd >= 0 is sent along and closed in any case. Harmless where the peer is gone. */
void ipc_reply(struct ipc_call *call, const ProtobufCMessage *reply, int fd);
void ipc_fail(struct ipc_call *call, int err, const char *text);	/* text may be NULL */
bool ipc_peer_gone(const struct ipc_call *call);

typedef void ipc_handler_fn(struct ipc_call *call, void *ctx);
typedef void ipc_notice_fn(struct ipc_chan *chan, uint16_t op, const ProtobufCMessage *msg, int fd, void *ctx);

struct ipc_handlers {
	ipc_handler_fn *const *by_op;	/* n_ops of the contract; NULL entry: refused with UNSUPPORTED; may be NULL */
	ipc_notice_fn *on_notice;	/* fd -1 or the callee's; may be NULL */
	void (*on_closed)(struct ipc_chan *chan, int err, void *ctx); /* once; the channel is freed behind it */
};

/* Owns fd from now on. serves: this end answers the contract's requests; else it makes them. */
struct ipc_chan *ipc_chan_new(uv_loop_t *loop, int fd, const struct ipc_contract *contract, bool serves,
			      enum role peer, unsigned peer_index, const struct ipc_handlers *handlers, void *ctx);

/* Ends it: pending calls of ours get ERR_CLOSED (later, from the loop), on_closed is not called. Leaves NULL. */
void ipc_chan_free(struct ipc_chan **chan);
enum role ipc_chan_peer(const struct ipc_chan *chan);
unsigned ipc_chan_peer_index(const struct ipc_chan *chan);
/* The peer is known to be dead, though its end was not seen: what it said is read, calls without an answer are told
 * ERR_CLOSED, and on_closed is called, all before this returns. */
void ipc_chan_finish(struct ipc_chan *chan);
bool ipc_chan_dead(const struct ipc_chan *chan); /* its end was seen, or met by what was sent: all that is sent goes nowhere */

/* err 0: reply is of the op's type, fd -1 or the callee's to close. err < 0: reply NULL, text of the
 * peer (may be empty). reply and text live until the callback returns. */
typedef void ipc_reply_fn(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text);

/* Inside that callback, with err 0: the memory that reply lives in becomes the callee's, to free when it is done. */
struct arena *ipc_reply_keep(void);

/* fds are duplicated by the kernel: the caller keeps its own. deadline in ms from now, 0 for none.
 * Returns an id > 0 for ipc_cancel; an error comes to fn, never from here. */
uint64_t ipc_call(struct ipc_chan *chan, uint16_t op, const ProtobufCMessage *req, const int *fds, size_t n_fds,
		  unsigned deadline_ms, ipc_reply_fn *fn, void *ctx);
/* The same for a request that the caller packed itself, for one that may have to be sent again. 0: the peer is gone and never
 * sees it, fn will not be called, and ipc_chan_dead is true from now on. */
uint64_t ipc_call_packed(struct ipc_chan *chan, uint16_t op, struct slice req, const int *fds, size_t n_fds,
			 unsigned deadline_ms, ipc_reply_fn *fn, void *ctx);
void ipc_cancel(struct ipc_chan *chan, uint64_t id);	/* fn will not be called; a reply is dropped */
void ipc_notify(struct ipc_chan *chan, uint16_t op, const ProtobufCMessage *msg, int fd); /* fd stays the caller's */

/* Bytes that wait in this channel's output. */
size_t ipc_out_pending(const struct ipc_chan *chan);

/* A connected pair, close-on-exec, buffers widened for IPC_FRAME_MAX. */
NODISCARD int ipc_pair(int ret[2]);

#endif
