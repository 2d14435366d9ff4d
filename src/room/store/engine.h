/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shard's mail without channels: index (SQL), bytes (segment log), and the operations on them. Changes happen inside a
 * batch: begin, then op_begin, one change, op_end for each, then commit, which makes the segments durable first (or
 * keeps what a small batch adds to them in the index) and the index second. Until commit returned 0 nothing has happened;
 * after an error everything since begin has not.
 * Reading functions may be called outside a batch and then see what is committed.
 *
 *   shard_begin -> { shard_op_begin -> shard_deliver|... -> shard_op_end }* -> shard_commit
 */
#ifndef ROOM_STORE_ENGINE_H
#define ROOM_STORE_ENGINE_H

#include "base/arena.h"
#include "lib/blob/blob.h"
#include "room/store/journal.h"

struct shard;

enum {
	FLAG_SEEN = 1,
	FLAG_ANSWERED = 2,
	FLAG_FLAGGED = 4,
	FLAG_DELETED = 8,
	FLAG_DRAFT = 16,
	FLAG_ALL = 31,
};
enum { USE_ALL = 1, USE_ARCHIVE = 2, USE_DRAFTS = 4, USE_FLAGGED = 8, USE_JUNK = 16, USE_SENT = 32, USE_TRASH = 64 };
enum {
	MAILBOXES_MAX = 10000,		/* of an account */
	LIST_PAGE = 500,
	STORE_PAGE_BYTES = 140 * 1024,	/* of a flag change's answer; so many messages are handled at once */
	META_BYTES = 44,		/* of a message in an answer, without its keywords (one byte each) */
	EXPUNGE_PAGE = 4000,		/* runs of uids an expunge tells at once */
	COPY_RUNS_MAX = 6000,		/* of uids in one copy; past it ERR_TOO_BIG */
	COPIED_PAGE = 4000,
	RECIPIENTS_MAX = 1000,
	OPERATION_KEEP_MS = 24 * 3600 * 1000,
	OPERATION_ID_MAX = 32,
};

struct uid_range {
	uint32_t first, last;
};

struct shard_options {
	uint64_t segment_bytes;
	uint64_t reserve_bytes;		/* kept free for expunges on a full disk; 0: none */
	uint64_t tail_bytes;		/* of small batches may lie in the index until the segments are synced; 0: none */
};

/* In the working directory: store.db, segments/, reserve. */
NODISCARD int shard_open(const struct shard_options *options, struct shard **ret);
NODISCARD int shard_open_at(const char *db, const struct shard_options *options, struct shard **ret);
void shard_close(struct shard **e);
bool shard_fatal(const struct shard *e);	/* a sync failed: answer nothing more, exit */

/* ---- batches ---- */
NODISCARD int shard_begin(struct shard *e, int64_t now_ms);
NODISCARD int shard_op_begin(struct shard *e, void *origin);	/* origin: whose change it is, for the notices */
/* err: what the operation returned. Gives back the operation's result: err, or why it could not be kept. */
NODISCARD int shard_op_end(struct shard *e, int err);
NODISCARD int shard_commit(struct shard *e);
void shard_rollback(struct shard *e);

/* What a batch changed, in order; valid until the next shard_begin. */
enum change_kind { CHANGE_NEW, CHANGE_FLAGS, CHANGE_EXPUNGED, CHANGE_KEYWORDS, CHANGE_GONE, CHANGE_RENAMED };
struct change {
	enum change_kind kind;
	uint64_t account, mailbox;
	void *origin;
	struct msg msg;			/* EXPUNGED: uid and modseq */
};
const struct change *shard_changes(const struct shard *e, size_t *ret_n);

/* ---- the disk is full ---- */
/* Gives the reserve free, so that what frees space can be written. */
void shard_release_reserve(struct shard *e);
/* True while things that take space may be tried; makes the reserve again where there is room. */
bool shard_has_room(struct shard *e, int64_t now_ms);

/* ---- accounts ---- */
struct account {
	uint64_t id;
	uint64_t quota_bytes, quota_messages, used_bytes, used_messages;
	uint64_t pool;			/* that its use counts in, too; 0: none */
	uint32_t retention;		/* days after which mail is deleted; 0: never */
	uint32_t level;			/* lines of its quota that its use is above: 1 80 %, 2 95 % as well */
	uint64_t saved_bytes;		/* used_bytes as the index has it */
	uint64_t pool_lease, pool_used;	/* as they were when it was loaded */
	uint32_t next_uidvalidity;
	uint8_t address[ADDRESS_MAX];
	size_t address_n;
};
NODISCARD int shard_account_put(struct shard *e, uint64_t id, struct slice address, uint64_t quota_bytes,
				 uint64_t quota_messages);
NODISCARD int shard_account_remove(struct shard *e, uint64_t id);	/* 0 also where it is not there */
NODISCARD int shard_account(struct shard *e, uint64_t id, struct account *ret);	/* ERR_NOT_FOUND */
/* Which pool it shares (0: none), and its retention in days (0: none). */
NODISCARD int shard_account_limits(struct shard *e, uint64_t id, uint64_t pool, uint32_t retention);

/* ---- pools: storage that accounts share; this shard may use as much of it as its lease says (pool.c) ---- */
struct pool {
	uint64_t id;
	uint64_t lease, used;		/* here */
	uint64_t size, elsewhere;	/* of all shards together, and what the others use, as directory said last */
	uint64_t reported;		/* of used: what directory knows */
	uint64_t last_account;		/* whose mail came last */
};
NODISCARD int shard_pool(struct shard *e, uint64_t id, struct pool *ret);	/* ERR_NOT_FOUND */
/* What directory said. size 0: there is no such pool (any more), its accounts leave it. */
NODISCARD int shard_pool_put(struct shard *e, uint64_t id, uint64_t lease, uint64_t size, uint64_t elsewhere);
/* Gives back what is not used. */
NODISCARD int shard_pool_recall(struct shard *e, uint64_t id, struct pool *ret);
NODISCARD int shard_pool_reported(struct shard *e, uint64_t id, uint64_t used);
/* Pools whose use moved far from what directory knows, or whose size is not known here; at most max. */
NODISCARD int shard_pools_to_report(struct shard *e, struct pool *ret, size_t max, size_t *ret_n);
/* After an operation that gave ERR_QUOTA: the pool that could have helped, and what lease would have been enough. */
/* 0, or ERR_QUOTA as above. */
NODISCARD int shard_fits(struct shard *e, uint64_t account, uint64_t bytes);
bool shard_pool_short(const struct shard *e, uint64_t *ret_pool, uint64_t *ret_want);

struct crossing {
	uint64_t id, account, used, quota;
	uint32_t level;
};
/* Crossings that directory does not know of yet, oldest first; their ids only rise. */
bool shard_limits_moved(struct shard *e);	/* since this was asked last */
NODISCARD int shard_crossings(struct shard *e, struct crossing *ret, size_t max, size_t *ret_n);
NODISCARD int shard_crossings_done(struct shard *e, uint64_t up_to);

/* ---- mailboxes ---- */
struct mailbox {
	uint64_t id, account;
	uint8_t name[MAILBOX_NAME_MAX];
	size_t name_n;
	uint32_t uidvalidity, uidnext, special_use, messages, unseen, deleted;
	uint32_t recent_from, recent;	/* no session was told of uids from recent_from on; how many these are */
	uint64_t highestmodseq, size;
	bool subscribed, no_select;
	bool exists;			/* false: only subscribed to */
	bool has_children;		/* filled by shard_list and shard_mailbox */
};
static inline struct slice mailbox_name(const struct mailbox *m)
{
	return slice_of(m->name, m->name_n);
}
NODISCARD int shard_mailbox(struct shard *e, uint64_t account, struct slice name, struct mailbox *ret);
NODISCARD int shard_mailbox_by_id(struct shard *e, uint64_t id, struct mailbox *ret);
NODISCARD int shard_deleted_size(struct shard *e, uint64_t id, uint64_t *ret);	/* of the messages with \Deleted: reads all */
/* Ascending names greater than after, at most LIST_PAGE; on_mailbox returns < 0 to stop. 1 there are more, 0 that was all. */
NODISCARD int shard_list(struct shard *e, uint64_t account, struct slice after,
			  int (*on_mailbox)(void *ctx, const struct mailbox *m), void *ctx);
NODISCARD int shard_create(struct shard *e, uint64_t account, struct slice name, uint32_t special_use, bool subscribe,
			    struct mailbox *ret);
NODISCARD int shard_delete(struct shard *e, uint64_t account, struct slice name);
NODISCARD int shard_rename(struct shard *e, uint64_t account, struct slice from, struct slice to);
NODISCARD int shard_subscribe(struct shard *e, uint64_t account, struct slice name, bool on);
/* A session has been told of all below uid: they are not \Recent for anybody else. 0 also where the mailbox is gone. */
NODISCARD int shard_claim_recent(struct shard *e, uint64_t mailbox, uint32_t uid);
/* Messages with this uid or a higher one. */
NODISCARD int shard_count_from(struct shard *e, uint64_t mailbox, uint32_t uid, uint32_t *ret);
/* The keyword table, in order; slices live as long as the arena. */
NODISCARD int shard_keywords(struct shard *e, uint64_t mailbox, struct arena *a, struct slice **ret, size_t *ret_n);

/* ---- messages ---- */
struct delivery {
	uint64_t account;
	struct slice mailbox;
	bool create;			/* make the mailbox where it is missing, else INBOX takes it */
	uint32_t mailboxes_max;		/* with create: ERR_QUOTA where the account has so many; 0: no limit */
	uint32_t flags;			/* set from the start */
	const struct slice *keywords;
	size_t n_keywords;
	int err;			/* out: 0, ERR_QUOTA, ERR_NOT_FOUND; where one fails nobody gets it */
	uint32_t uid, uidvalidity;	/* out */
};
struct incoming {
	struct slice prefix, message, digest, operation_id;
	int64_t internal_date;		/* ms, 0: now */
	uint32_t flags;
	const struct slice *keywords;
	size_t n_keywords;
	/* Where a copied message comes from; folder empty: nowhere. */
	uint64_t source_id;
	struct slice source_folder;
	uint32_t source_uidvalidity, source_uid;
	uint32_t same_uid;		/* not 0: the mailbox holds it under this uid already, only its source is noted */
	bool no_quota;			/* it was accepted once, and only moves */
};
/* 0 also where a recipient failed: look at each err. */
NODISCARD int shard_deliver(struct shard *e, struct delivery *to, size_t n, const struct incoming *m);
struct appended {
	uint32_t uidvalidity, uid;
	bool existed;
};
NODISCARD int shard_append(struct shard *e, uint64_t account, struct slice mailbox, const struct incoming *m,
			    struct appended *ret);

enum flags_how { FLAGS_REPLACE, FLAGS_ADD, FLAGS_REMOVE };
struct flags_change {
	const struct uid_range *uids;
	size_t n_uids;
	enum flags_how how;
	uint32_t flags;
	const struct slice *keywords;
	size_t n_keywords;
	bool conditional;
	uint64_t unchanged_since;
};
/* Arrays come from the arena. */
struct flags_result {
	struct msg *changed;
	size_t n_changed;
	struct uid_range *failed;
	size_t n_failed;
	uint64_t highestmodseq;
	uint32_t next_uid;
};
NODISCARD int shard_flags(struct shard *e, uint64_t mailbox, const struct flags_change *c, struct arena *a,
			   struct flags_result *ret);
struct uid_pair {
	uint32_t from, to, count;
};
struct copy_result {
	uint32_t uidvalidity;
	struct uid_pair *pairs;
	size_t n_pairs;
	uint64_t highestmodseq;		/* of the source, after a move */
};
NODISCARD int shard_copy(struct shard *e, uint64_t mailbox, const struct uid_range *uids, size_t n, struct slice to,
			  bool move, struct slice operation_id, struct arena *a, struct copy_result *ret);
struct expunge_result {
	struct uid_range *expunged;
	size_t n_expunged;
	uint64_t highestmodseq;
	bool more;
};
/* only_deleted: those with \Deleted; n 0 then means all. */
NODISCARD int shard_expunge(struct shard *e, uint64_t mailbox, const struct uid_range *uids, size_t n,
			     bool only_deleted, struct arena *a, struct expunge_result *ret);
/* What was copied, of it; uid: here. size: 0 where it did not come since then, or is not there any more. */
struct copied_pair {
	uint32_t source_uid, uid;
	uint64_t size;
};
/* on_pair in ascending source uid; at most COPIED_PAGE. 1 there are more. */
NODISCARD int shard_copied(struct shard *e, uint64_t account, uint64_t source_id, struct slice folder,
			    uint32_t uidvalidity, uint32_t after_uid, int64_t since_ms,
			    void (*on_pair)(void *ctx, const struct copied_pair *pair), void *ctx);

/* ---- areas, and mail that moves to another account: area.c ---- */
static inline bool account_is_area(const struct account *a)
{
	return a->address_n && a->address[0] == '@';
}
/* No delivery goes there any more: ERR_NOT_FOUND is their answer. name empty: the whole account. Twice is harmless. */
NODISCARD int shard_close_folder(struct shard *e, uint64_t account, struct slice name);
/* When the first and the last message came; 0 where there is none. */
NODISCARD int shard_folder_dates(struct shard *e, uint64_t mailbox, int64_t *ret_first, int64_t *ret_last);
/* As shard_append; the mailbox is made where it is missing. */
NODISCARD int shard_put(struct shard *e, uint64_t account, struct slice mailbox, const struct incoming *m,
			struct appended *ret);
struct dropped {
	uint64_t messages, bytes;
	bool more;			/* call again */
};
/* A folder with what is in it; a closed one stays as an empty name. */
NODISCARD int shard_drop_folder(struct shard *e, uint64_t account, struct slice name, struct dropped *ret);
/* Messages of an area that came before a moment; folders that are empty then go. A slice a call. */
NODISCARD int shard_prune_area(struct shard *e, uint64_t account, int64_t before, struct dropped *ret);

/* All messages of a mailbox, uid ascending. */
NODISCARD int shard_messages(struct shard *e, uint64_t mailbox, int (*on_msg)(void *ctx, const struct msg *m),
			      void *ctx);
NODISCARD int shard_messages_after(struct shard *e, uint64_t mailbox, uint32_t uid,
				   int (*on_msg)(void *ctx, const struct msg *m), void *ctx);
/* want: BLOB_WANT_*; digest points into the engine until the next call. out gets header and body as wanted. */
struct fetched {
	struct slice digest;
	uint64_t header_length, body_length;
	uint8_t sha256[32];
	struct slice packed_text;	/* as digest */
};
NODISCARD int shard_fetch(struct shard *e, uint64_t blob, unsigned want, struct fetched *ret, struct buf *out);

/* ---- maintenance ---- */
/* Mail of accounts with a retention that is older than that goes, a few messages a call; in a batch, inside an operation.
 * cursor: where to go on, all 0 at first. 1 that was all, 0 call again. */
struct retention_cursor {
	uint64_t account, mailbox;
};
NODISCARD int shard_retention_step(struct shard *e, struct retention_cursor *cursor, size_t *ret_removed);
/* Forgets operation ids that are older than OPERATION_KEEP_MS, a few at a time; in a batch. */
NODISCARD int shard_prune(struct shard *e);
void shard_idle(struct shard *e);		/* checkpoint where it is due */

/* Space of dead records. shard_compact_pick: a segment that is worth it (all: any that is not wholly alive), or 0.
 * shard_compact_step does a slice in a batch of its own: 1 the segment is done and gone, or stays for its damage, 0 go on.
 * A segment with damage is picked again COMPACT_LOOK_MS later (shard_compact_look: at once) and read first: what the disk did
 * not give then it may give now. */
enum { COMPACT_LOOK_MS = 24 * 3600 * 1000 };
void shard_compact_look(struct shard *e);
uint32_t shard_compact_pick(struct shard *e, bool all, uint32_t below);
NODISCARD int shard_compact_step(struct shard *e, uint32_t segment, uint64_t *offset, int64_t now_ms);
struct shard_space {
	uint64_t segments, bytes, live_bytes;
	uint32_t active;
};
void shard_space(const struct shard *e, struct shard_space *ret);
struct blob_end shard_log_end(const struct shard *e);	/* of the log, as committed */

/* Compares index, counters and segments. on_fault: what is wrong, in words. */
struct check_result {
	uint64_t accounts, mailboxes, messages, blobs, bytes, faults;
};
NODISCARD int shard_check(struct shard *e, bool read_bytes, void (*on_fault)(void *ctx, const char *text), void *ctx,
			   struct check_result *ret);
/* The same in pieces, between batches. checker_step: 1 it is over, *ret is set; 0 go on. */
struct checker;
struct checker *checker_new(struct shard *e, bool read_bytes, void (*on_fault)(void *ctx, const char *text), void *ctx);
NODISCARD int checker_step(struct checker *c, struct check_result *ret);
unsigned checker_percent(const struct checker *c);	/* about */
void checker_free(struct checker **c);
/* The database's own structure, in one piece: where it is small, or always. */
NODISCARD int shard_check_database(struct shard *e, bool always);
/* What an index of earlier holds for the segments goes into them (after a loss of power); nothing else is changed. */
NODISCARD int shard_put_back(const char *path, const char *segments);
/* Makes the index anew from the segments in dir/segments; the old one must not be there. end: where the log ends, as an index
 * that is there says; NULL: as far as it is whole, what lies behind is cut off. */
NODISCARD int shard_rebuild(const char *path, const char *segments, uint64_t segment_bytes, const struct blob_end *end,
			     void (*on_fault)(void *ctx, const char *text), void *ctx);

/* For tests: the whole index as text, without what may differ after a rebuild (operation ids, epoch). */
NODISCARD int shard_dump(struct shard *e, struct buf *out);

#endif
