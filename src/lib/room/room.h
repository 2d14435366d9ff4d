/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every room has: the control channel on fd 3, its configuration, channels
 * to its peers that come back by themselves after a crash, listeners, a shutdown.
 *
 *   supervisor                 room
 *      | exec "postern room ROLE INDEX", fd 3
 *      |--- START, TLS, CHANNEL*|
 *      |                        |  ops->init: open databases, make tables
 *      |                        |  sandbox_enter
 *      |<-- answer to START ----|  (ready)
 *      |--- LISTENER* --------->|  ops->on_listener: the first peer byte comes after the sandbox
 *      |--- CHANNEL (a peer was started again), RELOAD, TLS, STATS ... any time
 *      |--- STOP -------------->|  ops->on_stop, then room_exit
 */
#ifndef LIB_ROOM_ROOM_H
#define LIB_ROOM_ROOM_H

#include "lib/conf/conf.h"
#include "lib/ipc/ipc.h"
#include "lib/sandbox/sandbox.h"

struct room;
struct stats;

enum { ROOM_STOP_MS = 8000 }; /* the supervisor kills what has not exited so long after STOP */

struct room_ops {
	const struct sandbox_policy *sandbox;
	/* For the contract that this room serves; ctx of the handlers is struct room *. */
	const struct ipc_contract *serves;
	ipc_handler_fn *const *handlers;
	ipc_notice_fn *on_notice;	/* notifications of callers (ctx: struct room *), and back from served rooms */

	NODISCARD int (*init)(struct room *room);	/* before the sandbox; < 0 ends the room, loudly */
	void (*on_listener)(struct room *room, const char *name, int fd);	/* fd: the callee's; nonblocking */
	void (*on_tls)(struct room *room, struct slice pem);	/* certificate chain and key; the bytes die on return */
	void (*on_reload)(struct room *room);		/* room->conf is the new one already */
	void (*on_caller)(struct room *room, struct ipc_chan *chan);	/* a caller's channel is there */
	void (*on_caller_gone)(struct room *room, struct ipc_chan *chan);
	void (*on_stop)(struct room *room);		/* drain, then room_exit; NULL: exits at once */
	void (*on_stats)(struct room *room, struct stats *stats);
};

struct room {
	uv_loop_t *loop;
	enum role role;
	unsigned index;
	unsigned shards;
	uint64_t epoch;
	struct conf *conf;
	const struct room_ops *ops;
	void *state;		/* the room's own; set by init */
	bool stopping;
};

void stats_add(struct stats *stats, const char *name, int64_t value);

/* A request to a serving room, wherever its process is just now. shard: index of the room to ask, or
 * PEER_ANY to spread over all of that role. While the peer is down the call waits; one whose operation has
 * IPC_RETRY is sent again when it is back; fn gets ERR_UNAVAILABLE when the deadline passes, ERR_CLOSED for a
 * call without IPC_RETRY whose peer died. fds are duplicated for the time of the call; deadline_ms > 0. */
enum { PEER_ANY = 0xffff };
struct peer_call;
struct peer_call *room_call(struct room *room, enum role role, unsigned index, uint16_t op, const ProtobufCMessage *req,
			    const int *fds, size_t n_fds, unsigned deadline_ms, ipc_reply_fn *fn, void *ctx);
void room_call_cancel(struct peer_call **call);	/* accepts NULL; leaves NULL; fn will not be called */
void room_notify(struct room *room, enum role role, unsigned index, uint16_t op, const ProtobufCMessage *msg);

/* A request to the supervisor (CONTROL_STATUS, CONTROL_RELOAD_ALL). */
void room_control_call(struct room *room, uint16_t op, const ProtobufCMessage *req, unsigned deadline_ms,
		       ipc_reply_fn *fn, void *ctx);

/* Ends the loop; the process exits with code. */
void room_exit(struct room *room, int code);

/* main of "postern room ROLE INDEX". */
int room_main(enum role role, unsigned index);

/* One a room, in src/room/NAME/NAME.c; src/run/rooms.c lists them. */
extern const struct room_ops smtpd_ops, imapd_ops, pop3d_ops, httpd_ops, admind_ops, auth_ops, filter_ops, relay_ops, mover_ops,
	directory_ops, queue_ops, store_ops, sieved_ops;
const struct room_ops *room_ops_of(enum role role);

#endif
