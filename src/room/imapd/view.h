/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mailbox as one client sees it: its messages by number, 24 bytes each. The store's notices go in at once;
 * what the client has been told trails behind and is caught up where IMAP allows it (sync.c):
 *
 *   msgs:  | told to the client, numbered 1..told ...... | new ones, not told |
 *            bits: VIEW_CHANGED  its flags changed, not told
 *                  VIEW_RECENT   this session was the first to hear of it
 *                  VIEW_GONE     expunged, not told: it keeps its number until then (RFC 3501 7.4.1)
 */
#ifndef ROOM_IMAPD_VIEW_H
#define ROOM_IMAPD_VIEW_H

#include "base/arena.h"
#include "base/map.h"
#include "ipc/session.pb-c.h"
#include "proto/imap/seqset.h"

enum { VIEW_FLAGS = 31, VIEW_CHANGED = 32, VIEW_GONE = 64, VIEW_RECENT = 128 };

struct view_msg {
	uint32_t uid;
	uint32_t date;		/* seconds since 1950, see view_date_ms */
	uint32_t size;
	uint32_t keywords : 24;	/* which set of keywords; 0 is the empty one */
	uint32_t bits : 8;	/* flags of session.proto, VIEW_* */
	uint64_t modseq;
};
_Static_assert(sizeof(struct view_msg) == 24, "a view is large enough as it is");

struct view_keywords {		/* a set of keywords, as indexes into view.names */
	uint32_t id, n;
	uint32_t index[];
};

struct view {
	struct slice name;	/* of the mailbox; owned */
	bool read_only;
	uint32_t uidvalidity, uidnext;
	uint32_t last_uid;	/* the highest that was ever here: what comes new is above it */
	uint64_t highestmodseq;
	struct view_msg *msgs;
	size_t n, cap;
	size_t told;		/* how many of msgs the client knows */
	uint32_t first_recent;	/* new ones from this uid on get VIEW_RECENT; 0: none do */
	size_t recent;		/* what the client was told of those */
	size_t gone;		/* how many of msgs have VIEW_GONE */
	bool changed;		/* some of them have VIEW_CHANGED */
	bool names_grew;	/* the client has not been told the new keywords */
	struct slice *names;	/* keywords of the mailbox; owned */
	size_t n_names;
	struct view_keywords **sets;
	size_t n_sets;
	struct map *by_index;	/* the indexes of a set -> the set */
};

struct view *view_new(struct slice name, bool read_only);
void view_free(struct view **v);

void view_set_names(struct view *v, const ProtobufCBinaryData *names, size_t n);

void view_expect(struct view *v, size_t n);	/* so many messages come: one allocation */

/* Puts in what a message is like now: a new one behind all others, or the change of one that is there. loud: the
 * client is to be told of a change. Returns its index, or -1 where there is no such message (any more). */
ptrdiff_t view_put(struct view *v, const Postern__MessageMeta *m, bool loud);
void view_expunge(struct view *v, uint32_t first, uint32_t last);

/* Index of the message with this uid, or -1. VIEW_GONE ones are found too. */
ptrdiff_t view_find(const struct view *v, uint32_t uid);
size_t view_lower(const struct view *v, uint32_t uid);	/* index of the first uid that is not below */

bool view_any_gone(const struct view *v, const struct imap_seqset *uids);	/* of those told */
size_t view_recent(const struct view *v);	/* how many of those told are recent */

/* Takes the new messages that went before anyone was told of them out. */
void view_drop_untold(struct view *v);

static inline int64_t view_date_ms(const struct view_msg *m)
{
	return ((int64_t)m->date - 631152000) * 1000;
}

const struct view_keywords *view_keywords_of(const struct view *v, const struct view_msg *m);
bool view_has_keyword(const struct view *v, const struct view_msg *m, struct slice name);

/* Message numbers or UIDs, as written by the client, to the uids of messages that it knows. ERR_SYNTAX;
 * ERR_INVALID for a message number past the last. Free ret with imap_seqset_fini. */
NODISCARD int view_uids(const struct view *v, struct slice set, bool uid, struct imap_seqset *ret);
uint32_t view_highest_uid(const struct view *v);	/* of those the client knows, 0 where it knows none */

#endif
