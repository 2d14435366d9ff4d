/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the engine share. */
#ifndef ROOM_STORE_ENGINE_PRIV_H
#define ROOM_STORE_ENGINE_PRIV_H

#include "lib/blob/tail.h"
#include "lib/sql/sql.h"
#include "room/store/engine.h"

#define DB_PATH "store.db"
#define SEGMENTS_PATH "segments"
#define RESERVE_PATH "reserve"

enum { JOURNAL_FLUSH = 200 * 1024, WAL_AHEAD = 2 << 20 };

struct segment_use {
	uint32_t id;
	int64_t live;		/* bytes of message records that the index names */
	int64_t state;		/* bytes of state records */
	bool damaged;		/* has records that cannot be read: stays */
	int64_t look_ms;	/* where it is damaged: not looked at again before */
};

struct live_delta {
	uint32_t segment;
	int64_t bytes;
};

struct shard {
	struct sql *db;
	struct blob_log *log;
	struct shard_options options;
	int64_t now;
	bool in_batch, in_op;
	void *origin;
	int64_t epoch;
	struct blob_end committed;
	bool quiet;			/* nothing was committed since shard_idle asked last */
	bool settle;			/* this batch syncs the segments whatever its size */
	struct tail tail;		/* batches that the index keeps the bytes of */

	struct buf journal;		/* objects of the current operation */
	uint64_t state_bytes;		/* written in this batch to the active segment */
	struct change *changes;
	size_t n_changes, cap_changes, op_changes;
	struct live_delta *deltas;	/* applied to uses at commit */
	size_t n_deltas, cap_deltas, op_deltas;
	struct segment_use *uses;	/* ascending */
	size_t n_uses, cap_uses;
	uint32_t verified;		/* the damaged segment that is looked at again; 0: none */

	int64_t next_blob, next_mailbox;	/* as in the table, kept here between batches */
	bool limits_moved;
	uint64_t short_pool, short_want;	/* of the last operation */
	bool reserve_held, short_of_room;
	int64_t room_asked;
	struct buf scratch;
};

extern const char *const store_schema[];
extern const size_t store_schema_n;

/* engine.c */
void shard_note_change(struct shard *e, enum change_kind kind, const struct mailbox *mb, const struct msg *m);
void shard_note_live(struct shard *e, uint32_t segment, int64_t bytes);
NODISCARD int shard_journal_object(struct shard *e, const struct object *o);
struct segment_use *segment_use(struct shard *e, uint32_t id);	/* made where missing */

/* tail.c */
NODISCARD int shard_tail_promise(struct shard *e);	/* makes what the batch added to the segments durable with its commit */
NODISCARD int shard_tail_settle(struct shard *e);	/* an empty batch that syncs the segments */
NODISCARD int shard_tail_put_back(struct shard *e);

/* account.c */
NODISCARD int shard_account_save(struct shard *e, struct account *a);
NODISCARD int shard_account_journal(struct shard *e, const struct account *a);
/* bytes for the account itself, pool_bytes for its pool: both with what the operation promised before. */
bool shard_account_fits(struct shard *e, const struct account *a, uint64_t bytes, uint64_t messages, uint64_t pool_bytes);

/* pool.c */
NODISCARD int shard_pool_count(struct shard *e, struct account *a);	/* what changed since saved_bytes */
NODISCARD int shard_level_keep(struct shard *e, struct account *a);

/* mailbox.c, names.c */
NODISCARD int shard_mailbox_save(struct shard *e, const struct mailbox *m);
NODISCARD int shard_mailbox_journal(struct shard *e, const struct mailbox *m);
NODISCARD int shard_mailbox_insert(struct shard *e, struct account *a, struct slice name, uint32_t special_use,
			     bool subscribed, struct mailbox *ret);
NODISCARD int shard_mailbox_clear(struct shard *e, struct account *a, struct mailbox *m);
NODISCARD int shard_mailbox_fresh(struct shard *e, struct account *a, struct mailbox *m);
NODISCARD int mailbox_name_check(struct slice in, uint8_t out[MAILBOX_NAME_MAX], struct slice *ret);

/* area.c: the mailbox for a delivery that may make it; ERR_NOT_FOUND where it is closed, ERR_QUOTA where the account has
 * max already. make false: only whether it could be had. */
NODISCARD int shard_make_target(struct shard *e, const struct account *a, struct slice name, uint32_t max,
				bool make, struct mailbox *ret);

/* keyword.c */
NODISCARD int shard_keywords_find(struct shard *e, struct mailbox *m, const struct slice *names, size_t n, bool add,
			    struct kwset *ret, bool *ret_grew);

/* message.c */
NODISCARD int shard_message_insert(struct shard *e, struct mailbox *mb, struct account *a, struct msg *m);
NODISCARD int shard_message_remove(struct shard *e, struct mailbox *mb, struct account *a, const struct msg *m, bool unref);
void shard_message_row(struct sql_stmt *s, struct msg *ret);	/* columns in the order of MESSAGE_COLUMNS */
#define MESSAGE_COLUMNS "uid, modseq, blob, flags, kw0, kw1, internal_date, save_date, size"

/* expunge.c */
struct msg_list {
	struct msg *p;		/* free() it */
	size_t n, cap;
};
void msg_list_add(struct msg_list *l, const struct msg *m);
/* Those of the ranges in uid order, at most limit; *ret_next the first uid that was left out, or 0. */
NODISCARD int shard_messages_in(struct shard *e, uint64_t mailbox, const struct uid_range *uids, size_t n, size_t limit,
			  struct msg_list *ret, uint32_t *ret_next);
/* gathers removed uids into runs of the journal */
NODISCARD int shard_journal_expunged(struct shard *e, uint64_t mailbox, uint32_t first, uint32_t last, uint64_t modseq);

/* blobs.c */
NODISCARD int shard_blob_insert(struct shard *e, const struct incoming *m, unsigned refs, uint64_t *ret_id, uint64_t *ret_size);
NODISCARD int shard_blob_ref(struct shard *e, uint64_t id);
NODISCARD int shard_blob_unref(struct shard *e, uint64_t id);

/* operation.c */
NODISCARD int shard_operation_find(struct shard *e, uint64_t account, struct slice id, struct buf *ret);	/* 1 found */
NODISCARD int shard_operation_keep(struct shard *e, uint64_t account, struct slice id, struct slice reply);

#endif
