/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mover's insides. A slot works on one task at a time, a task copies one mailbox over one connection to its
 * old server and one session at the store; everything of a task dies with it and can be begun again at any point.
 *
 *   slot: MOVE_NEXT -> task: grant -> what is here -> source -> folders -> (folder: open, scan, transfer)* -> done
 *
 * A task ends itself only by marking how (move_task_fail, move_task_finish); its slot frees it from the loop, so
 * that no callback of a task frees what its callers still use.
 */
#ifndef ROOM_MOVER_MOVER_PRIV_H
#define ROOM_MOVER_MOVER_PRIV_H

#include "base/list.h"
#include "lib/room/room.h"
#include "room/mover/drop.h"
#include "room/mover/names.h"
#include "room/mover/source.h"

#include "ipc/directory.pb-c.h"
#include "ipc/filter.pb-c.h"
#include "ipc/mover.pb-c.h"
#include "ipc/session.pb-c.h"

#include <openssl/evp.h>

enum {
	SLOTS_MAX = 64,
	TICK_MS = 300,			/* between two progress reports */
	ALIVE_MS = 20000,		/* a report even where nothing changed: the lease goes on */
	CALL_MS = 120000,		/* the longest wait for another room */
	TRIES_MAX = 5,			/* in a row without a new message, after what may pass by itself */
	FOLDER_MESSAGES_MAX = 5000000,
	BATCH_MESSAGES = 500,		/* of one UID FETCH; one at a time: servers mix answers */
	BATCH_BYTES = 16 << 20,
	FLIGHT_MESSAGES = 64,		/* between source and store */
	FLIGHT_BYTES = 32 << 20,
	KEYWORDS_MAX = 64,
	KEYWORD_BYTES_MAX = 4096,
	REPORT_MAX = 120 * 1024,
	ERROR_MAX = 512,
	SHA_BYTES = 32,
};

struct mover {
	struct room *room;
	struct resolver *resolver;
	struct tls_ctx *tls_any, *tls_name;
	struct slot *slots[SLOTS_MAX];
	size_t n_slots;
	uint64_t copied_messages, copied_bytes;
};

/* One message of the source's folder. */
struct meta {
	uint32_t uid;
	uint32_t size;			/* cut at 4 GB; only for planning */
	enum { META_WANTED, META_ASKED, META_HERE, META_FAILED } state;
	uint32_t local_uid;		/* proof: what it became */
	int64_t date_ms;		/* proof */
	uint8_t *sha;			/* proof: of its bytes, SHA_BYTES; NULL not known */
};

struct uid_pair {
	uint32_t source, local;
};

/* A message that is here and may be one of the source's (recognise.c). */
struct twin {
	uint64_t size;
	int64_t date_s;
	uint32_t uid;
	bool hashed, used;
	uint8_t sha[SHA_BYTES];
};

/* The folder that is being worked on. */
struct work {
	struct folder *folder;
	uint32_t uidvalidity;
	uint64_t exists;
	struct meta *metas;		/* sorted by uid once the scan is done */
	size_t n_metas, cap_metas;
	struct uid_pair *copied;	/* sorted by source */
	size_t n_copied, cap_copied;
	size_t next;			/* of metas: where the next batch begins */
	bool singly;			/* second round: what did not come with its batch, one at a time */
	size_t batches;
	bool scanning, transferring;
	struct twin *twins;		/* sorted by size and date */
	size_t n_twins;
	struct twin **unhashed;		/* those that look like one of the source's, in uid order */
	size_t n_unhashed, unhashed_at, unhashed_asked;
	bool hashed;			/* proof: the old server's side is read */
	struct meta **by_local;		/* proof: those that were copied, in the order of their uids here */
	size_t n_by_local;
	uint32_t local_next;		/* proof: how far our side is read */
};

/* A message between source and store. */
struct message {
	struct list node;		/* in task.flight, in source order */
	struct move_task *task;
	struct arena *arena;
	uint32_t uid;
	uint64_t size;
	int fd;
	unsigned flags;
	ProtobufCBinaryData keywords[KEYWORDS_MAX];
	size_t n_keywords;
	int64_t date_ms;
	struct slice digest;
	uint32_t same_uid;		/* it is here already, under this uid */
	bool judged;
	struct peer_call *judge;
	uint64_t append;
};

struct move_task {
	struct mover *mover;
	struct arena *arena;		/* of the task */
	struct arena *try_arena;	/* of this try: what is here, the folders */
	Postern__MoveTask ask;		/* its pointers live in arena */
	struct source_config config;
	struct source *source;		/* IMAP */
	struct drop *drop;		/* or POP3 */
	struct maildrop *maildrop;	/* of drop; lives in try_arena */
	struct peer_call *grant;
	struct ipc_chan *session;
	uint64_t session_call;
	struct here *here;
	size_t n_here;
	struct folder *folders;
	size_t n_folders, at;
	struct map *by_raw;		/* folder by its raw name, once they are mapped */
	struct map *subscribed;		/* raw names */
	struct slice prefix;		/* of the personal namespace */
	struct slice foreign[IMAPC_NAMESPACES_MAX];	/* prefixes of others' */
	size_t n_foreign;
	size_t n_unnamed;		/* folders whose names were too long to be kept */
	struct work work;
	struct list flight;
	size_t flight_messages;
	uint64_t flight_bytes;
	int body_fd;			/* -1: none */
	EVP_MD_CTX *body_sha;		/* proof */
	bool body_begun;
	size_t status_next;

	uint64_t folders_done, messages_total, messages_done, messages_new, bytes_new, messages_failed;
	/* As they were told before this try, which finds what is here anew: not less is told than that. */
	uint64_t new_before, bytes_before;
	struct buf faults;		/* JSON objects of messages that could not be copied */
	unsigned tries;
	int64_t retry_at_ms;		/* 0: it runs */
	bool broken;			/* this try is over; the next tick cleans up */
	bool over;			/* done or failed: the slot takes it from here */
	char error[ERROR_MAX];		/* of over: empty is done; of broken: why */
};

/* task.c */
struct move_task *move_task_new(struct mover *mover, const Postern__MoveTask *ask);
void move_task_free(struct move_task **t);
void move_task_begin(struct move_task *t);
void move_task_tick(struct move_task *t, int64_t now_ms);	/* tries again, where its time has come */
void move_task_finish(struct move_task *t);
/* passing: another try may help. The task does nothing more until its tick. */
void move_task_fail(struct move_task *t, bool passing, const char *fmt, ...) PRINTF_FMT(3, 4);
bool move_task_dead(const struct move_task *t);	/* failed or over: do nothing more with it */
/* A request to the store's session. */
void move_task_ask(struct move_task *t, uint16_t op, const ProtobufCMessage *req, ipc_reply_fn *fn);
/* false: the answer was an error and the task has failed, or is dead already. */
bool move_task_answered(struct move_task *t, int err, const char *what, const char *text);

/* folders.c: which there are, what they are called, how much is in them; then folder_next for each */
void folders_begin(struct move_task *t);
void folders_response(struct move_task *t, const struct imapc_response *r);
void folders_done(struct move_task *t, int what, const struct imapc_response *r);

/* folder.c: one of them */
void folder_next(struct move_task *t);
void folder_response(struct move_task *t, const struct imapc_response *r);
void folder_done(struct move_task *t, int what, const struct imapc_response *r);
void folder_end(struct move_task *t);
void folder_scan(struct move_task *t);
struct meta *folder_meta(struct move_task *t, uint32_t uid);
uint32_t folder_copied(const struct move_task *t, uint32_t uid, bool *ret_known);
NODISCARD bool folder_add_copied(struct work *w, uint32_t source, uint32_t local);	/* in the order of source */
int64_t folder_date(const struct imapc_response *r);	/* INTERNALDATE of a FETCH; 0: none */
NODISCARD bool folder_add_meta(struct work *w, const struct meta *meta);	/* false: more than there can be */
int meta_by_uid(const void *a, const void *b);		/* for qsort: struct meta */
int pair_by_source(const void *a, const void *b);	/* struct uid_pair */
void folder_listed(struct move_task *t);	/* metas and copied are whole: on with what is new */
void work_clear(struct move_task *t);

/* recognise.c: a folder whose UIDVALIDITY is new here: which of its messages are here all the same? */
void recognise_begin(struct move_task *t);	/* then folder_scan */
void recognise_scanned(struct move_task *t);	/* then transfer_begin */
uint32_t recognise_message(struct move_task *t, int fd, int64_t date_ms);	/* its uid here, or 0 */

/* transfer.c: its messages */
void transfer_begin(struct move_task *t);
void transfer_response(struct move_task *t, const struct imapc_response *r);
void transfer_done(struct move_task *t);	/* a batch was answered */
/* A message whose bytes are all there; date_ms 0: not known. */
struct arrival {
	uint32_t uid;
	struct slice flags;
	int64_t date_ms;
};
void transfer_take(struct move_task *t, const struct arrival *from);
int transfer_body_begin(void *ctx, uint64_t size);
int transfer_body_bytes(void *ctx, struct slice bytes);
void transfer_clear(struct move_task *t);
void transfer_failed(struct move_task *t, uint32_t uid, const char *why);

/* maildrop.c: POP3 in place of folders.c and folder.c */
extern const struct drop_ops maildrop_ops;	/* ctx: struct move_task * */
void maildrop_ask(struct move_task *t, const uint32_t *uids, size_t n);
struct source_key {		/* what the store knows a copied message by */
	struct slice folder;
	uint32_t uidvalidity, uid;
};
struct source_key maildrop_key(const struct move_task *t, uint32_t uid);
int64_t maildrop_date(struct slice digest);

/* proof.c: instead of storing, compare */
void proof_begin(struct move_task *t);

/* report.c */
void report_fault(struct move_task *t, uint32_t uid, const char *why);
void report_write(struct move_task *t, struct buf *out);

/* check.c, probe.c */
void mover_check(struct ipc_call *call, void *ctx);
void mover_probe(struct ipc_call *call, void *ctx);

/* What a source is asked; handed back with the answer. */
enum { ASK_NAMESPACE, ASK_LIST, ASK_LSUB, ASK_STATUS, ASK_EXAMINE, ASK_SCAN, ASK_BATCH };

#endif
