/* SPDX-License-Identifier: Apache-2.0 */
/* The POP3 room inside: connections (conn.c) and the maildrop behind one (maildrop.c). */
#ifndef ROOM_POP3D_PRIV_H
#define ROOM_POP3D_PRIV_H

#include "base/list.h"
#include "lib/io/stream.h"
#include "lib/room/front.h"
#include "proto/pop3/server.h"

enum {
	POP3_TLS_MS = 60000,
	POP3_ASK_MS = 60000,
	POP3_LIST_MAX = 512 << 20,	/* octets of a list of messages that comes in an fd */
};

struct pop3d {
	struct room *room;
	struct front front;
	struct list conns;
	struct {
		int64_t logins, failed_logins, messages, expunged;
	} count;
};

/* The account's INBOX over a session channel; one question at a time. */
struct maildrop;
struct maildrop_ops {
	/* uidvalidity and messages (heap, the callee's), or why < 0: ERR_CONFLICT another session has it. */
	void (*opened)(void *ctx, int err, uint32_t uidvalidity, struct pop3_message *messages, size_t n);
	void (*fetched)(void *ctx, int err, struct slice message);	/* mapped until maildrop_release */
	void (*expunged)(void *ctx, int err);
	void (*gone)(void *ctx);	/* the shard ended the session */
};

/* Owns fd. Answers come from the loop only. */
struct maildrop *maildrop_new(struct pop3d *d, int fd, unsigned shard, const struct maildrop_ops *ops, void *ctx);
void maildrop_free(struct maildrop **m);
void maildrop_fetch(struct maildrop *m, uint32_t uid, bool body);
void maildrop_release(struct maildrop *m);
void maildrop_expunge(struct maildrop *m, const uint32_t *uids, size_t n);

void pop3_conn_accept(struct pop3d *d, int fd, const struct sockaddr_storage *peer);
void pop3_conn_stop_all(struct pop3d *d);
void pop3d_maybe_exit(struct pop3d *d);

#endif
