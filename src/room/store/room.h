/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The room around the engine: requests that change something wait in one list, are done in one batch a loop turn and
 * answered when it is on the disk; mailboxes that somebody looks at are kept as arrays.
 */
#ifndef ROOM_STORE_ROOM_H
#define ROOM_STORE_ROOM_H

#include "base/list.h"
#include "base/map.h"
#include "lib/room/room.h"
#include "lib/room/timers.h"
#include "room/store/engine.h"

#include "ipc/session.pb-c.h"
#include "ipc/store.pb-c.h"

enum {
	MESSAGE_MAX = 256 << 20,	/* bytes of one message */
	BATCH_OPS = 1000,
	BATCH_BYTES = 64 << 20,		/* message bytes in a batch, but always one message */
	REPLY_BYTES = 150 * 1024,	/* of what is repeated in a reply; a frame holds 192 KiB */
	SESSIONS_MAX = 20000,
	BOXES_KEPT = 64,		/* arrays of mailboxes that nobody looks at now */
};

struct box;
struct session;

struct store {
	struct room *room;
	uv_loop_t *loop;
	struct shard *engine;
	uv_check_t check;
	uv_idle_t idle;			/* runs while work waits, so that the loop does not sleep */
	uv_timer_t timer;
	struct list work;
	size_t n_work;
	bool dead;			/* a sync failed: nothing is answered any more */
	struct map *boxes;		/* by mailbox id */
	struct list unused_boxes;	/* least recently used first */
	size_t n_unused;
	struct map *claims;		/* mailbox id -> uid: what sessions were told of, not in the index yet */
	bool claims_written;		/* in the batch that is not committed yet */
	int64_t claimed_at;
	struct list asks;		/* pools whose lease directory is asked about; struct ask of quota.c */
	bool reporting, report_failed;
	uint64_t recalls;		/* the number of the last one; rises over restarts */
	bool report_void;		/* a recall came since it was sent */
	struct map *accounts;		/* struct account_sessions by account id */
	size_t n_sessions;
	struct compactor {
		uint32_t segment, below;	/* 0: none is being compacted */
		uint64_t offset;
		struct ipc_call *call;		/* who asked for all of it */
		struct shard_space before;
	} compactor;
	struct checking {		/* checking.c */
		struct checker *checker;	/* NULL: none is under way */
		struct ipc_call *call;
		Postern__StoreCheckReply *r;
		uv_timer_t timer;
		uint64_t slices;	/* of all checks */
	} checking;
	struct timers *timers;		/* maintain.c */
	struct retention_cursor retention;
	bool retaining;			/* a pass over all mailboxes is under way */
	uint64_t retired;		/* messages that it has deleted so far */
	uint64_t batches, ops;		/* counters for status */
};

/* ---- work.c ---- */

/* A request of a turn. run is called inside an operation of the batch (and again, where the disk was full and the batch
 * is tried in parts); it leaves the reply in the call's arena. A read waits here behind its own session's changes. */
struct work {
	struct list node;
	struct store *store;
	struct session *session;	/* NULL for rooms' requests */
	struct ipc_call *call;
	int (*run)(struct work *w);
	bool changes, takes_space;
	uint64_t short_pool, short_want;	/* the pool whose lease was too small, and the lease it wants; 0: none */
	uint64_t asked;			/* the lease that directory was asked for: a want up to that stays refused */
	bool held;			/* not done: a change of its session before it is parked */
	uint64_t bytes;
	int err;
	const ProtobufCMessage *reply;
	int fd;
};
void store_work_add(struct store *st, struct session *s, struct ipc_call *call, int (*run)(struct work *w), bool changes,
	      bool takes_space);
/* Works that were parked, oldest first: changes go to the front of what waits. Empties the list. */
void store_work_again(struct store *st, struct list *works);
/* A change in a batch of its own, from the loop, where none is open: what change said (< 0: nothing has happened). */
NODISCARD int store_alone(struct store *st, int (*change)(struct store *st, void *ctx), void *ctx);
void store_work_init(struct store *st);
void store_work_fini(struct store *st);
struct store *store_new(uv_loop_t *loop, struct room *room, struct shard *engine);
void store_free(struct store **st);

/* ---- box.c: a mailbox in memory ---- */

struct box {
	struct list node;		/* among the unused */
	uint64_t id, account;
	struct msg *msgs;		/* uid ascending; the committed state */
	size_t n, cap;
	struct arena *names;
	struct slice *keywords;
	size_t n_keywords;
	uint8_t name[MAILBOX_NAME_MAX];
	size_t name_n;
	uint32_t uidnext, uidvalidity;
	uint32_t recent_from;		/* with the claims that wait */
	uint64_t highestmodseq;
	struct list sessions;
	bool gone;			/* deleted; freed when the last session leaves */
};
NODISCARD int box_get(struct store *st, uint64_t mailbox, struct box **ret);	/* loads it where needed */
void box_enter(struct box *b, struct session *s);
void box_leave(struct store *st, struct session *s);
void boxes_apply(struct store *st);	/* what the batch changed, and the notices to sessions */
void boxes_free(struct store *st);
/* Index of the first message with a uid >= this. */
size_t box_find(const struct box *b, uint32_t uid);

/* ---- recent.c: who was told first ---- */
/* The first uid that is \Recent for a session which opens the box; it takes them where it may (imapd, read-write). */
uint32_t recent_open(struct store *st, struct box *b, const struct session *s);
/* New messages from uid `from` on came into the box: whose they are. NULL: every reader's, nobody took them. */
const struct session *recent_new(struct store *st, struct box *b);
uint32_t recent_from(const struct store *st, const struct mailbox *m);
uint32_t recent_count(struct store *st, const struct mailbox *m);
void recent_flush(struct store *st);	/* inside a batch: writes what waits */
void recent_written(struct store *st);	/* it is committed */
void recent_save(struct store *st, bool now);	/* a batch of its own, where they have waited long or now */

/* ---- quota.c: leases of pools, and what directory is told ---- */
/* The work was refused for want of a lease that directory was not asked for yet. */
bool quota_short(const struct work *w);
/* Where it is so, or the work is held behind such a one of its session: true, directory is asked, and the work is done
 * again behind the answer, before all that came meanwhile. */
bool quota_park(struct store *st, struct work *w);
void quota_report(struct store *st);	/* use and crossings that directory does not know of */
int quota_recall(struct work *w);
int quota_fits(struct work *w);

/* ---- session.c ---- */

struct session {
	struct store *store;
	struct ipc_chan *chan;		/* NULL: over, waits for its work */
	struct list node, box_node;
	uint64_t account, source_id;
	uint64_t version;		/* of the credential that opened it; 0: none did */
	struct box *box;
	unsigned refs, pending;
	unsigned parked;		/* changes that wait for a lease */
	uint64_t short_pool;		/* what they wait for: later changes wait behind them, the order stays */
	uint8_t kind;
	bool read_only, pop3_lock;
};
struct account_sessions {
	uint64_t account;
	struct list list;
	unsigned n;
	bool pop3_locked;
};
NODISCARD int store_session_new(struct store *st, const Postern__StoreGrant *grant, int fd);
/* account 0: of all; version 0: of all credentials. */
void sessions_end(struct store *st, uint64_t account, uint64_t version, const char *text);
unsigned sessions_count(struct store *st, uint64_t account);
void store_session_unref(struct session *s);

/* ---- wire.c: engine structs as messages ---- */
void wire_meta_encode(struct buf *out, const struct msg *m);
NODISCARD int wire_list_fd(const struct box *b, int *ret_fd);
Postern__MessageMeta *wire_meta(struct arena *a, const struct msg *m);
Postern__MailboxInfo *wire_mailbox(struct store *st, struct arena *a, const struct mailbox *m);
/* first_recent: new messages from this uid on are \Recent for this session; 0: none are. */
void wire_notice(struct session *s, const struct change *const *changes, size_t n, bool keywords, uint32_t first_recent);
struct uid_range *wire_ranges(struct arena *a, Postern__UidRange *const *in, size_t n, const struct box *b, size_t *ret_n);
Postern__UidRange **wire_ranges_back(struct arena *a, const struct uid_range *in, size_t n);
ProtobufCBinaryData wire_bytes(struct slice s);
ProtobufCBinaryData *wire_keywords(struct arena *a, const struct box *b);
static inline struct slice wire_slice(ProtobufCBinaryData d)
{
	return slice_of(d.data, d.len);
}

/* fetch.c, maintain.c */
int store_session_fetch(struct work *w);
void maintain_tick(struct store *st);
void maintain_init(struct store *st);
void maintain_compact(struct store *st, struct ipc_call *call);
int64_t store_now(void);

/* checking.c */
void checking_init(struct store *st);
void checking_fini(struct store *st);
void checking_start(struct store *st, struct ipc_call *call);
unsigned checking_percent(const struct store *st);	/* of the check that is under way; 100: none is */

/* area_wire.c */
int store_folders(struct work *w);
int store_close(struct work *w);
int store_read(struct work *w);
int store_put(struct work *w);
int store_drop(struct work *w);
int store_prune(struct work *w);

extern ipc_handler_fn *const store_handlers[POSTERN__STORE_OP__STORE_FITS + 1];

#endif
