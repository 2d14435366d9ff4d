/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State records (docs/formats/store.md): what an object of the index is now, or that it is gone. The last record of an
 * object wins, so the index can be made again from the segments alone. One record holds one or more objects.
 */
#ifndef ROOM_STORE_JOURNAL_H
#define ROOM_STORE_JOURNAL_H

#include "base/buf.h"

enum {
	KEYWORDS_MAX = 128,		/* different ones in a mailbox */
	KEYWORD_BYTES_MAX = 128,
	MAILBOX_NAME_MAX = 1000,
	ADDRESS_MAX = 320,
};

struct kwset {
	uint64_t w[2];
};

static inline bool kwset_has(const struct kwset *k, unsigned i)
{
	return k->w[i / 64] >> (i % 64) & 1;
}

static inline void kwset_add(struct kwset *k, unsigned i)
{
	k->w[i / 64] |= (uint64_t)1 << (i % 64);
}

static inline bool kwset_eq(const struct kwset *a, const struct kwset *b)
{
	return a->w[0] == b->w[0] && a->w[1] == b->w[1];
}

struct msg {
	uint32_t uid, flags;
	uint64_t modseq, blob, size;
	int64_t internal_date, save_date;	/* ms */
	struct kwset kw;
};

enum object_kind {
	OBJECT_ACCOUNT = 1,
	OBJECT_MAILBOX = 2,
	OBJECT_MESSAGE = 3,
	OBJECT_EXPUNGED = 4,		/* uids first..last of a mailbox, for good */
	OBJECT_SUBSCRIPTION = 5,	/* to a name that does not exist */
	OBJECT_SOURCE = 6,		/* where a copied message came from */
	OBJECT_LIMITED_ACCOUNT = 7,	/* an account with a pool or a retention */
};

/* One object; which members count depends on kind. Slices point into the record. */
struct object {
	enum object_kind kind;
	bool alive;
	uint64_t account, mailbox;
	struct slice name;		/* mailbox, subscription, source folder; an account's address */
	uint64_t quota_bytes, quota_messages, pool;
	uint32_t retention;
	uint32_t uidvalidity, uidnext;	/* account: uidvalidity is the next one to give */
	uint64_t modseq;
	uint32_t special_use;
	bool subscribed, no_select;
	struct slice keywords[KEYWORDS_MAX];
	size_t n_keywords;
	struct msg msg;
	uint32_t first, last;
	uint64_t source_id;
	uint32_t source_uidvalidity, source_uid, target_uid;
};

void object_encode(struct buf *out, const struct object *o);
/* Takes one object off the front: 1, 0 at the end, ERR_CORRUPT. */
NODISCARD int object_decode(struct slice *in, struct object *ret);

/* A message record's meta: the blob's id, the digest without its text, and the text, packed. */
struct blob_meta {
	uint64_t blob;
	struct slice digest;
	struct slice packed_text;
};
void blob_meta_encode(struct buf *out, uint64_t blob, struct slice digest);
NODISCARD int blob_meta_decode(struct slice in, struct blob_meta *ret);

#endif
