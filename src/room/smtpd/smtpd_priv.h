/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SMTP room inside: connections (conn.c), what they ask of other rooms (envelope.c), the bytes of a
 * message (body.c, trace.c), and its way into store and queue (delivery.c), which goes on without its connection.
 */
#ifndef ROOM_SMTPD_PRIV_H
#define ROOM_SMTPD_PRIV_H

#include "base/list.h"
#include "ipc/directory.pb-c.h"
#include "lib/io/stream.h"
#include "lib/delivery/rules.h"
#include "lib/room/front.h"
#include "proto/smtp/server.h"

enum {
	TARGETS_MAX = 20000,		/* of one message, lists expanded */
	ASK_MS = 30000,			/* a question to directory or auth */
	DELIVERY_MS = 60000,		/* judge, store and queue together; then 451 */
	GATHER = 65536,
	TEXT_MAX = 2048,
};

struct smtpd {
	struct room *room;
	struct front front;
	struct smtp_server_config mx, trusted, submission;	/* trusted: the exchanger's, without its pauses */
	struct list conns, deliveries;
	uint64_t body_octets, body_max;	/* of all messages under way */
	uint8_t gather[GATHER];		/* of the body that takes input just now */
	struct {
		int64_t messages, octets, refused_messages, deferred_messages,
			refused_recipients, logins, failed_logins, starttls;
	} count;
};

/* ---- envelope.c: who gets a message; one arena, handed from connection to delivery ---- */

/* What the client named, as it was accepted. */
struct rcpt {
	struct list node;
	struct slice address, original, orcpt;	/* original: as it was written */
	unsigned notify;
	unsigned n_targets;		/* that it leads to; more than one: it was expanded */
	bool stored;			/* to a mailbox here */
	bool authors;			/* a list asks who writes: directory is to be asked with the authors */
	bool again;			/* directory is to be asked for its route once more */
	const struct smtp_status *refused;	/* what directory said to that */
	struct slice rejected;		/* a rule of the mailbox, where the sender is told by a report: why */
	bool mdn;			/* by an MDN */
};

struct via {
	struct list node;
	struct rcpt *rcpt;
};

struct target {
	struct list node;
	enum { TO_STORE, TO_QUEUE } way;
	enum { TARGET_NEW, TARGET_KEPT, TARGET_GONE, TARGET_LOST, TARGET_HELD } state;	/* KEPT: committed; GONE: its
				mailbox is no more; LOST: and its recipients were asked about again; HELD: its shard did not
				take it, and others have their copy: the queue's */
	struct list vias;		/* the recipients that lead here */
	uint64_t account_id;		/* TO_STORE */
	uint32_t shard;
	uint64_t quota_bytes;
	bool over_quota_refuse;		/* 552 where it is full, else 452 */
	struct slice mailbox;		/* TO_STORE: a folder of a domain's area; empty: INBOX, or Junk */
	uint32_t mailboxes_max;
	struct slice multidrop;		/* TO_STORE: not empty: the recipient that this copy is for, in lines in front */
	bool fits;			/* its shard was asked whether there is room */
	bool rules, ruled;		/* it has some; they have run: where it goes is in places */
	const struct rules_place *places;
	size_t n_places;
	struct slice address;		/* behind aliases and lists */
	uint32_t route;			/* TO_QUEUE: RouteKind */
	const char *host;
	uint32_t port, tls;
	uint32_t notify;
	struct slice sender;		/* TO_QUEUE: not empty: instead of the envelope's (SRS) */
	struct slice delivered_to;	/* TO_QUEUE: not empty: the address here that passes it on */
};

static inline const struct rcpt *target_rcpt(const struct target *t)
{
	return list_first(&t->vias, struct via, node)->rcpt;
}

struct envelope {
	struct arena *arena;		/* NULL: no transaction */
	struct slice sender, envid;
	bool ret_headers, smtputf8, body_8bit;
	uint64_t announced;		/* octets, by SIZE=; 0: not said */
	struct list *rcpts, *targets;
	struct map *keys;		/* of the targets */
	size_t n_targets, n_rcpts;
	bool to_store;
	bool reports;			/* its sender logged in: what is refused behind the data is told by a report */
	bool alone;			/* the recipient is one that wants to be the only one (RouteTarget.alone) */
};

void envelope_begin(struct envelope *e, const struct smtp_mail *m);
void envelope_clear(struct envelope *e);
/* NULL, or the refusal, which may point into reply. */
const struct smtp_status *envelope_route(struct envelope *e, const struct smtp_rcpt *r,
					 const Postern__RouteReply *reply, struct smtp_status *ret);
/* The one mailbox behind the recipient where its quota is nearly used up: whoever adds it may ask the shard first. */
const Postern__RouteTarget *envelope_near_full(const Postern__RouteReply *reply);
const struct smtp_status *envelope_over_quota(bool refuse);
/* The same for a recipient that was accepted, and whose mailbox went away since. A refusal is kept in r. */
void envelope_route_again(struct envelope *e, struct rcpt *r, const Postern__RouteReply *reply);
struct slice envelope_only_rcpt(const struct envelope *e);	/* for the trace line; empty where there are several */

/* ---- trace.c ---- */

struct trace {
	struct slice hello;
	const char *peer, *host, *id, *tls;	/* tls: "TLSv1.3", or "" */
	bool esmtp, logged_in, smtputf8;
	int64_t now_ms;
};
enum { TRACE_MAX = 4096 };
void trace_return_path(struct buf *out, struct slice sender);
void trace_received(struct buf *out, const struct trace *t, struct slice only_rcpt);

/* ---- body.c ---- */

struct body {
	struct smtpd *d;
	int fd, queue_fd;	/* -1: none; queue_fd: the same without Return-Path, made when it is needed */
	size_t return_path_n;	/* octets of Return-Path at the front of fd */
	uint64_t size;		/* octets of fd, gathered ones too */
	size_t gathered;	/* in d->gather, not written yet; 0 between two reads */
	bool failed;		/* a write went wrong: nothing more is taken, sealing fails */
};
void body_init(struct body *b, struct smtpd *d);
NODISCARD int body_begin(struct body *b, const struct envelope *e, const struct trace *t);
NODISCARD int body_add(struct body *b, struct slice bytes);
NODISCARD int body_flush(struct body *b);
void body_fail(struct body *b);
NODISCARD int body_seal(struct body *b);
NODISCARD int body_for_queue(struct body *b, int *ret_fd);	/* b's, sealed */
void body_fini(struct body *b);

/* ---- deliver_senders.c ---- */

extern const struct smtp_status login_over;	/* the password that it logged in with is not good any more */

/* ---- delivery.c ---- */

struct delivery;
struct conn;
struct delivery_from {
	const char *origin, *peer, *id;
	struct slice hello;
	uint64_t account_id;
	uint64_t version;		/* of the credential that it logged in with */
	const char *language;		/* of who logged in; NULL: English */
};
/* Takes envelope and body over. done is called once, from the loop, unless delivery_detach came first. */
struct delivery *delivery_start(struct smtpd *d, struct envelope *e, struct body *b, const struct delivery_from *from,
				void (*done)(void *ctx, const struct smtp_status *reply), void *ctx);
void delivery_detach(struct delivery **dl);	/* it goes on; accepts NULL */

/* ---- conn.c ---- */

void conn_accept(struct smtpd *d, bool submission, int fd, const struct sockaddr_storage *peer);
void conn_stop_all(struct smtpd *d);	/* the room goes down: 421 to those without a message under way */

/* smtpd.c */
void smtpd_maybe_exit(struct smtpd *d);		/* once stopping and nothing is left */

#endif
