/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Insides of the queue room (docs/formats/queue.md has the tables).
 *
 *   batch   all changes wait for the end of the loop's turn and are made durable together
 *   dest    a destination: who waits for it is in the database, here is when to look again and how many run
 *   job     one message to some recipients of one destination, while something is done for it
 */
#ifndef ROOM_QUEUE_QUEUE_H
#define ROOM_QUEUE_QUEUE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "ipc/queue.pb-c.h"
#include "lib/blob/tail.h"
#include "lib/delivery/rules.h"
#include "lib/room/room.h"
#include "lib/sql/sql.h"
#include "room/queue/dsn.h"
#include "room/queue/key.h"

enum {
	QUEUE_MESSAGE_MAX = 1 << 30,
	QUEUE_SEGMENT_BYTES = 32 << 20,
	QUEUE_TAIL_BYTES = 4 << 20,	/* of small batches may wait for the log's sync */
	QUEUE_ACTIVE_MAX = 512,		/* jobs at a time */
	QUEUE_WINDOW = 64,		/* rows of one destination that are read ahead */
	QUEUE_RETURN_PATH_MAX = 1200,
	QUEUE_JOB_RCPTS = 100,		/* recipients of one transaction (RFC 5321 4.5.3.1.8) */
	QUEUE_ROUTE_JOBS = 32,
	QUEUE_STORE_JOBS = 64,
	QUEUE_BATCH_MAX = 256,		/* changes in one transaction */
	QUEUE_KICKS_MAX = 10000,
	QUEUE_FRESH_MS = 120000,	/* after a start or a kick: routes that callers know may be old */
	QUEUE_CRASHES_MAX = 3,		/* attempts of a message that may crash relay before it is parked */
	QUEUE_RELAY_AWAY_MS = 5000,
	QUEUE_AGAIN_MAX = 3,		/* times that a mailbox which went away is asked about without a pause */
	QUEUE_PAUSE_MS = 2000,		/* when a room of ours does not answer */
};

struct queue {
	struct room *room;
	struct sql *db;
	struct blob_log *log;
	struct tail tail;
	bool settle;		/* the next batch syncs the log */
	struct map *dests;	/* by key */
	struct map *flying;	/* rows that a job holds, by id */
	struct map *kicked;	/* domain -> struct kick */
	struct list ready;	/* dests that may have something to do now */
	struct list sleeping;	/* dests by wake time, soonest first */
	struct list works;	/* the batch that gathers */
	size_t n_works;
	uv_check_t check;
	uv_idle_t idle;
	struct list unwritten;	/* results that the disk had no room for */
	uv_timer_t wake, sweep, stop, again;
	int64_t started_ms, loaded_ms;
	int64_t relay_away_ms;	/* until then no attempt begins */
	unsigned active;	/* jobs that run */
	bool suspect_active, stopping;
	struct timers *timers;	/* sweep.c */
	bool sweeping;
	bool scheduling;	/* dests_run runs, or must not yet */
	uint64_t enqueued, delivered, failed, bounced, hosted, withheld;
};

/* batch.c: apply runs in a savepoint of its own; done is called when all is durable or nothing happened. */
struct work {
	struct list node;
	int (*apply)(struct queue *q, struct work *w);
	void (*done)(struct queue *q, struct work *w, int err);	/* frees what w is in */
	int err;
};
void batch_init(struct queue *q);
void batch_add(struct queue *q, struct work *w);
void queue_fatal(struct queue *q, const char *what);
void queue_maybe_exit(struct queue *q);	/* where it stops and nothing runs any more */

/* enqueue.c */
struct new_rcpt {
	struct slice address, original, orcpt;
	unsigned notify, route;	/* RouteKind, or QUEUE_ROUTE_ASK */
	unsigned report;	/* REPORT_...: its sender is told so, and nothing else happens */
	struct slice text;	/* REPORT_REJECTED, REPORT_DISPOSED: why */
	struct slice host;
	unsigned port, tls;
};
enum { REPORT_NONE, REPORT_DELIVERED, REPORT_EXPANDED, REPORT_REJECTED, REPORT_DISPOSED };
struct new_message {
	struct slice once_key;	/* not empty: dropped where it was taken within once_ms */
	int64_t once_ms;
	struct slice operation, sender, envid, message;
	bool ret_headers, smtputf8, junk;
	uint64_t account;
	const struct new_rcpt *rcpts;
	size_t n_rcpts;
};
/* Inside a batch: is it to be dropped? Takes its key, else. */
NODISCARD int message_once(struct queue *q, const struct new_message *m, int64_t now, bool *ret_drop);
/* Inside a batch: rows and bytes. */
NODISCARD int message_insert(struct queue *q, const struct new_message *m, int64_t now, uint64_t *ret_id);
void enqueue_handle(struct ipc_call *call, void *ctx);

/* dest.c */
enum dest_kind { DEST_TO, DEST_MX, DEST_ROUTE, DEST_STORE, DEST_OTHER };
struct job;
struct dest {
	struct list node;	/* in q->ready or q->sleeping, or neither */
	struct queue *q;
	struct slice key;	/* owned */
	enum dest_kind kind;
	uint32_t shard;
	unsigned active;	/* jobs that run */
	size_t rows;		/* rows that jobs hold, running or read ahead */
	struct list window;	/* jobs that are read ahead */
	int64_t wake_ms;
	unsigned failures;	/* in a row: no server took a session */
	int64_t blocked_ms;	/* nothing is begun until then */
};
/* At start, and again whenever: who waits there is not known where it fails, but for those that were read. */
NODISCARD int dests_load(struct queue *q);
/* Rows are due there then. Inside a batch, too: nobody looks before it is committed. */
void dest_wake(struct queue *q, struct slice key, int64_t at_ms);
void dest_unreachable(struct dest *d, int64_t now);
void dest_reached(struct dest *d);
void dest_pause(struct dest *d, int64_t until_ms);
void dest_unblock_all(struct queue *q);
void dests_drop_windows(struct queue *q);		/* rows that were read ahead are read again */
void dests_run(struct queue *q);
void dests_wake(struct queue *q, int64_t now);	/* those whose time has come */
void dest_job_over(struct dest *d);

/* job.c */
struct rcpt {
	uint64_t id;
	struct slice address, original, orcpt, host, domain;
	unsigned notify, route, port, tls;
	uint64_t account, quota;
	struct slice mailbox;	/* of the account; empty: INBOX */
	struct slice multidrop;	/* not empty: the recipient that its copy is for, in lines in front */
	bool refuse;		/* where that is full */
	unsigned attempts, steps;
	bool delay_told;
};
struct outcome {
	enum { OUT_DELIVERED, OUT_LATER, OUT_FAILED } what;
	unsigned code;
	struct slice enhanced, text, server;
	bool dsn_passed_on;
	bool ask_again;		/* LATER, and the decision for a mailbox is void */
	bool gone;		/* ... because it is no more: ask at once */
	bool ordered;		/* FAILED by the provider, who said whether the sender is told */
	bool mdn;		/* FAILED by a rule of the mailbox that wants an MDN */
};
struct envelope {
	uint64_t id;
	struct slice sender, envid;
	bool ret_headers, smtputf8, body_8bit, junk;
	uint64_t account;	/* who sent it by submission; 0: somebody outside */
	int64_t created_ms;
	uint64_t size;
	struct blob_addr addr;
	unsigned crashes;
};
struct job {
	struct list node;	/* in dest->window */
	struct queue *q;
	struct dest *dest;
	struct arena *arena;
	uint64_t message;
	struct rcpt *rcpts;
	size_t n, cap;
	struct envelope env;
	struct outcome *outcomes;
	const struct rules_plan **plans;	/* of each recipient; NULL: no mailbox's rules are in play */
	unsigned waiting;	/* calls that are out */
	bool suspect, unreachable, deferred;
	int fd;			/* the message, sealed; -1 */
	int plain_fd;		/* the same without the Return-Path that job.c put there; -1: not needed so far */
	struct work work;
};
NODISCARD int envelope_load(struct queue *q, struct arena *a, uint64_t id, struct envelope *ret);
struct job *job_new(struct dest *d, uint64_t message);
void job_add_row(struct job *j, struct sql_stmt *s);	/* columns of ROW_COLUMNS */
void job_start(struct job *j);
NODISCARD int job_plain(struct job *j, int *ret_fd, struct slice *ret_return_path);	/* DEST_STORE; of the job's */
void job_free(struct job **j);		/* its rows are free again */
void job_over(struct job *j);		/* ends a running one and schedules */
void job_pause(struct job *j, const char *why, int err);	/* a room of ours failed: later, nothing is written */
#define ROW_COLUMNS                                                                                \
	"id, address, original, orcpt, host, domain, notify, route, port, tls, account, quota, attempts, steps, delay_told, mailbox, refuse, multidrop"

/* attempt.c, deliver.c, reroute.c: what a job does; each ends in result_add, reroute's batch, or job_pause */
void attempt_start(struct job *j);
void deliver_start(struct job *j);
void reroute_start(struct job *j);
NODISCARD int job_load_message(struct job *j, struct slice prefix);

/* result.c */
void result_add(struct job *j);		/* outcomes are set: make them durable, then job_over */
NODISCARD int result_apply(struct queue *q, const struct envelope *env, const struct rcpt *rcpts, size_t n,
			   const struct outcome *outcomes, bool unreachable, struct arena *a);

/* letter.c: what rules of mailboxes send, in the transaction that says the message was delivered to them */
NODISCARD int letters_insert(struct job *j);

/* bounce.c */
NODISCARD int bounce(struct queue *q, const struct envelope *env, enum dsn_action action, const struct dsn_rcpt *rcpts,
		     size_t n, struct arena *a);
/* By an MDN each, in the recipient's name: of a dsn_rcpt its address, orcpt and text. */
NODISCARD int disposition(struct queue *q, const struct envelope *env, const struct dsn_rcpt *rcpts, size_t n);
/* About a message that comes in just now: for each of its recipients that wants a report. */
NODISCARD int report(struct queue *q, const struct new_message *m, int64_t now, struct arena *a);

/* sweep.c: expiry, delay notices, old operation ids, space */
void sweep_start(struct queue *q);
void sweep_handle(struct ipc_call *call, void *ctx);	/* QUEUE_TIMER */

/* admin.c */
void admin_handle(struct ipc_call *call, void *ctx);

/* kick.c */
void kick_domain(struct queue *q, struct slice domain);
bool kicked_recently(struct queue *q, struct slice domain, int64_t now);

static inline struct slice slice_of_pb(ProtobufCBinaryData b)
{
	return slice_of(b.data, b.len);
}

static inline ProtobufCBinaryData pb_of_slice(struct slice s)
{
	return (ProtobufCBinaryData){ s.n, (uint8_t *)s.p };
}

#endif
