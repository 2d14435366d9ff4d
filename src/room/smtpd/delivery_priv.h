/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of a delivery among each other: delivery.c has the order, each other file is one step. */
#ifndef ROOM_SMTPD_DELIVERY_PRIV_H
#define ROOM_SMTPD_DELIVERY_PRIV_H

#include "room/smtpd/smtpd_priv.h"

enum {
	AGAIN_MAX = 3,		/* rounds of asking for a way once more */
	FRAME_REST = 4096,	/* of a frame, beside digest and recipients */
};

struct delivery {
	struct list node;
	struct smtpd *d;
	struct envelope e;
	struct body body;
	struct delivery_from from;
	int64_t began, deadline;
	struct slice digest;		/* in the envelope's arena */
	struct list letters;		/* of rules, for the queue */
	bool junk;
	bool listed;			/* lists were asked about the authors */
	struct smtp_status held;	/* code 0: no shard said no; what it was, else */
	bool kept;			/* something was committed */
	bool enqueued;
	unsigned rounds;		/* in which a way was asked for again */
	unsigned waiting;		/* calls that are not answered */
	struct smtp_status result;	/* code 0: nothing against it so far */
	char text[TEXT_MAX], enhanced[12];
	void (*done)(void *ctx, const struct smtp_status *reply);
	void *ctx;
};

struct letter {
	struct list node;
	const struct rules_letter *l;
	const struct target *target;	/* whose rules it comes from */
};

extern const struct smtp_status delivery_later;

/* A step is over once nothing waits: this begins the next one, or ends the delivery. */
void delivery_next(struct delivery *dl);
void delivery_refuse(struct delivery *dl, const struct smtp_status *st);	/* the first one counts */
void delivery_call(struct delivery *dl, enum role role, unsigned index, uint16_t op, const ProtobufCMessage *req,
		   int fd, ipc_reply_fn *fn, void *ctx);	/* fd -1: none */
ProtobufCBinaryData delivery_operation_id(struct arena *a);
unsigned delivery_time_left(const struct delivery *dl);	/* milliseconds; at least 1 */
size_t delivery_frame_room(const struct delivery *dl);	/* octets that recipients may take of a frame */

static inline ProtobufCBinaryData bytes_of(struct slice s)
{
	return (ProtobufCBinaryData){ s.n, (uint8_t *)s.p };
}

/* Who logged in may send as everybody that the message names as author or sender (M29); then delivery_next. */
void deliver_senders(struct delivery *dl);

/* Refuses what was passed on from here before. */
void deliver_check_loop(struct delivery *dl);

/* Each says whether it has something to do, and does it: calls, then delivery_next. */
bool deliver_lists(struct delivery *dl);
bool deliver_rules(struct delivery *dl);
bool deliver_fits(struct delivery *dl);
bool deliver_store(struct delivery *dl);
bool deliver_again(struct delivery *dl);
bool deliver_queue(struct delivery *dl);

#endif
